/** Optimizers and schedules with torch.optim's names, defaults and arithmetic, on flat vectors;
 * and IVON with those of its authors' code. Room: optim.
 */
#ifndef CREDENCE_OPTIM_H
#define CREDENCE_OPTIM_H

#include <stdbool.h>
#include <stdint.h>

#include "credence/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_optimizer_options {
    char name[16]; /**< "sgd", "adam", "adamw", "ivon" */
    double lr;
    double momentum, dampening; /**< sgd */
    bool nesterov;              /**< sgd */
    double beta1, beta2;        /**< adam, adamw, ivon */
    double eps;                 /**< adam, adamw */
    /** sgd, adam: added to the gradient; adamw: decoupled; ivon: delta, above 0 */
    double weight_decay;
    double ess;         /**< ivon: effective sample size, which has no default: images, or more */
    double hess_init;   /**< ivon: the Hessian before the first step */
    double clip_radius; /**< ivon: largest step of a weight before lr; INFINITY: any */
    bool debias;        /**< ivon: the momentum is divided by 1 - beta1^step */
    bool rescale_lr;    /**< ivon: lr is multiplied with hess_init + weight_decay */
} crd_optimizer_options;

/** Names, NULL-terminated: "sgd", "adam", "adamw", "ivon". */
const char *const *crd_optimizer_names(void);
/** Defaults of torch.optim (sgd: lr 1e-3) and, for ivon, of ivon-opt (lr: what its guide has), but
 * that ess is 0 and must be set. Errors: CRD_ERR_USAGE naming all. */
crd_status crd_optimizer_defaults(crd_optimizer_options *out, const char *name);
/** Errors: CRD_ERR_USAGE naming the key that is out of the range of torch or ivon-opt, or, for
 * ivon, a weight decay of 0. */
crd_status crd_optimizer_check(const crd_optimizer_options *options);

/** Number of state vectors as long as the parameters: sgd 0 or 1 (momentum), adam and adamw 2,
 * ivon 1. */
int crd_optimizer_n_states(const crd_optimizer_options *options);
/** 1: it moves mu and sigma together, by gradients at mu and sigma: ivon. Its steps are
 * crd_ivon_step where there is a posterior, crd_optimizer_step where there is none. */
int crd_optimizer_is_variational(const crd_optimizer_options *options);

/** One step on `n` elements: params, grads (not changed) and state vectors states[k][n] in
 * place. `step` counts from 1 and is the number of the step that is now made (bias correction,
 * first momentum); lr is the scheduled one. Elementwise: pieces may be updated apart. float32
 * arithmetic in torch's order, that of torch 1.13's single-tensor loops on a CPU with AVX2, to
 * the bit (sgd: but for a double rounding in 2^29; tests/golden). Options as accepted by
 * crd_optimizer_check. Collective: no. Returns 1 if all of params are finite now, else 0. */
int crd_optimizer_step(float *params, const float *grads, float *const *states, int64_t n,
                       int64_t step, double lr, const crd_optimizer_options *options);

/** What a step of IVON changes and reads, element by element. */
typedef struct crd_ivon_block {
    float *mu, *sigma, *momentum, *hess;
    /** Gradients of the mean data term at mu and sigma; with w = mu + sigma eps and g its gradient
     * at w these are the means of g and of g eps over the step's draws. */
    const float *dmu, *dsigma;
} crd_ivon_block;

/** One step of IVON, improved variational online Newton, on n elements with a posterior N(mu,
 * sigma^2), sigma = 1 / sqrt(ess (hess + delta)), delta the weight decay. It minimizes the mean
 * data term plus KL / ess for the prior N(0, 1 / (ess delta)): with ess the number of images that
 * is the ELBO, with more a posterior of temperature images / ess.
 *
 *   m = beta1 m + (1 - beta1) dmu            f = dsigma / sigma, by Price's theorem the mean of the
 *                                            data term's second derivative
 *   h = beta2 h + (1 - beta2) f + (1 - beta2)^2 (h - f)^2 / (2 (h + delta))
 *   mu = mu - lr clip((m / (1 - beta1^step) + delta mu) / (h + delta))
 *
 * h + delta stays positive: the last term of h, that of the improved rule, sees to it. Elementwise:
 * pieces may be updated apart. float32 arithmetic. `step`, lr and `options` as
 * in crd_optimizer_step. Collective: no. Returns 1 if all of mu and hess are finite now, else 0.
 *
 * VOGN (Osawa et al., "Practical deep learning with Bayesian principles", NeurIPS 2019) is its
 * ancestor: the same posterior and step, but f is the mean over images of their squared gradients
 * (a Gauss-Newton matrix, which is never negative and needs every image's own gradient), with
 * damping in place of the last term. Here f takes two sums and no image's own gradient.
 * Source: Shen et al., "Variational learning is effective for large deep networks", ICML 2024,
 * algorithm 1; ivon-opt 0.1.3, its "price" estimate. */
int crd_ivon_step(const crd_ivon_block *block, int64_t n, int64_t step, double lr,
                  const crd_optimizer_options *options);
/** sigma[n] of hess[n]: 1 / sqrt(ess (hess + delta)), as a step leaves it, to the bit. */
void crd_ivon_sigma(float *sigma, const float *hess, int64_t n,
                    const crd_optimizer_options *options);

typedef struct crd_schedule {
    char name[16];          /**< "constant", "exponential", "step", "multistep", "cosine", and by
                               step: "cosine-restarts", "triangular" */
    double gamma;           /**< exponential, step, multistep: factor */
    int64_t step_size;      /**< step: epochs */
    int64_t milestones[16]; /**< multistep: ascending epochs */
    int n_milestones;
    int64_t t_max;  /**< cosine: epochs */
    int64_t cycle;  /**< cosine-restarts, triangular: epochs */
    double lr_min;  /**< cosine, cosine-restarts, triangular */
    int64_t warmup; /**< epochs of linear growth from lr / warmup before; 0: none */
} crd_schedule;

/** Names, NULL-terminated. */
const char *const *crd_schedule_names(void);
/** Errors: CRD_ERR_USAGE naming the key. */
crd_status crd_schedule_check(const crd_schedule *schedule);
/** Learning rate of epoch `epoch` (from 0) by the closed form of torch's scheduler of that name;
 * it counts epochs after the warm-up, in which epoch e has base_lr (e + 1) / warmup. Beyond
 * t_max the cosine rises again, as torch's. `schedule` as accepted by crd_schedule_check. Those by
 * step, at the epoch's first one. */
double crd_schedule_lr(const crd_schedule *schedule, double base_lr, int64_t epoch);
/** Of a step of that epoch, `done` in [0, 1) of which is over: the same, but by step in
 * cosine-restarts (torch's CosineAnnealingWarmRestarts; the snapshot ensembles' of Huang et al.,
 * ICLR 2017, eq. 2) and triangular, which falls from base_lr to lr_min in the first half of a cycle
 * and rises in the second (fast geometric ensembles: Garipov et al., NeurIPS 2018). */
double crd_schedule_lr_at(const crd_schedule *schedule, double base_lr, int64_t epoch, double done);

/** Scales a gradient of this norm down to max_norm: the factor to multiply with (torch's
 * clip_grad_norm_: max_norm / (norm + 1e-6), at most 1). */
double crd_clip_factor(double norm, double max_norm);

#ifdef __cplusplus
}
#endif
#endif
