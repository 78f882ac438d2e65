/* A matrix product over the features, torch's Linear: of vectors (features, images), and of tokens
 * (features, images, positions), where it is a pointwise convolution of the whole batch (src/conv).
 * InProjection is the same under the names that torch's MultiheadAttention has for its packed
 * projections of queries, keys and values; QkvProjection leaves out the bias of the keys, as
 * torchvision's Swin V2 does. */
#include "base/integers.h"
#include "conv/backward.h"
#include "kernels/kernels.h"
#include "ops/registry.h"

extern const crd_op crd_op_qkv_projection;

typedef struct attributes {
    int64_t in_features, out_features, bias;
} attributes;

static const crd_attr_spec attrs[] = {
    {"in_features", offsetof(attributes, in_features), 1, .min = 1, .max = CRD_OP_MAX_ELEMENTS},
    {"out_features", offsetof(attributes, out_features), 1, .min = 1, .max = CRD_OP_MAX_ELEMENTS},
    {"bias", offsetof(attributes, bias), 1, .min = 0, .max = 1, .is_optional = true, .fallback = 1},
    {0},
};

enum { N_PARAMS = 2 };

#define PARAMS(prefix, by_name)                                                                    \
    {                                                                                              \
        {prefix "weight",                                                                          \
         prefix "weight",                                                                          \
         CRD_TRAINED,                                                                              \
         .may_be_random = true,                                                                    \
         .is_by_name_only = by_name,                                                               \
         .is_streamed = true,                                                                      \
         .initial = CRD_INIT_HE},                                                                  \
        {                                                                                          \
            prefix "bias", prefix "bias", CRD_TRAINED,                                             \
                .may_be_random = true, .is_by_name_only = by_name, .initial = CRD_INIT_ZERO        \
        }                                                                                          \
    }

static const crd_param_spec params[N_PARAMS] = PARAMS("", false),
                            in_params[N_PARAMS] = PARAMS("in_proj_", true);

static bool lacks_key_bias(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    return op->kind == &crd_op_qkv_projection && a->bias;
}

static crd_status infer(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    const attributes *a = op->attrs;
    char text[CRD_SHAPE_TEXT_SIZE];
    if (op->in->n_dims < 1 || op->in->dims[0] != a->in_features)
        return CRD_OP_FAIL(op, "in_features is %lld, but its input has shape %s",
                           (long long)a->in_features, crd_shape_text(text, op->in));
    if (lacks_key_bias(op) && a->out_features % 3 != 0)
        return CRD_OP_FAIL(op, "out_features is %lld, needed is a multiple of 3",
                           (long long)a->out_features);
    op->shape = *op->in;
    op->shape.dims[0] = a->out_features;
    shapes[CRD_SLOT_WEIGHT] = crd_shape_make(2, a->out_features, a->in_features);
    if (a->bias)
        shapes[CRD_SLOT_BIAS] = crd_shape_make(1, a->out_features);
    return CRD_OK;
}

/* Tokens of an image. */
static int64_t n_positions(const crd_graph_op *op)
{
    return crd_shape_count(&op->shape) / op->shape.dims[0];
}

static int64_t work(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    return a->in_features * a->out_features * n_positions(op);
}

/* The convolution that a product of tokens is. */
static crd_conv geometry(const crd_graph_op *op, int64_t n_images, crd_precision precision)
{
    const attributes *a = op->attrs;
    return (crd_conv){.in_channels = a->in_features,
                      .out_channels = a->out_features,
                      .groups = 1,
                      .kernel_size = {1, 1},
                      .stride = {1, 1},
                      .dilation = {1, 1},
                      .n_images = n_images,
                      .height = 1,
                      .width = n_positions(op),
                      .out_height = 1,
                      .out_width = n_positions(op),
                      .n_in = a->in_features,
                      .n_out = a->out_features,
                      .n_terms = a->in_features,
                      .precision = precision};
}

static const char *method(const crd_graph_op *op, int64_t n_images, crd_precision precision)
{
    crd_conv conv = geometry(op, n_images, precision);
    return op->in->n_dims == 1 ? "gemm" : crd_conv_choose(&conv)->name;
}

/* Weights of a vector's product are made and used in stretches of rows that stay in the cache. */
enum { STRETCH_FLOATS = 64 << 10 };

static int64_t rows_at_once(const attributes *a)
{
    return crd_smaller(crd_larger(STRETCH_FLOATS / a->in_features, 1), a->out_features);
}

/* Before the scratch of the product: the biases, if some are left out. */
static int64_t bias_floats(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    return lacks_key_bias(op) ? (a->out_features + 15) / 16 * 16 : 0;
}

static int64_t scratch_floats(const crd_graph_op *op, int64_t n_images, crd_precision precision)
{
    const attributes *a = op->attrs;
    crd_conv conv = geometry(op, n_images, precision);
    int64_t product = op->in->n_dims == 1 ? rows_at_once(a) * a->in_features + CRD_WEIGHT_SLACK
                                          : crd_conv_scratch_floats(&conv);
    return bias_floats(op) + product;
}

