/* torch's Conv2d, and its Conv1d of sequences (channels, 1, length), a convolution of images one
 * pixel high. The algorithms are those of src/conv. */
#include "ops/conv2d.h"

#include "conv/backward.h"
#include "ops/registry.h"

enum { AS_PADDING = -1 };

static const crd_attr_spec attrs[] = {
    CRD_CONV2D_ATTRS,
    CRD_CONV2D_WINDOW(padding_end, AS_PADDING, AS_PADDING),
    {0},
};

static const crd_attr_spec sequence_attrs[] = {
    CRD_CONV2D_SEQUENCE_ATTRS,
    CRD_CONV2D_ALONG(padding_end, AS_PADDING, .is_optional = true, .fallback = AS_PADDING),
    {0},
};

static const crd_param_spec params[] = {
    {"weight", "kernel", CRD_TRAINED, .may_be_random = true, .is_streamed = true,
     .initial = CRD_INIT_HE},
    {"bias", "bias", CRD_TRAINED, .may_be_random = true, .initial = CRD_INIT_ZERO},
};

crd_status crd_conv2d_check_channels(const crd_graph_op *op)
{
    const crd_conv2d_attrs *a = op->attrs;
    crd_status status = crd_op_require_channels(op, "in_channels", a->in_channels);
    if (status == CRD_OK && (a->in_channels % a->groups != 0 || a->out_channels % a->groups != 0))
        return CRD_OP_FAIL(op, "groups is %lld, which does not divide %lld and %lld channels",
                           (long long)a->groups, (long long)a->in_channels,
                           (long long)a->out_channels);
    return status;
}

static crd_status infer(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    crd_status status = CRD_OK;
    const crd_conv2d_attrs *a = op->attrs;
    const crd_shape *in = op->in;
    char text[CRD_SHAPE_TEXT_SIZE];
    CRD_TRY(crd_conv2d_check_channels(op));
    int64_t size[2];
    for (int i = 0; i < 2; i++) {
        int64_t end = a->padding_end[i] == AS_PADDING ? a->padding[i] : a->padding_end[i];
        int64_t room =
            in->dims[1 + i] + a->padding[i] + end - (a->dilation[i] * (a->kernel_size[i] - 1) + 1);
        size[i] = room < 0 ? 0 : room / a->stride[i] + 1;
        if (size[i] < 1)
            CRD_TRY(CRD_OP_FAIL(op, "input %s is smaller than kernel_size (%lld, %lld)",
                                crd_shape_text(text, in), (long long)a->kernel_size[0],
                                (long long)a->kernel_size[1]));
    }
    op->shape = crd_shape_make(3, a->out_channels, size[0], size[1]);
    shapes[CRD_SLOT_WEIGHT] = crd_shape_make(4, a->out_channels, a->in_channels / a->groups,
                                             a->kernel_size[0], a->kernel_size[1]);
    if (a->bias)
        shapes[CRD_SLOT_BIAS] = crd_shape_make(1, a->out_channels);
cleanup:
    return status;
}

crd_status crd_conv2d_enter_sequence(crd_graph_op *op)
{
    crd_conv2d_attrs *a = op->attrs;
    char text[CRD_SHAPE_TEXT_SIZE];
    if (op->in->n_dims != 3 || op->in->dims[1] != 1)
        return CRD_OP_FAIL(op, "its input has shape %s; needed is (channels, 1, length)",
                           crd_shape_text(text, op->in));
    a->kernel_size[0] = a->stride[0] = a->dilation[0] = 1;
    a->padding[0] = a->padding_end[0] = a->output_padding[0] = 0;
    return CRD_OK;
}

static crd_status infer_sequence(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    const crd_conv2d_attrs *a = op->attrs;
    crd_status status = crd_conv2d_enter_sequence(op);
    if (status == CRD_OK)
        status = infer(op, shapes);
    shapes[CRD_SLOT_WEIGHT] =
        crd_shape_make(3, a->out_channels, a->in_channels / a->groups, a->kernel_size[1]);
    return status;
}

