#include "bayes/estimator.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/names.h"
#include "kernels/kernels.h"

enum { N_ESTIMATORS = 4, FLOATS_PER_LINE = 16 };

static const char *const names[N_ESTIMATORS + 1] = {
    "reparameterization", "flipout", "flipout-pixel", "local-reparameterization", NULL};

static const crd_estimator *const estimators[N_ESTIMATORS] = {
    &crd_estimator_reparameterization,
    &crd_estimator_flipout,
    &crd_estimator_flipout_pixel,
    &crd_estimator_local_reparameterization,
};

const char *const *crd_estimator_names(void)
{
    return names;
}

crd_status crd_estimator_find(const crd_estimator **out, const char *name, const char *key)
{
    int i;
    crd_status status = crd_names_require(&i, names, name, key, CRD_ERR_USAGE);
    *out = status == CRD_OK ? estimators[i] : NULL;
    return status;
}

crd_extent crd_extent_make(const crd_shape *shape, int64_t n_images)
{
    int64_t per_image = crd_shape_count(shape);
    int64_t channels = shape->n_dims == 0 ? 1 : shape->dims[0];
    return (crd_extent){.channels = channels,
                        .images = n_images,
                        .pixels = per_image / channels,
                        .per_image = per_image,
                        .total = per_image * n_images};
}

void crd_extent_load(float *out, const float *images, const crd_extent *extent)
{
    for (int64_t c = 0; c < extent->channels; c++)
        for (int64_t n = 0; n < extent->images; n++)
            memcpy(out + (c * extent->images + n) * extent->pixels,
                   images + (n * extent->channels + c) * extent->pixels,
                   (size_t)extent->pixels * sizeof *out);
}

void crd_extent_store(float *out, const float *activations, const crd_extent *extent)
{
    for (int64_t c = 0; c < extent->channels; c++)
        for (int64_t n = 0; n < extent->images; n++)
            memcpy(out + (n * extent->channels + c) * extent->pixels,
                   activations + (c * extent->images + n) * extent->pixels,
                   (size_t)extent->pixels * sizeof *out);
}

const crd_shape *crd_estimator_in_shape(const crd_model *model, const crd_node *node)
{
    return &model->network->nodes[node->inputs[0]].shape;
}

int64_t crd_estimator_param_floats(const crd_model *model, int64_t index)
{
    if (index < 0)
        return 0;
    int64_t count = model->network->params.entries[index].count;
    return (count + FLOATS_PER_LINE - 1) / FLOATS_PER_LINE * FLOATS_PER_LINE;
}

const float *crd_estimator_values(const float *block, const crd_model *model, int64_t index)
{
    return index < 0 ? NULL : block + model->network->params.entries[index].offset;
}

crd_stream crd_estimator_stream(const crd_estimator_args *args, crd_purpose purpose, int64_t tensor,
                                int64_t draw, int64_t image)
{
    int64_t second = args->antithetic ? draw % 2 : 0;
    return (crd_stream){.seed = args->seed,
                        .draw = (uint32_t)(draw - second),
                        .image = (uint32_t)image,
                        .tensor = (uint32_t)tensor,
                        .purpose = purpose,
                        .negated = (uint32_t)second};
}

/* Elements of a parameter from `first` on, drawn; `first` is a multiple of CRD_STREAM_BLOCK. */
static void draw_stretch(float *out, const crd_estimator_args *args, int64_t index, int64_t draw,
                         int with_mu, int64_t first, int64_t n)
{
    const crd_model *model = args->model;
    const float *mu = with_mu ? crd_estimator_values(model->mu, model, index) + first : NULL;
    const float *sigma = crd_estimator_values(model->sigma, model, index) + first;
    if (model->eps != NULL) {
        const float *eps = crd_estimator_values(model->eps, model, index) + first;
        for (int64_t i = 0; i < n; i++)
            out[i] = fmaf(sigma[i], eps[i], mu == NULL ? 0 : mu[i]);
    } else {
        const crd_stream stream = crd_estimator_stream(args, CRD_PURPOSE_WEIGHT, index, draw, 0);
        crd_kernels_get()->draw(out, mu, sigma, n, first, &stream);
    }
}

