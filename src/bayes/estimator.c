/* What the estimators share: drawing parameters where they are used, and running the op with
 * them. */
#include "bayes/estimator.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/names.h"
#include "kernels/kernels.h"
#include "weights/family.h"

enum { N_ESTIMATORS = 6, FLOATS_PER_LINE = 16 };

static const char *const names[N_ESTIMATORS + 1] = {
    "reparameterization",
    "flipout",
    "flipout-pixel",
    "local-reparameterization",
    "local-reparameterization-linear",
    "reparameterization-step",
    NULL,
};

static const crd_estimator *const estimators[N_ESTIMATORS] = {
    &crd_estimator_reparameterization,
    &crd_estimator_flipout,
    &crd_estimator_flipout_pixel,
    &crd_estimator_local_reparameterization,
    &crd_estimator_local_reparameterization_linear,
    &crd_estimator_reparameterization_step,
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

bool crd_estimator_is_vector(const crd_network *network, const crd_graph_op *op)
{
    if (!op->kind->is_affine || !op->kind->takes_fold)
        return false;
    const crd_param *params = network->params.entries;
    int64_t n_in = crd_shape_count(op->in), n_out = crd_shape_count(&op->shape);
    int64_t weight = op->params[CRD_SLOT_WEIGHT], bias = op->params[CRD_SLOT_BIAS];
    return n_in == op->in->dims[0] && n_out == op->shape.dims[0] &&
           params[weight].count == n_in * n_out && (bias < 0 || params[bias].count == n_out);
}

const crd_estimator *crd_estimator_for(const crd_estimator *estimator, const crd_network *network,
                                       const crd_graph_op *op)
{
    bool is_for_others = (estimator->needs_affine && !op->kind->is_affine) ||
                         (estimator->needs_vector && !crd_estimator_is_vector(network, op)) ||
                         (estimator->needs_steps && !op->kind->has_steps);
    return is_for_others ? &crd_estimator_reparameterization : estimator;
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

/* Elements of a parameter from `first` on, in a draw; `first` is a multiple of CRD_STREAM_BLOCK. */
static const float *draw_stretch(float *out, const crd_estimator_args *args, int64_t draw,
                                 crd_weights_request request)
{
    const crd_model *model = args->random->model;
    const crd_stream stream =
        crd_estimator_stream(args, CRD_PURPOSE_WEIGHT, request.param, draw, 0);
    request.component = crd_component_of(draw, model->n_components, args->antithetic);
    request.stream = &stream;
    return model->family->fill(out, model, &request);
}

const float *crd_estimator_draw(float *out, const crd_estimator_args *args, int64_t index,
                                int64_t draw, int with_mu)
{
    if (index < 0)
        return NULL;
    double start_s = crd_clock_now_s();
    const crd_weights_request all = {.param = index,
                                     .n = args->random->model->network->params.entries[index].count,
                                     .with_mu = with_mu};
    const float *drawn = draw_stretch(out, args, draw, all);
    args->times->draw_s += crd_clock_now_s() - start_s;
    return drawn;
}

const float *crd_estimator_eps(float *out, const crd_estimator_args *args, int64_t index,
                               int64_t first, int64_t n)
{
    if (args->random->model->eps != NULL)
        return crd_estimator_values(args->random->model->eps, args->random->model, index) + first;
    const crd_stream stream =
        crd_estimator_stream(args, CRD_PURPOSE_WEIGHT, index, args->first_draw, 0);
    crd_kernels_get()->normal_fill(out, n, first, &stream);
    return out;
}

/* `pass` holds inputs and parameters. */
static void apply_backward(const crd_op_grads *grads, const crd_estimator_args *args,
                           crd_op_args *pass)
{
    double start_s = crd_clock_now_s();
    const crd_graph_op *op = args->random->op;
    const crd_op_random random = {args->seed, args->first_draw, args->first_image, args->index};
    pass->n_images = args->n_images;
    pass->scratch = args->op_scratch;
    pass->random = &random;
    op->kind->backward(op, pass, grads);
    args->times->weighted_s += crd_clock_now_s() - start_s;
}

void crd_estimator_apply_backward(const crd_op_grads *grads, const crd_estimator_args *args,
                                  const float *const *in, const float *const *values)
{
    crd_op_args pass = {.in = in};
    for (int slot = 0; slot < args->random->op->kind->n_params; slot++)
        pass.params[slot].values = values[slot];
    apply_backward(grads, args, &pass);
}

void crd_estimator_apply_steps_backward(const crd_op_grads *grads, const crd_estimator_args *args,
                                        const float *const *in, const crd_op_steps *steps)
{
    apply_backward(grads, args, &(crd_op_args){.in = in, .steps = steps});
}

const float *const *crd_estimator_inputs(const crd_estimator_args *args, int64_t d)
{
    for (int k = 0; k < args->random->op->n_inputs; k++)
        args->in_room[k] = args->in[k] + d * args->in_steps[k];
    return args->in_room;
}

crd_epilogue crd_estimator_epilogue(const crd_estimator_args *args, int64_t d)
{
    crd_epilogue epilogue = args->epilogue;
    if (epilogue.residual != NULL)
        epilogue.residual += d * args->residual_step;
    return epilogue;
}

void crd_estimator_finish(const crd_estimator_args *args, int64_t d)
{
    const crd_epilogue epilogue = crd_estimator_epilogue(args, d);
    crd_epilogue_apply(args->out + d * args->out_step, &epilogue,
                       args->n_images * crd_shape_count(&args->random->op->shape));
}

/* `pass` holds what is not the same for all: inputs, parameters and epilogue. */
static void apply(float *out, const crd_estimator_args *args, int64_t draw, crd_op_args *pass)
{
    double start_s = crd_clock_now_s(), drawn_s = args->times->draw_s;
    const crd_op_random random = {args->seed, draw, args->first_image, args->index};
    pass->out = out;
    pass->n_images = args->n_images;
    pass->precision = args->precision;
    pass->scratch = args->op_scratch;
    pass->random = &random;
    args->random->op->kind->forward(args->random->op, pass);
    args->times->weighted_s += crd_clock_now_s() - start_s - (args->times->draw_s - drawn_s);
}

void crd_estimator_apply(float *out, const crd_estimator_args *args, const float *in,
                         const float *weight, const float *bias)
{
    crd_op_args pass = {
        .in = &in,
        .params = {[CRD_SLOT_WEIGHT] = {.values = weight}, [CRD_SLOT_BIAS] = {.values = bias}}};
    apply(out, args, args->first_draw, &pass);
}

void crd_estimator_apply_steps(float *out, const crd_estimator_args *args, const float *const *in,
                               int64_t draw, const crd_op_steps *steps)
{
    apply(out, args, draw, &(crd_op_args){.in = in, .steps = steps});
}

int64_t crd_estimator_params_floats(const crd_random_op *random, bool is_streamed)
{
    int64_t n = 0;
    for (int slot = 0; slot < random->op->kind->n_params; slot++)
        if (random->op->kind->params[slot].is_streamed == is_streamed)
            n += crd_estimator_param_floats(random->model, random->params[slot]);
    return n;
}

/* What a source needs to know to draw a stretch of a parameter. */
typedef struct drawn_weights {
    const crd_estimator_args *args;
    int64_t index, draw;
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
    const crd_weights_request stretch = {
        .param = w->index, .first = first - lead, .n = n + lead, .with_mu = w->with_mu};
    const float *drawn = draw_stretch(out, w->args, w->draw, stretch);
    w->args->times->draw_s += crd_clock_now_s() - start_s;
    return drawn + lead;
}

void crd_estimator_apply_draw(float *out, const crd_estimator_args *args, const float *const *in,
                              int64_t draw, int with_mu, float *room, float *kept,
                              const crd_epilogue *epilogue)
{
    const crd_op *kind = args->random->op->kind;
    drawn_weights drawn[CRD_OP_MAX_PARAMS];
    crd_op_args pass = {.in = in, .epilogue = *epilogue};
    for (int slot = 0; slot < kind->n_params; slot++) {
        int64_t index = args->random->params[slot];
        int64_t n = crd_estimator_param_floats(args->random->model, index);
        if (index < 0)
            continue;
        if (kind->params[slot].is_streamed) {
            drawn[slot] = (drawn_weights){args, index, draw, with_mu, kept};
            pass.params[slot] = (crd_weight_source){NULL, get_drawn, &drawn[slot]};
            kept = kept == NULL ? NULL : kept + n;
        } else {
            pass.params[slot].values = crd_estimator_draw(room, args, index, draw, with_mu);
            room += n;
        }
    }
    apply(out, args, draw, &pass);
}
