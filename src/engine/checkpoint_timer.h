/** When a run keeps its state and when it stops: rank 0's clock, and what is asked of any rank
 * from outside. */
#ifndef CRD_ENGINE_CHECKPOINT_TIMER_H
#define CRD_ENGINE_CHECKPOINT_TIMER_H

#include "credence/interrupt.h"

typedef struct crd_checkpoint_timer {
    int has_clock;                 /**< rank 0: its clock is the one that counts */
    double interval_s, max_time_s; /**< 0: never for that reason */
    double start_s, kept_s;
} crd_checkpoint_timer;

crd_checkpoint_timer crd_checkpoint_timer_start(int rank, double interval_s, double max_time_s);
/** What this rank knows of now; the ranks' answers are to be put together, the highest counts. */
crd_interrupt crd_checkpoint_timer_poll(const crd_checkpoint_timer *timer);
/** The state has been kept: the clock begins anew, and what was asked for is served. */
void crd_checkpoint_timer_served(crd_checkpoint_timer *timer, crd_interrupt served);

#endif
