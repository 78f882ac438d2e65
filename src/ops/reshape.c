/* Other extents for the positions of every feature, in the same order: torch's reshape of an image
 * (features, height, width) into tokens (features, positions), or back. Nothing runs. */
#include "ops/registry.h"

typedef struct attributes {
    int64_t shape[CRD_MAX_DIMS]; /* without the images */
} attributes;

static const crd_attr_spec attrs[] = {
    {"shape", offsetof(attributes, shape), CRD_MAX_DIMS, .is_list = true, .min = 1,
     .max = CRD_OP_MAX_ELEMENTS},
    {0},
};

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    const attributes *a = op->attrs;
    char from[CRD_SHAPE_TEXT_SIZE], to[CRD_SHAPE_TEXT_SIZE];
    op->shape = crd_op_list_shape(a->shape, CRD_MAX_DIMS);
    if (op->shape.dims[0] != crd_op_features(op->in) ||
        crd_shape_count(&op->shape) != crd_shape_count(op->in))
        return CRD_OP_FAIL(op, "shape is %s, but its input has shape %s",
                           crd_shape_text(to, &op->shape), crd_shape_text(from, op->in));
    return CRD_OK;
}

static bool is_view(const crd_graph_op *op)
{
    (void)op;
    return true;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    crd_op_copy(args->out, args->in[0], crd_op_count(op, args), false);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    if (grads->din[0] != NULL)
        crd_op_copy(grads->din[0], grads->dout, crd_op_count(op, args), grads->adds[0]);
}

const crd_op crd_op_reshape = {.name = "Reshape",
                               .attrs = attrs,
                               .attrs_size = sizeof(attributes),
                               .min_inputs = 1,
                               .max_inputs = 1,
                               .is_view = is_view,
                               .infer = infer,
                               .forward = forward,
                               .backward = backward};
