/* When to keep a checkpoint and when to stop: the clock of rank 0, and requests of any rank. It
 * only says so; the run does it. */
#include "engine/checkpoint_timer.h"

#include "base/clock.h"

crd_checkpoint_timer crd_checkpoint_timer_start(int rank, double interval_s, double max_time_s)
{
    double now = crd_clock_now_s();
    return (crd_checkpoint_timer){rank == 0, interval_s, max_time_s, now, now};
}

crd_interrupt crd_checkpoint_timer_poll(const crd_checkpoint_timer *timer)
{
    crd_interrupt asked = crd_interrupt_get();
    if (!timer->has_clock)
        return asked;
    double now = crd_clock_now_s();
    if (timer->max_time_s > 0 && now - timer->start_s >= timer->max_time_s)
        return CRD_INTERRUPT_STOP;
    if (timer->interval_s > 0 && now - timer->kept_s >= timer->interval_s &&
        asked == CRD_INTERRUPT_NONE)
        return CRD_INTERRUPT_CHECKPOINT;
    return asked;
}

void crd_checkpoint_timer_served(crd_checkpoint_timer *timer, crd_interrupt served)
{
    crd_interrupt_clear(served);
    timer->kept_s = crd_clock_now_s();
}
