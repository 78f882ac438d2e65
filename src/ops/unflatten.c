/* A vector to (features, positions) or (channels, height, width), torch's Unflatten: the way back
 * from Flatten. */
#include "ops/registry.h"

typedef struct attributes {
    int64_t size[CRD_MAX_DIMS]; /* without the images */
} attributes;

static const crd_attr_spec attrs[] = {
    {"unflattened_size", offsetof(attributes, size), CRD_MAX_DIMS, .is_list = true, .min = 1,
     .max = CRD_OP_MAX_ELEMENTS},
    {0},
};

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    const attributes *a = op->attrs;
    char from[CRD_SHAPE_TEXT_SIZE], to[CRD_SHAPE_TEXT_SIZE];
    op->shape = crd_op_list_shape(a->size, CRD_MAX_DIMS);
    if (op->in->n_dims != 1 || crd_shape_count(&op->shape) != op->in->dims[0])
        return CRD_OP_FAIL(op, "unflattened_size is %s, but its input has shape %s",
                           crd_shape_text(to, &op->shape), crd_shape_text(from, op->in));
    return CRD_OK;
}

/* One position a feature. */
static bool is_view(const crd_graph_op *op)
{
    return crd_op_features(&op->shape) == op->in->dims[0];
}

/* Feature by feature, (rows, columns) to (columns, rows). */
static void exchange(float *out, const float *in, const int64_t extents[3], bool adds)
{
    int64_t rows = extents[1], columns = extents[2];
    for (int64_t f = 0; f < extents[0]; f++, in += rows * columns, out += rows * columns)
        for (int64_t i = 0; i < columns; i++)
            for (int64_t j = 0; j < rows; j++) {
                float value = in[j * columns + i];
                out[i * rows + j] = adds ? out[i * rows + j] + value : value;
            }
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    int64_t n_features = crd_op_features(&op->shape);
    int64_t extents[3] = {n_features, op->in->dims[0] / n_features, args->n_images};
    if (extents[1] == 1)
        crd_op_copy(args->out, args->in[0], crd_op_count(op, args), false);
    else
        exchange(args->out, args->in[0], extents, false);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    int64_t n_features = crd_op_features(&op->shape);
    int64_t extents[3] = {n_features, args->n_images, op->in->dims[0] / n_features};
    if (grads->din[0] != NULL && extents[2] == 1)
        crd_op_copy(grads->din[0], grads->dout, crd_op_count(op, args), grads->adds[0]);
    else if (grads->din[0] != NULL)
        exchange(grads->din[0], grads->dout, extents, grads->adds[0]);
}

const crd_op crd_op_unflatten = {.name = "Unflatten",
                                 .attrs = attrs,
                                 .attrs_size = sizeof(attributes),
                                 .min_inputs = 1,
                                 .max_inputs = 1,
                                 .is_view = is_view,
                                 .infer = infer,
                                 .forward = forward,
                                 .backward = backward};
