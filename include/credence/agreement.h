/** How near two methods' predictive probabilities are. Room: stats.
 */
#ifndef CREDENCE_AGREEMENT_H
#define CREDENCE_AGREEMENT_H

#include "credence/detection.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Means over images, the methods' rows in pairs. Total variation and KL divergence are raised by
 * the noise of finitely many draws. Source: Izmailov, Vikram, Hoffman and Wilson, "What are
 * Bayesian neural network posteriors really like?", ICML 2021 (agreement and total variation). */
typedef struct crd_agreement {
    crd_mc_estimate agreement;       /**< share of images of which both name the same class */
    crd_mc_estimate total_variation; /**< half the sum over classes of absolute differences */
    crd_mc_estimate kl;              /**< of the second from the first, sum r log(r / p), nats */
} crd_agreement;

#ifdef __cplusplus
}
#endif
#endif
