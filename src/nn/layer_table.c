#include <string.h>

#include "kernels/kernels.h"
#include "nn/layer_kinds.h"

static const crd_layer *const kinds[] = {
    &crd_layer_input,
    &crd_layer_conv2d,
    &crd_layer_linear,
    &crd_layer_batch_norm2d,
    &crd_layer_max_pool2d,
    &crd_layer_avg_pool2d,
    &crd_layer_adaptive_avg_pool2d,
    &crd_layer_relu,
    &crd_layer_add,
    &crd_layer_flatten,
    &crd_layer_dropout,
    &crd_layer_pad_shortcut,
};

const char *const *crd_precision_names(void)
{
    static const char *const names[] = {[CRD_FP32] = "fp32", [CRD_BF16] = "bf16", NULL};
    return names;
}

const crd_layer *crd_layer_find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return NULL;
}

crd_status crd_layer_require_image(const crd_node *node, const crd_shape *in)
{
    char text[CRD_SHAPE_TEXT_SIZE];
    if (in->n_dims != 3)
        return CRD_NODE_FAIL(node, "input has shape %s, needed is (channels, height, width)",
                             crd_shape_text(text, in));
    return CRD_OK;
}

const float *crd_layer_weights(float *out, const crd_layer_args *args, int64_t first, int64_t n)
{
    if (args->source != NULL)
        return args->source->get(out, first, n, args->source->payload);
    return args->params[CRD_PARAM_WEIGHT] + first;
}

float *crd_layer_cleared_din(const crd_layer_grads *grads, int input, int64_t n)
{
    float *din = grads->din[input];
    if (din != NULL && !grads->adds[input])
        memset(din, 0, (size_t)n * sizeof *din);
    return din;
}

void crd_layer_finish(float *out, const float *residual, int relu, int64_t n)
{
    if (residual != NULL)
        crd_kernels_get()->elementwise->add(out, out, residual, n);
    if (relu)
        crd_kernels_get()->elementwise->relu(out, out, n);
}
