/** Do all ranks compute the same bits? A faulty node or another type of CPU must show before it
 * spoils a study. */
#ifndef CRD_ENGINE_RANK_CHECK_H
#define CRD_ENGINE_RANK_CHECK_H

#include <stdint.h>

#include "credence/comm.h"

/** Digest of n_bytes, which are whole words of 4. */
int64_t crd_rank_check_digest(const void *values, int64_t n_bytes);

/** Compares the ranks' digests of the same computation. Collective: on comm. Errors, the same on
 * all ranks: CRD_ERR_INTERNAL naming the first rank that does not agree with most, its host and
 * its kernels. */
crd_status crd_rank_check_compare(crd_comm *comm, int64_t digest);

#endif
