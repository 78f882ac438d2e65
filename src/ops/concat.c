/* torch.cat of any number of inputs: over the features (dim 1), the channels of images or the
 * elements of vectors, each of which is one block of the output; or over positions (dim 2, 3, ...),
 * as a class token before the tokens of an image. dim counts the images as dim 0. */
#include "ops/registry.h"

typedef struct attributes {
    int64_t dim;
} attributes;

static const crd_attr_spec attrs[] = {
    {"dim", offsetof(attributes, dim), 1, .min = 1, .max = CRD_MAX_DIMS, .is_optional = true,
     .fallback = 1},
    {0},
};

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    const attributes *a = op->attrs;
    int64_t at = a->dim - 1;
    op->shape = op->in[0];
    for (int k = 0; k < op->n_inputs; k++) {
        char first[CRD_SHAPE_TEXT_SIZE], other[CRD_SHAPE_TEXT_SIZE];
        crd_shape rest = op->in[k];
        if (rest.n_dims > at)
            rest.dims[at] = op->in[0].dims[at];
        if (rest.n_dims <= at || !crd_shape_equal(&rest, &op->in[0]))
            return CRD_OP_FAIL(op, "inputs have shapes %s and %s, which differ beyond extent %lld",
                               crd_shape_text(first, &op->in[0]), crd_shape_text(other, &op->in[k]),
                               (long long)at + 1);
        op->shape.dims[at] += k == 0 ? 0 : op->in[k].dims[at];
    }
    return CRD_OK;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const attributes *a = op->attrs;
    const crd_op_runs out = crd_op_runs_of(&op->shape, (int)a->dim, args->n_images);
    int64_t first = 0;
    for (int k = 0; k < op->n_inputs; k++) {
        const crd_op_runs in = crd_op_runs_of(&op->in[k], (int)a->dim, args->n_images);
        for (int64_t i = 0; i < in.n_runs; i++)
            crd_op_copy(args->out + i * out.run + first, args->in[k] + i * in.run, in.run, false);
        first += in.run;
    }
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const attributes *a = op->attrs;
    const crd_op_runs out = crd_op_runs_of(&op->shape, (int)a->dim, args->n_images);
    int64_t first = 0;
    for (int k = 0; k < op->n_inputs; k++) {
        const crd_op_runs in = crd_op_runs_of(&op->in[k], (int)a->dim, args->n_images);
        for (int64_t i = 0; grads->din[k] != NULL && i < in.n_runs; i++)
            crd_op_copy(grads->din[k] + i * in.run, grads->dout + i * out.run + first, in.run,
                        grads->adds[k]);
        first += in.run;
    }
}

const crd_op crd_op_concat = {.name = "Concat",
                              .attrs = attrs,
                              .attrs_size = sizeof(attributes),
                              .min_inputs = 1,
                              .max_inputs = -1,
                              .infer = infer,
                              .forward = forward,
                              .backward = backward};
