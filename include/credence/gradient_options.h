/** How a draw's gradient is computed. Room: bayes. */
#ifndef CREDENCE_GRADIENT_OPTIONS_H
#define CREDENCE_GRADIENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_gradient_options {
    const char *estimator; /**< one of crd_estimator_names */
    uint64_t seed;
    int64_t micro_batch; /**< most images in a call */
    /** Batch norm on the micro-batch's own statistics; else on running ones. */
    bool batch_norm_train;
    bool mean; /**< no draw: the deterministic twin */
    /** Dropout and stochastic depth keep everything, as in prediction. */
    bool keep_all;
    /** The rho block of the sums has the gradient at sigma instead, dL/dsigma = g eps. */
    bool at_sigma;
    const float
        *eps; /**< NULL, or imported eps of every draw, by the network's offsets: parity checks */
} crd_gradient_options;

#ifdef __cplusplus
}
#endif
#endif
