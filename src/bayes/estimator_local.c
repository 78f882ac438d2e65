/* Local reparameterization: given its input an output element is normal with mean F(x; mu, mu_b)
 * and variance F(x^2; sigma^2, sigma_b^2), so it is drawn directly: out = mean + sqrt(variance) *
 * eps, eps standard normal for every (image, channel, pixel). Source: Kingma, Salimans, Welling,
 * "Variational dropout and the local reparameterization trick", NeurIPS 2015, section 2.3.
 *
 * Each output element has the law of reparameterization, and images are independent given the
 * input, as with flipout. But the pixels of a convolution share one kernel and are drawn here as if
 * they did not: as with flipout-pixel, the deviation after pooling over n pixels is too small by up
 * to sqrt(n). Exact for linear layers. */
#include "base/clock.h"
#include "bayes/estimator.h"
#include "kernels/kernels.h"

static int64_t scratch_floats(const crd_model *model, const crd_node *node, int64_t weight,
                              int64_t bias, int64_t n_images)
{
    crd_extent in = crd_extent_make(crd_estimator_in_shape(model, node), n_images);
    crd_extent out = crd_extent_make(&node->shape, n_images);
    return crd_estimator_param_floats(model, weight) + crd_estimator_param_floats(model, bias) +
           in.total + 2 * out.total + out.per_image;
}

static void square(float *out, const float *x, int64_t n)
{
    crd_kernels_get()->elementwise->multiply(out, x, x, n);
}

/* sigma^2 of a parameter into `out`; returns it, or NULL for index -1. */
static const float *variances(float *out, const crd_model *model, int64_t index)
{
    if (index < 0)
        return NULL;
    square(out, crd_estimator_values(model->sigma, model, index),
           model->network->params.entries[index].count);
    return out;
}

/* eps of all elements of one image. */
static void image_noise(float *eps, const crd_extent *extent, const crd_estimator_args *args,
                        int64_t draw, int64_t image)
{
    const crd_stream stream = crd_estimator_stream(args, CRD_PURPOSE_ACTIVATION, args->weight, draw,
                                                   args->first_image + image);
    crd_kernels_get()->normal_fill(eps, extent->per_image, 0, &stream);
}

/* y = mean + sd * eps of this draw. `eps` has room for one image. */
static void add_noise(float *y, const float *mean, const float *sd, float *eps,
                      const crd_extent *extent, const crd_estimator_args *args, int64_t draw)
{
    double start_s = crd_clock_now_s();
    for (int64_t n = 0; n < extent->images; n++) {
        image_noise(eps, extent, args, draw, n);
        for (int64_t c = 0; c < extent->channels; c++) {
            int64_t at = (c * extent->images + n) * extent->pixels;
            crd_kernels_get()->elementwise->add_noise(y + at, mean + at, sd + at,
                                                      eps + c * extent->pixels, extent->pixels);
        }
    }
    args->times->draw_s += crd_clock_now_s() - start_s;
}

static void forward(const crd_estimator_args *args)
{
    const crd_model *model = args->model;
    crd_extent in = crd_extent_make(crd_estimator_in_shape(model, args->node), args->n_images);
    crd_extent out = crd_extent_make(&args->node->shape, args->n_images);
    float *weight_room = args->scratch;
    float *bias_room = weight_room + crd_estimator_param_floats(model, args->weight);
    float *squared_in = bias_room + crd_estimator_param_floats(model, args->bias);
    float *mean = squared_in + in.total;
    float *sd = args->kept != NULL ? args->kept : mean + out.total;
    float *eps = mean + 2 * out.total;
    const float *weight_variance = NULL, *bias_variance = NULL;
    int is_known = args->is_repeated && args->in_step == 0;
    for (int64_t d = 0; d < args->n_draws; d++) {
        const float *x = args->in + d * args->in_step;
        if (args->in_step != 0 || (d == 0 && !is_known)) {
            if (d == 0) {
                weight_variance = variances(weight_room, model, args->weight);
                bias_variance = variances(bias_room, model, args->bias);
            }
            crd_estimator_apply(mean, args, x, crd_estimator_values(model->mu, model, args->weight),
                                crd_estimator_values(model->mu, model, args->bias));
            square(squared_in, x, in.total);
            crd_estimator_apply(sd, args, squared_in, weight_variance, bias_variance);
            crd_kernels_get()->elementwise->deviation(sd, sd, out.total);
        }
        add_noise(args->out + d * args->out_step, mean, sd, eps, &out, args, args->first_draw + d);
        crd_estimator_finish(args, d);
    }
}

