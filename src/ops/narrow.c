/* torch.narrow: `length` features (dim 1), or positions along an extent (dim 2, 3, ...), from
 * `start` on. dim counts the images as dim 0. */
#include "ops/registry.h"

typedef struct attributes {
    int64_t dim, start, length;
} attributes;

static const crd_attr_spec attrs[] = {
    {"dim", offsetof(attributes, dim), 1, .min = 1, .max = CRD_MAX_DIMS, .is_optional = true,
     .fallback = 1},
    {"start", offsetof(attributes, start), 1, .min = 0, .max = CRD_OP_MAX_ELEMENTS},
    {"length", offsetof(attributes, length), 1, .min = 1, .max = CRD_OP_MAX_ELEMENTS},
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
    int64_t n = op->in->dims[a->dim - 1];
    if (a->start + a->length > n)
        return CRD_OP_FAIL(op, "%s [%lld, %lld), but its input has %lld",
                           a->dim == 1 ? "features" : "positions", (long long)a->start,
                           (long long)(a->start + a->length), (long long)n);
    op->shape = *op->in;
    op->shape.dims[a->dim - 1] = a->length;
    return CRD_OK;
}

static int64_t first_feature(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    return a->dim == 1 ? a->start : -1;
}

/* Runs of the input that hold the extent, and the part of each that is taken. */
typedef struct part {
    crd_op_runs in;
    int64_t first, n;
} part;

static part part_of(const crd_graph_op *op, const crd_op_args *args)
{
    const attributes *a = op->attrs;
    part p = {.in = crd_op_runs_of(op->in, (int)a->dim, args->n_images)};
    int64_t step = p.in.run / op->in->dims[a->dim - 1];
    p.first = a->start * step;
    p.n = a->length * step;
    return p;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const part p = part_of(op, args);
    for (int64_t i = 0; i < p.in.n_runs; i++)
        crd_op_copy(args->out + i * p.n, args->in[0] + i * p.in.run + p.first, p.n, false);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const part p = part_of(op, args);
    float *din = crd_op_cleared_din(grads, 0, crd_op_in_count(op, args, 0));
    for (int64_t i = 0; din != NULL && i < p.in.n_runs; i++)
        crd_op_copy(din + i * p.in.run + p.first, grads->dout + i * p.n, p.n, true);
}

const crd_op crd_op_narrow = {.name = "Narrow",
                              .attrs = attrs,
                              .attrs_size = sizeof(attributes),
                              .min_inputs = 1,
                              .max_inputs = 1,
                              .first_feature = first_feature,
                              .infer = infer,
                              .forward = forward,
                              .backward = backward};
