/* Local reparameterization: given its input an output element is normal with mean F(x; mu, mu_b)
 * and variance F(x^2; sigma^2, sigma_b^2), so it is drawn directly: out = mean + sqrt(variance) *
 * eps, eps standard normal for every (image, channel, pixel). Source: Kingma, Salimans, Welling,
 * "Variational dropout and the local reparameterization trick", NeurIPS 2015, section 2.3.
 *
 * Each output element has the law of reparameterization, and images are independent given the
 * input, as with flipout. But the pixels of a convolution share one kernel and are drawn here as if
 * they did not: as with flipout-pixel, the deviation after pooling over n pixels is too small by up
 * to sqrt(n). Exact for linear layers. */
#include <string.h>

#include "base/clock.h"
#include "bayes/estimator.h"
#include "kernels/kernels.h"

static crd_extent in_extent(const crd_random_op *random, int64_t n_images)
{
    return crd_extent_make(random->op->in, n_images);
}

static crd_extent out_extent(const crd_random_op *random, int64_t n_images)
{
    return crd_extent_make(&random->op->shape, n_images);
}

static int64_t param_floats(const crd_random_op *random, int slot)
{
    return crd_estimator_param_floats(random->model, random->params[slot]);
}

static int64_t scratch_floats(const crd_random_op *random, int64_t n_images)
{
    crd_extent in = in_extent(random, n_images), out = out_extent(random, n_images);
    return param_floats(random, CRD_SLOT_WEIGHT) + param_floats(random, CRD_SLOT_BIAS) + in.total +
           2 * out.total + out.per_image;
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
    const crd_stream stream =
        crd_estimator_stream(args, CRD_PURPOSE_ACTIVATION, args->random->params[CRD_SLOT_WEIGHT],
                             draw, args->first_image + image);
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
    const crd_random_op *random = args->random;
    const crd_model *model = random->model;
    const int64_t weight = random->params[CRD_SLOT_WEIGHT], bias = random->params[CRD_SLOT_BIAS];
    crd_extent in = in_extent(random, args->n_images), out = out_extent(random, args->n_images);
    float *weight_room = args->scratch;
    float *bias_room = weight_room + param_floats(random, CRD_SLOT_WEIGHT);
    float *squared_in = bias_room + param_floats(random, CRD_SLOT_BIAS);
    float *mean = squared_in + in.total;
    float *sd = args->kept != NULL ? args->kept : mean + out.total;
    float *eps = mean + 2 * out.total;
    const float *weight_variance = NULL, *bias_variance = NULL;
    int is_known = args->is_repeated && args->in_steps[0] == 0;
    for (int64_t d = 0; d < args->n_draws; d++) {
        const float *x = args->in[0] + d * args->in_steps[0];
        if (args->in_steps[0] != 0 || (d == 0 && !is_known)) {
            if (d == 0) {
                weight_variance = variances(weight_room, model, weight);
                bias_variance = variances(bias_room, model, bias);
            }
            crd_estimator_apply(mean, args, x, crd_estimator_values(model->mu, model, weight),
                                crd_estimator_values(model->mu, model, bias));
            square(squared_in, x, in.total);
            crd_estimator_apply(sd, args, squared_in, weight_variance, bias_variance);
            crd_kernels_get()->elementwise->deviation(sd, sd, out.total);
        }
        add_noise(args->out + d * args->out_step, mean, sd, eps, &out, args, args->first_draw + d);
        crd_estimator_finish(args, d);
    }
}

static int64_t kept_floats(const crd_random_op *random, int64_t n_images)
{
    return out_extent(random, n_images).total;
}

static int64_t backward_scratch_floats(const crd_random_op *random, int64_t n_images)
{
    crd_extent in = in_extent(random, n_images), out = out_extent(random, n_images);
    return param_floats(random, CRD_SLOT_WEIGHT) + 2 * in.total + out.total + out.per_image;
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
    const crd_random_op *random = args->random;
    const crd_model *model = random->model;
    const int64_t weight = random->params[CRD_SLOT_WEIGHT], bias = random->params[CRD_SLOT_BIAS];
    const float *x = args->in[0], *values[CRD_OP_MAX_PARAMS] = {NULL};
    const bool overwritten = false;
    crd_extent in = in_extent(random, args->n_images), out = out_extent(random, args->n_images);
    float *weight_variance = args->scratch;
    float *squared_in = weight_variance + param_floats(random, CRD_SLOT_WEIGHT);
    float *dsquared_in = squared_in + in.total;
    float *dvariance = dsquared_in + in.total;
    float *eps = dvariance + out.total;
    float *din = grads->din[0], *asked = din == NULL ? NULL : dsquared_in;
    crd_op_grads mean = {.dout = grads->dout, .din = grads->din, .adds = grads->adds};
    crd_op_grads variance = {.dout = dvariance, .din = &asked, .adds = &overwritten};
    memcpy(mean.dparams, grads->dmu, sizeof mean.dparams);
    memcpy(variance.dparams, grads->dsigma, sizeof variance.dparams);
    values[CRD_SLOT_WEIGHT] = crd_estimator_values(model->mu, model, weight);
    crd_estimator_apply_backward(&mean, args, &x, values);
    noise_backward(dvariance, grads->dout, eps, &out, args);
    square(squared_in, x, in.total);
    values[CRD_SLOT_WEIGHT] = variances(weight_variance, model, weight);
    crd_estimator_apply_backward(&variance, args, (const float *const[]){squared_in}, values);
    multiply_by_slope(grads->dsigma[CRD_SLOT_WEIGHT], model, weight);
    multiply_by_slope(grads->dsigma[CRD_SLOT_BIAS], model, bias);
    if (din != NULL)
        crd_kernels_get()->elementwise->add_product(din, din, 2, x, dsquared_in, in.total);
}

const crd_estimator crd_estimator_local_reparameterization = {
    .draws_weights = 0,
    .shares_work = 1,
    .needs_affine = 1,
    .needs_normal = 1,
    .scratch_floats = scratch_floats,
    .forward = forward,
    .backward_scratch_floats = backward_scratch_floats,
    .kept_floats = kept_floats,
    .backward = backward,
};