static int64_t kept_floats(const crd_model *model, const crd_node *node, int64_t n_images)
{
    (void)model;
    return crd_extent_make(&node->shape, n_images).total;
}

static int64_t backward_scratch_floats(const crd_model *model, const crd_node *node, int64_t weight,
                                       int64_t bias, int64_t n_images)
{
    (void)bias;
    crd_extent in = crd_extent_make(crd_estimator_in_shape(model, node), n_images);
    crd_extent out = crd_extent_make(&node->shape, n_images);
    return crd_estimator_param_floats(model, weight) + 2 * in.total + out.total + out.per_image;
}

/* dvariance = dout * eps / (2 sd). Where sd is 0 nothing random is there, and the root has no
 * derivative: 0, where torch has NaN. */
static void noise_backward(float *dvariance, const float *dout, float *eps,
                           const crd_extent *extent, const crd_estimator_args *args)
{
    double start_s = crd_clock_now_s();
    const float *sd = args->kept;
    for (int64_t n = 0; n < extent->images; n++) {
        image_noise(eps, extent, args, args->first_draw, n);
        for (int64_t c = 0; c < extent->channels; c++) {
            int64_t at = (c * extent->images + n) * extent->pixels;
            crd_kernels_get()->elementwise->noise_backward(
                dvariance + at, dout + at, eps + c * extent->pixels, sd + at, extent->pixels);
        }
    }
    args->times->draw_s += crd_clock_now_s() - start_s;
}

/* x *= 2 sigma: from the gradient at sigma^2 to that at sigma. Nothing for index -1. */
static void multiply_by_slope(float *x, const crd_model *model, int64_t index)
{
    const float *sigma = crd_estimator_values(model->sigma, model, index);
    for (int64_t i = 0; index >= 0 && i < model->network->params.entries[index].count; i++)
        x[i] *= 2 * sigma[i];
}

/* Through the mean, and through the variance, which is the same layer with x^2 and sigma^2. */
static void backward(const crd_estimator_args *args, crd_estimator_grads *grads)
{
    const crd_model *model = args->model;
    const float *x = args->in;
    crd_extent in = crd_extent_make(crd_estimator_in_shape(model, args->node), args->n_images);
    crd_extent out = crd_extent_make(&args->node->shape, args->n_images);
    float *weight_variance = args->scratch;
    float *squared_in = weight_variance + crd_estimator_param_floats(model, args->weight);
    float *dsquared_in = squared_in + in.total;
    float *dvariance = dsquared_in + in.total;
    float *eps = dvariance + out.total;
    crd_estimator_apply_backward(grads->din, grads->adds, grads->dmu[CRD_PARAM_WEIGHT],
                                 grads->dmu[CRD_PARAM_BIAS], args, x, grads->dout,
                                 crd_estimator_values(model->mu, model, args->weight));
    noise_backward(dvariance, grads->dout, eps, &out, args);
    square(squared_in, x, in.total);
    if (grads->din == NULL)
        dsquared_in = NULL;
    crd_estimator_apply_backward(dsquared_in, 0, grads->dsigma[CRD_PARAM_WEIGHT],
                                 grads->dsigma[CRD_PARAM_BIAS], args, squared_in, dvariance,
                                 variances(weight_variance, model, args->weight));
    multiply_by_slope(grads->dsigma[CRD_PARAM_WEIGHT], model, args->weight);
    multiply_by_slope(grads->dsigma[CRD_PARAM_BIAS], model, args->bias);
    if (grads->din != NULL)
        crd_kernels_get()->elementwise->add_product(grads->din, grads->din, 2, x, dsquared_in,
                                                    in.total);
}

const crd_estimator crd_estimator_local_reparameterization = {
    .draws_weights = 0,
    .shares_work = 1,
    .scratch_floats = scratch_floats,
    .forward = forward,
    .backward_scratch_floats = backward_scratch_floats,
    .kept_floats = kept_floats,
    .backward = backward,
};
