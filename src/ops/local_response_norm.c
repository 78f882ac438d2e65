/* torch's LocalResponseNorm: x over (k + alpha / size * sum of x^2 of the `size` channels
 * around)^beta. Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep
 * convolutional neural networks", 2012, section 3.3; alpha is shared out over the
 * channels as torch and ONNX do. */
#include <math.h>

#include "base/integers.h"
#include "ops/registry.h"

typedef struct attributes {
    int64_t size;
    double alpha, beta, k;
} attributes;

#define REAL(member, least, value)                                                                 \
    {                                                                                              \
#member, offsetof(attributes, member), 1, .is_real = true, .min = least, .max = 1e6,       \
                                                  .is_optional = true, .fallback = value           \
    }
static const crd_attr_spec attrs[] = {
    {"size", offsetof(attributes, size), 1, .min = 1, .max = CRD_OP_MAX_WINDOW},
    REAL(alpha, 0, 1e-4),
    REAL(beta, 0, 0.75),
    REAL(k, 1e-6, 1),
    {0},
};

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    char text[CRD_SHAPE_TEXT_SIZE];
    if (op->in->n_dims < 2)
        return CRD_OP_FAIL(op, "its input has shape %s; needed are channels and positions",
                           crd_shape_text(text, op->in));
    return crd_op_infer_same(op, params);
}

/* A batch as channels of `n` elements. */
typedef struct planes {
    int64_t channels, n;
} planes;

static planes planes_of(const crd_graph_op *op, const crd_op_args *args)
{
    int64_t channels = op->shape.dims[0];
    return (planes){channels, crd_op_count(op, args) / channels};
}

/* The channels around c. */
static int64_t first_of(const attributes *a, int64_t c)
{
    return crd_larger(c - a->size / 2, 0);
}

static int64_t end_of(const attributes *a, int64_t c, int64_t channels)
{
    return crd_smaller(c + (a->size - 1) / 2 + 1, channels);
}

/* What the power is taken of, at element i of channel c. */
static double divisor(const attributes *a, const float *in, const planes *p, int64_t c, int64_t i)
{
    double sum = 0;
    for (int64_t j = first_of(a, c); j < end_of(a, c, p->channels); j++) {
        double x = (double)in[j * p->n + i];
        sum = fma(x, x, sum);
    }
    return a->k + a->alpha / (double)a->size * sum;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const attributes *a = op->attrs;
    const planes p = planes_of(op, args);
    const float *in = args->in[0];
    for (int64_t c = 0; c < p.channels; c++)
        for (int64_t i = 0; i < p.n; i++)
            args->out[c * p.n + i] =
                (float)((double)in[c * p.n + i] * pow(divisor(a, in, &p, c, i), -a->beta));
}

/* dx_c = dy_c d_c^-beta - 2 alpha beta / size x_c * sum over the windows that hold c of dy x
 * d^(-beta - 1); `slopes` has the terms of all channels of one element. */
static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const attributes *a = op->attrs;
    const planes p = planes_of(op, args);
    const float *in = args->in[0], *dout = grads->dout;
    float *slopes = args->scratch, *din = grads->din[0];
    double scale = 2 * a->alpha * a->beta / (double)a->size;
    for (int64_t i = 0; din != NULL && i < p.n; i++) {
        for (int64_t c = 0; c < p.channels; c++) {
            int64_t at = c * p.n + i;
            double d = divisor(a, in, &p, c, i);
            slopes[p.channels + c] = (float)((double)dout[at] * pow(d, -a->beta));
            slopes[c] = (float)((double)dout[at] * (double)in[at] * pow(d, -a->beta - 1));
        }
        for (int64_t c = 0; c < p.channels; c++) {
            double sum = 0;
            for (int64_t j = crd_larger(c - (a->size - 1) / 2, 0);
                 j < crd_smaller(c + a->size / 2 + 1, p.channels); j++)
                sum += (double)slopes[j];
            int64_t at = c * p.n + i;
            float slope = (float)((double)slopes[p.channels + c] - scale * (double)in[at] * sum);
            din[at] = grads->adds[0] ? din[at] + slope : slope;
        }
    }
}

static int64_t backward_scratch_floats(const crd_graph_op *op, int64_t n_images)
{
    (void)n_images;
    return 2 * op->shape.dims[0];
}

const crd_op crd_op_local_response_norm = {.name = "LocalResponseNorm",
                                           .min_inputs = 1,
                                           .max_inputs = 1,
                                           .attrs = attrs,
                                           .attrs_size = sizeof(attributes),
                                           .infer = infer,
                                           .backward_scratch_floats = backward_scratch_floats,
                                           .forward = forward,
                                           .keeps_in = true,
                                           .backward = backward};
