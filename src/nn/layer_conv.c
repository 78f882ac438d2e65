/* Convolution as matrix products: the pixels under the kernel are gathered into the columns of a
 * matrix (im2col; Chellapilla et al. 2006), which the weights multiply. */
#include <string.h>

#include "kernels/kernels.h"
#include "nn/layer_conv.h"

/* Columns are made in chunks that stay in the cache. The width of a chunk depends on shapes only,
 * as the last bits of a product depend on its shape. */
enum { CHUNK_FLOATS = 1 << 20, CHUNK_ALIGN = 16 };

static const crd_attr_spec attrs[] = {
    {"in_channels", offsetof(crd_conv2d_attrs, in_channels), 1, 0, 1, CRD_NODE_MAX_ELEMENTS},
    {"out_channels", offsetof(crd_conv2d_attrs, out_channels), 1, 0, 1, CRD_NODE_MAX_ELEMENTS},
    {"kernel_size", offsetof(crd_conv2d_attrs, kernel_size), 2, 0, 1, CRD_NODE_MAX_WINDOW},
    {"stride", offsetof(crd_conv2d_attrs, stride), 2, 0, 1, CRD_NODE_MAX_WINDOW},
    {"padding", offsetof(crd_conv2d_attrs, padding), 2, 0, 0, CRD_NODE_MAX_WINDOW},
    {"dilation", offsetof(crd_conv2d_attrs, dilation), 2, 0, 1, CRD_NODE_MAX_WINDOW},
    {"groups", offsetof(crd_conv2d_attrs, groups), 1, 0, 1, CRD_NODE_MAX_ELEMENTS},
    {"bias", offsetof(crd_conv2d_attrs, bias), 1, 0, 0, 1},
    {0},
};

static crd_status infer(crd_shape *out, crd_shape params[CRD_NODE_MAX_PARAMS], const crd_node *node,
                        const crd_shape *const *in)
{
    crd_status status = CRD_OK;
    const crd_conv2d_attrs *a = &node->attrs.conv2d;
    char text[CRD_SHAPE_TEXT_SIZE];
    CRD_TRY(crd_layer_require_image(node, in[0]));
    if (in[0]->dims[0] != a->in_channels)
        CRD_TRY(CRD_NODE_FAIL(node, "in_channels is %lld, but its input has %lld channels",
                              (long long)a->in_channels, (long long)in[0]->dims[0]));
    if (a->in_channels % a->groups != 0 || a->out_channels % a->groups != 0)
        CRD_TRY(CRD_NODE_FAIL(node, "groups is %lld, which does not divide %lld and %lld channels",
                              (long long)a->groups, (long long)a->in_channels,
                              (long long)a->out_channels));
    int64_t size[2];
    for (int i = 0; i < 2; i++) {
        int64_t room =
            in[0]->dims[1 + i] + 2 * a->padding[i] - (a->dilation[i] * (a->kernel_size[i] - 1) + 1);
        size[i] = room < 0 ? 0 : room / a->stride[i] + 1;
        if (size[i] < 1)
            CRD_TRY(CRD_NODE_FAIL(node, "input %s is smaller than kernel_size (%lld, %lld)",
                                  crd_shape_text(text, in[0]), (long long)a->kernel_size[0],
                                  (long long)a->kernel_size[1]));
    }
    *out = crd_shape_make(3, a->out_channels, size[0], size[1]);
    params[CRD_PARAM_WEIGHT] = crd_shape_make(4, a->out_channels, a->in_channels / a->groups,
                                              a->kernel_size[0], a->kernel_size[1]);
    if (a->bias)
        params[CRD_PARAM_BIAS] = crd_shape_make(1, a->out_channels);
cleanup:
    return status;
}

int crd_conv_is_pointwise(const crd_conv2d_attrs *a)
{
    for (int i = 0; i < 2; i++)
        if (a->kernel_size[i] != 1 || a->stride[i] != 1 || a->padding[i] != 0)
            return 0;
    return 1;
}

int64_t crd_conv_column_length(const crd_conv2d_attrs *a)
{
    return a->in_channels / a->groups * a->kernel_size[0] * a->kernel_size[1];
}

int64_t crd_conv_chunk_width(const crd_conv2d_attrs *a, int64_t n_columns)
{
    int64_t most = CHUNK_FLOATS / crd_conv_column_length(a) / CHUNK_ALIGN * CHUNK_ALIGN;
    if (most < CHUNK_ALIGN)
        most = CHUNK_ALIGN;
    int64_t n_chunks = (n_columns + most - 1) / most;
    int64_t width = (n_columns + n_chunks - 1) / n_chunks;
    return (width + CHUNK_ALIGN - 1) / CHUNK_ALIGN * CHUNK_ALIGN;
}

