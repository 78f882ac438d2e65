/** Time: a monotonic clock for durations, the calendar for provenance. */
#ifndef CRD_BASE_CLOCK_H
#define CRD_BASE_CLOCK_H

/** Seconds since an arbitrary start; never goes back. Collective: no. */
double crd_clock_now_s(void);

/** Seconds that this process has had of the processor, by all its threads. Collective: no. */
double crd_clock_processor_s(void);

/** Bytes of a time stamp with its final zero: "2026-11-23T08:24:58Z". */
#define CRD_TIMESTAMP_SIZE 24
/** Now in UTC as ISO 8601. Collective: no. */
void crd_clock_timestamp(char out[CRD_TIMESTAMP_SIZE]);

#endif
