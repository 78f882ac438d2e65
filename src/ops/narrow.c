/* torch.narrow over the features: `length` channels of an image, or elements of a vector, from
 * `start` on. Features come first in memory, so it is one block of the input. */
#include "ops/registry.h"

typedef struct attributes {
    int64_t start, length;
} attributes;

static const crd_attr_spec attrs[] = {
    {"start", offsetof(attributes, start), 1, .min = 0, .max = CRD_OP_MAX_ELEMENTS},
    {"length", offsetof(attributes, length), 1, .min = 1, .max = CRD_OP_MAX_ELEMENTS},
    {0},
};

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    const attributes *a = op->attrs;
    int64_t n = crd_op_features(op->in);
    if (op->in->n_dims == 0 || a->start + a->length > n)
        return CRD_OP_FAIL(op, "features [%lld, %lld), but its input has %lld",
                           (long long)a->start, (long long)(a->start + a->length), (long long)n);
    op->shape = *op->in;
    op->shape.dims[0] = a->length;
    return CRD_OK;
}

static int64_t offset(const crd_graph_op *op, const crd_op_args *args)
{
    const attributes *a = op->attrs;
    return a->start * (crd_op_count(op, args) / a->length);
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    crd_op_copy(args->out, args->in[0] + offset(op, args), crd_op_count(op, args), false);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    float *din = crd_op_cleared_din(grads, 0, crd_op_in_count(op, args, 0));
    if (din != NULL)
        crd_op_copy(din + offset(op, args), grads->dout, crd_op_count(op, args), grads->adds[0]);
}

const crd_op crd_op_narrow = {.name = "Narrow",
                              .attrs = attrs,
                              .attrs_size = sizeof(attributes),
                              .min_inputs = 1,
                              .max_inputs = 1,
                              .infer = infer,
                              .forward = forward,
                              .backward = backward};
