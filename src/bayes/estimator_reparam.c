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
                                 bias, args->first_draw + d, 1, args->kept,
                                 crd_estimator_residual(args, d), args->relu);
    }
}

/* The weight that was drawn: to read it costs less than to draw it again. */
static int64_t kept_floats(const crd_model *model, const crd_node *node, int64_t n_images)
{
    (void)n_images;
    return crd_estimator_param_floats(model, node->params[CRD_PARAM_WEIGHT]);
}

static int64_t backward_scratch_floats(const crd_model *model, const crd_node *node, int64_t weight,
                                       int64_t bias, int64_t n_images)
{
    (void)model;
    (void)node;
    (void)weight;
    (void)bias;
    (void)n_images;
    return 0;
}

/* With g the gradient at the drawn weight: dmu = g, dsigma = g * eps. */
static void backward(const crd_estimator_args *args, crd_estimator_grads *grads)
{
    crd_estimator_apply_backward(grads->din, grads->adds, grads->dmu[CRD_PARAM_WEIGHT],
                                 grads->dmu[CRD_PARAM_BIAS], args, args->in, grads->dout,
                                 args->kept);
    for (int slot = 0; slot < 2; slot++)
        grads->dsigma[slot] = grads->dmu[slot];
}

const crd_estimator crd_estimator_reparameterization = {
    .draws_weights = 1,
    .scratch_floats = scratch_floats,
    .forward = forward,
    .backward_scratch_floats = backward_scratch_floats,
    .kept_floats = kept_floats,
    .backward = backward,
};
