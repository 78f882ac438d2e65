/* Activations as operators: torch's ReLU6, LeakyReLU, ELU, Sigmoid, Tanh, SiLU, Hardsigmoid,
 * Hardswish and Hardtanh. What they compute is kernels/activation.h. ReLU has a file of its own. */
#include "kernels/kernels.h"
#include "ops/registry.h"

void crd_op_activation_forward(const crd_graph_op *op, const crd_op_args *args)
{
    const crd_activation f = op->kind->activation(op);
    crd_kernels_get()->elementwise->activate(args->out, args->in[0], crd_op_count(op, args), &f);
}

void crd_op_activation_backward(const crd_graph_op *op, const crd_op_args *args,
                                const crd_op_grads *grads)
{
    const crd_activation f = op->kind->activation(op);
    if (grads->din[0] != NULL)
        crd_kernels_get()->elementwise->activate_backward(
            grads->din[0], grads->dout, args->in[0], crd_op_count(op, args), &f, grads->adds[0]);
}

/* What these operators have in common. */
#define ACTIVATION(class_name, function)                                                           \
    .name = class_name, .min_inputs = 1, .max_inputs = 1, .in_place = true, .keeps_in = true,      \
    .activation = function, .infer = crd_op_infer_same, .forward = crd_op_activation_forward,      \
    .backward = crd_op_activation_backward

/* Without attributes. */
#define SIMPLE(op_name, class_name, ...)                                                           \
    static crd_activation op_name##_function(const crd_graph_op *op)                               \
    {                                                                                              \
        (void)op;                                                                                  \
        return (crd_activation){__VA_ARGS__};                                                      \
    }                                                                                              \
    const crd_op crd_op_##op_name = {ACTIVATION(class_name, op_name##_function)};

SIMPLE(relu6, "ReLU6", CRD_CLAMP, 0, 6)
SIMPLE(sigmoid, "Sigmoid", .kind = CRD_SIGMOID)
SIMPLE(tanh, "Tanh", .kind = CRD_TANH)
SIMPLE(silu, "SiLU", .kind = CRD_SILU)
SIMPLE(hardsigmoid, "Hardsigmoid", .kind = CRD_HARDSIGMOID)
SIMPLE(hardswish, "Hardswish", .kind = CRD_HARDSWISH)

typedef struct attributes {
    double slope; /* of LeakyReLU; alpha of ELU */
} attributes;

static const crd_attr_spec leaky_relu_attrs[] = {
    {"negative_slope", offsetof(attributes, slope), 1, true, -1e6, 1e6, .is_optional = true,
     .fallback = 0.01},
    {0},
};

static crd_activation leaky_relu(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    return (crd_activation){CRD_LEAKY_RELU, (float)a->slope, 0};
}

const crd_op crd_op_leaky_relu = {ACTIVATION("LeakyReLU", leaky_relu), .attrs = leaky_relu_attrs,
                                  .attrs_size = sizeof(attributes)};

static const crd_attr_spec elu_attrs[] = {
    {"alpha", offsetof(attributes, slope), 1, true, -1e6, 1e6, .is_optional = true, .fallback = 1},
    {0},
};

static crd_activation elu(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    return (crd_activation){CRD_ELU, (float)a->slope, 0};
}

const crd_op crd_op_elu = {ACTIVATION("ELU", elu), .attrs = elu_attrs,
                           .attrs_size = sizeof(attributes)};

typedef struct bounds {
    double low, high;
} bounds;

static const crd_attr_spec hardtanh_attrs[] = {
    {"min_val", offsetof(bounds, low), 1, true, -3.5e38, 3.5e38, .is_optional = true,
     .fallback = -1},
    {"max_val", offsetof(bounds, high), 1, true, -3.5e38, 3.5e38, .is_optional = true,
     .fallback = 1},
    {0},
};

static crd_activation hardtanh(const crd_graph_op *op)
{
    const bounds *a = op->attrs;
    return (crd_activation){CRD_CLAMP, (float)a->low, (float)a->high};
}

const crd_op crd_op_hardtanh = {ACTIVATION("Hardtanh", hardtanh), .attrs = hardtanh_attrs,
                                .attrs_size = sizeof(bounds)};
