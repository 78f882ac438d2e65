/* torch's ConvTranspose3d: the way back through a convolution of volumes (conv3d.h) taken forward.
 * The gradient at its input is that convolution, that at its weights the convolution's with input
 * and output exchanged. A negative output_padding cuts off what uneven paddings leave out. */
#include "ops/conv3d.h"

#include "base/integers.h"
#include "ops/registry.h"

static const crd_attr_spec attrs[] = {
    CRD_CONV3D_ATTRS,
    CRD_CONV3D_WINDOW(output_padding, -CRD_OP_MAX_WINDOW, 0),
    {0},
};

static const crd_param_spec params[] = {
    {"weight", "kernel", CRD_TRAINED, .may_be_random = true, .initial = CRD_INIT_HE},
    {"bias", "bias", CRD_TRAINED, .may_be_random = true, .initial = CRD_INIT_ZERO},
};

static crd_status infer(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    const crd_conv3d_attrs *a = op->attrs;
    crd_status status = crd_conv3d_check_channels(op);
    if (status != CRD_OK)
        return status;
    op->shape = crd_shape_make(4, a->out_channels, 1, 1, 1);
    for (int i = 0; i < CRD_CONV3D_AXES; i++) {
        int64_t size = (op->in->dims[1 + i] - 1) * a->stride[i] - 2 * a->padding[i] +
                       a->dilation[i] * (a->kernel_size[i] - 1) + 1 + a->output_padding[i];
        if (size < 1 || size > CRD_OP_MAX_ELEMENTS)
            return CRD_OP_FAIL(op, "its output would have an extent of %lld", (long long)size);
        op->shape.dims[1 + i] = size;
    }
    shapes[CRD_SLOT_WEIGHT] =
        crd_shape_make(5, a->in_channels, a->out_channels / a->groups, a->kernel_size[0],
                       a->kernel_size[1], a->kernel_size[2]);
    if (a->bias)
        shapes[CRD_SLOT_BIAS] = crd_shape_make(1, a->out_channels);
    return CRD_OK;
}

/* The convolution that leads from the output's shape to the input's. */
static crd_conv3d conv_of(const crd_graph_op *op, int64_t n_images)
{
    return (crd_conv3d){op->attrs, &op->shape, op->in, n_images};
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
    for (int64_t i = 0; i < crd_op_count(op, args); i++)
        args->out[i] = 0;
    crd_conv3d_backward(NULL, args->out, &conv, NULL, args->params[CRD_SLOT_WEIGHT].values,
                        args->in[0], args->scratch);
    crd_conv3d_add_bias(args->out, &op->shape, args->params[CRD_SLOT_BIAS].values, args->n_images);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const crd_conv3d conv = conv_of(op, args->n_images);
    crd_conv3d_bias_gradient(grads->dparams[CRD_SLOT_BIAS], &op->shape, grads->dout,
                             args->n_images);
    if (grads->dparams[CRD_SLOT_WEIGHT] != NULL)
        crd_conv3d_backward(grads->dparams[CRD_SLOT_WEIGHT], NULL, &conv, grads->dout, NULL,
                            args->in[0], args->scratch);
    if (grads->din[0] != NULL)
        crd_conv3d_forward(grads->din[0], &conv, grads->dout, args->params[CRD_SLOT_WEIGHT].values,
                           grads->adds[0] ? 1 : 0, args->scratch);
}

const crd_op crd_op_conv_transpose3d = {.name = "ConvTranspose3d",
                                        .attrs = attrs,
                                        .attrs_size = sizeof(crd_conv3d_attrs),
                                        .min_inputs = 1,
                                        .max_inputs = 1,
                                        .params = params,
                                        .n_params = sizeof params / sizeof *params,
                                        .is_affine = true,
                                        .keeps_in = true,
                                        .infer = infer,
                                        .work = work,
                                        .scratch_floats = scratch_floats,
                                        .backward_scratch_floats = backward_scratch_floats,
                                        .forward = forward,
                                        .backward = backward};
