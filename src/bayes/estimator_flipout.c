/* Flipout: out = F(x; mu, mu_b) + s_out * F(x * s_in; sigma * eps, sigma_b * eps_b) with random
 * signs s: the images of a draw share |weight - mu| but not its signs, so they are uncorrelated
 * while each has the law of reparameterization.
 *
 * "flipout": a sign an (image, channel), s_out times s_in being the sign of one weight's
 * perturbation at every pixel. Source: Wen et al., "Flipout: efficient pseudo-independent weight
 * perturbations on mini-batches", ICLR 2018, section 3.1; sign of the bias: bayesian-torch.
 *
 * "flipout-pixel": bayesian-torch's, a sign an (image, channel, pixel). The variance of each output
 * pixel is right, but the covariance between pixels, which a shared kernel causes, is lost: after
 * pooling over n pixels the deviation is too small by up to sqrt(n). For comparison only. */
#include "bayes/estimator.h"

#include <string.h>

#include "base/clock.h"
#include "kernels/kernels.h"

/* Elements a sign stream has for one image. */
static int64_t n_signs(const crd_extent *extent, int per_pixel)
{
    return per_pixel ? extent->per_image : extent->channels;
}

/* out = x * signs; out may be x. `signs` has room for one image's. */
static void multiply_by_signs(float *out, const float *x, float *signs, const crd_extent *extent,
                              const crd_estimator_args *args, int64_t draw, crd_purpose purpose,
                              int per_pixel)
{
    const crd_elementwise_kernels *kernels = crd_kernels_get()->elementwise;
    double start_s = crd_clock_now_s();
    for (int64_t n = 0; n < extent->images; n++) {
        const crd_stream stream = crd_estimator_stream(
            args, purpose, args->random->params[CRD_SLOT_WEIGHT], draw, args->first_image + n);
        crd_kernels_get()->sign_fill(signs, n_signs(extent, per_pixel), &stream);
        for (int64_t c = 0; c < extent->channels; c++) {
            int64_t at = (c * extent->images + n) * extent->pixels;
            if (per_pixel) {
                kernels->multiply(out + at, x + at, signs + c * extent->pixels, extent->pixels);
            } else {
                kernels->scale_shift(out + at, x + at, signs[c], 0, extent->pixels);
            }
        }
    }
    args->times->draw_s += crd_clock_now_s() - start_s;
}

static crd_extent in_extent(const crd_random_op *random, int64_t n_images)
{
    return crd_extent_make(random->op->in, n_images);
}

static crd_extent out_extent(const crd_random_op *random, int64_t n_images)
{
    return crd_extent_make(&random->op->shape, n_images);
}

static int64_t scratch_floats(const crd_random_op *random, int64_t n_images)
{
    crd_extent in = in_extent(random, n_images), out = out_extent(random, n_images);
    int64_t signs = in.per_image > out.per_image ? in.per_image : out.per_image;
    return crd_estimator_params_floats(random, false) + in.total + out.total + signs;
}

/* mu of weight or bias; NULL: none. */
static const float *mu_of(const crd_estimator_args *args, int slot)
{
    const crd_model *model = args->random->model;
    return crd_estimator_values(model->mu, model, args->random->params[slot]);
}

static void forward(const crd_estimator_args *args, int per_pixel)
{
    const crd_epilogue nothing = {0};
    crd_extent in = in_extent(args->random, args->n_images);
    crd_extent out = out_extent(args->random, args->n_images);
    float *bias = args->scratch;
    float *signed_in = bias + crd_estimator_params_floats(args->random, false);
    float *perturbation = signed_in + in.total;
    float *signs = perturbation + out.total;
    const float *mu = mu_of(args, CRD_SLOT_WEIGHT), *mu_bias = mu_of(args, CRD_SLOT_BIAS);
    /* Where the draws share their input they share the mean too: it is computed once, into draw
     * 0's place, and draw 0 comes last. */
    int shared = args->in_steps[0] == 0;
    if (shared)
        crd_estimator_apply(args->out, args, args->in[0], mu, mu_bias);
    for (int64_t d = args->n_draws - 1; d >= 0; d--) {
        int64_t draw = args->first_draw + d;
        const float *x = args->in[0] + d * args->in_steps[0];
        float *y = args->out + d * args->out_step;
        if (!shared)
            crd_estimator_apply(y, args, x, mu, mu_bias);
        const float *mean = shared ? args->out : y;
        multiply_by_signs(signed_in, x, signs, &in, args, draw, CRD_PURPOSE_SIGN_IN, per_pixel);
        crd_estimator_apply_draw(perturbation, args, (const float *const[]){signed_in}, draw, 0,
                                 bias, NULL, &nothing);
        multiply_by_signs(perturbation, perturbation, signs, &out, args, draw, CRD_PURPOSE_SIGN_OUT,
                          per_pixel);
        crd_kernels_get()->elementwise->add(y, mean, perturbation, out.total);
        crd_estimator_finish(args, d);
    }
}

