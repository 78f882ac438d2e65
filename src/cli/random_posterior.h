/** Posteriors with random weights: for measuring and self-tests, where no file is at hand. */
#ifndef CRD_CLI_RANDOM_POSTERIOR_H
#define CRD_CLI_RANDOM_POSTERIOR_H

#include "credence/posterior.h"

/** The architecture with weights ~ N(0, 2 / fan_in) (He et al. 2015), batch norms that do nothing, and
 * MOPED's posterior at delta 0.1. Errors: CRD_ERR_USAGE: unknown architecture. */
crd_status crd_random_posterior(crd_posterior **out, const char *arch, uint64_t seed);

#endif
