/** Asking a run from outside to keep its state or to stop: from a signal handler or another thread.
 *
 * A request waits in the process until the run next looks, between two units of work; it is enough
 * that one rank is asked. Runs that keep checkpoints look: crd_predict with a checkpoint in its
 * sink, crd_train. Room: base.
 */
#ifndef CREDENCE_REQUEST_H
#define CREDENCE_REQUEST_H

#ifdef __cplusplus
extern "C" {
#endif

/** In rising order: the higher one includes the lower. */
typedef enum crd_request {
    CRD_REQUEST_NONE,
    CRD_REQUEST_KEEP, /**< write a checkpoint and go on */
    CRD_REQUEST_STOP  /**< write a checkpoint and return CRD_STOPPED */
} crd_request;

/** Leaves a request; a higher one that waits stays. Async-signal-safe. Collective: no. */
void crd_request_post(crd_request request);
/** The highest request that waits. Collective: no. */
crd_request crd_request_get(void);
/** Takes back what has been served: all that waits up to `served`. Collective: no. */
void crd_request_clear(crd_request served);

#ifdef __cplusplus
}
#endif
#endif
