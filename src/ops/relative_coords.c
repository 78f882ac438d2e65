/* The relative positions of a window's tokens as torchvision's Swin V2 gives them to the network
 * that makes a bias of them: offsets from -(extent - 1) to extent - 1, scaled to [-8, 8], as
 * sign(x) log2(|x| + 1) / 3. Two features, down and across. Source: Liu et al., "Swin Transformer
 * V2", 2022, section 3.3. */
#include <math.h>

#include "ops/registry.h"

typedef struct attributes {
    int64_t window_size[2]; /* height, width */
} attributes;

static const crd_attr_spec attrs[] = {
    {"window_size", offsetof(attributes, window_size), 2, .min = 2, .max = CRD_OP_MAX_WINDOW},
    {0},
};

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    const attributes *a = op->attrs;
    op->shape = crd_shape_make(3, 2, 2 * a->window_size[0] - 1, 2 * a->window_size[1] - 1);
    return CRD_OK;
}

static float coordinate(int64_t at, int64_t extent)
{
    double x = 8 * (double)(at - (extent - 1)) / (double)(extent - 1);
    return (float)copysign(log2(fabs(x) + 1) / 3, x);
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const attributes *a = op->attrs;
    float *out = args->out;
    for (int feature = 0; feature < 2; feature++)
        for (int64_t image = 0; image < args->n_images; image++)
            for (int64_t y = 0; y < op->shape.dims[1]; y++)
                for (int64_t x = 0; x < op->shape.dims[2]; x++)
                    *out++ = coordinate(feature == 0 ? y : x, a->window_size[feature]);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    (void)op;
    (void)args;
    (void)grads;
}

const crd_op crd_op_relative_coords = {.name = "RelativeCoords",
                                       .attrs = attrs,
                                       .attrs_size = sizeof(attributes),
                                       .infer = infer,
                                       .forward = forward,
                                       .backward = backward};
