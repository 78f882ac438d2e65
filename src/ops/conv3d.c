/* torch's Conv3d: of volumes (channels, depth, height, width). One matrix product for every image
 * and output depth, over columns that hold what each output pixel sees. */
#include "base/integers.h"
#include "kernels/kernels.h"
#include "ops/registry.h"

enum { N_AXES = 3 };

typedef struct attributes {
    int64_t in_channels, out_channels;
    int64_t kernel_size[N_AXES], stride[N_AXES], padding[N_AXES], dilation[N_AXES];
    int64_t groups, bias;
} attributes;

#define NUMBER(name, ...)                                                                          \
    {                                                                                              \
#name, offsetof(attributes, name), 1, __VA_ARGS__                                          \
    }
#define WINDOW(name, ...)                                                                          \
    {                                                                                              \
#name, offsetof(attributes, name), N_AXES, .max = CRD_OP_MAX_WINDOW, __VA_ARGS__           \
    }
static const crd_attr_spec attrs[] = {
    NUMBER(in_channels, .min = 1, .max = CRD_OP_MAX_ELEMENTS),
    NUMBER(out_channels, .min = 1, .max = CRD_OP_MAX_ELEMENTS),
    WINDOW(kernel_size, .min = 1),
    WINDOW(stride, .min = 1, .is_optional = true, .fallback = 1),
    WINDOW(padding, .min = 0, .is_optional = true, .fallback = 0),
    WINDOW(dilation, .min = 1, .is_optional = true, .fallback = 1),
    NUMBER(groups, .min = 1, .max = CRD_OP_MAX_ELEMENTS, .is_optional = true, .fallback = 1),
    NUMBER(bias, .min = 0, .max = 1, .is_optional = true, .fallback = 1),
    {0},
};

static const crd_param_spec params[] = {
    {"weight", "kernel", CRD_TRAINED, .may_be_random = true, .initial = CRD_INIT_HE},
    {"bias", "bias", CRD_TRAINED, .may_be_random = true, .initial = CRD_INIT_ZERO},
};

static crd_status infer(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    const attributes *a = op->attrs;
    const crd_shape *in = op->in;
    char text[CRD_SHAPE_TEXT_SIZE];
    if (in->n_dims != 1 + N_AXES || in->dims[0] != a->in_channels)
        return CRD_OP_FAIL(op, "its input has shape %s; needed is (%lld, depth, height, width)",
                           crd_shape_text(text, in), (long long)a->in_channels);
    if (a->in_channels % a->groups != 0 || a->out_channels % a->groups != 0)
        return CRD_OP_FAIL(op, "groups is %lld, which does not divide %lld and %lld channels",
                           (long long)a->groups, (long long)a->in_channels,
                           (long long)a->out_channels);
    op->shape = crd_shape_make(4, a->out_channels, 1, 1, 1);
    shapes[CRD_SLOT_WEIGHT] =
        crd_shape_make(5, a->out_channels, a->in_channels / a->groups, a->kernel_size[0],
                       a->kernel_size[1], a->kernel_size[2]);
    for (int i = 0; i < N_AXES; i++) {
        int64_t room =
            in->dims[1 + i] + 2 * a->padding[i] - (a->dilation[i] * (a->kernel_size[i] - 1) + 1);
        if (room < 0)
            return CRD_OP_FAIL(op, "input %s is smaller than kernel_size (%lld, %lld, %lld)",
                               crd_shape_text(text, in), (long long)a->kernel_size[0],
                               (long long)a->kernel_size[1], (long long)a->kernel_size[2]);
        op->shape.dims[1 + i] = room / a->stride[i] + 1;
    }
    if (a->bias)
        shapes[CRD_SLOT_BIAS] = crd_shape_make(1, a->out_channels);
    return CRD_OK;
}

/* Sizes of the products: of a group's weights (n_out, n_terms), of columns (n_terms, plane). */
typedef struct sizes {
    int64_t n_in, n_out, n_terms, plane, in_volume, volume;
} sizes;

static sizes sizes_of(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    const int64_t *k = a->kernel_size, *out = op->shape.dims;
    int64_t n_in = a->in_channels / a->groups;
    return (sizes){n_in,
                   a->out_channels / a->groups,
                   n_in * k[0] * k[1] * k[2],
                   out[2] * out[3],
                   crd_shape_count(op->in) / a->in_channels,
                   out[1] * out[2] * out[3]};
}

static int64_t work(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    const sizes s = sizes_of(op);
    return s.volume * a->out_channels * s.n_terms;
}

static int64_t backward_scratch_floats(const crd_graph_op *op, int64_t n_images)
{
    (void)n_images;
    const sizes s = sizes_of(op);
    return s.n_terms * s.plane;
}

static int64_t scratch_floats(const crd_graph_op *op, int64_t n_images, crd_precision precision)
{
    (void)precision;
    return backward_scratch_floats(op, n_images);
}

/* Place in a volume of the input of what kernel element (z, y, x) sees from output (d, i, j), or
 * -1: in the padding. */
static int64_t place_of(const crd_graph_op *op, const int64_t kernel[N_AXES],
                        const int64_t out[N_AXES])
{
    const attributes *a = op->attrs;
    int64_t place = 0;
    for (int i = 0; i < N_AXES; i++) {
        int64_t at = out[i] * a->stride[i] - a->padding[i] + kernel[i] * a->dilation[i];
        if (at < 0 || at >= op->in->dims[1 + i])
            return -1;
        place = place * op->in->dims[1 + i] + at;
    }
    return place;
}

