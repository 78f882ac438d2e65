/* CIFAR ResNet's parameter-free shortcut ("option A"): every stride-th pixel, zero channels before
 * and after. Source: He et al. 2016, section 4.2. */
#include <string.h>

#include "ops/registry.h"

typedef struct attributes {
    int64_t stride;
    int64_t pad_channels[2]; /* zero channels before and after */
} attributes;

static const crd_attr_spec attrs[] = {
    {"stride", offsetof(attributes, stride), 1, .min = 1, .max = CRD_OP_MAX_WINDOW},
    {"pad_channels", offsetof(attributes, pad_channels), 2, .min = 0, .max = CRD_OP_MAX_ELEMENTS},
    {0},
};

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    const attributes *a = op->attrs;
    crd_status status = crd_op_require_image(op);
    if (status == CRD_OK)
        op->shape = crd_shape_make(3, a->pad_channels[0] + op->in->dims[0] + a->pad_channels[1],
                                   (op->in->dims[1] + a->stride - 1) / a->stride,
                                   (op->in->dims[2] + a->stride - 1) / a->stride);
    return status;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const attributes *a = op->attrs;
    int64_t n_channels = op->in->dims[0];
    int64_t height = op->in->dims[1], width = op->in->dims[2];
    int64_t out_height = op->shape.dims[1], out_width = op->shape.dims[2];
    int64_t out_plane = args->n_images * out_height * out_width;
    float *out = args->out;
    memset(out, 0, (size_t)(a->pad_channels[0] * out_plane) * sizeof *out);
    out += a->pad_channels[0] * out_plane;
    for (int64_t map = 0; map < n_channels * args->n_images; map++)
        for (int64_t y = 0; y < out_height; y++, out += out_width) {
            const float *row = args->in[0] + (map * height + y * a->stride) * width;
            for (int64_t x = 0; x < out_width; x++)
                out[x] = row[x * a->stride];
        }
    memset(out, 0, (size_t)(a->pad_channels[1] * out_plane) * sizeof *out);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const attributes *a = op->attrs;
    int64_t n_channels = op->in->dims[0];
    int64_t height = op->in->dims[1], width = op->in->dims[2];
    int64_t out_height = op->shape.dims[1], out_width = op->shape.dims[2];
    const float *dout = grads->dout + a->pad_channels[0] * args->n_images * out_height * out_width;
    float *din = crd_op_cleared_din(grads, 0, n_channels * args->n_images * height * width);
    for (int64_t map = 0; din != NULL && map < n_channels * args->n_images; map++)
        for (int64_t y = 0; y < out_height; y++, dout += out_width) {
            float *row = din + (map * height + y * a->stride) * width;
            for (int64_t x = 0; x < out_width; x++)
                row[x * a->stride] += dout[x];
        }
}

const crd_op crd_op_pad_shortcut = {.name = "PadShortcut",
                                    .attrs = attrs,
                                    .attrs_size = sizeof(attributes),
                                    .min_inputs = 1,
                                    .max_inputs = 1,
                                    .infer = infer,
                                    .forward = forward,
                                    .backward = backward};
