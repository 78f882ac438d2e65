/* A matrix product, torch's Linear, of vectors (features, images), or over the channels of every
 * position of (features, images, positions). */
#include "base/integers.h"
#include "kernels/kernels.h"
#include "ops/registry.h"

typedef struct attributes {
    int64_t in_features, out_features, bias;
} attributes;

static const crd_attr_spec attrs[] = {
    {"in_features", offsetof(attributes, in_features), 1, .min = 1, .max = CRD_OP_MAX_ELEMENTS},
    {"out_features", offsetof(attributes, out_features), 1, .min = 1, .max = CRD_OP_MAX_ELEMENTS},
    {"bias", offsetof(attributes, bias), 1, .min = 0, .max = 1, .is_optional = true, .fallback = 1},
    {0},
};

static const crd_param_spec params[] = {
    {"weight", "weight", CRD_TRAINED, .may_be_random = true, .is_streamed = true,
     .initial = CRD_INIT_HE},
    {"bias", "bias", CRD_TRAINED, .may_be_random = true, .initial = CRD_INIT_ZERO},
};

static crd_status infer(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    const attributes *a = op->attrs;
    char text[CRD_SHAPE_TEXT_SIZE];
    if (op->in->n_dims < 1 || op->in->dims[0] != a->in_features)
        return CRD_OP_FAIL(op, "in_features is %lld, but its input has shape %s",
                           (long long)a->in_features, crd_shape_text(text, op->in));
    op->shape = *op->in;
    op->shape.dims[0] = a->out_features;
    shapes[CRD_SLOT_WEIGHT] = crd_shape_make(2, a->out_features, a->in_features);
    if (a->bias)
        shapes[CRD_SLOT_BIAS] = crd_shape_make(1, a->out_features);
    return CRD_OK;
}

static int64_t work(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    return crd_shape_count(op->in) * a->out_features;
}

/* Columns of the product: positions of all images. */
static int64_t n_columns(const crd_graph_op *op, const crd_op_args *args)
{
    return crd_op_count(op, args) / op->shape.dims[0];
}

/* Weights are made and used in stretches of rows that stay in the cache. */
enum { STRETCH_FLOATS = 64 << 10 };

static int64_t rows_at_once(const attributes *a)
{
    return crd_smaller(crd_larger(STRETCH_FLOATS / a->in_features, 1), a->out_features);
}

static int64_t scratch_floats(const crd_graph_op *op, int64_t n_images, crd_precision precision)
{
    (void)precision;
    (void)n_images;
    const attributes *a = op->attrs;
    return rows_at_once(a) * a->in_features + CRD_WEIGHT_SLACK;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const attributes *a = op->attrs;
    const float *bias = args->params[CRD_SLOT_BIAS].values;
    int64_t n = n_columns(op, args), step = rows_at_once(a);
    for (int64_t row = 0; row < a->out_features; row += step) {
        int64_t rows = crd_smaller(a->out_features - row, step);
        const float *weights = crd_weight_source_get(args->scratch, &args->params[CRD_SLOT_WEIGHT],
                                                     row * a->in_features, rows * a->in_features);
        crd_gemm(args->out + row * n, n, weights, a->in_features, args->in[0], n, rows, n,
                 a->in_features, 0);
    }
    for (int64_t i = 0; bias != NULL && i < a->out_features; i++)
        for (int64_t j = 0; j < n; j++)
            args->out[i * n + j] += bias[i];
    crd_epilogue_apply(args->out, &args->epilogue, a->out_features * n);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const attributes *a = op->attrs;
    int64_t n = n_columns(op, args), n_in = a->in_features, n_out = a->out_features;
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

const crd_op crd_op_linear = {.name = "Linear",
                              .attrs = attrs,
                              .attrs_size = sizeof(attributes),
                              .min_inputs = 1,
                              .max_inputs = 1,
                              .params = params,
                              .n_params = sizeof params / sizeof *params,
                              .is_affine = true,
                              .has_epilogue = true,
                              .keeps_in = true,
                              .infer = infer,
                              .work = work,
                              .scratch_floats = scratch_floats,
                              .forward = forward,
                              .backward = backward};
