/** Interrupts: requests to a run, from a signal handler or another thread, to write a checkpoint or
 * to stop.
 *
 * An interrupt waits in the process until the run checks for it, between two units of work. It is
 * enough that one rank has it. Runs that write checkpoints check: crd_train, crd_sample, and
 * crd_predict with a checkpoint in its sink. Room: base.
 */
#ifndef CREDENCE_INTERRUPT_H
#define CREDENCE_INTERRUPT_H

#ifdef __cplusplus
extern "C" {
#endif

/** In rising order: the higher one includes the lower. */
typedef enum crd_interrupt {
    CRD_INTERRUPT_NONE,
    CRD_INTERRUPT_CHECKPOINT, /**< write a checkpoint and continue */
    CRD_INTERRUPT_STOP        /**< write a checkpoint and return CRD_STOPPED */
} crd_interrupt;

/** Leaves a request; a higher one that waits stays. Async-signal-safe. Collective: no. */
void crd_interrupt_post(crd_interrupt request);
/** The highest request that waits. Collective: no. */
crd_interrupt crd_interrupt_get(void);
/** Takes back what has been served: all that waits up to `served`. Collective: no. */
void crd_interrupt_clear(crd_interrupt served);

#ifdef __cplusplus
}
#endif
#endif
