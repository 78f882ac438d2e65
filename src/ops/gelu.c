/* torch's GELU, exact or by tanh. Source: Hendrycks and Gimpel, "Gaussian error linear units",
 * 2016. */
#include "ops/registry.h"

typedef struct attributes {
    int64_t approximate; /* index of `approximations` */
} attributes;

static const char *const approximations[] = {"none", "tanh", NULL};

static const crd_attr_spec attrs[] = {
    {"approximate", offsetof(attributes, approximate), 1, .max = 1, .choices = approximations,
     .is_optional = true},
    {0},
};

static crd_activation activation(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    return (crd_activation){.kind = a->approximate ? CRD_GELU_TANH : CRD_GELU};
}

const crd_op crd_op_gelu = {.name = "GELU",
                            .attrs = attrs,
                            .attrs_size = sizeof(attributes),
                            .min_inputs = 1,
                            .max_inputs = 1,
                            .in_place = true,
                            .keeps_in = true,
                            .activation = activation,
                            .infer = crd_op_infer_same,
                            .forward = crd_op_activation_forward,
                            .backward = crd_op_activation_backward};
