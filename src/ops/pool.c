/* Pooling, torch's MaxPool2d, AvgPool2d and AdaptiveAvgPool2d, one image plane at a time. The rows
 * under the window are first reduced to one row, then that row over the window's width, so that
 * most of the work runs along contiguous pixels. */
#include <math.h>
#include <string.h>

#include "base/integers.h"
#include "conv/method.h"
#include "kernels/kernels.h"
#include "ops/registry.h"

typedef struct attributes {
    int64_t kernel_size[2], stride[2], padding[2]; /* height, width */
    int64_t ceil_mode;
    int64_t count_include_pad; /* of averages: 1: zeros of the padding count */
} attributes;

#define WINDOW_ATTRS                                                                               \
    {"kernel_size", offsetof(attributes, kernel_size), 2, .min = 1, .max = CRD_OP_MAX_WINDOW},     \
        {"stride", offsetof(attributes, stride), 2, .min = 1, .max = CRD_OP_MAX_WINDOW},           \
        {"padding", offsetof(attributes, padding), 2,                                              \
         .min = 0,  .max = CRD_OP_MAX_WINDOW,      .is_optional = true},                           \
    {                                                                                              \
        "ceil_mode", offsetof(attributes, ceil_mode), 1, .min = 0, .max = 1, .is_optional = true   \
    }

static const crd_attr_spec attrs[] = {WINDOW_ATTRS, {0}};
static const crd_attr_spec avg_attrs[] = {
    WINDOW_ATTRS,
    {"count_include_pad", offsetof(attributes, count_include_pad), 1, .min = 0, .max = 1,
     .is_optional = true, .fallback = 1},
    {0},
};

/* torch's rule. ceil_mode gives the rest a window of its own, unless that would start in the
 * padding after it. */
static int64_t window_count(int64_t extent, const attributes *a, int i)
{
    int64_t padding = a->padding[i], stride = a->stride[i];
    int64_t room = extent + 2 * padding - a->kernel_size[i] + (a->ceil_mode ? stride - 1 : 0);
    if (room < 0)
        return 0;
    int64_t count = room / stride + 1;
    return a->ceil_mode && (count - 1) * stride >= extent + padding ? count - 1 : count;
}

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    crd_status status = CRD_OK;
    const attributes *a = op->attrs;
    char text[CRD_SHAPE_TEXT_SIZE];
    int64_t size[2];
    CRD_TRY(crd_op_require_image(op));
    for (int i = 0; i < 2; i++) {
        int64_t kernel = a->kernel_size[i];
        if (2 * a->padding[i] > kernel)
            CRD_TRY(CRD_OP_FAIL(op, "padding[%d] is %lld, allowed is half of kernel_size %lld", i,
                                (long long)a->padding[i], (long long)kernel));
        size[i] = window_count(op->in->dims[1 + i], a, i);
        if (size[i] < 1)
            CRD_TRY(CRD_OP_FAIL(op, "input %s is smaller than kernel_size (%lld, %lld)",
                                crd_shape_text(text, op->in), (long long)a->kernel_size[0],
                                (long long)a->kernel_size[1]));
    }
    op->shape = crd_shape_make(3, op->in->dims[0], size[0], size[1]);
cleanup:
    return status;
}

/* A row of the input with its padding, and all that a last window of ceil_mode reaches. */
static int64_t row_floats(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    int64_t reach = (op->shape.dims[2] - 1) * a->stride[1] + a->kernel_size[1];
    return crd_larger(op->in->dims[2] + 2 * a->padding[1], reach);
}

/* The row, and for a maximum those of its windows. */
static int64_t scratch_floats(const crd_graph_op *op, int64_t n_images, crd_precision precision)
{
    (void)precision;
    (void)n_images;
    return 2 * row_floats(op);
}

/* The rows under a window are reduced to one row with padding of minus infinity around it, then
 * that row by as many shifted ones as a window is wide; of what comes out every stride-th pixel is
 * kept. A NaN wins, as in torch: a broken weight must not vanish here. */
static void max_forward(const crd_graph_op *op, const crd_op_args *args)
{
    const crd_elementwise_kernels *kernels = crd_kernels_get()->elementwise;
    const attributes *a = op->attrs;
    int64_t height = op->in->dims[1], width = op->in->dims[2];
    int64_t out_width = op->shape.dims[2], stride = a->stride[1];
    int64_t n_planes = op->shape.dims[0] * args->n_images;
    int64_t n_padded = row_floats(op);
    int64_t n_windows = (out_width - 1) * stride + 1;
    float *out = args->out, *padded = args->scratch, *row = padded + a->padding[1];
    float *maxima = padded + n_padded;
    for (int64_t i = 0; i < n_padded; i++)
        padded[i] = -INFINITY;
    for (int64_t plane = 0; plane < n_planes; plane++) {
        const float *in = args->in[0] + plane * height * width;
        for (int64_t y = 0; y < op->shape.dims[1]; y++, out += out_width) {
            int64_t top = crd_larger(y * a->stride[0] - a->padding[0], 0);
            int64_t end = crd_smaller(y * a->stride[0] - a->padding[0] + a->kernel_size[0], height);
            memcpy(row, in + top * width, (size_t)width * sizeof *row);
            for (int64_t k = top + 1; k < end; k++)
                kernels->maximum(row, row, in + k * width, width);
            memcpy(maxima, padded, (size_t)n_windows * sizeof *maxima);
            for (int64_t k = 1; k < a->kernel_size[1]; k++)
                kernels->maximum(maxima, maxima, padded + k, n_windows);
            crd_conv_gather_row(out, maxima, out_width, stride, 0, n_windows);
        }
    }
}

