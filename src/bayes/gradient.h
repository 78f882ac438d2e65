/** Gradients of a posterior: forward, data term and backward of one draw on one micro-batch.
 *
 * dL/dmu = g and dL/drho = g eps sigmoid(rho) for reparameterization (g = dL/dw), and accordingly
 * for the other estimators. Sums over units are kept in fixed point, so that they are exact in any
 * order: a gradient counts in units of 2^-44; what does not fit |g| < 2^17 is not a number for us.
 * For engine. */
#ifndef CRD_BAYES_GRADIENT_H
#define CRD_BAYES_GRADIENT_H

#include "credence/gradient_options.h"
#include "credence/loss.h"
#include "credence/posterior.h"
#include "credence/sampler.h"

/** Fixed point of gradient sums. */
#define CRD_GRADIENT_BITS 44
/** A gradient, or a batch's statistic, must be smaller than 2 to this power. */
#define CRD_GRADIENT_RANGE_BITS 17

/** Buffers and plan for one network; all memory is allocated here. */
typedef struct crd_gradient crd_gradient;

/** `network`, `bayesian` and eps must outlive it. Errors: CRD_ERR_USAGE: unknown estimator,
 * micro_batch below 1 or too large, eps with an estimator that draws no weights; out of memory. */
crd_status crd_gradient_create(crd_gradient **out, const crd_network *network,
                               const uint8_t *bayesian, const crd_gradient_options *options);
void crd_gradient_destroy(crd_gradient *gradient);

/** Number of int64 in a gradient sum: mu block, rho block, then for every batch norm its
 * statistics (mean, variance) a channel in the offsets of running_mean and running_var of the
 * mu block: 2 * network->params.n_floats in all. */
int64_t crd_gradient_n_sums(const crd_gradient *gradient);

/** The values all following calls are at: mu (borrowed until the next call of this) and rho
 * (read now), unfolded, by the network's offsets. Makes sigma = log(1 + exp(rho)) and its slope
 * once, for all units of a step. Safe for every finite rho. Cost: 2 to 3 ns an element. Errors:
 * CRD_ERR_NUMERIC: a mu or rho that is not finite, naming tensor and element. */
crd_status crd_gradient_set_parameters(crd_gradient *gradient, const float *mu, const float *rho);

/** Called when the sums of parameters are final for this call, output side first, so that their
 * averaging can overlap with the rest: elements [first, first + n) of the mu block and of the
 * rho block. The calls of one crd_gradient_add cover every element once. */
typedef void crd_gradient_ready(int64_t first, int64_t n, void *payload);

/** Takes the gradient of elements [first, first + n) of parameter `param`, at mu (or a running
 * statistic) and, where it has a posterior, at rho (else NULL): what the sums of this one unit
 * would be, times 2^-44, which floats hold exactly. Valid during the call; may be overwritten.
 * May change mu and rho of these elements. The calls of one crd_gradient_add cover every element
 * of every parameter once. */
typedef void crd_gradient_update(int64_t param, int64_t first, int64_t n, float *dmu, float *drho,
                                 void *payload);

/** Where the sums of a unit go: to an array, or, if it is the only one and has weight 1, piece by
 * piece to whoever needs them. */
typedef struct crd_gradient_target {
    int64_t *sums;             /**< [crd_gradient_n_sums]; NULL: `take` has them */
    int adds;                  /**< 1: to what sums hold; 0: they are overwritten */
    crd_gradient_ready *ready; /**< may be NULL */
    crd_gradient_update *take;
    void *payload; /**< of both */
} crd_gradient_target;

/** One unit: images[n_images][channels][height][width] with their targets, draw number `draw`,
 * first_image addressing signs and noise. *loss: mean data term. A sum is round(weight *
 * gradient * 2^44), for mu, rho, and for batch norm in training the micro-batch's statistics
 * (weight * mean, weight * unbiased variance, in the running slots). 0 < weight; the weights of
 * the units that are summed may add up to 4 before a sum can overflow. At the values of the
 * last crd_gradient_set_parameters. logits (may be NULL): [n_images][n_outputs] of the draw.
 * Errors: CRD_ERR_NUMERIC: loss or a gradient is not finite or too large, naming the tensor;
 * sums are then undefined, and some may have been taken unless it is the loss. CRD_ERR_USAGE:
 * no parameters set, more images than planned, numbers from 2^32 on, a weight out of range,
 * batch norm in training over one value a channel. Allocates nothing. The same bits wherever it
 * is called: they depend on values, arguments and CPU type. */
crd_status crd_gradient_add(double *loss, float *logits, const crd_gradient_target *target,
                            crd_gradient *gradient, const crd_loss *data_term, const float *images,
                            const int64_t *labels, const float *values, int64_t n_images,
                            int64_t first_image, int64_t draw, double weight);

/** sums[..] += round(weight * statistic * 2^44) of a forward pass on so many images, for every
 * statistic of a batch norm in the order of the table, without those of other parameters. No
 * backward pass. Of a gradient with batch_norm_train. The rest as for crd_gradient_add. */
crd_status crd_gradient_add_statistics(int64_t *sums, crd_gradient *gradient, const float *images,
                                       int64_t n_images, int64_t first_image, double weight);

/** Additional calibration term for the calls that follow; name NULL: none. See
 * crd_calibration_loss_eval. */
crd_status crd_gradient_set_calibration(crd_gradient *gradient, const char *name, double beta,
                                        double uncertainty_threshold, double error_threshold);

/** Can batch norm in training take so many images in a call? Errors: CRD_ERR_USAGE naming the op
 * that would have one value a channel. Collective: no. */
crd_status crd_gradient_check_images(const crd_network *network, int64_t n_images);

#endif