void crd_estimator_draw(float *out, const crd_estimator_args *args, int64_t index, int64_t draw,
                        int with_mu)
{
    if (index < 0)
        return;
    double start_s = crd_clock_now_s();
    draw_stretch(out, args, index, draw, with_mu, 0,
                 args->model->network->params.entries[index].count);
    args->times->draw_s += crd_clock_now_s() - start_s;
}

const float *crd_estimator_eps(float *out, const crd_estimator_args *args, int64_t index,
                               int64_t first, int64_t n)
{
    if (args->model->eps != NULL)
        return crd_estimator_values(args->model->eps, args->model, index) + first;
    const crd_stream stream =
        crd_estimator_stream(args, CRD_PURPOSE_WEIGHT, index, args->first_draw, 0);
    crd_kernels_get()->normal_fill(out, n, first, &stream);
    return out;
}

void crd_estimator_apply_backward(float *din, int adds, float *dweight, float *dbias,
                                  const crd_estimator_args *args, const float *in,
                                  const float *dout, const float *weight)
{
    double start_s = crd_clock_now_s();
    const crd_layer_args layer_args = {
        .in = {in},
        .in_shape = {crd_estimator_in_shape(args->model, args->node)},
        .params = {[CRD_PARAM_WEIGHT] = weight},
        .n_images = args->n_images,
        .scratch = args->layer_scratch};
    const crd_layer_grads grads = {
        .dout = dout,
        .din = {din},
        .adds = {adds},
        .dparams = {[CRD_PARAM_WEIGHT] = dweight, [CRD_PARAM_BIAS] = dbias}};
    args->node->layer->backward(args->node, &layer_args, &grads);
    args->times->weighted_s += crd_clock_now_s() - start_s;
}

const float *crd_estimator_residual(const crd_estimator_args *args, int64_t d)
{
    return args->residual == NULL ? NULL : args->residual + d * args->residual_step;
}

void crd_estimator_finish(const crd_estimator_args *args, int64_t d)
{
    crd_layer_finish(args->out + d * args->out_step, crd_estimator_residual(args, d), args->relu,
                     args->n_images * crd_shape_count(&args->node->shape));
}

/* `rest` holds what is not the same for all: weights and epilogue. */
static void apply(float *out, const crd_estimator_args *args, const float *in, const float *bias,
                  crd_layer_args rest)
{
    double start_s = crd_clock_now_s(), drawn_s = args->times->draw_s;
    rest.out = out;
    rest.in[0] = in;
    rest.in_shape[0] = crd_estimator_in_shape(args->model, args->node);
    rest.params[CRD_PARAM_BIAS] = bias;
    rest.n_images = args->n_images;
    rest.precision = args->precision;
    rest.scratch = args->layer_scratch;
    args->node->layer->forward(args->node, &rest);
    args->times->weighted_s += crd_clock_now_s() - start_s - (args->times->draw_s - drawn_s);
}

void crd_estimator_apply(float *out, const crd_estimator_args *args, const float *in,
                         const float *weight, const float *bias)
{
    apply(out, args, in, bias, (crd_layer_args){.params = {[CRD_PARAM_WEIGHT] = weight}});
}

/* What a source needs to know to draw a stretch. */
typedef struct drawn_weights {
    const crd_estimator_args *args;
    int64_t draw;
    int with_mu;
    float *kept;
} drawn_weights;

/* A stream can be entered at its blocks only, so up to a block less one is drawn in front. */
static const float *get_drawn(float *out, int64_t first, int64_t n, const void *payload)
{
    const drawn_weights *w = payload;
    int64_t lead = first % CRD_STREAM_BLOCK;
    if (w->kept != NULL)
        out = w->kept + first - lead;
    double start_s = crd_clock_now_s();
    draw_stretch(out, w->args, w->args->weight, w->draw, w->with_mu, first - lead, n + lead);
    w->args->times->draw_s += crd_clock_now_s() - start_s;
    return out + lead;
}

void crd_estimator_apply_draw(float *out, const crd_estimator_args *args, const float *in,
                              const float *bias, int64_t draw, int with_mu, float *kept,
                              const float *residual, int relu)
{
    const drawn_weights weights = {args, draw, with_mu, kept};
    const crd_weight_source source = {get_drawn, &weights};
    apply(out, args, in, bias,
          (crd_layer_args){.source = &source, .residual = residual, .relu = relu});
}
