/* torch's LayerNorm over the features of every position: of a vector (features), and of an image
 * over the channels of every pixel, as torchvision's LayerNorm2d. Source: Ba et al., "Layer
 * normalization", 2016. */
#include <math.h>

#include "kernels/kernels.h"
#include "ops/registry.h"

typedef struct attributes {
    int64_t normalized_shape; /* features */
    double eps;
    int64_t elementwise_affine;
} attributes;

static const crd_attr_spec attrs[] = {
    {"normalized_shape", offsetof(attributes, normalized_shape), 1, .min = 1,
     .max = CRD_OP_MAX_ELEMENTS},
    {"eps", offsetof(attributes, eps), 1, true, 0, 1, .is_optional = true, .fallback = 1e-5},
    {"elementwise_affine", offsetof(attributes, elementwise_affine), 1, .max = 1,
     .is_optional = true, .fallback = 1},
    {0},
};

enum { WEIGHT, BIAS, N_PARAMS };

static const crd_param_spec params[N_PARAMS] = {
    [WEIGHT] = {"weight", "weight", CRD_TRAINED, .initial = CRD_INIT_ONE},
    [BIAS] = {"bias", "bias", CRD_TRAINED, .initial = CRD_INIT_ZERO},
};

static crd_status infer(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    const attributes *a = op->attrs;
    if (crd_op_features(op->in) != a->normalized_shape)
        return CRD_OP_FAIL(op, "normalized_shape is %lld, but its input has %lld features",
                           (long long)a->normalized_shape, (long long)crd_op_features(op->in));
    op->shape = *op->in;
    for (int slot = 0; slot < N_PARAMS && a->elementwise_affine; slot++)
        shapes[slot] = crd_shape_make(1, a->normalized_shape);
    return CRD_OK;
}

/* Columns: positions of all images. Sums of each are kept in scratch, in double. */
static int64_t n_columns(const crd_graph_op *op, int64_t n_images)
{
    return n_images * crd_shape_count(&op->shape) / crd_op_features(&op->shape);
}

static int64_t backward_scratch_floats(const crd_graph_op *op, int64_t n_images)
{
    return 4 * n_columns(op, n_images) * (int64_t)(sizeof(double) / sizeof(float));
}

static int64_t scratch_floats(const crd_graph_op *op, int64_t n_images, crd_precision precision)
{
    (void)precision;
    return backward_scratch_floats(op, n_images) / 2;
}

/* Mean and 1 / sqrt(variance + eps) of every column. */
static void find_statistics(double *mean, double *scale, const crd_graph_op *op, const float *in,
                            int64_t n)
{
    const attributes *a = op->attrs;
    const crd_elementwise_kernels *kernels = crd_kernels_get()->elementwise;
    int64_t n_features = a->normalized_shape;
    for (int64_t j = 0; j < n; j++)
        mean[j] = scale[j] = 0;
    for (int64_t c = 0; c < n_features; c++)
        kernels->add_shares(mean, in + c * n, (double)n_features, n);
    for (int64_t c = 0; c < n_features; c++)
        kernels->add_squares(scale, in + c * n, mean, n);
    for (int64_t j = 0; j < n; j++)
        scale[j] = 1 / sqrt(scale[j] / (double)n_features + a->eps);
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    int64_t n = n_columns(op, args->n_images), n_features = crd_op_features(&op->shape);
    const float *weight = args->params[WEIGHT].values, *bias = args->params[BIAS].values;
    double *mean = (double *)(void *)args->scratch, *scale = mean + n;
    find_statistics(mean, scale, op, args->in[0], n);
    for (int64_t c = 0; c < n_features; c++) {
        double gain = weight == NULL ? 1 : (double)weight[c];
        double shift = bias == NULL ? 0 : (double)bias[c];
        crd_kernels_get()->elementwise->normalize(args->out + c * n, args->in[0] + c * n, mean,
                                                  scale, gain, shift, n);
    }
}

/* dweight = sum(dout xhat), dbias = sum(dout) of one feature. */
static void sum_feature(double sums[2], const float *dout, const float *in, const double *mean,
                        const double *scale, int64_t n)
{
    sums[WEIGHT] = sums[BIAS] = 0;
    for (int64_t j = 0; j < n; j++) {
        sums[WEIGHT] += (double)dout[j] * ((double)in[j] - mean[j]) * scale[j];
        sums[BIAS] += (double)dout[j];
    }
}

/* With xhat = (x - mean) scale and g = weight dout: din = scale (g - mean(g) - xhat mean(g xhat)),
 * means over the features. */
static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    int64_t n = n_columns(op, args->n_images), n_features = crd_op_features(&op->shape);
    const float *in = args->in[0], *dout = grads->dout, *weight = args->params[WEIGHT].values;
    double *mean = (double *)(void *)args->scratch, *scale = mean + n;
    double *along_one = scale + n, *along_x = along_one + n;
    find_statistics(mean, scale, op, in, n);
    for (int64_t j = 0; j < n; j++)
        along_one[j] = along_x[j] = 0;
    for (int64_t c = 0; c < n_features; c++) {
        double gain = weight == NULL ? 1 : (double)weight[c], sums[N_PARAMS];
        sum_feature(sums, dout + c * n, in + c * n, mean, scale, n);
        for (int slot = 0; slot < N_PARAMS; slot++)
            if (grads->dparams[slot] != NULL)
                grads->dparams[slot][c] = (float)sums[slot];
        for (int64_t j = 0; j < n; j++) {
            double g = gain * (double)dout[c * n + j];
            along_one[j] += g / (double)n_features;
            along_x[j] += g * ((double)in[c * n + j] - mean[j]) * scale[j] / (double)n_features;
        }
    }
    for (int64_t i = 0; grads->din[0] != NULL && i < n_features * n; i++) {
        int64_t j = i % n;
        double g = (weight == NULL ? 1 : (double)weight[i / n]) * (double)dout[i];
        double xhat = ((double)in[i] - mean[j]) * scale[j];
        float value = (float)(scale[j] * (g - along_one[j] - xhat * along_x[j]));
        grads->din[0][i] = grads->adds[0] ? grads->din[0][i] + value : value;
    }
}

const crd_op crd_op_layer_norm = {.name = "LayerNorm",
                                  .attrs = attrs,
                                  .attrs_size = sizeof(attributes),
                                  .min_inputs = 1,
                                  .max_inputs = 1,
                                  .params = params,
                                  .n_params = N_PARAMS,
                                  .in_place = true,
                                  .keeps_in = true,
                                  .infer = infer,
                                  .scratch_floats = scratch_floats,
                                  .backward_scratch_floats = backward_scratch_floats,
                                  .forward = forward,
                                  .backward = backward};
