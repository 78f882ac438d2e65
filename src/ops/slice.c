/* Part of an extent, as torch's x[:, ..., start:end]: of the features (dim 1) or of positions
 * (dim 2, 3, ...); dim counts the images as dim 0. */
#include "ops/registry.h"

typedef struct attributes {
    int64_t dim, start, end;
} attributes;

static const crd_attr_spec attrs[] = {
    {"dim", offsetof(attributes, dim), 1, .min = 1, .max = CRD_MAX_DIMS},
    {"start", offsetof(attributes, start), 1, .min = 0, .max = CRD_OP_MAX_ELEMENTS},
    {"end", offsetof(attributes, end), 1, .min = 1, .max = CRD_OP_MAX_ELEMENTS},
    {0},
};

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    const attributes *a = op->attrs;
    char text[CRD_SHAPE_TEXT_SIZE];
    if (a->dim > op->in->n_dims)
        return CRD_OP_FAIL(op, "dim is %lld, but its input has shape %s", (long long)a->dim,
                           crd_shape_text(text, op->in));
    if (a->start >= a->end || a->end > op->in->dims[a->dim - 1])
        return CRD_OP_FAIL(op, "start is %lld and end %lld, needed is a part of %lld",
                           (long long)a->start, (long long)a->end,
                           (long long)op->in->dims[a->dim - 1]);
    op->shape = *op->in;
    op->shape.dims[a->dim - 1] = a->end - a->start;
    return CRD_OK;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const attributes *a = op->attrs;
    const crd_op_runs in = crd_op_runs_of(op->in, (int)a->dim, args->n_images);
    int64_t run = in.run / op->in->dims[a->dim - 1], n = (a->end - a->start) * run;
    for (int64_t i = 0; i < in.n_runs; i++)
        crd_op_copy(args->out + i * n, args->in[0] + i * in.run + a->start * run, n, false);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const attributes *a = op->attrs;
    const crd_op_runs in = crd_op_runs_of(op->in, (int)a->dim, args->n_images);
    int64_t run = in.run / op->in->dims[a->dim - 1], n = (a->end - a->start) * run;
    float *din = crd_op_cleared_din(grads, 0, crd_op_in_count(op, args, 0));
    for (int64_t i = 0; din != NULL && i < in.n_runs; i++)
        crd_op_copy(din + i * in.run + a->start * run, grads->dout + i * n, n, true);
}

const crd_op crd_op_slice = {.name = "Slice",
                             .attrs = attrs,
                             .attrs_size = sizeof(attributes),
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .infer = infer,
                             .forward = forward,
                             .backward = backward};
