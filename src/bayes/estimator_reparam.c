/* Reparameterization: w = mu + sigma * eps, bias likewise, eps ~ N(0, 1): one network a draw,
 * shared by all images, so images of one draw are correlated as they are in the posterior.
 * Source: Blundell et al., "Weight uncertainty in neural networks", ICML 2015, section 3.2. */
#include "bayes/estimator.h"

#include "kernels/kernels.h"

static int64_t scratch_floats(const crd_model *model, const crd_node *node, int64_t weight,
                              int64_t bias, int64_t n_images)
{
    (void)node;
    (void)weight;
    (void)n_images;
    return crd_estimator_param_floats(model, bias);
}

static void forward(const crd_estimator_args *args)
{
    float *bias = args->bias < 0 ? NULL : args->scratch;
    for (int64_t d = 0; d < args->n_draws; d++) {
        crd_estimator_draw(bias, args, args->bias, args->first_draw + d, 1);
        crd_estimator_apply_draw(args->out + d * args->out_step, args, args->in + d * args->in_step,
                                 bias, args->first_draw + d, 1, crd_estimator_residual(args, d),
                                 args->relu);
    }
}

static int64_t backward_scratch_floats(const crd_model *model, const crd_node *node, int64_t weight,
                                       int64_t bias, int64_t n_images)
{
    (void)node;
    (void)n_images;
    return 2 * crd_estimator_param_floats(model, weight) + crd_estimator_param_floats(model, bias);
}

/* dsigma = dmu * eps. */
static void finish(const crd_estimator_args *args, const crd_estimator_grads *grads, int slot,
                   int64_t index, const float *eps)
{
    if (index >= 0)
        crd_kernels_get()->elementwise->multiply(grads->dsigma[slot], grads->dmu[slot], eps,
                                                 args->model->network->params.entries[index].count);
}

/* With g the gradient at the drawn weight: dmu = g, dsigma = g * eps. */
static void backward(const crd_estimator_args *args, const crd_estimator_grads *grads)
{
    const crd_model *model = args->model;
    int64_t n_weights = model->network->params.entries[args->weight].count;
    float *weight = args->scratch;
    float *eps_room = weight + crd_estimator_param_floats(model, args->weight);
    float *bias_eps_room = eps_room + crd_estimator_param_floats(model, args->weight);
    const float *eps = crd_estimator_eps(eps_room, args, args->weight);
    /* The same weight as crd_estimator_draw's, from eps that is needed anyway. */
    crd_kernels_get()->elementwise->multiply_add(
        weight, crd_estimator_values(model->sigma, model, args->weight), eps,
        crd_estimator_values(model->mu, model, args->weight), n_weights);
    crd_estimator_apply_backward(grads->din, grads->adds, grads->dmu[CRD_PARAM_WEIGHT],
                                 grads->dmu[CRD_PARAM_BIAS], args, args->in, grads->dout, weight);
    finish(args, grads, CRD_PARAM_WEIGHT, args->weight, eps);
    finish(args, grads, CRD_PARAM_BIAS, args->bias,
           crd_estimator_eps(bias_eps_room, args, args->bias));
}

const crd_estimator crd_estimator_reparameterization = {
    .draws_weights = 1,
    .scratch_floats = scratch_floats,
    .forward = forward,
    .backward_scratch_floats = backward_scratch_floats,
    .backward = backward,
};
