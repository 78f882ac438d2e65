/* Batch norm, torch's BatchNorm2d, and its BatchNorm1d and 3d, of any positions: on its running
 * statistics, where it is an affine map that the layer before it can take over, or on the batch's
 * own in training. */
#include <math.h>

#include "kernels/kernels.h"
#include "ops/registry.h"

typedef struct attributes {
    int64_t num_features;
    double eps, momentum;
} attributes;

static const crd_attr_spec attrs[] = {
    {"num_features", offsetof(attributes, num_features), 1, .min = 1, .max = CRD_OP_MAX_ELEMENTS},
    {"eps", offsetof(attributes, eps), 1, true, 0, 1, .is_optional = true, .fallback = 1e-5},
    {"momentum", offsetof(attributes, momentum), 1, true, 0, 1, .is_optional = true,
     .fallback = 0.1},
    {0},
};

enum { WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR, N_PARAMS };

static const crd_param_spec params[N_PARAMS] = {
    [WEIGHT] = {"weight", "weight", CRD_TRAINED, .initial = CRD_INIT_ONE},
    [BIAS] = {"bias", "bias", CRD_TRAINED, .initial = CRD_INIT_ZERO},
    [RUNNING_MEAN] = {"running_mean", "running_mean", CRD_STATISTIC, .initial = CRD_INIT_ZERO},
    [RUNNING_VAR] = {"running_var", "running_var", CRD_STATISTIC, .is_non_negative = true,
                     .initial = CRD_INIT_ONE},
};

static crd_status infer(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    const attributes *a = op->attrs;
    if (op->in->n_dims < 1 || op->in->dims[0] != a->num_features)
        return CRD_OP_FAIL(op, "num_features is %lld, but its input has %lld channels",
                           (long long)a->num_features, (long long)crd_op_features(op->in));
    op->shape = *op->in;
    for (int slot = 0; slot < N_PARAMS; slot++)
        shapes[slot] = crd_shape_make(1, a->num_features);
    return CRD_OK;
}

/* Values of a channel in one image. */
static int64_t n_positions(const crd_graph_op *op)
{
    return crd_shape_count(&op->shape) / op->shape.dims[0];
}

static int64_t plane_length(const crd_graph_op *op, const crd_op_args *args)
{
    return args->n_images * n_positions(op);
}

/* Whether this pass runs on the batch's own statistics. */
static bool uses_batch(const crd_op_args *args)
{
    return args->statistics != NULL;
}

static void find_statistics(const crd_graph_op *op, const crd_op_args *args)
{
    const crd_elementwise_kernels *kernels = crd_kernels_get()->elementwise;
    int64_t plane = plane_length(op, args);
    for (int64_t c = 0; c < op->shape.dims[0]; c++) {
        const float *in = args->in[0] + c * plane;
        double mean = kernels->sum(in, plane) / (double)plane;
        args->statistics[c] = (float)mean;
        args->statistics[op->shape.dims[0] + c] =
            (float)(kernels->sum_products(in, mean, in, mean, plane) / (double)plane);
    }
}

static double channel_mean(const crd_op_args *args, int64_t c)
{
    return (double)(uses_batch(args) ? args->statistics : args->params[RUNNING_MEAN].values)[c];
}

/* 1 / sqrt(variance + eps). */
static double channel_scale(const crd_graph_op *op, const crd_op_args *args, int64_t c)
{
    const attributes *a = op->attrs;
    const float *variance =
        uses_batch(args) ? args->statistics + op->shape.dims[0] : args->params[RUNNING_VAR].values;
    return 1 / sqrt((double)variance[c] + a->eps);
}

/* One multiply-add a pixel. */
static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    int64_t plane = plane_length(op, args);
    if (uses_batch(args))
        find_statistics(op, args);
    for (int64_t c = 0; c < op->shape.dims[0]; c++) {
        double gain = (double)args->params[WEIGHT].values[c] * channel_scale(op, args, c);
        float scale = (float)gain;
        float shift = (float)((double)args->params[BIAS].values[c] - channel_mean(args, c) * gain);
        crd_kernels_get()->elementwise->scale_shift(args->out + c * plane, args->in[0] + c * plane,
                                                    scale, shift, plane);
    }
}

