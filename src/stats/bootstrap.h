/** The Poisson bootstrap of images: each image counts k times, k ~ Poisson(1). For other rooms. */
#ifndef CRD_STATS_BOOTSTRAP_H
#define CRD_STATS_BOOTSTRAP_H

#include <stdint.h>

enum { CRD_N_RESAMPLES = 200 };

/** weights[n] ~ Poisson(1) of resample `number`: Philox at (seed, number, place), so the same for
 * all that is asked of the same images. */
void crd_bootstrap_weights(uint8_t *weights, int64_t n, int number, uint64_t seed);

#endif