static int64_t backward_scratch_floats(const crd_graph_op *op, int64_t n_images)
{
    crd_conv conv = geometry(op, n_images, CRD_FP32);
    return op->in->n_dims == 1 ? 0 : crd_conv_backward_scratch_floats(&conv);
}

/* The biases that are added; NULL: none. */
static const float *biases(const crd_graph_op *op, const crd_op_args *args)
{
    const attributes *a = op->attrs;
    const float *bias = args->params[CRD_SLOT_BIAS].values;
    if (bias == NULL || !lacks_key_bias(op))
        return bias;
    for (int64_t i = 0; i < a->out_features; i++)
        args->scratch[i] = i / (a->out_features / 3) == 1 ? 0 : bias[i];
    return args->scratch;
}

static void multiply_vectors(const crd_graph_op *op, const crd_op_args *args, const float *bias,
                             float *scratch)
{
    const attributes *a = op->attrs;
    int64_t n = args->n_images, step = rows_at_once(a);
    for (int64_t row = 0; row < a->out_features; row += step) {
        int64_t rows = crd_smaller(a->out_features - row, step);
        const float *weights = crd_weight_source_get(scratch, &args->params[CRD_SLOT_WEIGHT],
                                                     row * a->in_features, rows * a->in_features);
        crd_gemm(args->out + row * n, n, weights, a->in_features, args->in[0], n, rows, n,
                 a->in_features, 0);
    }
    for (int64_t i = 0; bias != NULL && i < a->out_features; i++)
        for (int64_t j = 0; j < n; j++)
            args->out[i * n + j] += bias[i];
    crd_epilogue_apply(args->out, &args->epilogue, a->out_features * n);
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const float *bias = biases(op, args);
    float *scratch = args->scratch + bias_floats(op);
    if (op->in->n_dims == 1) {
        multiply_vectors(op, args, bias, scratch);
        return;
    }
    crd_conv conv = geometry(op, args->n_images, args->precision);
    crd_conv_args pass = {.out = args->out,
                          .in = args->in[0],
                          .weight = args->params[CRD_SLOT_WEIGHT],
                          .epilogue = args->epilogue,
                          .scratch = scratch};
    pass.epilogue.bias = bias;
    crd_conv_forward(&conv, &pass);
}

static void backward_vectors(const crd_graph_op *op, const crd_op_args *args,
                             const crd_op_grads *grads)
{
    const attributes *a = op->attrs;
    int64_t n = args->n_images, n_in = a->in_features, n_out = a->out_features;
    float *dbias = grads->dparams[CRD_SLOT_BIAS], *dweight = grads->dparams[CRD_SLOT_WEIGHT];
    for (int64_t i = 0; dbias != NULL && i < n_out; i++)
        dbias[i] = (float)crd_kernels_get()->elementwise->sum(grads->dout + i * n, n);
    if (dweight != NULL)
        crd_gemm_transposed(dweight, n_in, grads->dout, n, args->in[0], n, n_out, n_in, n, 0,
                            CRD_TRANSPOSE_B);
    if (grads->din[0] != NULL)
        crd_gemm_transposed(grads->din[0], n, args->params[CRD_SLOT_WEIGHT].values, n_in,
                            grads->dout, n, n_in, n, n_out, grads->adds[0] ? 1 : 0,
                            CRD_TRANSPOSE_A);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const attributes *a = op->attrs;
    float *dbias = grads->dparams[CRD_SLOT_BIAS];
    if (op->in->n_dims == 1) {
        backward_vectors(op, args, grads);
    } else {
        crd_conv conv = geometry(op, args->n_images, CRD_FP32);
        const crd_conv_args pass = {
            .in = args->in[0], .weight = args->params[CRD_SLOT_WEIGHT], .scratch = args->scratch};
        const crd_conv_grads wanted = {.dout = grads->dout,
                                       .din = grads->din[0],
                                       .adds = grads->adds[0],
                                       .dweight = grads->dparams[CRD_SLOT_WEIGHT],
                                       .dbias = dbias};
        crd_conv_backward(&conv, &pass, &wanted);
    }
    int64_t third = a->out_features / 3;
    for (int64_t i = third; dbias != NULL && lacks_key_bias(op) && i < 2 * third; i++)
        dbias[i] = 0;
}

/* What the two have in common. */
#define PRODUCT(class_name, specs)                                                                 \
    .name = class_name, .attrs = attrs, .attrs_size = sizeof(attributes), .min_inputs = 1,         \
    .max_inputs = 1, .params = specs, .n_params = N_PARAMS, .is_affine = true, .takes_fold = true, \
    .has_epilogue = true, .keeps_in = true, .infer = infer, .work = work,                          \
    .scratch_floats = scratch_floats, .backward_scratch_floats = backward_scratch_floats,          \
    .method = method, .forward = forward, .backward = backward

const crd_op crd_op_linear = {PRODUCT("Linear", params)};
const crd_op crd_op_qkv_projection = {PRODUCT("QkvProjection", params)};
const crd_op crd_op_in_projection = {PRODUCT("InProjection", in_params)};
