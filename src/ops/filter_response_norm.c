/* Filter response norm with its thresholded linear unit: every channel of every image over the root
 * of its mean square, scaled and shifted, then not below tau. It needs no batch, so that it is the
 * same function in training and prediction. Source: Singh and Krishnan, "Filter response
 * normalization layer", CVPR 2020. */
#include <math.h>

#include "kernels/kernels.h"
#include "ops/registry.h"

typedef struct attributes {
    int64_t num_features;
    double eps;
} attributes;

static const crd_attr_spec attrs[] = {
    {"num_features", offsetof(attributes, num_features), 1, .min = 1, .max = CRD_OP_MAX_ELEMENTS},
    {"eps", offsetof(attributes, eps), 1, true, 0, 1, .is_optional = true, .fallback = 1e-6},
    {0},
};

enum { WEIGHT, BIAS, TAU, N_PARAMS };

static const crd_param_spec params[N_PARAMS] = {
    [WEIGHT] = {"weight", "weight", CRD_TRAINED, .initial = CRD_INIT_ONE},
    [BIAS] = {"bias", "bias", CRD_TRAINED, .initial = CRD_INIT_ZERO},
    [TAU] = {"tau", "tau", CRD_TRAINED, .initial = CRD_INIT_ZERO},
};

static crd_status infer(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    crd_status status = CRD_OK;
    const attributes *a = op->attrs;
    CRD_TRY(crd_op_require_channels(op, "num_features", a->num_features));
    op->shape = *op->in;
    for (int slot = 0; slot < N_PARAMS; slot++)
        shapes[slot] = crd_shape_make(1, a->num_features);
cleanup:
    return status;
}

static int64_t plane_length(const crd_graph_op *op)
{
    return op->shape.dims[1] * op->shape.dims[2];
}

/* 1 / sqrt(mean square + eps) of a channel of an image. */
static double scale_of(const crd_graph_op *op, const float *in)
{
    const attributes *a = op->attrs;
    int64_t n = plane_length(op);
    double square = crd_kernels_get()->elementwise->sum_products(in, 0, in, 0, n);
    return 1 / sqrt(square / (double)n + a->eps);
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    int64_t n = plane_length(op);
    for (int64_t i = 0; i < op->shape.dims[0] * args->n_images; i++) {
        int64_t c = i / args->n_images;
        const float *in = args->in[0] + i * n;
        float *out = args->out + i * n, tau = args->params[TAU].values[c];
        float gain = (float)((double)args->params[WEIGHT].values[c] * scale_of(op, in));
        crd_kernels_get()->elementwise->scale_shift(out, in, gain, args->params[BIAS].values[c], n);
        for (int64_t j = 0; j < n; j++) /* NaN of either stays NaN */
            out[j] = out[j] >= tau || isnan(out[j]) ? out[j] : tau;
    }
}

/* With xhat = x scale and g = dout where the unit lets it pass: dweight = sum(g xhat), dbias =
 * sum(g), dtau = sum of the rest, din = weight scale (g - xhat mean(g xhat)). */
static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    int64_t n = plane_length(op), n_images = args->n_images;
    for (int64_t c = 0; c < op->shape.dims[0]; c++) {
        double sums[N_PARAMS] = {0}, weight = (double)args->params[WEIGHT].values[c];
        float bias = args->params[BIAS].values[c], tau = args->params[TAU].values[c];
        for (int64_t image = 0; image < n_images; image++) {
            int64_t at = (c * n_images + image) * n;
            const float *in = args->in[0] + at, *dout = grads->dout + at;
            double scale = scale_of(op, in), along = 0;
            float gain = (float)(weight * scale);
            for (int64_t j = 0; j < n; j++) {
                bool passes = !(in[j] * gain + bias < tau);
                along += passes ? (double)dout[j] * (double)in[j] * scale : 0;
                sums[passes ? BIAS : TAU] += (double)dout[j];
            }
            sums[WEIGHT] += along;
            float *din = grads->din[0] == NULL ? NULL : grads->din[0] + at;
            for (int64_t j = 0; din != NULL && j < n; j++) {
                double g = in[j] * gain + bias < tau ? 0 : (double)dout[j];
                double back = weight * scale * (g - (double)in[j] * scale * along / (double)n);
                din[j] = (float)(grads->adds[0] ? (double)din[j] + back : back);
            }
        }
        for (int slot = 0; slot < N_PARAMS; slot++)
            if (grads->dparams[slot] != NULL)
                grads->dparams[slot][c] = (float)sums[slot];
    }
}

const crd_op crd_op_filter_response_norm2d = {.name = "FilterResponseNorm2d",
                                              .attrs = attrs,
                                              .attrs_size = sizeof(attributes),
                                              .min_inputs = 1,
                                              .max_inputs = 1,
                                              .params = params,
                                              .n_params = N_PARAMS,
                                              .in_place = true,
                                              .keeps_in = true,
                                              .infer = infer,
                                              .forward = forward,
                                              .backward = backward};
