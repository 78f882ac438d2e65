/* Local reparameterization: given its input an output element is normal with mean F(x; mu, mu_b)
 * and variance F(x^2; sigma^2, sigma_b^2), so it is drawn directly: out = mean + sqrt(variance) *
 * eps, eps standard normal for every (image, channel, pixel). Source: Kingma, Salimans, Welling,
 * "Variational dropout and the local reparameterization trick", NeurIPS 2015, section 2.3.
 *
 * Each output element has the law of reparameterization, and images are independent given the
 * input, as with flipout. But the pixels of a convolution share one kernel and are drawn here as if
 * they did not: as with flipout-pixel, the deviation after pooling over n pixels is too small by up
 * to sqrt(n). Exact where an image's output is one vector and each weight is used once, in a linear
 * layer; "local-reparameterization-linear" is this estimator for such layers only.
 *
 * There a draw needs no number a weight. The inputs of a block of draws, where they differ, are
 * columns of one product with mu and of one with sigma^2, so that mu and sigma are read once for
 * all of them. An element's sum runs through the weights from the first to the last, so its bits do
 * not depend on how many columns there are. */
#include <string.h>

#include "base/clock.h"
#include "base/integers.h"
#include "bayes/estimator.h"
#include "kernels/kernels.h"

/* Columns of a product, unless a draw has more; weights of 16 outputs turned round at once. */
enum { COLUMNS = 32, TERMS = 256 };

static crd_extent in_extent(const crd_random_op *random, int64_t n_images)
{
    return crd_extent_make(random->op->in, n_images);
}

static crd_extent out_extent(const crd_random_op *random, int64_t n_images)
{
    return crd_extent_make(&random->op->shape, n_images);
}

static bool is_vector(const crd_random_op *random)
{
    return crd_estimator_is_vector(random->model->network, random->op);
}

static int64_t param_floats(const crd_random_op *random, int slot)
{
    return crd_estimator_param_floats(random->model, random->params[slot]);
}

/* Draws whose columns are in one product. */
static int64_t draws_at_once(int64_t n_images)
{
    return crd_larger(COLUMNS / n_images, 1);
}

/* Columns in and out, mean and deviation; sums; weights or variances of 16 outputs; eps. Of up to
 * n_images: fewer of them may have more columns, which are COLUMNS at most. */
static int64_t vector_floats(const crd_random_op *random, int64_t n_images)
{
    crd_extent in = in_extent(random, 1), out = out_extent(random, 1);
    int64_t n = crd_larger(COLUMNS, n_images);
    return n * (2 * in.total + 2 * out.total + CRD_LANES) + TERMS * CRD_LANES + out.per_image;
}

