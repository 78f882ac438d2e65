#include <math.h>

#include "kernels/kernels.h"
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

static int64_t plane_length(const crd_node *node, const crd_layer_args *args)
{
    return args->n_images * node->shape.dims[1] * node->shape.dims[2];
}

/* Whether this pass runs on the batch's own statistics. */
static int uses_batch(const crd_layer_args *args)
{
    return args->training != NULL && args->training->mean != NULL;
}

static void find_statistics(const crd_node *node, const crd_layer_args *args)
{
    const crd_elementwise_kernels *kernels = crd_kernels_get()->elementwise;
    int64_t plane = plane_length(node, args);
    for (int64_t c = 0; c < node->shape.dims[0]; c++) {
        const float *in = args->in[0] + c * plane;
        double mean = kernels->sum(in, plane) / (double)plane;
        args->training->mean[c] = (float)mean;
        args->training->variance[c] =
            (float)(kernels->sum_products(in, mean, in, mean, plane) / (double)plane);
    }
}

static double channel_mean(const crd_layer_args *args, int64_t c)
{
    return (double)(uses_batch(args) ? args->training->mean
                                     : args->params[CRD_PARAM_RUNNING_MEAN])[c];
}

/* 1 / sqrt(variance + eps). */
static double channel_scale(const crd_node *node, const crd_layer_args *args, int64_t c)
{
    const float *variance =
        uses_batch(args) ? args->training->variance : args->params[CRD_PARAM_RUNNING_VAR];
    return 1 / sqrt((double)variance[c] + node->attrs.batch_norm2d.eps);
}

/* One multiply-add a pixel. */
static void forward(const crd_node *node, const crd_layer_args *args)
{
    int64_t plane = plane_length(node, args);
    if (uses_batch(args))
        find_statistics(node, args);
    for (int64_t c = 0; c < node->shape.dims[0]; c++) {
        double gain = (double)args->params[CRD_PARAM_WEIGHT][c] * channel_scale(node, args, c);
        float scale = (float)gain;
        float shift =
            (float)((double)args->params[CRD_PARAM_BIAS][c] - channel_mean(args, c) * gain);
        crd_kernels_get()->elementwise->scale_shift(args->out + c * plane, args->in[0] + c * plane,
                                                    scale, shift, plane);
    }
}

/* With xhat = (x - mean) scale: dweight = sum(dout xhat), dbias = sum(dout), and din = weight
 * scale dout. Where mean and variance are the batch's they depend on x too, which takes the part of
 * dout away that lies along 1 and along xhat. Source: Ioffe and Szegedy, "Batch normalization",
 * ICML 2015, section 3. */
static void backward(const crd_node *node, const crd_layer_args *args, const crd_layer_grads *grads)
{
    const crd_elementwise_kernels *kernels = crd_kernels_get()->elementwise;
    int64_t plane = plane_length(node, args);
    for (int64_t c = 0; c < node->shape.dims[0]; c++) {
        const float *in = args->in[0] + c * plane, *dout = grads->dout + c * plane;
        double mean = channel_mean(args, c), scale = channel_scale(node, args, c);
        double dbias = kernels->sum(dout, plane);
        double dweight = kernels->sum_products(dout, 0, in, mean, plane) * scale;
        if (grads->dparams[CRD_PARAM_WEIGHT] != NULL)
            grads->dparams[CRD_PARAM_WEIGHT][c] = (float)dweight;
        if (grads->dparams[CRD_PARAM_BIAS] != NULL)
            grads->dparams[CRD_PARAM_BIAS][c] = (float)dbias;
        if (grads->din[0] == NULL)
            continue;
        float *din = grads->din[0] + c * plane;
        double gain = (double)args->params[CRD_PARAM_WEIGHT][c] * scale;
        float dout_gain = (float)gain, in_gain = 0, shift = 0;
        if (uses_batch(args)) {
            double slope = gain * dweight * scale / (double)plane;
            in_gain = (float)slope;
            shift = (float)(gain * dbias / (double)plane - mean * slope);
        }
        kernels->norm_backward(din, dout, in, dout_gain, in_gain, shift, plane, grads->adds[0]);
    }
}

const crd_layer crd_layer_batch_norm2d = {.name = "BatchNorm2d",
                                          .n_inputs = 1,
                                          .in_place = 1,
                                          .attrs = attrs,
                                          .infer = infer,
                                          .forward = forward,
                                          .keeps_in = 1,
                                          .backward = backward};
