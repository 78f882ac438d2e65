/** What a process and its machine have, and what a job of the like should ask for. Private to this
 * room. */
#ifndef CRD_APP_RESOURCES_H
#define CRD_APP_RESOURCES_H

#include "credence/plan_files.h"

/** Largest resident size of this process so far, without what it shares with other ranks now. */
int64_t crd_resources_own_bytes(void);
/** Of this machine, for which the nodes of a run are taken. */
int64_t crd_resources_cores(void);
/** See crd_plan_job_for; rank_bytes: with a rank's part of what its node shares. */
crd_plan_job crd_resources_job(int64_t n_ranks, double seconds, double rank_bytes);

#endif