static int64_t backward_scratch_floats(const crd_random_op *random, int64_t n_images)
{
    return crd_estimator_params_floats(random, true) + scratch_floats(random, n_images) +
           in_extent(random, n_images).total;
}

/* Backward of the layer with this weight. */
static void pass_back(const crd_estimator_args *args, const float *dout, float *din, bool adds,
                      float *const dparams[CRD_OP_MAX_PARAMS], const float *in, const float *weight)
{
    crd_op_grads grads = {.dout = dout, .din = &din, .adds = &adds};
    memcpy(grads.dparams, dparams, sizeof grads.dparams);
    const float *values[CRD_OP_MAX_PARAMS] = {[CRD_SLOT_WEIGHT] = weight};
    crd_estimator_apply_backward(&grads, args, &in, values);
}

/* The mean path gives dmu; the perturbation's, from signed input and signed dout, gives the
 * gradient at sigma * eps, that is dsigma but for eps; both give din. */
static void backward(const crd_estimator_args *args, crd_estimator_grads *grads, int per_pixel)
{
    int64_t draw = args->first_draw;
    crd_extent in = in_extent(args->random, args->n_images);
    crd_extent out = out_extent(args->random, args->n_images);
    float *weight = args->scratch, *din = grads->din[0];
    float *signed_in = weight + crd_estimator_params_floats(args->random, true) +
                       crd_estimator_params_floats(args->random, false);
    float *signed_din = signed_in + in.total;
    float *signed_dout = signed_din + in.total;
    float *signs = signed_dout + out.total;
    pass_back(args, grads->dout, din, grads->adds[0], grads->dmu, args->in[0],
              mu_of(args, CRD_SLOT_WEIGHT));
    crd_estimator_draw(weight, args, args->random->params[CRD_SLOT_WEIGHT], draw, 0);
    multiply_by_signs(signed_in, args->in[0], signs, &in, args, draw, CRD_PURPOSE_SIGN_IN,
                      per_pixel);
    multiply_by_signs(signed_dout, grads->dout, signs, &out, args, draw, CRD_PURPOSE_SIGN_OUT,
                      per_pixel);
    pass_back(args, signed_dout, din == NULL ? NULL : signed_din, false, grads->dsigma, signed_in,
              weight);
    if (din == NULL)
        return;
    multiply_by_signs(signed_din, signed_din, signs, &in, args, draw, CRD_PURPOSE_SIGN_IN,
                      per_pixel);
    crd_kernels_get()->elementwise->add(din, din, signed_din, in.total);
}

static void forward_channel(const crd_estimator_args *args)
{
    forward(args, 0);
}

static void forward_pixel(const crd_estimator_args *args)
{
    forward(args, 1);
}

static void backward_channel(const crd_estimator_args *args, crd_estimator_grads *grads)
{
    backward(args, grads, 0);
}

static void backward_pixel(const crd_estimator_args *args, crd_estimator_grads *grads)
{
    backward(args, grads, 1);
}

const crd_estimator crd_estimator_flipout = {
    .draws_weights = 1,
    .shares_work = 1,
    .needs_affine = 1,
    .needs_normal = 1,
    .scratch_floats = scratch_floats,
    .forward = forward_channel,
    .backward_scratch_floats = backward_scratch_floats,
    .backward = backward_channel,
};

const crd_estimator crd_estimator_flipout_pixel = {
    .draws_weights = 1,
    .shares_work = 1,
    .needs_affine = 1,
    .needs_normal = 1,
    .scratch_floats = scratch_floats,
    .forward = forward_pixel,
    .backward_scratch_floats = backward_scratch_floats,
    .backward = backward_pixel,
};
