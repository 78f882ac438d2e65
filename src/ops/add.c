/* Sum of two inputs of equal shape: the residual connection. */
#include "kernels/kernels.h"
#include "ops/registry.h"

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    char a[CRD_SHAPE_TEXT_SIZE], b[CRD_SHAPE_TEXT_SIZE];
    if (!crd_shape_equal(&op->in[0], &op->in[1]))
        return CRD_OP_FAIL(op, "inputs have shapes %s and %s, needed are equal ones",
                           crd_shape_text(a, &op->in[0]), crd_shape_text(b, &op->in[1]));
    op->shape = op->in[0];
    return CRD_OK;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    crd_kernels_get()->elementwise->add(args->out, args->in[0], args->in[1],
                                        crd_op_count(op, args));
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    for (int k = 0; k < 2; k++)
        if (grads->din[k] != NULL)
            crd_op_copy(grads->din[k], grads->dout, crd_op_count(op, args), grads->adds[k]);
}

const crd_op crd_op_add = {.name = "Add",
                           .min_inputs = 2,
                           .max_inputs = 2,
                           .is_sum = true,
                           .in_place = true,
                           .infer = infer,
                           .forward = forward,
                           .backward = backward};
