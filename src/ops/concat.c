/* torch.cat over the features: the channels of images, or the elements of vectors, of any number of
 * inputs. Features come first in memory, so each input is one block of the output. */
#include "ops/registry.h"

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    op->shape = op->in[0];
    for (int k = 1; k < op->n_inputs; k++) {
        char a[CRD_SHAPE_TEXT_SIZE], b[CRD_SHAPE_TEXT_SIZE];
        crd_shape rest = op->in[k];
        if (rest.n_dims > 0)
            rest.dims[0] = op->in[0].dims[0];
        if (rest.n_dims == 0 || !crd_shape_equal(&rest, &op->in[0]))
            return CRD_OP_FAIL(op,
                               "inputs have shapes %s and %s, which differ beyond the first extent",
                               crd_shape_text(a, &op->in[0]), crd_shape_text(b, &op->in[k]));
        op->shape.dims[0] += op->in[k].dims[0];
    }
    return CRD_OK;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    float *out = args->out;
    for (int k = 0; k < op->n_inputs; k++) {
        int64_t n = crd_op_in_count(op, args, k);
        crd_op_copy(out, args->in[k], n, false);
        out += n;
    }
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const float *dout = grads->dout;
    for (int k = 0; k < op->n_inputs; k++) {
        int64_t n = crd_op_in_count(op, args, k);
        if (grads->din[k] != NULL)
            crd_op_copy(grads->din[k], dout, n, grads->adds[k]);
        dout += n;
    }
}

const crd_op crd_op_concat = {.name = "Concat",
                              .min_inputs = 1,
                              .max_inputs = -1,
                              .infer = infer,
                              .forward = forward,
                              .backward = backward};
