#include <math.h>

#include "nn/layer_kinds.h"

static const crd_attr_spec attrs[] = {
    {"num_features", offsetof(crd_batch_norm2d_attrs, num_features), 1, 0, 1,
     CRD_NODE_MAX_ELEMENTS},
    {"eps", offsetof(crd_batch_norm2d_attrs, eps), 1, 1, 0, 1},
    {"momentum", offsetof(crd_batch_norm2d_attrs, momentum), 1, 1, 0, 1},
    {0},
};

static crd_status infer(crd_shape *out, crd_shape params[CRD_NODE_MAX_PARAMS], const crd_node *node,
                        const crd_shape *const *in)
{
    crd_status status = CRD_OK;
    int64_t num_features = node->attrs.batch_norm2d.num_features;
    CRD_TRY(crd_layer_require_image(node, in[0]));
    if (in[0]->dims[0] != num_features)
        CRD_TRY(CRD_NODE_FAIL(node, "num_features is %lld, but its input has %lld channels",
                              (long long)num_features, (long long)in[0]->dims[0]));
    *out = *in[0];
    for (int i = 0; i < CRD_NODE_MAX_PARAMS; i++)
        params[i] = crd_shape_make(1, num_features);
cleanup:
    return status;
}

/* On the running statistics: one multiply-add a pixel. */
static void forward(const crd_node *node, const crd_layer_args *args)
{
    int64_t plane = args->n_images * node->shape.dims[1] * node->shape.dims[2];
    for (int64_t c = 0; c < node->shape.dims[0]; c++) {
        double variance = (double)args->params[CRD_PARAM_RUNNING_VAR][c];
        double gain = (double)args->params[CRD_PARAM_WEIGHT][c] /
                      sqrt(variance + node->attrs.batch_norm2d.eps);
        double mean = (double)args->params[CRD_PARAM_RUNNING_MEAN][c];
        float scale = (float)gain;
        float shift = (float)((double)args->params[CRD_PARAM_BIAS][c] - mean * gain);
        const float *in = args->in[0] + c * plane;
        float *out = args->out + c * plane;
        for (int64_t i = 0; i < plane; i++)
            out[i] = in[i] * scale + shift;
    }
}

const crd_layer crd_layer_batch_norm2d = {.name = "BatchNorm2d",
                                          .n_inputs = 1,
                                          .in_place = 1,
                                          .attrs = attrs,
                                          .infer = infer,
                                          .forward = forward};
