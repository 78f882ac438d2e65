/* Layers without weights that work element by element or move elements. */
#include <string.h>

#include "kernels/kernels.h"
#include "nn/layer_kinds.h"

static const crd_attr_spec no_attrs[] = {{0}};

static crd_status infer_same(crd_shape *out, crd_shape params[CRD_NODE_MAX_PARAMS],
                             const crd_node *node, const crd_shape *const *in)
{
    (void)params;
    (void)node;
    *out = *in[0];
    return CRD_OK;
}

static int64_t element_count(const crd_node *node, const crd_layer_args *args)
{
    return args->n_images * crd_shape_count(&node->shape);
}

/* The input has a shape of its own, which crd_network_create sets, and nothing to run. */
const crd_layer crd_layer_input = {.name = "Input", .attrs = no_attrs};

static void relu_forward(const crd_node *node, const crd_layer_args *args)
{
    int64_t n = element_count(node, args);
    crd_kernels_get()->elementwise->relu(args->out, args->in[0], n);
}

static void relu_backward(const crd_node *node, const crd_layer_args *args,
                          const crd_layer_grads *grads)
{
    int64_t n = element_count(node, args);
    if (grads->din[0] != NULL)
        crd_kernels_get()->elementwise->relu_backward(grads->din[0], grads->dout, args->out, n,
                                                      grads->adds[0]);
}

const crd_layer crd_layer_relu = {.name = "ReLU",
                                  .n_inputs = 1,
                                  .in_place = 1,
                                  .attrs = no_attrs,
                                  .infer = infer_same,
                                  .forward = relu_forward,
                                  .keeps_out = 1,
                                  .backward = relu_backward};

static crd_status add_infer(crd_shape *out, crd_shape params[CRD_NODE_MAX_PARAMS],
                            const crd_node *node, const crd_shape *const *in)
{
    (void)params;
    char a[CRD_SHAPE_TEXT_SIZE], b[CRD_SHAPE_TEXT_SIZE];
    if (!crd_shape_equal(in[0], in[1]))
        return CRD_NODE_FAIL(node, "inputs have shapes %s and %s, needed are equal ones",
                             crd_shape_text(a, in[0]), crd_shape_text(b, in[1]));
    *out = *in[0];
    return CRD_OK;
}

static void add_forward(const crd_node *node, const crd_layer_args *args)
{
    int64_t n = element_count(node, args);
    crd_kernels_get()->elementwise->add(args->out, args->in[0], args->in[1], n);
}

static void add_backward(const crd_node *node, const crd_layer_args *args,
                         const crd_layer_grads *grads)
{
    int64_t n = element_count(node, args);
    for (int k = 0; k < 2; k++) {
        float *din = grads->din[k];
        if (din == NULL || din == grads->dout)
            continue;
        if (grads->adds[k])
            crd_kernels_get()->elementwise->add(din, din, grads->dout, n);
        else
            memcpy(din, grads->dout, (size_t)n * sizeof *din);
    }
}

const crd_layer crd_layer_add = {.name = "Add",
                                 .n_inputs = 2,
                                 .in_place = 1,
                                 .attrs = no_attrs,
                                 .infer = add_infer,
                                 .forward = add_forward,
                                 .backward = add_backward};

static crd_status flatten_infer(crd_shape *out, crd_shape params[CRD_NODE_MAX_PARAMS],
                                const crd_node *node, const crd_shape *const *in)
{
    (void)params;
    (void)node;
    *out = crd_shape_make(1, crd_shape_count(in[0]));
    return CRD_OK;
}

/* (channels, images, pixels) to (channels, pixels, images). */
static void flatten_forward(const crd_node *node, const crd_layer_args *args)
{
    int64_t n_images = args->n_images, n_channels = args->in_shape[0]->dims[0];
    int64_t n_pixels = node->shape.dims[0] / n_channels;
    if (n_images == 1 || n_pixels == 1) {
        memcpy(args->out, args->in[0], (size_t)element_count(node, args) * sizeof(float));
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

static void flatten_backward(const crd_node *node, const crd_layer_args *args,
                             const crd_layer_grads *grads)
{
    int64_t n_images = args->n_images, n_channels = args->in_shape[0]->dims[0];
    int64_t n_pixels = node->shape.dims[0] / n_channels;
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

const crd_layer crd_layer_flatten = {.name = "Flatten",
                                     .n_inputs = 1,
                                     .attrs = no_attrs,
                                     .infer = flatten_infer,
                                     .forward = flatten_forward,
                                     .backward = flatten_backward};

static const crd_attr_spec pad_shortcut_attrs[] = {
    {"stride", offsetof(crd_pad_shortcut_attrs, stride), 1, 0, 1, CRD_NODE_MAX_WINDOW},
    {"pad_channels", offsetof(crd_pad_shortcut_attrs, pad_channels), 2, 0, 0,
     CRD_NODE_MAX_ELEMENTS},
    {0},
};

static crd_status pad_shortcut_infer(crd_shape *out, crd_shape params[CRD_NODE_MAX_PARAMS],
                                     const crd_node *node, const crd_shape *const *in)
{
    (void)params;
    const crd_pad_shortcut_attrs *a = &node->attrs.pad_shortcut;
    crd_status status = crd_layer_require_image(node, in[0]);
    if (status == CRD_OK)
        *out = crd_shape_make(3, a->pad_channels[0] + in[0]->dims[0] + a->pad_channels[1],
                              (in[0]->dims[1] + a->stride - 1) / a->stride,
                              (in[0]->dims[2] + a->stride - 1) / a->stride);
    return status;
}

static void pad_shortcut_forward(const crd_node *node, const crd_layer_args *args)
{
    const crd_pad_shortcut_attrs *a = &node->attrs.pad_shortcut;
    int64_t n_channels = args->in_shape[0]->dims[0];
    int64_t height = args->in_shape[0]->dims[1], width = args->in_shape[0]->dims[2];
    int64_t out_height = node->shape.dims[1], out_width = node->shape.dims[2];
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

static void pad_shortcut_backward(const crd_node *node, const crd_layer_args *args,
                                  const crd_layer_grads *grads)
{
    const crd_pad_shortcut_attrs *a = &node->attrs.pad_shortcut;
    int64_t n_channels = args->in_shape[0]->dims[0];
    int64_t height = args->in_shape[0]->dims[1], width = args->in_shape[0]->dims[2];
    int64_t out_height = node->shape.dims[1], out_width = node->shape.dims[2];
    const float *dout = grads->dout + a->pad_channels[0] * args->n_images * out_height * out_width;
    float *din = crd_layer_cleared_din(grads, 0, n_channels * args->n_images * height * width);
    for (int64_t map = 0; din != NULL && map < n_channels * args->n_images; map++)
        for (int64_t y = 0; y < out_height; y++, dout += out_width) {
            float *row = din + (map * height + y * a->stride) * width;
            for (int64_t x = 0; x < out_width; x++)
                row[x * a->stride] += dout[x];
        }
}

const crd_layer crd_layer_pad_shortcut = {.name = "PadShortcut",
                                          .n_inputs = 1,
                                          .attrs = pad_shortcut_attrs,
                                          .infer = pad_shortcut_infer,
                                          .forward = pad_shortcut_forward,
                                          .backward = pad_shortcut_backward};