static int64_t scratch_floats(const crd_node *node, const crd_shape *const *in, int64_t n_images)
{
    (void)in;
    const crd_conv2d_attrs *a = &node->attrs.conv2d;
    int64_t n_columns = n_images * node->shape.dims[1] * node->shape.dims[2];
    return crd_conv_is_pointwise(a)
               ? 0
               : crd_conv_column_length(a) * crd_conv_chunk_width(a, n_columns);
}

/* One image row's share of one row of the column matrix: out[i] is pixel (i * stride + shift) of a
 * row of `width` pixels, 0 outside. */
static void gather_row(float *out, const float *row, int64_t n, int64_t stride, int64_t shift,
                       int64_t width)
{
    int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    int64_t end = shift >= width ? 0 : (width - 1 - shift) / stride + 1;
    first = first < n ? first : n;
    end = end < first ? first : end < n ? end : n;
    for (int64_t i = 0; i < first; i++)
        out[i] = 0;
    if (stride == 1 && first < end)
        memcpy(out + first, row + first + shift, (size_t)(end - first) * sizeof *out);
    else
        for (int64_t i = first; i < end; i++)
            out[i] = row[i * stride + shift];
    for (int64_t i = end; i < n; i++)
        out[i] = 0;
}

void crd_conv_gather_columns(float *columns, const float *in, const crd_node *node,
                             const crd_layer_args *args, int64_t first, int64_t n)
{
    const crd_conv2d_attrs *a = &node->attrs.conv2d;
    int64_t height = args->in_shape[0]->dims[1], width = args->in_shape[0]->dims[2];
    int64_t out_height = node->shape.dims[1], out_width = node->shape.dims[2];
    int64_t n_taps = a->kernel_size[0] * a->kernel_size[1];
    for (int64_t k = 0; k < crd_conv_column_length(a); k++) {
        const float *channel = in + k / n_taps * args->n_images * height * width;
        int64_t dy = k % n_taps / a->kernel_size[1] * a->dilation[0] - a->padding[0];
        int64_t dx = k % a->kernel_size[1] * a->dilation[1] - a->padding[1];
        float *out = columns + k * n;
        int64_t x = first % out_width, y = first / out_width % out_height;
        int64_t image = first / out_width / out_height;
        for (int64_t done = 0, run; done < n; done += run) {
            run = out_width - x < n - done ? out_width - x : n - done;
            int64_t in_y = y * a->stride[0] + dy;
            if (in_y < 0 || in_y >= height)
                memset(out + done, 0, (size_t)run * sizeof *out);
            else
                gather_row(out + done, channel + (image * height + in_y) * width, run, a->stride[1],
                           x * a->stride[1] + dx, width);
            x = 0;
            if (++y == out_height) {
                y = 0;
                image++;
            }
        }
    }
}

static void forward(const crd_node *node, const crd_layer_args *args)
{
    const crd_conv2d_attrs *a = &node->attrs.conv2d;
    int64_t in_plane = args->n_images * args->in_shape[0]->dims[1] * args->in_shape[0]->dims[2];
    int64_t out_plane = args->n_images * node->shape.dims[1] * node->shape.dims[2];
    int64_t n_in = a->in_channels / a->groups, n_out = a->out_channels / a->groups;
    int64_t length = crd_conv_column_length(a);
    int64_t chunk = crd_conv_is_pointwise(a) ? out_plane : crd_conv_chunk_width(a, out_plane);
    const float *bias = args->params[CRD_PARAM_BIAS];
    for (int64_t g = 0; g < a->groups; g++) {
        const float *in = args->in[0] + g * n_in * in_plane;
        const float *weight = args->params[CRD_PARAM_WEIGHT] + g * n_out * length;
        for (int64_t first = 0; first < out_plane; first += chunk) {
            int64_t n = out_plane - first < chunk ? out_plane - first : chunk;
            float *out = args->out + g * n_out * out_plane + first;
            const float *columns = in;
            if (!crd_conv_is_pointwise(a)) {
                crd_conv_gather_columns(args->scratch, in, node, args, first, n);
                columns = args->scratch;
            }
            crd_gemm(out, out_plane, weight, length, columns, n, n_out, n, length, 0);
            /* Here, while the chunk is still in the cache. */
            for (int64_t i = 0; bias != NULL && i < n_out; i++)
                for (int64_t j = 0; j < n; j++)
                    out[i * out_plane + j] += bias[g * n_out + i];
        }
    }
}

const crd_layer crd_layer_conv2d = {.name = "Conv2d",
                                    .n_inputs = 1,
                                    .is_weighted = 1,
                                    .attrs = attrs,
                                    .infer = infer,
                                    .scratch_floats = scratch_floats,
                                    .forward = forward,
                                    .keeps_in = 1,
                                    .backward = crd_conv_backward};
