/** From summed gradients to new parameters; the same on every rank, no communication. */
#ifndef CRD_ENGINE_UPDATE_H
#define CRD_ENGINE_UPDATE_H

#include "bayes/gradient.h"
#include "credence/train.h"

typedef struct crd_update crd_update;

/** Plans the updates of `state`'s posterior, whose gradients are `gradient`'s. All must outlive
 * it. Errors: out of memory. */
crd_status crd_update_create(crd_update **out, crd_train_state *state, crd_gradient *gradient,
                             const crd_train_options *options);
void crd_update_destroy(crd_update *update);

/** Weight of the KL divergence in epoch `epoch` (from 0): options->kl_weight, annealed. */
double crd_update_kl_weight(const crd_train_options *options, int64_t epoch);

/** From sums[2 * n_floats] (units of 2^-CRD_GRADIENT_BITS): adds them to those of the steps before
 * where gradients are kept (state->kept), adds the KL divergence's gradient, clips, makes the
 * optimizer's step number state->step + 1 with learning rate lr, and moves the running statistics.
 * The gradient is at the new values then. Does not count the step. Errors: CRD_ERR_NUMERIC: a
 * parameter is not finite afterwards, or a kept sum is out of range, by name. */
crd_status crd_update_step(crd_update *update, const int64_t *sums, double lr, double kl_weight);

/** The same, to the bit, with the gradient of one piece after the other: between begin and end
 * every element is taken once, in any order. Not with a norm to clip by, which needs all of it
 * before. */
void crd_update_begin(crd_update *update, double lr, double kl_weight);
crd_gradient_update crd_update_apply; /**< payload: the update */
crd_status crd_update_end(crd_update *update);

#endif