/* What the running statistics move towards: mean, and variance divided by n - 1 as in torch. */
static void put_statistics(const crd_graph_op *op, const crd_op_args *args,
                           float *const dparams[CRD_OP_MAX_PARAMS])
{
    double n = (double)plane_length(op, args);
    float *mean = dparams[RUNNING_MEAN], *variance = dparams[RUNNING_VAR];
    const float *own_variance = args->statistics + op->shape.dims[0];
    for (int64_t c = 0; c < op->shape.dims[0]; c++) {
        if (mean != NULL)
            mean[c] = args->statistics[c];
        if (variance != NULL)
            variance[c] = (float)((double)own_variance[c] * (n / (n - 1)));
    }
}

/* With xhat = (x - mean) scale: dweight = sum(dout xhat), dbias = sum(dout), and din = weight
 * scale dout. Where mean and variance are the batch's they depend on x too, which takes the part of
 * dout away that lies along 1 and along xhat. Source: Ioffe and Szegedy, "Batch normalization",
 * ICML 2015, section 3. */
static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const crd_elementwise_kernels *kernels = crd_kernels_get()->elementwise;
    int64_t plane = plane_length(op, args);
    for (int64_t c = 0; c < op->shape.dims[0]; c++) {
        const float *in = args->in[0] + c * plane, *dout = grads->dout + c * plane;
        double mean = channel_mean(args, c), scale = channel_scale(op, args, c);
        double dbias = kernels->sum(dout, plane);
        double dweight = kernels->sum_products(dout, 0, in, mean, plane) * scale;
        if (grads->dparams[WEIGHT] != NULL)
            grads->dparams[WEIGHT][c] = (float)dweight;
        if (grads->dparams[BIAS] != NULL)
            grads->dparams[BIAS][c] = (float)dbias;
        if (grads->din[0] == NULL)
            continue;
        float *din = grads->din[0] + c * plane;
        double gain = (double)args->params[WEIGHT].values[c] * scale;
        float dout_gain = (float)gain, in_gain = 0, shift = 0;
        if (uses_batch(args)) {
            double slope = gain * dweight * scale / (double)plane;
            in_gain = (float)slope;
            shift = (float)(gain * dbias / (double)plane - mean * slope);
        }
        kernels->norm_backward(din, dout, in, dout_gain, in_gain, shift, plane, grads->adds[0]);
    }
    if (uses_batch(args))
        put_statistics(op, args, grads->dparams);
}

static int64_t statistics_floats(const crd_graph_op *op)
{
    return 2 * op->shape.dims[0];
}

static double momentum(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    return a->momentum;
}

static crd_status check_batch(const crd_graph_op *op, int64_t n_images)
{
    if (n_images * n_positions(op) < 2)
        return CRD_FAIL(CRD_ERR_USAGE,
                        "op '%s': batch norm in training needs more than one value a channel, and "
                        "of one image it has %lld",
                        op->name, (long long)n_positions(op));
    return CRD_OK;
}

static const crd_op_statistics statistics = {
    .floats = statistics_floats, .momentum = momentum, .put = put_statistics, .check = check_batch};

/* y = g x + shift with g = gamma / sqrt(var + eps) and shift = beta - g mean. */
static crd_status affine(double *gain, double *shift, const crd_graph_op *op,
                         const float *const *values, int64_t channel)
{
    const attributes *a = op->attrs;
    double variance = (double)values[RUNNING_VAR][channel];
    *gain = (double)values[WEIGHT][channel] / sqrt(variance + a->eps);
    *shift = (double)values[BIAS][channel] - *gain * (double)values[RUNNING_MEAN][channel];
    if (!isfinite(*gain) || !isfinite(*shift))
        return CRD_FAIL(CRD_ERR_INPUT,
                        "%s: running_var %g and eps %g of channel %lld cannot be divided by",
                        op->name, variance, a->eps, (long long)channel);
    return CRD_OK;
}

static const crd_op_fold fold = {.affine = affine, .shift_slot = BIAS};

const crd_op crd_op_batch_norm2d = {.name = "BatchNorm2d",
                                    .attrs = attrs,
                                    .attrs_size = sizeof(attributes),
                                    .min_inputs = 1,
                                    .max_inputs = 1,
                                    .params = params,
                                    .n_params = N_PARAMS,
                                    .in_place = true,
                                    .keeps_in = true,
                                    .statistics = &statistics,
                                    .fold = &fold,
                                    .infer = infer,
                                    .forward = forward,
                                    .backward = backward};
