/** Predictive distributions of regression, image by image and value by value, from the outputs of the draws.
 *
 * Floating-point sums: the same draws in the same order give the same bits. Room: stats.
 */
#ifndef CREDENCE_REGRESSION_H
#define CREDENCE_REGRESSION_H

#include <stdint.h>

#include "credence/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_regression crd_regression;

/** For n_images with n_values each. has_noise: an output row is n_values means, then as many log variances (as for the loss
 * gaussian-nll); else the means alone. Errors: out of memory. Collective: no. */
crd_status crd_regression_create(crd_regression **out, int64_t n_images, int64_t n_values,
                                 int has_noise);
/** NULL is allowed. */
void crd_regression_destroy(crd_regression *regression);

/** Adds a draw's output row of one image. targets[n_values]: the true values, or NULL. */
void crd_regression_add(crd_regression *regression, int64_t image, const float *outputs,
                        const float *targets);

/** What the draws say of a value, in its own unit. */
typedef struct crd_regression_value {
    double mean,
        mcse; /**< of the draws' means, and its Monte Carlo standard error (NaN for one draw) */
    double
        epistemic_sd; /**< of the draws' means about it: the posterior's doubt (NaN for one draw) */
    double aleatoric_sd; /**< root of the mean variance: the noise; NaN without has_noise */
    double
        nll; /**< nats: -log of the mean density at the target; NaN without has_noise or targets */
} crd_regression_value;

/** After the draws that were added; an image without any has no figures. Collective: no. */
crd_regression_value crd_regression_get(const crd_regression *regression, int64_t image,
                                        int64_t value);

#ifdef __cplusplus
}
#endif
#endif
