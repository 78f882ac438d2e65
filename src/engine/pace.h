/** When a run keeps its state and when it stops: rank 0's clock, and what is asked of any rank
 * from outside. */
#ifndef CRD_ENGINE_PACE_H
#define CRD_ENGINE_PACE_H

#include "credence/request.h"

typedef struct crd_pace {
    int has_clock;                 /**< rank 0: its clock is the one that counts */
    double interval_s, max_time_s; /**< 0: never for that reason */
    double start_s, kept_s;
} crd_pace;

crd_pace crd_pace_start(int rank, double interval_s, double max_time_s);
/** What this rank knows of now; the ranks' answers are to be put together, the highest counts. */
crd_request crd_pace_ask(const crd_pace *pace);
/** The state has been kept: the clock begins anew, and what was asked for is served. */
void crd_pace_kept(crd_pace *pace, crd_request served);

#endif