static int64_t scratch_floats(const crd_random_op *random, int64_t n_images)
{
    crd_extent in = in_extent(random, n_images), out = out_extent(random, n_images);
    if (is_vector(random))
        return vector_floats(random, n_images);
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

/* n columns of a product: sums[n][16] += those of terms [first, first + n_terms) with 16 rows of
 * weights as they lie; `turned` has room for them turned round. is_variance: of their squares. */
typedef struct column_product {
    const float *weights, *columns; /* [rows][row_floats], [row_floats][n] */
    int64_t row_floats, n, first, n_terms;
    int n_rows;
    bool is_variance;
    float *sums, *turned;
} column_product;

static void add_terms(const column_product *p)
{
    const crd_conv_kernels *kernels = crd_kernels_get()->conv;
    int64_t terms[TERMS];
    kernels->pack(p->turned, p->weights + p->first, p->row_floats, p->n_terms, p->n_rows);
    if (p->is_variance)
        square(p->turned, p->turned, p->n_terms * CRD_LANES);
    for (int64_t k = 0; k < p->n_terms; k++)
        terms[k] = k * p->n;
    for (int64_t at = 0; at < p->n;) {
        int64_t width = crd_smaller(kernels->max_width, p->n - at);
        kernels->multiply(&(crd_products){.out = p->sums,
                                          .adds = p->first > 0,
                                          .out_at = &at,
                                          .in = p->columns + p->first * p->n,
                                          .in_at = &at,
                                          .n_pieces = 1,
                                          .width = (int)width,
                                          .in_step = 1,
                                          .terms = terms,
                                          .n_terms = p->n_terms,
                                          .panels = p->turned,
                                          .n_panels = 1});
        at += width;
    }
}

/* out[n_out][n] of columns [n_in][n], by mu and its bias, or their variances. */
static void multiply_columns(float *out, const crd_random_op *random, const float *columns,
                             int64_t n, bool is_variance, float *room)
{
    const crd_model *model = random->model;
    const float *block = is_variance ? model->sigma : model->mu;
    const float *weights = crd_estimator_values(block, model, random->params[CRD_SLOT_WEIGHT]);
    const float *bias = crd_estimator_values(block, model, random->params[CRD_SLOT_BIAS]);
    int64_t n_in = in_extent(random, 1).total, n_out = out_extent(random, 1).total;
    column_product p = {.columns = columns,
                        .row_floats = n_in,
                        .n = n,
                        .is_variance = is_variance,
                        .sums = room,
                        .turned = room + n * CRD_LANES};
    for (int64_t row = 0; row < n_out; row += CRD_LANES) {
        float shift[CRD_LANES] = {0};
        p.n_rows = (int)crd_smaller(CRD_LANES, n_out - row);
        p.weights = weights + row * n_in;
        for (p.first = 0; p.first < n_in; p.first += TERMS) {
            p.n_terms = crd_smaller(TERMS, n_in - p.first);
            add_terms(&p);
        }
        for (int c = 0; bias != NULL && c < p.n_rows; c++)
            shift[c] = is_variance ? bias[row + c] * bias[row + c] : bias[row + c];
        crd_kernels_get()->conv->unpack(out + row * n, n, p.sums, n, p.n_rows,
                                        &(crd_epilogue){.bias = shift});
    }
}

/* Draws [d, d + n_draws) of the call; `eps` has room for one image. mean and sd hold columns of
 * n_inputs draws: of one, if all share it. */
static void put_draws(const crd_estimator_args *args, int64_t d, int64_t n_draws, int64_t n_inputs,
                      const float *mean, const float *sd, float *eps)
{
    double start_s = crd_clock_now_s();
    crd_extent out = out_extent(args->random, args->n_images);
    for (int64_t i = 0; i < n_draws; i++) {
        float *y = args->out + (d + i) * args->out_step;
        for (int64_t image = 0; image < out.images; image++) {
            int64_t column = (n_inputs == 1 ? 0 : i) * out.images + image;
            image_noise(eps, &out, args, args->first_draw + d + i, image);
            for (int64_t c = 0; c < out.channels; c++) {
                int64_t at = c * n_inputs * out.images + column;
                crd_kernels_get()->elementwise->add_noise(y + c * out.images + image, mean + at,
                                                          sd + at, eps + c, 1);
            }
        }
    }
    args->times->draw_s += crd_clock_now_s() - start_s;
    for (int64_t i = 0; i < n_draws; i++)
        crd_estimator_finish(args, d + i);
}

/* Where an image's output is a vector. */
static void forward_vectors(const crd_estimator_args *args)
{
    const crd_random_op *random = args->random;
    int64_t n_in = in_extent(random, 1).total, n_out = out_extent(random, 1).total;
    int64_t at_once = draws_at_once(args->n_images), columns = at_once * args->n_images;
    float *x = args->scratch, *squared = x + columns * n_in, *mean = squared + columns * n_in;
    float *sd = args->kept != NULL ? args->kept : mean + columns * n_out;
    float *eps = mean + 2 * columns * n_out, *room = eps + n_out;
    bool is_shared = args->in_steps[0] == 0;
    bool is_known = args->is_repeated && is_shared;
    for (int64_t d = 0; d < args->n_draws; d += at_once) {
        int64_t n_draws = crd_smaller(at_once, args->n_draws - d),
                n_inputs = is_shared ? 1 : n_draws;
        int64_t n = n_inputs * args->n_images;
        if (!is_shared || (d == 0 && !is_known)) {
            double start_s = crd_clock_now_s();
            for (int64_t i = 0; i < n_inputs; i++)
                for (int64_t k = 0; k < n_in; k++)
                    memcpy(x + k * n + i * args->n_images,
                           args->in[0] + (d + i) * args->in_steps[0] + k * args->n_images,
                           (size_t)args->n_images * sizeof *x);
            square(squared, x, n * n_in);
            multiply_columns(mean, random, x, n, false, room);
            multiply_columns(sd, random, squared, n, true, room);
            crd_kernels_get()->elementwise->deviation(sd, sd, n * n_out);
            args->times->weighted_s += crd_clock_now_s() - start_s;
        }
        put_draws(args, d, n_draws, n_inputs, mean, sd, eps);
    }
}

static void forward(const crd_estimator_args *args)
{
    if (is_vector(args->random)) {
        forward_vectors(args);
        return;
    }
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

#define LOCAL                                                                                      \
    .draws_weights = 0, .needs_affine = 1, .needs_normal = 1, .scratch_floats = scratch_floats,    \
    .forward = forward, .backward_scratch_floats = backward_scratch_floats,                        \
    .kept_floats = kept_floats, .backward = backward

const crd_estimator crd_estimator_local_reparameterization = {LOCAL, .shares_work = 1};
const crd_estimator crd_estimator_local_reparameterization_linear = {LOCAL, .needs_vector = 1};
