/* A trained factor for each channel, torchvision's layer_scale. Source: Touvron et al., "Going
 * deeper with image transformers", ICCV 2021. As it is an affine map of every channel, the layer
 * before it takes it over in prediction. */
#include <math.h>

#include "kernels/kernels.h"
#include "ops/registry.h"

static const crd_param_spec params[] = {
    {"layer_scale", "layer_scale", CRD_TRAINED, .initial = CRD_INIT_ONE},
};

static crd_status infer(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    crd_status status = crd_op_require_image(op);
    if (status == CRD_OK)
        shapes[0] = crd_shape_make(3, op->in->dims[0], (int64_t)1, (int64_t)1);
    op->shape = *op->in;
    return status;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    int64_t n_channels = op->shape.dims[0], plane = crd_op_count(op, args) / n_channels;
    for (int64_t c = 0; c < n_channels; c++)
        crd_kernels_get()->elementwise->scale_shift(args->out + c * plane, args->in[0] + c * plane,
                                                    args->params[0].values[c], 0, plane);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const crd_elementwise_kernels *kernels = crd_kernels_get()->elementwise;
    int64_t n_channels = op->shape.dims[0], plane = crd_op_count(op, args) / n_channels;
    for (int64_t c = 0; c < n_channels; c++) {
        const float *dout = grads->dout + c * plane, *in = args->in[0] + c * plane;
        if (grads->dparams[0] != NULL)
            grads->dparams[0][c] = (float)kernels->sum_products(dout, 0, in, 0, plane);
        if (grads->din[0] != NULL)
            kernels->norm_backward(grads->din[0] + c * plane, dout, in, args->params[0].values[c],
                                   0, 0, plane, grads->adds[0]);
    }
}

static crd_status affine(double *gain, double *shift, const crd_graph_op *op,
                         const float *const *values, int64_t channel)
{
    *gain = (double)values[0][channel];
    *shift = 0;
    if (!isfinite(*gain))
        return CRD_FAIL(CRD_ERR_INPUT, "%s: layer_scale of channel %lld is %g", op->name,
                        (long long)channel, *gain);
    return CRD_OK;
}

/* The folded factor's place may be the other layer's bias. */
static const crd_op_fold fold = {.affine = affine, .shift_slot = 0};

const crd_op crd_op_layer_scale = {.name = "LayerScale",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .params = params,
                                   .n_params = 1,
                                   .in_place = true,
                                   .keeps_in = true,
                                   .fold = &fold,
                                   .infer = infer,
                                   .forward = forward,
                                   .backward = backward};