crd_conv crd_conv2d_between(const crd_graph_op *op, const crd_shape *in, const crd_shape *out,
                            int64_t n_images)
{
    const crd_conv2d_attrs *a = op->attrs;
    int64_t n_in = in->dims[0] / a->groups;
    return (crd_conv){
        .in_channels = in->dims[0],
        .out_channels = out->dims[0],
        .groups = a->groups,
        .kernel_size = {a->kernel_size[0], a->kernel_size[1]},
        .stride = {a->stride[0], a->stride[1]},
        .padding = {a->padding[0], a->padding[1]},
        .dilation = {a->dilation[0], a->dilation[1]},
        .n_images = n_images,
        .height = in->dims[1],
        .width = in->dims[2],
        .out_height = out->dims[1],
        .out_width = out->dims[2],
        .n_in = n_in,
        .n_out = out->dims[0] / a->groups,
        .n_terms = n_in * a->kernel_size[0] * a->kernel_size[1],
        .precision = CRD_FP32,
    };
}

crd_conv crd_conv2d_geometry(const crd_graph_op *op, int64_t n_images, crd_precision precision)
{
    crd_conv conv = crd_conv2d_between(op, op->in, &op->shape, n_images);
    conv.precision = precision;
    return conv;
}

/* Every weight is used once an output pixel. Below 2^62: see CRD_OP_MAX_ELEMENTS. */
static int64_t work(const crd_graph_op *op)
{
    crd_conv conv = crd_conv2d_geometry(op, 1, CRD_FP32);
    return crd_conv_out_plane(&conv) * conv.out_channels * conv.n_terms;
}

static int64_t scratch_floats(const crd_graph_op *op, int64_t n_images, crd_precision precision)
{
    crd_conv conv = crd_conv2d_geometry(op, n_images, precision);
    return crd_conv_scratch_floats(&conv);
}

static int64_t backward_scratch_floats(const crd_graph_op *op, int64_t n_images)
{
    crd_conv conv = crd_conv2d_geometry(op, n_images, CRD_FP32);
    return crd_conv_backward_scratch_floats(&conv);
}

static const char *method(const crd_graph_op *op, int64_t n_images, crd_precision precision)
{
    crd_conv conv = crd_conv2d_geometry(op, n_images, precision);
    return crd_conv_choose(&conv)->name;
}

crd_conv_args crd_conv2d_args(const crd_op_args *args)
{
    crd_conv_args pass = {.out = args->out,
                          .in = args->in[0],
                          .weight = args->params[CRD_SLOT_WEIGHT],
                          .epilogue = args->epilogue,
                          .scratch = args->scratch};
    pass.epilogue.bias = args->params[CRD_SLOT_BIAS].values;
    return pass;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    crd_conv conv = crd_conv2d_geometry(op, args->n_images, args->precision);
    crd_conv_args pass = crd_conv2d_args(args);
    crd_conv_forward(&conv, &pass);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    crd_conv conv = crd_conv2d_geometry(op, args->n_images, CRD_FP32);
    crd_conv_args pass = crd_conv2d_args(args);
    const crd_conv_grads wanted = {.dout = grads->dout,
                                   .din = grads->din[0],
                                   .adds = grads->adds[0],
                                   .dweight = grads->dparams[CRD_SLOT_WEIGHT],
                                   .dbias = grads->dparams[CRD_SLOT_BIAS]};
    crd_conv_backward(&conv, &pass, &wanted);
}

#define CONVOLUTION(class_name, specs, infer_shapes)                                               \
    .name = class_name, .attrs = specs, .attrs_size = sizeof(crd_conv2d_attrs), .min_inputs = 1,   \
    .max_inputs = 1, .params = params, .n_params = sizeof params / sizeof *params,                 \
    .is_affine = true, .takes_fold = true, .has_epilogue = true, .keeps_in = true,                 \
    .infer = infer_shapes, .work = work, .scratch_floats = scratch_floats,                         \
    .backward_scratch_floats = backward_scratch_floats, .method = method, .forward = forward,      \
    .backward = backward

const crd_op crd_op_conv2d = {CONVOLUTION("Conv2d", attrs, infer)};
const crd_op crd_op_conv1d = {CONVOLUTION("Conv1d", sequence_attrs, infer_sequence)};
