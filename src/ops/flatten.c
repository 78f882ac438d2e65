/* (channels, height, width) to a vector, torch's Flatten. */
#include "ops/registry.h"

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    op->shape = crd_shape_make(1, crd_shape_count(op->in));
    return CRD_OK;
}

/* One pixel a channel. */
static bool is_view(const crd_graph_op *op)
{
    return crd_op_features(op->in) == op->shape.dims[0];
}

/* (channels, images, pixels) to (channels, pixels, images). */
static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    int64_t n_images = args->n_images, n_channels = crd_op_features(op->in);
    int64_t n_pixels = op->shape.dims[0] / n_channels;
    if (n_images == 1 || n_pixels == 1) {
        crd_op_copy(args->out, args->in[0], crd_op_count(op, args), false);
        return;
    }
    for (int64_t c = 0; c < n_channels; c++) {
        const float *in = args->in[0] + c * n_images * n_pixels;
        float *out = args->out + c * n_images * n_pixels;
        for (int64_t p = 0; p < n_pixels; p++)
            for (int64_t i = 0; i < n_images; i++)
                out[p * n_images + i] = in[i * n_pixels + p];
    }
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    int64_t n_images = args->n_images, n_channels = crd_op_features(op->in);
    int64_t n_pixels = op->shape.dims[0] / n_channels;
    if (grads->din[0] != NULL && n_pixels == 1) {
        crd_op_copy(grads->din[0], grads->dout, crd_op_count(op, args), grads->adds[0]);
        return;
    }
    for (int64_t c = 0; grads->din[0] != NULL && c < n_channels; c++) {
        const float *dout = grads->dout + c * n_images * n_pixels;
        float *din = grads->din[0] + c * n_images * n_pixels;
        for (int64_t i = 0; i < n_images; i++)
            for (int64_t p = 0; p < n_pixels; p++) {
                float value = dout[p * n_images + i];
                din[i * n_pixels + p] = grads->adds[0] ? din[i * n_pixels + p] + value : value;
            }
    }
}

const crd_op crd_op_flatten = {.name = "Flatten",
                               .min_inputs = 1,
                               .max_inputs = 1,
                               .is_view = is_view,
                               .infer = infer,
                               .forward = forward,
                               .backward = backward};
