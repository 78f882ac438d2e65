/* torch's ConvTranspose2d, and its ConvTranspose1d of sequences (channels, 1, length): the way back
 * through a convolution (src/conv) taken forward. The gradient at its input is that convolution,
 * that at its weights the convolution's with input and output exchanged. A negative output_padding
 * cuts off what uneven paddings leave out. */
#include "base/integers.h"
#include "conv/backward.h"
#include "kernels/kernels.h"
#include "ops/conv2d.h"
#include "ops/registry.h"

static const crd_attr_spec attrs[] = {
    CRD_CONV2D_ATTRS,
    CRD_CONV2D_WINDOW(output_padding, -CRD_OP_MAX_WINDOW, 0),
    {0},
};

static const crd_attr_spec sequence_attrs[] = {
    CRD_CONV2D_SEQUENCE_ATTRS,
    CRD_CONV2D_ALONG(output_padding, -CRD_OP_MAX_WINDOW, .is_optional = true, .fallback = 0),
    {0},
};

static const crd_param_spec params[] = {
    {"weight", "kernel", CRD_TRAINED, .may_be_random = true, .initial = CRD_INIT_HE},
    {"bias", "bias", CRD_TRAINED, .may_be_random = true, .initial = CRD_INIT_ZERO},
};

static crd_status infer(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    crd_status status = CRD_OK;
    const crd_conv2d_attrs *a = op->attrs;
    int64_t size[2];
    CRD_TRY(crd_conv2d_check_channels(op));
    for (int i = 0; i < 2; i++) {
        size[i] = (op->in->dims[1 + i] - 1) * a->stride[i] - 2 * a->padding[i] +
                  a->dilation[i] * (a->kernel_size[i] - 1) + 1 + a->output_padding[i];
        if (size[i] < 1 || size[i] > CRD_OP_MAX_ELEMENTS)
            CRD_TRY(CRD_OP_FAIL(op, "its output would have an extent of %lld", (long long)size[i]));
    }
    op->shape = crd_shape_make(3, a->out_channels, size[0], size[1]);
    shapes[CRD_SLOT_WEIGHT] = crd_shape_make(4, a->in_channels, a->out_channels / a->groups,
                                             a->kernel_size[0], a->kernel_size[1]);
    if (a->bias)
        shapes[CRD_SLOT_BIAS] = crd_shape_make(1, a->out_channels);
cleanup:
    return status;
}

static crd_status infer_sequence(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    const crd_conv2d_attrs *a = op->attrs;
    crd_status status = crd_conv2d_enter_sequence(op);
    if (status == CRD_OK)
        status = infer(op, shapes);
    shapes[CRD_SLOT_WEIGHT] =
        crd_shape_make(3, a->in_channels, a->out_channels / a->groups, a->kernel_size[1]);
    return status;
}

/* The convolution that leads from the output's shape to the input's. */
static crd_conv geometry(const crd_graph_op *op, int64_t n_images)
{
    return crd_conv2d_between(op, &op->shape, op->in, n_images);
}

static int64_t work(const crd_graph_op *op)
{
    crd_conv conv = geometry(op, 1);
    return crd_conv_out_plane(&conv) * conv.out_channels * conv.n_terms;
}

static int64_t scratch_floats(const crd_graph_op *op, int64_t n_images, crd_precision precision)
{
    (void)precision;
    crd_conv conv = geometry(op, n_images);
    return crd_conv_backward_scratch_floats(&conv);
}

static int64_t backward_scratch_floats(const crd_graph_op *op, int64_t n_images)
{
    crd_conv conv = geometry(op, n_images);
    return crd_larger(crd_conv_backward_scratch_floats(&conv), crd_conv_scratch_floats(&conv));
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    crd_conv conv = geometry(op, args->n_images);
    const float *bias = args->params[CRD_SLOT_BIAS].values;
    const crd_conv_args pass = {.weight = args->params[CRD_SLOT_WEIGHT], .scratch = args->scratch};
    crd_conv_backward(&conv, &pass, &(crd_conv_grads){.dout = args->in[0], .din = args->out});
    int64_t plane = crd_conv_in_plane(&conv);
    for (int64_t c = 0; bias != NULL && c < conv.in_channels; c++)
        crd_kernels_get()->elementwise->scale_shift(args->out + c * plane, args->out + c * plane, 1,
                                                    bias[c], plane);
}

static void input_gradient(const crd_conv *conv, const crd_op_args *args, const crd_op_grads *grads)
{
    float *din = grads->din[0];
    /* The residual of the epilogue is what is there. */
    const crd_conv_args pass = {.out = din,
                                .in = grads->dout,
                                .weight = args->params[CRD_SLOT_WEIGHT],
                                .epilogue = {.residual = grads->adds[0] ? din : NULL},
                                .scratch = args->scratch};
    crd_conv_forward(conv, &pass);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    crd_conv conv = geometry(op, args->n_images);
    float *dbias = grads->dparams[CRD_SLOT_BIAS];
    int64_t plane = crd_conv_in_plane(&conv);
    for (int64_t c = 0; dbias != NULL && c < conv.in_channels; c++)
        dbias[c] = (float)crd_kernels_get()->elementwise->sum(grads->dout + c * plane, plane);
    const crd_conv_args pass = {.in = grads->dout, .scratch = args->scratch};
    if (grads->dparams[CRD_SLOT_WEIGHT] != NULL)
        crd_conv_backward(
            &conv, &pass,
            &(crd_conv_grads){.dout = args->in[0], .dweight = grads->dparams[CRD_SLOT_WEIGHT]});
    if (grads->din[0] != NULL)
        input_gradient(&conv, args, grads);
}

#define TRANSPOSED(class_name, specs, infer_shapes)                                                \
    .name = class_name, .attrs = specs, .attrs_size = sizeof(crd_conv2d_attrs), .min_inputs = 1,   \
    .max_inputs = 1, .params = params, .n_params = sizeof params / sizeof *params,                 \
    .is_affine = true, .keeps_in = true, .infer = infer_shapes, .work = work,                      \
    .scratch_floats = scratch_floats, .backward_scratch_floats = backward_scratch_floats,          \
    .forward = forward, .backward = backward

const crd_op crd_op_conv_transpose2d = {TRANSPOSED("ConvTranspose2d", attrs, infer)};
const crd_op crd_op_conv_transpose1d = {
    TRANSPOSED("ConvTranspose1d", sequence_attrs, infer_sequence)};
