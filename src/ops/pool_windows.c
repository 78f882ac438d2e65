/* torch's poolings of one and three dimensions, and adaptive ones beside AdaptiveAvgPool2d: maxima
 * and averages over windows of volumes (channels, depth, height, width). Of a sequence (channels,
 * 1, length) and of an image depth and height, or depth alone, are 1. Those of two dimensions with
 * windows, which networks of images have, are pool.c's. */
#include <math.h>

#include "base/integers.h"
#include "ops/registry.h"

enum { N_AXES = 3, AS_PADDING = -1 };

/* Of every operator here: windows, or the output's extents of an adaptive one. */
typedef struct attributes {
    int64_t kernel_size[N_AXES], stride[N_AXES], padding[N_AXES], dilation[N_AXES];
    int64_t padding_end[N_AXES]; /* after the last one; -1: as before the first */
    int64_t ceil_mode, count_include_pad;
    int64_t output_size[N_AXES];
} attributes;

/* Attributes of the last `n` axes; infer sets the others. */
#define LAST(member, n, ...)                                                                       \
    {                                                                                              \
#member, offsetof(attributes, member[N_AXES - (n)]), n, .max = CRD_OP_MAX_WINDOW,          \
                                                                __VA_ARGS__                        \
    }
#define FLAG(member, value)                                                                        \
    {                                                                                              \
#member, offsetof(attributes, member), 1, .max = 1, .is_optional = true, .fallback = value \
    }
#define WINDOWS(n)                                                                                 \
    LAST(kernel_size, n, .min = 1), LAST(stride, n, .min = 1),                                     \
        LAST(padding, n, .min = 0, .is_optional = true),                                           \
        LAST(padding_end, n, .min = AS_PADDING, .is_optional = true, .fallback = AS_PADDING),      \
        LAST(dilation, n, .min = 1, .is_optional = true, .fallback = 1), FLAG(ceil_mode, 0)

static const crd_attr_spec max_attrs[][7] = {{WINDOWS(1), {0}}, {WINDOWS(3), {0}}};
static const crd_attr_spec avg_attrs[][8] = {{WINDOWS(1), FLAG(count_include_pad, 1), {0}},
                                             {WINDOWS(3), FLAG(count_include_pad, 1), {0}}};
static const crd_attr_spec adaptive_attrs[][2] = {{LAST(output_size, 1, .min = 1), {0}},
                                                  {LAST(output_size, 2, .min = 1), {0}},
                                                  {LAST(output_size, 3, .min = 1), {0}}};

/* Extents of the input by axis: those that it lacks are 1. */
static void volume_of(int64_t out[N_AXES], const crd_shape *shape)
{
    for (int i = 0; i < N_AXES; i++) {
        int axis = shape->n_dims - N_AXES + i;
        out[i] = axis < 1 ? 1 : shape->dims[axis];
    }
}

/* The input is (channels, 1, length), (channels, height, width) or (channels, depth, height,
 * width). */
static crd_status check_input(const crd_graph_op *op, int n_axes)
{
    static const char *const needed[] = {"1, length", "height, width", "depth, height, width"};
    char text[CRD_SHAPE_TEXT_SIZE];
    const crd_shape *in = op->in;
    if (in->n_dims != (n_axes == 3 ? 4 : 3) || (n_axes == 1 && in->dims[1] != 1))
        return CRD_OP_FAIL(op, "its input has shape %s; needed is (channels, %s)",
                           crd_shape_text(text, in), needed[n_axes - 1]);
    return CRD_OK;
}

static int64_t end_padding(const attributes *a, int i)
{
    return a->padding_end[i] == AS_PADDING ? a->padding[i] : a->padding_end[i];
}

static int64_t reach(const attributes *a, int i)
{
    return a->dilation[i] * (a->kernel_size[i] - 1) + 1;
}

/* torch's rule. ceil_mode gives the rest a window of its own, unless that would start in the
 * padding after it. */
static int64_t window_count(int64_t extent, const attributes *a, int i)
{
    int64_t room = extent + a->padding[i] + end_padding(a, i) - reach(a, i);
    room += a->ceil_mode ? a->stride[i] - 1 : 0;
    if (room < 0)
        return 0;
    int64_t count = room / a->stride[i] + 1;
    bool is_beyond = (count - 1) * a->stride[i] >= extent + a->padding[i];
    return a->ceil_mode && is_beyond ? count - 1 : count;
}

