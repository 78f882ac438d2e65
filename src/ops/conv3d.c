/* torch's Conv3d: of volumes (channels, depth, height, width). One matrix product for every image
 * and output depth, over columns that hold what each output pixel sees. */
#include "ops/conv3d.h"

#include "kernels/kernels.h"
#include "ops/registry.h"

enum { AS_PADDING = -1, N_AXES = CRD_CONV3D_AXES };

static const crd_attr_spec attrs[] = {
    CRD_CONV3D_ATTRS,
    CRD_CONV3D_WINDOW(padding_end, AS_PADDING, AS_PADDING),
    {0},
};

static const crd_param_spec params[] = {
    {"weight", "kernel", CRD_TRAINED, .may_be_random = true, .initial = CRD_INIT_HE},
    {"bias", "bias", CRD_TRAINED, .may_be_random = true, .initial = CRD_INIT_ZERO},
};

crd_status crd_conv3d_check_channels(const crd_graph_op *op)
{
    const crd_conv3d_attrs *a = op->attrs;
    char text[CRD_SHAPE_TEXT_SIZE];
    if (op->in->n_dims != 1 + N_AXES || op->in->dims[0] != a->in_channels)
        return CRD_OP_FAIL(op, "its input has shape %s; needed is (%lld, depth, height, width)",
                           crd_shape_text(text, op->in), (long long)a->in_channels);
    if (a->in_channels % a->groups != 0 || a->out_channels % a->groups != 0)
        return CRD_OP_FAIL(op, "groups is %lld, which does not divide %lld and %lld channels",
                           (long long)a->groups, (long long)a->in_channels,
                           (long long)a->out_channels);
    return CRD_OK;
}

