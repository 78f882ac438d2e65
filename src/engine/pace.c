/* When to keep a checkpoint and when to stop: the clock of rank 0, and requests of any rank. It
 * only says so; the run does it. */
#include "engine/pace.h"

#include "base/clock.h"

crd_pace crd_pace_start(int rank, double interval_s, double max_time_s)
{
    double now = crd_clock_now_s();
    return (crd_pace){rank == 0, interval_s, max_time_s, now, now};
}

crd_request crd_pace_ask(const crd_pace *pace)
{
    crd_request asked = crd_request_get();
    if (!pace->has_clock)
        return asked;
    double now = crd_clock_now_s();
    if (pace->max_time_s > 0 && now - pace->start_s >= pace->max_time_s)
        return CRD_REQUEST_STOP;
    if (pace->interval_s > 0 && now - pace->kept_s >= pace->interval_s && asked == CRD_REQUEST_NONE)
        return CRD_REQUEST_KEEP;
    return asked;
}

void crd_pace_kept(crd_pace *pace, crd_request served)
{
    crd_request_clear(served);
    pace->kept_s = crd_clock_now_s();
}