static crd_status infer(crd_graph_op *op, int n_axes)
{
    attributes *a = op->attrs;
    char text[CRD_SHAPE_TEXT_SIZE];
    int64_t in[N_AXES];
    crd_status status = check_input(op, n_axes);
    if (status != CRD_OK)
        return status;
    volume_of(in, op->in);
    op->shape = *op->in;
    for (int i = 0; i < N_AXES; i++) {
        if (i < N_AXES - n_axes) {
            a->kernel_size[i] = a->stride[i] = a->dilation[i] = 1;
            a->padding[i] = a->padding_end[i] = 0;
            continue;
        }
        if (crd_larger(a->padding[i], a->padding_end[i]) >= reach(a, i))
            return CRD_OP_FAIL(op, "a padding of %lld leaves windows of %lld empty",
                               (long long)crd_larger(a->padding[i], a->padding_end[i]),
                               (long long)reach(a, i));
        int64_t count = window_count(in[i], a, i);
        if (count < 1)
            return CRD_OP_FAIL(op, "input %s is smaller than kernel_size %lld of its axis %d",
                               crd_shape_text(text, op->in), (long long)a->kernel_size[i],
                               i - (N_AXES - n_axes));
        op->shape.dims[op->shape.n_dims - N_AXES + i] = count;
    }
    return CRD_OK;
}

static crd_status infer_1d(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    return infer(op, 1);
}

static crd_status infer_3d(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    return infer(op, 3);
}

/* kernel_size 0 marks an adaptive one. */
static crd_status infer_adaptive(crd_graph_op *op, int n_axes)
{
    const attributes *a = op->attrs;
    crd_status status = check_input(op, n_axes);
    op->shape = *op->in;
    for (int i = N_AXES - n_axes; i < N_AXES && status == CRD_OK; i++)
        op->shape.dims[op->shape.n_dims - N_AXES + i] = a->output_size[i];
    return status;
}

static crd_status infer_adaptive_1d(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    return infer_adaptive(op, 1);
}

static crd_status infer_adaptive_2d(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    return infer_adaptive(op, 2);
}

static crd_status infer_adaptive_3d(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    return infer_adaptive(op, 3);
}

/* Window i of an axis: its elements within the input, and how many of it count in an average. */
typedef struct span {
    int64_t first, step, n, n_counted;
} span;

static span adaptive_span(int64_t extent, int64_t n_windows, int64_t i)
{
    int64_t first = i * extent / n_windows, end = crd_divide_up((i + 1) * extent, n_windows);
    return (span){first, 1, end - first, end - first};
}

/* Zeros of the padding may count, but what a last window of ceil_mode has beyond does not. */
static span window_span(const attributes *a, int axis, int64_t extent, int64_t i)
{
    int64_t step = a->dilation[axis], k = a->kernel_size[axis];
    int64_t start = i * a->stride[axis] - a->padding[axis];
    int64_t before = start < 0 ? crd_divide_up(-start, step) : 0;
    int64_t room = crd_larger(extent - start, 0);
    int64_t all = crd_larger(extent + end_padding(a, axis) - start, 0);
    int64_t end = crd_smaller(k, crd_divide_up(room, step));
    span s = {start + before * step, step, crd_larger(end - before, 0),
              crd_smaller(k, crd_divide_up(all, step))};
    if (!a->count_include_pad)
        s.n_counted = s.n;
    return s;
}

static span span_of(const crd_graph_op *op, int axis, int64_t extent, int64_t n_windows, int64_t i)
{
    const attributes *a = op->attrs;
    return a->kernel_size[axis] == 0 ? adaptive_span(extent, n_windows, i)
                                     : window_span(a, axis, extent, i);
}

/* What a pass does with a window: its spans by axis, of the plane's elements from `plane` on. */
typedef struct walk {
    const crd_graph_op *op;
    int64_t in[N_AXES], out[N_AXES], n_planes, in_volume;
} walk;

static walk walk_of(const crd_graph_op *op, int64_t n_images)
{
    walk w = {.op = op, .n_planes = op->in->dims[0] * n_images};
    volume_of(w.in, op->in);
    volume_of(w.out, &op->shape);
    w.in_volume = w.in[0] * w.in[1] * w.in[2];
    return w;
}

static void spans_of(span out[N_AXES], const walk *w, int64_t o)
{
    const int64_t at[N_AXES] = {o / (w->out[1] * w->out[2]) % w->out[0], o / w->out[2] % w->out[1],
                                o % w->out[2]};
    for (int i = 0; i < N_AXES; i++)
        out[i] = span_of(w->op, i, w->in[i], w->out[i], at[i]);
}

static int64_t n_out(const walk *w)
{
    return w->out[0] * w->out[1] * w->out[2];
}

/* Element e of a window, in row order, in its volume. */
static int64_t place_of(const walk *w, const span s[N_AXES], int64_t e)
{
    int64_t z = s[0].first + e / (s[1].n * s[2].n) * s[0].step;
    int64_t y = s[1].first + e / s[2].n % s[1].n * s[1].step;
    return (z * w->in[1] + y) * w->in[2] + s[2].first + e % s[2].n * s[2].step;
}

static int64_t n_elements(const span s[N_AXES])
{
    return s[0].n * s[1].n * s[2].n;
}

