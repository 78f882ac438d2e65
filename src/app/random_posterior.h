/** Posteriors with random weights: for measuring and self-tests, where no file is at hand. */
#ifndef CRD_APP_RANDOM_POSTERIOR_H
#define CRD_APP_RANDOM_POSTERIOR_H

#include "credence/posterior.h"

/** The architecture with crd_zoo_initial_weights and MOPED's posterior about them at delta 0.1
 * for the layers that one of the globs matches. Errors: CRD_ERR_USAGE: unknown architecture, or
 * a glob that matches no layer. */
crd_status crd_random_posterior(crd_posterior **out, const char *arch, const char *const *bayesian,
                                int n_bayesian, uint64_t seed);

#endif
