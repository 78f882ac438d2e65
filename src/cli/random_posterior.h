/** Posteriors with random weights: for measuring and self-tests, where no file is at hand. */
#ifndef CRD_CLI_RANDOM_POSTERIOR_H
#define CRD_CLI_RANDOM_POSTERIOR_H

#include "credence/posterior.h"

/** The architecture with crd_zoo_initial_weights and MOPED's posterior about them at delta 0.1. Errors: CRD_ERR_USAGE: unknown architecture. */
crd_status crd_random_posterior(crd_posterior **out, const char *arch, uint64_t seed);

#endif