/* A NaN wins, as in torch: a broken weight must not vanish here. */
static void max_forward(const crd_graph_op *op, const crd_op_args *args)
{
    const walk w = walk_of(op, args->n_images);
    for (int64_t o = 0; o < n_out(&w); o++) {
        span s[N_AXES];
        spans_of(s, &w, o);
        for (int64_t p = 0; p < w.n_planes; p++) {
            const float *in = args->in[0] + p * w.in_volume;
            float most = -INFINITY;
            for (int64_t e = 0; e < n_elements(s); e++) {
                float value = in[place_of(&w, s, e)];
                most = value > most || isnan(value) ? value : most;
            }
            args->out[p * n_out(&w) + o] = most;
        }
    }
}

/* The gradient of a window goes to its maximum, to the first in row order if there are several, as
 * in torch. */
static void max_backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const walk w = walk_of(op, args->n_images);
    float *din = crd_op_cleared_din(grads, 0, w.n_planes * w.in_volume);
    for (int64_t o = 0; din != NULL && o < n_out(&w); o++) {
        span s[N_AXES];
        spans_of(s, &w, o);
        for (int64_t p = 0; p < w.n_planes; p++) {
            const float *in = args->in[0] + p * w.in_volume;
            int64_t at = p * n_out(&w) + o, e = 0, n = n_elements(s);
            while (e < n && in[place_of(&w, s, e)] != args->out[at])
                e++;
            if (e < n) /* a window of NaN has no maximum */
                din[p * w.in_volume + place_of(&w, s, e)] += grads->dout[at];
        }
    }
}

static float n_counted(const span s[N_AXES])
{
    return (float)(s[0].n_counted * s[1].n_counted * s[2].n_counted);
}

static void avg_forward(const crd_graph_op *op, const crd_op_args *args)
{
    const walk w = walk_of(op, args->n_images);
    for (int64_t o = 0; o < n_out(&w); o++) {
        span s[N_AXES];
        spans_of(s, &w, o);
        for (int64_t p = 0; p < w.n_planes; p++) {
            const float *in = args->in[0] + p * w.in_volume;
            float sum = 0;
            for (int64_t e = 0; e < n_elements(s); e++)
                sum += in[place_of(&w, s, e)];
            args->out[p * n_out(&w) + o] = sum / n_counted(s);
        }
    }
}

static void avg_backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const walk w = walk_of(op, args->n_images);
    float *din = crd_op_cleared_din(grads, 0, w.n_planes * w.in_volume);
    for (int64_t o = 0; din != NULL && o < n_out(&w); o++) {
        span s[N_AXES];
        spans_of(s, &w, o);
        for (int64_t p = 0; p < w.n_planes; p++) {
            float share = grads->dout[p * n_out(&w) + o] / n_counted(s);
            for (int64_t e = 0; e < n_elements(s); e++)
                din[p * w.in_volume + place_of(&w, s, e)] += share;
        }
    }
}

#define POOL(class_name, specs, infer_shapes)                                                      \
    .name = class_name, .attrs = specs, .attrs_size = sizeof(attributes), .min_inputs = 1,         \
    .max_inputs = 1, .infer = infer_shapes
#define MAX_POOL(class_name, specs, infer_shapes)                                                  \
    {                                                                                              \
        POOL(class_name, specs, infer_shapes), .forward = max_forward, .backward = max_backward,   \
                                               .keeps_in = true, .keeps_out = true                 \
    }
#define AVG_POOL(class_name, specs, infer_shapes)                                                  \
    {                                                                                              \
        POOL(class_name, specs, infer_shapes), .forward = avg_forward, .backward = avg_backward    \
    }

const crd_op crd_op_max_pool1d = MAX_POOL("MaxPool1d", max_attrs[0], infer_1d);
const crd_op crd_op_max_pool3d = MAX_POOL("MaxPool3d", max_attrs[1], infer_3d);
const crd_op crd_op_avg_pool1d = AVG_POOL("AvgPool1d", avg_attrs[0], infer_1d);
const crd_op crd_op_avg_pool3d = AVG_POOL("AvgPool3d", avg_attrs[1], infer_3d);
const crd_op crd_op_adaptive_max_pool1d =
    MAX_POOL("AdaptiveMaxPool1d", adaptive_attrs[0], infer_adaptive_1d);
const crd_op crd_op_adaptive_max_pool2d =
    MAX_POOL("AdaptiveMaxPool2d", adaptive_attrs[1], infer_adaptive_2d);
const crd_op crd_op_adaptive_max_pool3d =
    MAX_POOL("AdaptiveMaxPool3d", adaptive_attrs[2], infer_adaptive_3d);
const crd_op crd_op_adaptive_avg_pool1d =
    AVG_POOL("AdaptiveAvgPool1d", adaptive_attrs[0], infer_adaptive_1d);
const crd_op crd_op_adaptive_avg_pool3d =
    AVG_POOL("AdaptiveAvgPool3d", adaptive_attrs[2], infer_adaptive_3d);
