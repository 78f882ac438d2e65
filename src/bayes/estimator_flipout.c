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
        const crd_stream stream =
            crd_estimator_stream(args, purpose, args->weight, draw, args->first_image + n);
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

static int64_t scratch_floats(const crd_model *model, const crd_node *node, int64_t weight,
                              int64_t bias, int64_t n_images)
{
    crd_extent in = crd_extent_make(crd_estimator_in_shape(model, node), n_images);
    crd_extent out = crd_extent_make(&node->shape, n_images);
    int64_t signs = in.per_image > out.per_image ? in.per_image : out.per_image;
    (void)weight;
    return crd_estimator_param_floats(model, bias) + in.total + out.total + signs;
}

static void forward(const crd_estimator_args *args, int per_pixel)
{
    const crd_model *model = args->model;
    crd_extent in = crd_extent_make(crd_estimator_in_shape(model, args->node), args->n_images);
    crd_extent out = crd_extent_make(&args->node->shape, args->n_images);
    float *bias_room = args->scratch;
    float *bias = args->bias < 0 ? NULL : bias_room;
    float *signed_in = bias_room + crd_estimator_param_floats(model, args->bias);
    float *perturbation = signed_in + in.total;
    float *signs = perturbation + out.total;
    const float *mu = crd_estimator_values(model->mu, model, args->weight);
    const float *mu_bias = crd_estimator_values(model->mu, model, args->bias);
    /* Where the draws share their input they share the mean too: it is computed once, into draw
     * 0's place, and draw 0 comes last. */
    int shared = args->in_step == 0;
    if (shared)
        crd_estimator_apply(args->out, args, args->in, mu, mu_bias);
    for (int64_t d = args->n_draws - 1; d >= 0; d--) {
        int64_t draw = args->first_draw + d;
        const float *x = args->in + d * args->in_step;
        float *y = args->out + d * args->out_step;
        if (!shared)
            crd_estimator_apply(y, args, x, mu, mu_bias);
        const float *mean = shared ? args->out : y;
        crd_estimator_draw(bias, args, args->bias, draw, 0);
        multiply_by_signs(signed_in, x, signs, &in, args, draw, CRD_PURPOSE_SIGN_IN, per_pixel);
        crd_estimator_apply_draw(perturbation, args, signed_in, bias, draw, 0, NULL, NULL, 0);
        multiply_by_signs(perturbation, perturbation, signs, &out, args, draw, CRD_PURPOSE_SIGN_OUT,
                          per_pixel);
        crd_kernels_get()->elementwise->add(y, mean, perturbation, out.total);
        crd_estimator_finish(args, d);
    }
}

static int64_t backward_scratch_floats(const crd_model *model, const crd_node *node, int64_t weight,
                                       int64_t bias, int64_t n_images)
{
    crd_extent in = crd_extent_make(crd_estimator_in_shape(model, node), n_images);
    return crd_estimator_param_floats(model, weight) +
           scratch_floats(model, node, weight, bias, n_images) + in.total;
}

/* The mean path gives dmu; the perturbation's, from signed input and signed dout, gives the
 * gradient at sigma * eps, that is dsigma but for eps; both give din. */
static void backward(const crd_estimator_args *args, crd_estimator_grads *grads, int per_pixel)
{
    const crd_model *model = args->model;
    int64_t draw = args->first_draw;
    crd_extent in = crd_extent_make(crd_estimator_in_shape(model, args->node), args->n_images);
    crd_extent out = crd_extent_make(&args->node->shape, args->n_images);
    float *weight = args->scratch;
    float *bias = weight + crd_estimator_param_floats(model, args->weight);
    float *signed_in = bias + crd_estimator_param_floats(model, args->bias);
    float *signed_din = signed_in + in.total;
    float *signed_dout = signed_din + in.total;
    float *signs = signed_dout + out.total;
    crd_estimator_apply_backward(grads->din, grads->adds, grads->dmu[CRD_PARAM_WEIGHT],
                                 grads->dmu[CRD_PARAM_BIAS], args, args->in, grads->dout,
                                 crd_estimator_values(model->mu, model, args->weight));
    crd_estimator_draw(weight, args, args->weight, draw, 0);
    multiply_by_signs(signed_in, args->in, signs, &in, args, draw, CRD_PURPOSE_SIGN_IN, per_pixel);
    multiply_by_signs(signed_dout, grads->dout, signs, &out, args, draw, CRD_PURPOSE_SIGN_OUT,
                      per_pixel);
    if (grads->din == NULL)
        signed_din = NULL;
    crd_estimator_apply_backward(signed_din, 0, grads->dsigma[CRD_PARAM_WEIGHT],
                                 grads->dsigma[CRD_PARAM_BIAS], args, signed_in, signed_dout,
                                 weight);
    if (grads->din == NULL)
        return;
    multiply_by_signs(signed_din, signed_din, signs, &in, args, draw, CRD_PURPOSE_SIGN_IN,
                      per_pixel);
    crd_kernels_get()->elementwise->add(grads->din, grads->din, signed_din, in.total);
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
    .scratch_floats = scratch_floats,
    .forward = forward_channel,
    .backward_scratch_floats = backward_scratch_floats,
    .backward = backward_channel,
};

const crd_estimator crd_estimator_flipout_pixel = {
    .draws_weights = 1,
    .shares_work = 1,
    .scratch_floats = scratch_floats,
    .forward = forward_pixel,
    .backward_scratch_floats = backward_scratch_floats,
    .backward = backward_pixel,
};
