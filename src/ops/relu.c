/* torch's ReLU. Apart from the other activations as its derivative can be read off its output, so
 * that it runs in place in training. */
#include "kernels/kernels.h"
#include "ops/registry.h"

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    crd_kernels_get()->elementwise->relu(args->out, args->in[0], crd_op_count(op, args));
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    if (grads->din[0] != NULL)
        crd_kernels_get()->elementwise->relu_backward(grads->din[0], grads->dout, args->out,
                                                      crd_op_count(op, args), grads->adds[0]);
}

static crd_activation activation(const crd_graph_op *op)
{
    (void)op;
    return (crd_activation){.kind = CRD_RELU};
}

const crd_op crd_op_relu = {.name = "ReLU",
                            .min_inputs = 1,
                            .max_inputs = 1,
                            .in_place = true,
                            .keeps_out = true,
                            .activation = activation,
                            .infer = crd_op_infer_same,
                            .forward = forward,
                            .backward = backward};
