#include "kernels/kernels.h"
#include "nn/layer_kinds.h"

static const crd_attr_spec attrs[] = {
    {"in_features", offsetof(crd_linear_attrs, in_features), 1, 0, 1, CRD_NODE_MAX_ELEMENTS},
    {"out_features", offsetof(crd_linear_attrs, out_features), 1, 0, 1, CRD_NODE_MAX_ELEMENTS},
    {"bias", offsetof(crd_linear_attrs, bias), 1, 0, 0, 1},
    {0},
};

static crd_status infer(crd_shape *out, crd_shape params[CRD_NODE_MAX_PARAMS], const crd_node *node,
                        const crd_shape *const *in)
{
    const crd_linear_attrs *a = &node->attrs.linear;
    char text[CRD_SHAPE_TEXT_SIZE];
    if (in[0]->n_dims != 1 || in[0]->dims[0] != a->in_features)
        return CRD_NODE_FAIL(node, "in_features is %lld, but its input has shape %s",
                             (long long)a->in_features, crd_shape_text(text, in[0]));
    *out = crd_shape_make(1, a->out_features);
    params[CRD_PARAM_WEIGHT] = crd_shape_make(2, a->out_features, a->in_features);
    if (a->bias)
        params[CRD_PARAM_BIAS] = crd_shape_make(1, a->out_features);
    return CRD_OK;
}

/* Weights are made and used in stretches of rows that stay in the cache. */
enum { STRETCH_FLOATS = 64 << 10 };

static int64_t rows_at_once(const crd_linear_attrs *a)
{
    int64_t rows = STRETCH_FLOATS / a->in_features;
    return rows < 1 ? 1 : rows < a->out_features ? rows : a->out_features;
}

static int64_t scratch_floats(const crd_node *node, const crd_shape *const *in, int64_t n_images,
                              crd_precision precision)
{
    (void)precision;
    (void)in;
    (void)n_images;
    const crd_linear_attrs *a = &node->attrs.linear;
    return rows_at_once(a) * a->in_features + CRD_WEIGHT_SLACK;
}

static void forward(const crd_node *node, const crd_layer_args *args)
{
    const crd_linear_attrs *a = &node->attrs.linear;
    const float *bias = args->params[CRD_PARAM_BIAS];
    int64_t n = args->n_images, step = rows_at_once(a);
    for (int64_t row = 0; row < a->out_features; row += step) {
        int64_t rows = a->out_features - row < step ? a->out_features - row : step;
        const float *weights =
            crd_layer_weights(args->scratch, args, row * a->in_features, rows * a->in_features);
        crd_gemm(args->out + row * n, n, weights, a->in_features, args->in[0], n, rows, n,
                 a->in_features, 0);
    }
    for (int64_t i = 0; bias != NULL && i < a->out_features; i++)
        for (int64_t j = 0; j < n; j++)
            args->out[i * n + j] += bias[i];
    crd_layer_finish(args->out, args->residual, args->relu, a->out_features * n);
}

static void backward(const crd_node *node, const crd_layer_args *args, const crd_layer_grads *grads)
{
    const crd_linear_attrs *a = &node->attrs.linear;
    int64_t n = args->n_images, n_in = a->in_features, n_out = a->out_features;
    float *dbias = grads->dparams[CRD_PARAM_BIAS];
    for (int64_t i = 0; dbias != NULL && i < n_out; i++)
        dbias[i] = (float)crd_kernels_get()->elementwise->sum(grads->dout + i * n, n);
    if (grads->dparams[CRD_PARAM_WEIGHT] != NULL)
        crd_gemm_transposed(grads->dparams[CRD_PARAM_WEIGHT], n_in, grads->dout, n, args->in[0], n,
                            n_out, n_in, n, 0, CRD_TRANSPOSE_B);
    if (grads->din[0] != NULL)
        crd_gemm_transposed(grads->din[0], n, args->params[CRD_PARAM_WEIGHT], n_in, grads->dout, n,
                            n_in, n, n_out, grads->adds[0] ? 1 : 0, CRD_TRANSPOSE_A);
}

const crd_layer crd_layer_linear = {.name = "Linear",
                                    .n_inputs = 1,
                                    .is_weighted = 1,
                                    .has_epilogue = 1,
                                    .attrs = attrs,
                                    .infer = infer,
                                    .scratch_floats = scratch_floats,
                                    .forward = forward,
                                    .keeps_in = 1,
                                    .backward = backward};