/* The gradient of a window goes to its maximum, to the first in row order if there are several, as
 * in torch. */
static void max_backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const attributes *a = op->attrs;
    int64_t height = op->in->dims[1], width = op->in->dims[2];
    int64_t n_planes = op->shape.dims[0] * args->n_images;
    const float *out = args->out, *dout = grads->dout;
    float *all = crd_op_cleared_din(grads, 0, n_planes * height * width);
    for (int64_t plane = 0; all != NULL && plane < n_planes; plane++) {
        const float *in = args->in[0] + plane * height * width;
        float *din = all + plane * height * width;
        for (int64_t y = 0; y < op->shape.dims[1]; y++) {
            int64_t top = crd_larger(y * a->stride[0] - a->padding[0], 0);
            int64_t end = crd_smaller(y * a->stride[0] - a->padding[0] + a->kernel_size[0], height);
            for (int64_t x = 0; x < op->shape.dims[2]; x++, out++, dout++) {
                int64_t left = crd_larger(x * a->stride[1] - a->padding[1], 0);
                int64_t right =
                    crd_smaller(x * a->stride[1] - a->padding[1] + a->kernel_size[1], width);
                /* Backwards over all of the window: a jump out at the first maximum would be one
                 * that the CPU cannot foresee. */
                int64_t at = -1;
                for (int64_t i = end - 1; i >= top; i--)
                    for (int64_t j = right - 1; j >= left; j--)
                        at = in[i * width + j] == *out ? i * width + j : at;
                if (at >= 0) /* a window of NaN has no maximum */
                    din[at] += *dout;
            }
        }
    }
}

const crd_op crd_op_max_pool2d = {.name = "MaxPool2d",
                                  .min_inputs = 1,
                                  .max_inputs = 1,
                                  .attrs = attrs,
                                  .attrs_size = sizeof(attributes),
                                  .infer = infer,
                                  .scratch_floats = scratch_floats,
                                  .forward = max_forward,
                                  .keeps_in = true,
                                  .keeps_out = true,
                                  .backward = max_backward};

/* Averages: sum of the pixels [left, right) of the sum of the rows [top, end) of a plane; and the
 * way back, which adds one value to all of them. */
static void sum_rows(float *row, const float *plane, int64_t top, int64_t end, int64_t width)
{
    crd_kernels_get()->elementwise->sum_rows(row, plane + top * width, end - top, width);
}

static float sum_pixels(const float *row, int64_t left, int64_t right)
{
    float sum = 0;
    for (int64_t i = left; i < right; i++)
        sum += row[i];
    return sum;
}

static void add_to_window(float *plane, float value, int64_t top, int64_t end, int64_t left,
                          int64_t right, int64_t width)
{
    for (int64_t k = top; k < end; k++)
        for (int64_t i = left; i < right; i++)
            plane[k * width + i] += value;
}

/* Window i along a dimension: its pixels within the image, and how many of it count. */
typedef struct span {
    int64_t first, end, n_counted;
} span;

/* Zeros of the padding may count, but what a last window of ceil_mode has beyond does not. */
static span avg_span(const crd_graph_op *op, int dim, int64_t i)
{
    const attributes *a = op->attrs;
    int64_t extent = op->in->dims[1 + dim], first = i * a->stride[dim] - a->padding[dim];
    int64_t end = crd_smaller(first + a->kernel_size[dim], extent + a->padding[dim]);
    span s = {crd_larger(first, 0), crd_smaller(end, extent), end - first};
    if (!a->count_include_pad)
        s.n_counted = s.end - s.first;
    return s;
}

static void avg_forward(const crd_graph_op *op, const crd_op_args *args)
{
    int64_t height = op->in->dims[1], width = op->in->dims[2];
    int64_t n_planes = op->shape.dims[0] * args->n_images;
    float *out = args->out;
    for (int64_t plane = 0; plane < n_planes; plane++)
        for (int64_t y = 0; y < op->shape.dims[1]; y++) {
            const span rows = avg_span(op, 0, y);
            sum_rows(args->scratch, args->in[0] + plane * height * width, rows.first, rows.end,
                     width);
            for (int64_t x = 0; x < op->shape.dims[2]; x++) {
                const span columns = avg_span(op, 1, x);
                *out++ = sum_pixels(args->scratch, columns.first, columns.end) /
                         (float)(rows.n_counted * columns.n_counted);
            }
        }
}