/* Columns of one image, group and output depth, from the input; or, the other way, added to the
 * gradient at it. `volumes` are those of the group's first channel, `step` apart. */
static void turn_columns(float *columns, float *volumes, const crd_graph_op *op, int64_t step,
                         int64_t d, bool is_back)
{
    const attributes *a = op->attrs;
    const sizes s = sizes_of(op);
    const int64_t *k = a->kernel_size, width = op->shape.dims[3], window = s.n_terms / s.n_in;
    for (int64_t term = 0; term < s.n_terms; term++) {
        float *volume = volumes + term / window * step;
        const int64_t kernel[N_AXES] = {term % window / (k[1] * k[2]), term / k[2] % k[1],
                                        term % k[2]};
        for (int64_t p = 0; p < s.plane; p++) {
            int64_t place = place_of(op, kernel, (const int64_t[]){d, p / width, p % width});
            float *column = columns + term * s.plane + p;
            if (is_back && place >= 0)
                volume[place] += *column;
            else if (!is_back)
                *column = place < 0 ? 0 : volume[place];
        }
    }
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const attributes *a = op->attrs;
    const sizes s = sizes_of(op);
    const float *weight = args->params[CRD_SLOT_WEIGHT].values;
    const float *bias = args->params[CRD_SLOT_BIAS].values;
    int64_t n = args->n_images;
    for (int64_t k = 0; k < a->groups * n * op->shape.dims[1]; k++) {
        int64_t d = k % op->shape.dims[1], image = k / op->shape.dims[1] % n;
        int64_t group = k / op->shape.dims[1] / n;
        /* Only read: is_back is false. */
        float *in = (float *)(uintptr_t)args->in[0] + (group * s.n_in * n + image) * s.in_volume;
        turn_columns(args->scratch, in, op, n * s.in_volume, d, false);
        crd_gemm(args->out + (group * s.n_out * n + image) * s.volume + d * s.plane, n * s.volume,
                 weight + group * s.n_out * s.n_terms, s.n_terms, args->scratch, s.plane, s.n_out,
                 s.plane, s.n_terms, 0);
    }
    for (int64_t c = 0; bias != NULL && c < a->out_channels; c++)
        crd_kernels_get()->elementwise->scale_shift(
            args->out + c * n * s.volume, args->out + c * n * s.volume, 1, bias[c], n * s.volume);
    crd_epilogue_apply(args->out, &args->epilogue, a->out_channels * n * s.volume);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const attributes *a = op->attrs;
    const sizes s = sizes_of(op);
    const float *weight = args->params[CRD_SLOT_WEIGHT].values;
    float *dweight = grads->dparams[CRD_SLOT_WEIGHT], *dbias = grads->dparams[CRD_SLOT_BIAS];
    int64_t n = args->n_images;
    float *din = crd_op_cleared_din(grads, 0, crd_op_in_count(op, args, 0));
    for (int64_t c = 0; dbias != NULL && c < a->out_channels; c++)
        dbias[c] = (float)crd_kernels_get()->elementwise->sum(grads->dout + c * n * s.volume,
                                                              n * s.volume);
    for (int64_t i = 0; dweight != NULL && i < a->out_channels * s.n_terms; i++)
        dweight[i] = 0;
    for (int64_t k = 0; k < a->groups * n * op->shape.dims[1]; k++) {
        int64_t d = k % op->shape.dims[1], image = k / op->shape.dims[1] % n;
        int64_t group = k / op->shape.dims[1] / n;
        int64_t at = (group * s.n_in * n + image) * s.in_volume;
        int64_t weights = group * s.n_out * s.n_terms;
        const float *dout = grads->dout + (group * s.n_out * n + image) * s.volume + d * s.plane;
        if (dweight != NULL) {
            float *in = (float *)(uintptr_t)args->in[0] + at;
            turn_columns(args->scratch, in, op, n * s.in_volume, d, false);
            crd_gemm_transposed(dweight + weights, s.n_terms, dout, n * s.volume, args->scratch,
                                s.plane, s.n_out, s.n_terms, s.plane, 1, CRD_TRANSPOSE_B);
        }
        if (din != NULL) {
            crd_gemm_transposed(args->scratch, s.plane, weight + weights, s.n_terms, dout,
                                n * s.volume, s.n_terms, s.plane, s.n_out, 0, CRD_TRANSPOSE_A);
            turn_columns(args->scratch, din + at, op, n * s.in_volume, d, true);
        }
    }
}

const crd_op crd_op_conv3d = {.name = "Conv3d",
                              .attrs = attrs,
                              .attrs_size = sizeof(attributes),
                              .min_inputs = 1,
                              .max_inputs = 1,
                              .params = params,
                              .n_params = sizeof params / sizeof *params,
                              .is_affine = true,
                              .has_epilogue = true,
                              .keeps_in = true,
                              .infer = infer,
                              .work = work,
                              .scratch_floats = scratch_floats,
                              .backward_scratch_floats = backward_scratch_floats,
                              .forward = forward,
                              .backward = backward};
