/* Reparameterization: w = mu + sigma * eps, eps ~ N(0, 1), of every parameter: one network a draw,
 * shared by all images, so images of one draw are correlated as they are in the posterior.
 * Source: Blundell et al., "Weight uncertainty in neural networks", ICML 2015, section 3.2. */
#include "bayes/estimator.h"

#include <string.h>

#include "kernels/kernels.h"

/* Parameters that are not made where they are used. */
static int64_t scratch_floats(const crd_random_op *random, int64_t n_images)
{
    (void)n_images;
    return crd_estimator_params_floats(random, false);
}

static void forward(const crd_estimator_args *args)
{
    for (int64_t d = 0; d < args->n_draws; d++) {
        const crd_epilogue epilogue = crd_estimator_epilogue(args, d);
        crd_estimator_apply_draw(args->out + d * args->out_step, args,
                                 crd_estimator_inputs(args, d), args->first_draw + d, 1,
                                 args->scratch, args->kept, &epilogue);
    }
}

/* The parameters that were drawn piece by piece: to read them costs less than to draw them
 * again. */
static int64_t kept_floats(const crd_random_op *random, int64_t n_images)
{
    (void)n_images;
    return crd_estimator_params_floats(random, true);
}

/* With g the gradient at a drawn weight: dmu = g, dsigma = g * eps. */
static void backward(const crd_estimator_args *args, crd_estimator_grads *grads)
{
    const crd_op *kind = args->random->op->kind;
    const float *values[CRD_OP_MAX_PARAMS] = {NULL};
    float *kept = args->kept, *room = args->scratch;
    crd_op_grads pass = {.dout = grads->dout, .din = grads->din, .adds = grads->adds};
    memcpy(pass.dparams, grads->dmu, sizeof pass.dparams);
    for (int slot = 0; slot < kind->n_params; slot++) {
        int64_t index = args->random->params[slot];
        float **from = kind->params[slot].is_streamed ? &kept : &room;
        if (index < 0)
            continue;
        /* An affine operator's gradients do not depend on its bias. */
        if (!kind->params[slot].is_streamed && !(kind->is_affine && slot == CRD_SLOT_BIAS))
            crd_estimator_draw(room, args, index, args->first_draw, 1);
        values[slot] = *from;
        *from += crd_estimator_param_floats(args->random->model, index);
    }
    crd_estimator_apply_backward(&pass, args, crd_estimator_inputs(args, 0), values);
    memcpy(grads->dsigma, grads->dmu, sizeof grads->dsigma);
}

const crd_estimator crd_estimator_reparameterization = {
    .draws_weights = 1,
    .scratch_floats = scratch_floats,
    .forward = forward,
    .backward_scratch_floats = scratch_floats,
    .kept_floats = kept_floats,
    .backward = backward,
};
