/* torch's Upsample, ONNX's Resize, of planes: nearest or bilinear, to a given size. `coordinates`
 * says where an output pixel lies in the input: half_pixel (torch, align_corners False),
 * align_corners, asymmetric (torch's nearest). Source: the reference of ONNX's Resize. */
#include <math.h>

#include "base/integers.h"
#include "ops/registry.h"

typedef struct attributes {
    int64_t size[2];
    double scale_factor[2]; /* 0: size / input's */
    int64_t mode, coordinates, rounding;
} attributes;

static const char *const modes[] = {"nearest", "bilinear", NULL};
enum { HALF_PIXEL, PYTORCH_HALF_PIXEL, ALIGN_CORNERS, ASYMMETRIC, HALF_PIXEL_SYMMETRIC };
static const char *const coordinates[] = {"half_pixel", "pytorch_half_pixel",   "align_corners",
                                          "asymmetric", "half_pixel_symmetric", NULL};
enum { FLOOR, CEIL, ROUND_PREFER_FLOOR, ROUND_PREFER_CEIL };
static const char *const roundings[] = {"floor", "ceil", "round_prefer_floor", "round_prefer_ceil",
                                        NULL};

#define WORD(name, list, n, value)                                                                 \
    {                                                                                              \
#name, offsetof(attributes, name), 1, .max = n, .choices = list, .is_optional = true,      \
                                              .fallback = value                                    \
    }
static const crd_attr_spec attrs[] = {
    {"size", offsetof(attributes, size), 2, .min = 1, .max = CRD_OP_MAX_ELEMENTS},
    {"scale_factor", offsetof(attributes, scale_factor), 2, true, 0, 1e9, .is_optional = true},
    WORD(mode, modes, 1, 0),
    WORD(coordinates, coordinates, 4, ASYMMETRIC),
    WORD(rounding, roundings, 3, FLOOR),
    {0},
};

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    const attributes *a = op->attrs;
    crd_status status = crd_op_require_image(op);
    if (status == CRD_OK)
        op->shape = crd_shape_make(3, op->in->dims[0], a->size[0], a->size[1]);
    return status;
}

/* Where output pixel `at` along extent d lies in the input. */
static double place_of(const crd_graph_op *op, int d, int64_t at)
{
    const attributes *a = op->attrs;
    double n_in = (double)op->in->dims[1 + d], n_out = (double)a->size[d], x = (double)at;
    double scale = a->scale_factor[d] > 0 ? a->scale_factor[d] : n_out / n_in;
    switch (a->coordinates) {
    case ALIGN_CORNERS:
        return n_in * scale == 1 ? 0 : x * (n_in - 1) / (n_in * scale - 1);
    case ASYMMETRIC:
        return x / scale;
    case PYTORCH_HALF_PIXEL:
        return n_out == 1 ? 0 : (x + 0.5) / scale - 0.5;
    case HALF_PIXEL_SYMMETRIC: {
        double adjusted = n_out / (n_in * scale);
        return n_in / 2 * (1 - adjusted) + (x + 0.5) / scale - 0.5;
    }
    default:
        return (x + 0.5) / scale - 0.5;
    }
}

/* Two input pixels, and the share of the second. */
typedef struct mix {
    int64_t at[2];
    double share;
} mix;

static double round_of(double x, int64_t rule)
{
    switch (rule) {
    case FLOOR:
        return floor(x);
    case CEIL:
        return ceil(x);
    case ROUND_PREFER_FLOOR:
        return ceil(x - 0.5);
    default:
        return floor(x + 0.5);
    }
}

static mix mix_of(const crd_graph_op *op, int d, int64_t at)
{
    const attributes *a = op->attrs;
    double x = place_of(op, d, at), last = (double)(op->in->dims[1 + d] - 1);
    double first = a->mode == 0 ? round_of(x, a->rounding) : floor(x);
    mix m = {.share = a->mode == 0 ? 0 : x - first};
    m.at[0] = (int64_t)fmin(fmax(first, 0), last);
    m.at[1] = (int64_t)fmin(fmax(first + 1, 0), last);
    return m;
}

/* out = mix of in, or in += share of out: `in` is written if is_backward. */
static void resize(const crd_graph_op *op, int64_t n_images, float *in, float *out,
                   bool is_backward)
{
    int64_t height = op->in->dims[1], width = op->in->dims[2];
    int64_t out_height = op->shape.dims[1], out_width = op->shape.dims[2];
    int64_t n_planes = op->in->dims[0] * n_images;
    for (int64_t y = 0; y < out_height; y++)
        for (int64_t x = 0; x < out_width; x++) {
            const mix my = mix_of(op, 0, y), mx = mix_of(op, 1, x);
            for (int64_t plane = 0; plane < n_planes; plane++) {
                float *from = in + plane * height * width;
                float *to = out + (plane * out_height + y) * out_width + x;
                double sum = 0;
                for (int k = 0; k < 4; k++) {
                    double share =
                        (k & 2 ? my.share : 1 - my.share) * (k & 1 ? mx.share : 1 - mx.share);
                    float *pixel = from + my.at[k >> 1] * width + mx.at[k & 1];
                    if (is_backward)
                        *pixel += (float)(share * (double)*to);
                    else if (share != 0)
                        sum += share * (double)*pixel;
                }
                if (!is_backward)
                    *to = (float)sum;
            }
        }
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    resize(op, args->n_images, (float *)args->in[0], args->out, false);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    float *din = crd_op_cleared_din(grads, 0, crd_op_in_count(op, args, 0));
    if (din != NULL)
        resize(op, args->n_images, din, (float *)grads->dout, true);
}

const crd_op crd_op_upsample = {.name = "Upsample",
                                .attrs = attrs,
                                .attrs_size = sizeof(attributes),
                                .min_inputs = 1,
                                .max_inputs = 1,
                                .infer = infer,
                                .forward = forward,
                                .backward = backward};