static void avg_backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    int64_t height = op->in->dims[1], width = op->in->dims[2];
    int64_t n_planes = op->shape.dims[0] * args->n_images;
    const float *dout = grads->dout;
    float *din = crd_op_cleared_din(grads, 0, n_planes * height * width);
    for (int64_t plane = 0; din != NULL && plane < n_planes; plane++)
        for (int64_t y = 0; y < op->shape.dims[1]; y++) {
            const span rows = avg_span(op, 0, y);
            for (int64_t x = 0; x < op->shape.dims[2]; x++) {
                const span columns = avg_span(op, 1, x);
                add_to_window(din + plane * height * width,
                              *dout++ / (float)(rows.n_counted * columns.n_counted), rows.first,
                              rows.end, columns.first, columns.end, width);
            }
        }
}

const crd_op crd_op_avg_pool2d = {.name = "AvgPool2d",
                                  .min_inputs = 1,
                                  .max_inputs = 1,
                                  .attrs = avg_attrs,
                                  .attrs_size = sizeof(attributes),
                                  .infer = infer,
                                  .scratch_floats = scratch_floats,
                                  .forward = avg_forward,
                                  .backward = avg_backward};

typedef struct adaptive_attributes {
    int64_t output_size[2];
} adaptive_attributes;

static const crd_attr_spec adaptive_attrs[] = {
    {"output_size", offsetof(adaptive_attributes, output_size), 2, .min = 1,
     .max = CRD_OP_MAX_WINDOW},
    {0},
};

static crd_status adaptive_infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    const adaptive_attributes *a = op->attrs;
    crd_status status = crd_op_require_image(op);
    if (status == CRD_OK)
        op->shape = crd_shape_make(3, op->in->dims[0], a->output_size[0], a->output_size[1]);
    return status;
}

/* Sums of a row of planes. */
static int64_t adaptive_scratch_floats(const crd_graph_op *op, int64_t n_images,
                                       crd_precision precision)
{
    (void)precision;
    (void)n_images;
    return op->in->dims[2];
}

static void adaptive_forward(const crd_graph_op *op, const crd_op_args *args)
{
    int64_t height = op->in->dims[1], width = op->in->dims[2];
    int64_t out_height = op->shape.dims[1], out_width = op->shape.dims[2];
    int64_t n_planes = op->shape.dims[0] * args->n_images;
    float *out = args->out;
    for (int64_t plane = 0; plane < n_planes; plane++)
        for (int64_t y = 0; y < out_height; y++) {
            int64_t top = y * height / out_height;
            int64_t end = ((y + 1) * height + out_height - 1) / out_height;
            sum_rows(args->scratch, args->in[0] + plane * height * width, top, end, width);
            for (int64_t x = 0; x < out_width; x++) {
                int64_t left = x * width / out_width;
                int64_t right = ((x + 1) * width + out_width - 1) / out_width;
                *out++ =
                    sum_pixels(args->scratch, left, right) / (float)((end - top) * (right - left));
            }
        }
}

static void adaptive_backward(const crd_graph_op *op, const crd_op_args *args,
                              const crd_op_grads *grads)
{
    int64_t height = op->in->dims[1], width = op->in->dims[2];
    int64_t out_height = op->shape.dims[1], out_width = op->shape.dims[2];
    int64_t n_planes = op->shape.dims[0] * args->n_images;
    const float *dout = grads->dout;
    float *din = crd_op_cleared_din(grads, 0, n_planes * height * width);
    for (int64_t plane = 0; din != NULL && plane < n_planes; plane++)
        for (int64_t y = 0; y < out_height; y++) {
            int64_t top = y * height / out_height;
            int64_t end = ((y + 1) * height + out_height - 1) / out_height;
            for (int64_t x = 0; x < out_width; x++) {
                int64_t left = x * width / out_width;
                int64_t right = ((x + 1) * width + out_width - 1) / out_width;
                add_to_window(din + plane * height * width,
                              *dout++ / (float)((end - top) * (right - left)), top, end, left,
                              right, width);
            }
        }
}

const crd_op crd_op_adaptive_avg_pool2d = {.name = "AdaptiveAvgPool2d",
                                           .min_inputs = 1,
                                           .max_inputs = 1,
                                           .attrs = adaptive_attrs,
                                           .attrs_size = sizeof(adaptive_attributes),
                                           .infer = adaptive_infer,
                                           .scratch_floats = adaptive_scratch_floats,
                                           .forward = adaptive_forward,
                                           .backward = adaptive_backward};
