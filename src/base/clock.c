/* Time from the system's clocks: seconds for measuring, by a clock that never jumps, those of the
 * processor, and a UTC timestamp for files. */
#include "base/clock.h"

#include <time.h>

double crd_clock_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double crd_clock_processor_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void crd_clock_timestamp(char out[CRD_TIMESTAMP_SIZE])
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(out, CRD_TIMESTAMP_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc);
}
