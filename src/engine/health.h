/** Do all ranks compute the same bits? A faulty node or another type of CPU must show before it spoils a study. */
#ifndef CRD_ENGINE_HEALTH_H
#define CRD_ENGINE_HEALTH_H

#include <stdint.h>

#include "credence/comm.h"

/** Digest of n floats, by their bits. */
int64_t crd_health_digest(const float *values, int64_t n);

/** Compares the ranks' digests of the same computation. Collective: on comm. Errors, the same on all ranks:
 * CRD_ERR_INTERNAL naming the first rank that does not agree with most, its host and its kernels. */
crd_status crd_health_compare(crd_comm *comm, int64_t digest);

#endif
