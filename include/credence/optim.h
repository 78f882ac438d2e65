/** Optimizers and schedules with torch.optim's names, defaults and arithmetic, on flat vectors.
 * Room: optim.
 */
#ifndef CREDENCE_OPTIM_H
#define CREDENCE_OPTIM_H

#include <stdint.h>

#include "credence/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_optimizer_options {
    char name[16]; /**< "sgd", "adam", "adamw" */
    double lr;
    double momentum, dampening; /**< sgd */
    int nesterov;               /**< sgd */
    double beta1, beta2, eps;   /**< adam, adamw */
    double weight_decay;        /**< sgd, adam: added to the gradient; adamw: decoupled */
} crd_optimizer_options;

/** Names, NULL-terminated: "sgd", "adam", "adamw". */
const char *const *crd_optimizer_names(void);
/** torch.optim's defaults for that optimizer (sgd: lr 1e-3). Errors: CRD_ERR_USAGE naming all. */
crd_status crd_optimizer_defaults(crd_optimizer_options *out, const char *name);
/** Errors: CRD_ERR_USAGE naming the key that is out of torch's range. */
crd_status crd_optimizer_check(const crd_optimizer_options *options);

/** Number of state vectors as long as the parameters: sgd 0 or 1 (momentum), adam and adamw 2. */
int crd_optimizer_n_states(const crd_optimizer_options *options);

/** One step on `n` elements: params, grads (not changed) and state vectors states[k][n] in
 * place. `step` counts from 1 and is the number of the step that is now made (bias correction,
 * first momentum); lr is the scheduled one. Elementwise: pieces may be updated apart. float32
 * arithmetic in torch's order, that of torch 1.13's single-tensor loops on a CPU with AVX2, to
 * the bit (sgd: but for a double rounding in 2^29; tests/golden). Options as accepted by
 * crd_optimizer_check. Collective: no. Returns 1 if all of params are finite now, else 0. */
int crd_optimizer_step(float *params, const float *grads, float *const *states, int64_t n,
                       int64_t step, double lr, const crd_optimizer_options *options);

typedef struct crd_schedule {
    char name[16];          /**< "constant", "exponential", "step", "multistep", "cosine" */
    double gamma;           /**< exponential, step, multistep: factor */
    int64_t step_size;      /**< step: epochs */
    int64_t milestones[16]; /**< multistep: ascending epochs */
    int n_milestones;
    int64_t t_max;  /**< cosine: epochs */
    double lr_min;  /**< cosine */
    int64_t warmup; /**< epochs of linear growth from lr / warmup before; 0: none */
} crd_schedule;

/** Names, NULL-terminated. */
const char *const *crd_schedule_names(void);
/** Errors: CRD_ERR_USAGE naming the key. */
crd_status crd_schedule_check(const crd_schedule *schedule);
/** Learning rate of epoch `epoch` (from 0) by the closed form of torch's scheduler of that name;
 * it counts epochs after the warm-up, in which epoch e has base_lr (e + 1) / warmup. Beyond
 * t_max the cosine rises again, as torch's. `schedule` as accepted by crd_schedule_check. */
double crd_schedule_lr(const crd_schedule *schedule, double base_lr, int64_t epoch);

/** Scales a gradient of this norm down to max_norm: the factor to multiply with (torch's
 * clip_grad_norm_: max_norm / (norm + 1e-6), at most 1). */
double crd_clip_factor(double norm, double max_norm);

#ifdef __cplusplus
}
#endif
#endif
