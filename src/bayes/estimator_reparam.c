/* Reparameterization: w = mu + sigma * eps, bias likewise, eps ~ N(0, 1): one network a draw,
 * shared by all images, so images of one draw are correlated as they are in the posterior.
 * Source: Blundell et al., "Weight uncertainty in neural networks", ICML 2015, section 3.2. */
#include "bayes/estimator.h"

static int64_t scratch_floats(const crd_model *model, const crd_node *node, int64_t weight,
                              int64_t bias, int64_t n_images)
{
    (void)node;
    (void)n_images;
    return crd_estimator_param_floats(model, weight) + crd_estimator_param_floats(model, bias);
}

static void forward(const crd_estimator_args *args)
{
    float *weight = args->scratch;
    float *bias =
        args->bias < 0 ? NULL : weight + crd_estimator_param_floats(args->model, args->weight);
    for (int64_t d = 0; d < args->n_draws; d++) {
        crd_estimator_draw(weight, args, args->weight, args->first_draw + d, 1);
        crd_estimator_draw(bias, args, args->bias, args->first_draw + d, 1);
        crd_estimator_apply(args->out + d * args->out_step, args, args->in + d * args->in_step,
                            weight, bias);
    }
}

const crd_estimator crd_estimator_reparameterization = {
    .draws_weights = 1,
    .scratch_floats = scratch_floats,
    .forward = forward,
};
