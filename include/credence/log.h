/** The log: the library never prints; it hands lines to a sink that the program sets. */
#ifndef CREDENCE_LOG_H
#define CREDENCE_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum crd_log_level {
    CRD_LOG_DEBUG, /**< for developers: choices made, sizes planned */
    CRD_LOG_INFO,  /**< what a user may want to know once */
    CRD_LOG_WARN   /**< the run continues, but the user should act */
} crd_log_level;

/** Takes one line without newline; called in the thread that logged. `payload` as given to the
 * setter. */
typedef void crd_log_sink(crd_log_level level, const char *line, void *payload);

/** Sets the sink of this process; NULL (the default) drops all lines. Collective: no. Not thread
 * safe. */
void crd_log_set_sink(crd_log_sink *sink, void *payload);

/** Logs one line, as for printf. Collective: no. */
void crd_log(crd_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif
#endif
