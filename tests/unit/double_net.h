/** Forward passes in double, written as plainly as the formulas: what gradients are compared with.
 *
 * Activations are (image, channel, height, width), not the library's layout. */
#ifndef CRD_TESTS_UNIT_DOUBLE_NET_H
#define CRD_TESTS_UNIT_DOUBLE_NET_H

#include <stdbool.h>
#include <string.h>

#include "credence/network.h"

/** Whether an estimator draws one weight for all images and positions of a layer without steps. */
static inline bool shares_weights(const char *estimator)
{
    return strncmp(estimator, "reparameterization", strlen("reparameterization")) == 0;
}

/** All that a pass is a function of beside the values. */
typedef struct double_pass {
    const crd_network *network;
    const uint8_t *bayesian;
    const char *estimator; /**< NULL: the mean, no draw */
    const float *eps;      /**< NULL, or imported ones */
    uint64_t seed;
    int64_t draw, first_image, n_images;
    int is_training; /**< dropout drops */
    int batch_norm_train;
} double_pass;

/** One op's output by its kind, given its parameters by slot. */
void double_layer(double *out, const double_pass *pass, int64_t op, const double *const *in,
                  const double *const *params);

/** logits[n_images][n_outputs] at mu and rho, both by the network's offsets. */
void double_run(double *logits, const double_pass *pass, const double *mu, const double *rho,
                const float *images);

#endif
