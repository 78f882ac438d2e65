/* torch's ChannelShuffle: the channels of `groups` blocks by turns, the first of each, the second
 * of each, ... Source: Zhang et al., "ShuffleNet", CVPR 2018. */
#include "ops/registry.h"

typedef struct attributes {
    int64_t groups;
} attributes;

static const crd_attr_spec attrs[] = {
    {"groups", offsetof(attributes, groups), 1, .min = 1, .max = CRD_OP_MAX_ELEMENTS},
    {0},
};

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    const attributes *a = op->attrs;
    crd_status status = crd_op_require_image(op);
    if (status == CRD_OK && op->in->dims[0] % a->groups != 0)
        return CRD_OP_FAIL(op, "groups is %lld, which does not divide %lld channels",
                           (long long)a->groups, (long long)op->in->dims[0]);
    op->shape = *op->in;
    return status;
}

/* Where channel `c` of the output comes from. */
static int64_t source(const crd_graph_op *op, int64_t c)
{
    const attributes *a = op->attrs;
    return c % a->groups * (op->shape.dims[0] / a->groups) + c / a->groups;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    int64_t n_channels = op->shape.dims[0], plane = crd_op_count(op, args) / n_channels;
    for (int64_t c = 0; c < n_channels; c++)
        crd_op_copy(args->out + c * plane, args->in[0] + source(op, c) * plane, plane, false);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    int64_t n_channels = op->shape.dims[0], plane = crd_op_count(op, args) / n_channels;
    for (int64_t c = 0; grads->din[0] != NULL && c < n_channels; c++)
        crd_op_copy(grads->din[0] + source(op, c) * plane, grads->dout + c * plane, plane,
                    grads->adds[0]);
}

const crd_op crd_op_channel_shuffle = {.name = "ChannelShuffle",
                                       .attrs = attrs,
                                       .attrs_size = sizeof(attributes),
                                       .min_inputs = 1,
                                       .max_inputs = 1,
                                       .infer = infer,
                                       .forward = forward,
                                       .backward = backward};
