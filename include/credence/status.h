/** Status codes and the error record: how every function of Credence fails.
 *
 * A function that can fail returns a crd_status. Where the fault is found, CRD_FAIL sets the code
 * and one line of text in the calling thread's error record; callers pass the code on (CRD_TRY) and
 * do not touch the text. The codes are the exit codes of the program.
 */
#ifndef CREDENCE_STATUS_H
#define CREDENCE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum crd_status {
    CRD_OK = 0,           /**< done */
    CRD_ERR_INTERNAL = 1, /**< our own fault, or out of memory */
    CRD_ERR_USAGE = 2,    /**< wrong option, argument or combination of them */
    CRD_ERR_INPUT = 3,    /**< an input file is missing, damaged, or does not fit */
    CRD_ERR_IO = 4,       /**< reading or writing failed: disk full, permission, device */
    CRD_ERR_NUMERIC = 5,  /**< a value that is not a finite number */
    CRD_ERR_RESUME = 6,   /**< a checkpoint of another run */
    CRD_ERR_HANG = 7,     /**< a rank makes no progress (crd_watchdog_start) */
    CRD_STOPPED = 75      /**< stopped early with a checkpoint: run again with --resume */
} crd_status;

/** Longest error text in bytes, its final zero included; longer texts are cut. */
#define CRD_MESSAGE_SIZE 1024

/** Sets the calling thread's error record and returns `code`.
 * Collective: no. `format` as for printf: one line, no final newline: file, key, value, what is
 * allowed.
 */
crd_status crd_status_set(crd_status code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Text of the calling thread's last fault; "" if none. Collective: no. Borrowed: valid until the
 * next fault in this thread. */
const char *crd_status_message(void);

/** The fault: sets code and text once, evaluates to the code. */
#define CRD_FAIL(code, ...) crd_status_set((code), __VA_ARGS__)

/** Passes a failure on: needs `crd_status status` and the label `cleanup` in the function. */
#define CRD_TRY(expression)                                                                        \
    do {                                                                                           \
        status = (expression);                                                                     \
        if (status != CRD_OK)                                                                      \
            goto cleanup;                                                                          \
    } while (0)

/** Fails with code and text unless `condition` holds; same needs as CRD_TRY. */
#define CRD_REQUIRE(condition, code, ...)                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            status = CRD_FAIL((code), __VA_ARGS__);                                                \
            goto cleanup;                                                                          \
        }                                                                                          \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
