/** Draws networks and runs them: from images to the logits of a block of draws, in lockstep.
 *
 * The graph is walked once for a block of draws; at each Bayesian layer the draws' weights are made
 * one after the other in a small buffer and applied to the whole batch. Room: bayes.
 */
#ifndef CREDENCE_SAMPLER_H
#define CREDENCE_SAMPLER_H

#include <stdbool.h>

#include "credence/model.h"
#include "credence/posterior.h"
#include "credence/precision.h"
#include "credence/rng.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Fills mu and sigma (the caller's, as in crd_model; sigma may be NULL) from a posterior, each
 * component on its own: sigma of rho, batch norm on its running statistics folded into the layer
 * before it: w' = g w, with g = gamma / sqrt(var + eps); the shift goes to the layer's bias, or,
 * where it has none, takes the batch norm's bias slot. Exact for normal weights. Families that
 * draw a norm's own parameters fold nothing; their sigma is sqrt(variance / 2). Errors:
 * CRD_ERR_INPUT: a variance that cannot be divided by, naming batch norm and channel. */
crd_status crd_model_fill(float *mu, float *sigma, const crd_posterior *posterior);
/** The same of one component, where it lies: mu[n_floats] and sigma[n_floats] (NULL: not wanted)
 * come as crd_numbers_source has them, as mu and rho. The posterior's own numbers are not looked
 * at. */
crd_status crd_model_make(float *mu, float *sigma, const crd_posterior *posterior,
                          int64_t component);
/** The same without folding: norms keep their statistics, to be computed with them. */
void crd_model_make_unfolded(float *mu, float *sigma, const crd_posterior *posterior,
                             int64_t component);
/** Likewise its deviations[rank][n_floats], which become those by sqrt(2 (rank - 1)). */
void crd_model_make_deviations(float *deviations, const crd_posterior *posterior);

/** Names of the estimators, NULL-terminated: "reparameterization" (one drawn weight for the
 * batch), "flipout" (Wen et al. 2018: a sign an image and channel), "flipout-pixel"
 * (bayesian-torch's: a sign an image, channel and pixel, which understates uncertainty after
 * pooling), "local-reparameterization" (Kingma et al. 2015: the output's normal is drawn, for each
 * pixel on its own, which understates it likewise; exact for linear layers),
 * "local-reparameterization-linear" (that of linear layers whose output is one vector an image:
 * each image's law is exact, images are independent, and no number a weight is drawn; other layers
 * as with reparameterization),
 * "reparameterization-step" (reparameterization, but RNN, LSTM and GRU draw anew at every step of a
 * sequence, as bayesian-torch's LSTM). */
const char *const *crd_estimator_names(void);

typedef struct crd_sampler_options {
    const char *estimator; /**< one of crd_estimator_names */
    crd_precision
        precision; /**< of the products of convolutions, whose weights are the same draws */
    /** Weights at mu, no draw, no dropout: the deterministic network; of an ensemble every
     * component at its mean, one draw each. */
    bool mean;
    uint64_t seed;
    bool antithetic;    /**< draws in pairs: draw 2k + 1 has the negated normals of draw 2k (and its
                       signs, with flipout); draw 2k is the same network as without */
    int64_t batch;      /**< most images in a call */
    int64_t draw_block; /**< most draws in a call */
} crd_sampler_options;

typedef struct crd_sampler crd_sampler;

/** Plans memory and allocates all of it. `model` and what it shows must outlive the sampler.
 * Errors: CRD_ERR_USAGE: unknown estimator (all are named), batch or draw_block below 1, eps with
 * an estimator that does not draw one eps a weight, another estimator than reparameterization or
 * antithetic draws of members, which draw nothing; CRD_ERR_INTERNAL: out of memory. */
crd_status crd_sampler_create(crd_sampler **out, const crd_model *model,
                              const crd_sampler_options *options);
void crd_sampler_destroy(crd_sampler *sampler);

/** logits[n_draws][n_images][n_classes] of draws [first_draw, +n_draws) for
 * images[n_images][channels][height] [width]; first_image is the number of images[0] in the run (it
 * addresses flipout's signs and the noise of local-reparameterization). A draw's bits depend on
 * (model, seed, draw number, images, n_images, options) and the CPU type only, not on n_draws.
 * Numbers below 2^-126 count as 0 on the way: thousands of them would take most of the time.
 * Allocates nothing. Errors: CRD_ERR_NUMERIC: a logit is not finite, naming draw and image (the
 * first); CRD_ERR_USAGE: more images or draws than planned, or numbers from 2^32 on. */
crd_status crd_sampler_run(float *logits, crd_sampler *sampler, const float *images,
                           int64_t n_images, int64_t first_image, int64_t first_draw,
                           int64_t n_draws);

/** Seconds spent since creation. */
typedef struct crd_sampler_times {
    double draw_s;     /**< making weights, signs and noise */
    double weighted_s; /**< convolutions and linear layers */
    double rest_s;     /**< everything else */
} crd_sampler_times;
crd_sampler_times crd_sampler_get_times(const crd_sampler *sampler);

/** Seconds the last call spent at an op, all draws together; 0 for what was fused into another op
 * or taken over from the call before. */
double crd_sampler_op_seconds(const crd_sampler *sampler, int64_t op);

/** How an op is computed in a full batch: "winograd 4x4", "direct", "gemm"; "" where there is no
 * choice. Static text. */
const char *crd_sampler_method(const crd_sampler *sampler, int64_t op);

#ifdef __cplusplus
}
#endif
#endif