static crd_status infer(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    const crd_conv3d_attrs *a = op->attrs;
    const crd_shape *in = op->in;
    char text[CRD_SHAPE_TEXT_SIZE];
    crd_status status = crd_conv3d_check_channels(op);
    if (status != CRD_OK)
        return status;
    op->shape = crd_shape_make(4, a->out_channels, 1, 1, 1);
    shapes[CRD_SLOT_WEIGHT] =
        crd_shape_make(5, a->out_channels, a->in_channels / a->groups, a->kernel_size[0],
                       a->kernel_size[1], a->kernel_size[2]);
    for (int i = 0; i < N_AXES; i++) {
        int64_t end = a->padding_end[i] == AS_PADDING ? a->padding[i] : a->padding_end[i];
        int64_t room =
            in->dims[1 + i] + a->padding[i] + end - (a->dilation[i] * (a->kernel_size[i] - 1) + 1);
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

static sizes sizes_of(const crd_conv3d *conv)
{
    const crd_conv3d_attrs *a = conv->attrs;
    const int64_t *k = a->kernel_size, *out = conv->out->dims;
    int64_t n_in = conv->in->dims[0] / a->groups;
    return (sizes){n_in,
                   out[0] / a->groups,
                   n_in * k[0] * k[1] * k[2],
                   out[2] * out[3],
                   crd_shape_count(conv->in) / conv->in->dims[0],
                   out[1] * out[2] * out[3]};
}

int64_t crd_conv3d_work(const crd_conv3d *conv)
{
    const sizes s = sizes_of(conv);
    return s.volume * conv->out->dims[0] * s.n_terms;
}

int64_t crd_conv3d_scratch_floats(const crd_conv3d *conv)
{
    const sizes s = sizes_of(conv);
    return s.n_terms * s.plane;
}

/* Place in a volume of the input of what kernel element (z, y, x) sees from output (d, i, j), or
 * -1: in the padding. */
static int64_t place_of(const crd_conv3d *conv, const int64_t kernel[N_AXES],
                        const int64_t out[N_AXES])
{
    const crd_conv3d_attrs *a = conv->attrs;
    int64_t place = 0;
    for (int i = 0; i < N_AXES; i++) {
        int64_t at = out[i] * a->stride[i] - a->padding[i] + kernel[i] * a->dilation[i];
        if (at < 0 || at >= conv->in->dims[1 + i])
            return -1;
        place = place * conv->in->dims[1 + i] + at;
    }
    return place;
}

/* Columns of one image, group and output depth, from the input; or, the other way, added to the
 * gradient at it. `volumes` are those of the group's first channel, `step` apart. */
static void turn_columns(float *columns, float *volumes, const crd_conv3d *conv, int64_t step,
                         int64_t d, bool is_back)
{
    const sizes s = sizes_of(conv);
    const int64_t *k = conv->attrs->kernel_size, width = conv->out->dims[3];
    int64_t window = s.n_terms / s.n_in;
    for (int64_t term = 0; term < s.n_terms; term++) {
        float *volume = volumes + term / window * step;
        const int64_t kernel[N_AXES] = {term % window / (k[1] * k[2]), term / k[2] % k[1],
                                        term % k[2]};
        for (int64_t p = 0; p < s.plane; p++) {
            int64_t place = place_of(conv, kernel, (const int64_t[]){d, p / width, p % width});
            float *column = columns + term * s.plane + p;
            if (is_back && place >= 0)
                volume[place] += *column;
            else if (!is_back)
                *column = place < 0 ? 0 : volume[place];
        }
    }
}

/* One product: of a group, an image and an output depth. */
typedef struct piece {
    int64_t depth, in, out, weight; /* places in arrays */
} piece;

static int64_t n_pieces(const crd_conv3d *conv)
{
    return conv->attrs->groups * conv->n_images * conv->out->dims[1];
}

static piece piece_of(const crd_conv3d *conv, const sizes *s, int64_t k)
{
    int64_t n = conv->n_images, depths = conv->out->dims[1];
    int64_t d = k % depths, image = k / depths % n, group = k / depths / n;
    return (piece){d, (group * s->n_in * n + image) * s->in_volume,
                   (group * s->n_out * n + image) * s->volume + d * s->plane,
                   group * s->n_out * s->n_terms};
}

void crd_conv3d_forward(float *out, const crd_conv3d *conv, const float *in, const float *weight,
                        float beta, float *scratch)
{
    const sizes s = sizes_of(conv);
    int64_t n = conv->n_images;
    for (int64_t k = 0; k < n_pieces(conv); k++) {
        const piece p = piece_of(conv, &s, k);
        /* Only read: is_back is false. */
        turn_columns(scratch, (float *)(uintptr_t)in + p.in, conv, n * s.in_volume, p.depth, false);
        crd_gemm(out + p.out, n * s.volume, weight + p.weight, s.n_terms, scratch, s.plane, s.n_out,
                 s.plane, s.n_terms, beta);
    }
}

void crd_conv3d_backward(float *dweight, float *din, const crd_conv3d *conv, const float *in,
                         const float *weight, const float *dout, float *scratch)
{
    const sizes s = sizes_of(conv);
    int64_t n = conv->n_images;
    for (int64_t i = 0; dweight != NULL && i < conv->out->dims[0] * s.n_terms; i++)
        dweight[i] = 0;
    for (int64_t k = 0; k < n_pieces(conv); k++) {
        const piece p = piece_of(conv, &s, k);
        if (dweight != NULL) {
            turn_columns(scratch, (float *)(uintptr_t)in + p.in, conv, n * s.in_volume, p.depth,
                         false);
            crd_gemm_transposed(dweight + p.weight, s.n_terms, dout + p.out, n * s.volume, scratch,
                                s.plane, s.n_out, s.n_terms, s.plane, 1, CRD_TRANSPOSE_B);
        }
        if (din != NULL) {
            crd_gemm_transposed(scratch, s.plane, weight + p.weight, s.n_terms, dout + p.out,
                                n * s.volume, s.n_terms, s.plane, s.n_out, 0, CRD_TRANSPOSE_A);
            turn_columns(scratch, din + p.in, conv, n * s.in_volume, p.depth, true);
        }
    }
}

void crd_conv3d_add_bias(float *out, const crd_shape *shape, const float *bias, int64_t n_images)
{
    int64_t n = n_images * crd_shape_count(shape) / shape->dims[0];
    for (int64_t c = 0; bias != NULL && c < shape->dims[0]; c++)
        crd_kernels_get()->elementwise->scale_shift(out + c * n, out + c * n, 1, bias[c], n);
}

void crd_conv3d_bias_gradient(float *dbias, const crd_shape *shape, const float *dout,
                              int64_t n_images)
{
    int64_t n = n_images * crd_shape_count(shape) / shape->dims[0];
    for (int64_t c = 0; dbias != NULL && c < shape->dims[0]; c++)
        dbias[c] = (float)crd_kernels_get()->elementwise->sum(dout + c * n, n);
}

static crd_conv3d conv_of(const crd_graph_op *op, int64_t n_images)
{
    return (crd_conv3d){op->attrs, op->in, &op->shape, n_images};
}

static int64_t work(const crd_graph_op *op)
{
    const crd_conv3d conv = conv_of(op, 1);
    return crd_conv3d_work(&conv);
}

static int64_t backward_scratch_floats(const crd_graph_op *op, int64_t n_images)
{
    const crd_conv3d conv = conv_of(op, n_images);
    return crd_conv3d_scratch_floats(&conv);
}

static int64_t scratch_floats(const crd_graph_op *op, int64_t n_images, crd_precision precision)
{
    (void)precision;
    return backward_scratch_floats(op, n_images);
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const crd_conv3d conv = conv_of(op, args->n_images);
    crd_conv3d_forward(args->out, &conv, args->in[0], args->params[CRD_SLOT_WEIGHT].values, 0,
                       args->scratch);
    crd_conv3d_add_bias(args->out, &op->shape, args->params[CRD_SLOT_BIAS].values, args->n_images);
    crd_epilogue_apply(args->out, &args->epilogue, crd_op_count(op, args));
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const crd_conv3d conv = conv_of(op, args->n_images);
    float *din = crd_op_cleared_din(grads, 0, crd_op_in_count(op, args, 0));
    crd_conv3d_bias_gradient(grads->dparams[CRD_SLOT_BIAS], &op->shape, grads->dout,
                             args->n_images);
    crd_conv3d_backward(grads->dparams[CRD_SLOT_WEIGHT], din, &conv, args->in[0],
                        args->params[CRD_SLOT_WEIGHT].values, grads->dout, args->scratch);
}

const crd_op crd_op_conv3d = {.name = "Conv3d",
                              .attrs = attrs,
                              .attrs_size = sizeof(crd_conv3d_attrs),
                              .min_inputs = 1,
                              .max_inputs = 1,
                              .params = params,
                              .n_params = sizeof params / sizeof *params,
                              .is_affine = true,
                              .takes_fold = true,
                              .has_epilogue = true,
                              .keeps_in = true,
                              .infer = infer,
                              .work = work,
                              .scratch_floats = scratch_floats,
                              .backward_scratch_floats = backward_scratch_floats,
                              .forward = forward,
                              .backward = backward};
