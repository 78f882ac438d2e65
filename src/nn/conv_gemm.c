/* Convolution as matrix products of the linear-algebra library: the pixels under the kernel are
 * gathered into the columns of a matrix (im2col; Chellapilla et al. 2006), which the weights
 * multiply. For groups of so few channels that panels of 16 would stay mostly empty. */
#include <string.h>

#include "kernels/kernels.h"
#include "nn/conv_method.h"
#include "nn/layer_conv.h"

/* Columns are made in chunks that stay in the cache. The width of a chunk depends on shapes only,
 * as the last bits of a product depend on its shape. */
enum { CHUNK_FLOATS = 1 << 20, CHUNK_ALIGN = 16 };

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

int64_t crd_conv_column_floats(const crd_conv2d_attrs *a, int64_t n_columns)
{
    return crd_conv_is_pointwise(a)
               ? 0
               : crd_conv_column_length(a) * crd_conv_chunk_width(a, n_columns);
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
                crd_conv_gather_row(out + done, channel + (image * height + in_y) * width, run,
                                    a->stride[1], x * a->stride[1] + dx, width);
            x = 0;
            if (++y == out_height) {
                y = 0;
                image++;
            }
        }
    }
}

typedef struct parts {
    float *columns; /* stays empty where the input is that matrix */
    float *weights;
    int64_t n_floats;
} parts;

static parts cut(const crd_conv *conv, float *scratch)
{
    crd_scratch room = {scratch, 0};
    parts p = {0};
    p.columns =
        crd_scratch_floats(&room, crd_conv_column_floats(conv->attrs, crd_conv_out_plane(conv)));
    p.weights = crd_scratch_floats(&room, conv->n_out * conv->n_terms + CRD_WEIGHT_SLACK);
    p.n_floats = room.n_floats;
    return p;
}

static int fits(const crd_conv *conv)
{
    (void)conv;
    return 1;
}

/* The library reaches about 0.6 of full speed here, less where a matrix has but a few rows. */
static double cost(const crd_conv *conv)
{
    double rows = (double)conv->n_out;
    return (double)crd_conv_out_plane(conv) * (double)conv->n_terms * (rows + 4) / CRD_LANES / 0.6;
}

static int64_t scratch_floats(const crd_conv *conv)
{
    return cut(conv, NULL).n_floats;
}

static void forward(const crd_conv *conv, const crd_layer_args *args, int64_t group)
{
    int64_t out_plane = crd_conv_out_plane(conv);
    int pointwise = crd_conv_is_pointwise(conv->attrs);
    int64_t chunk = pointwise ? out_plane : crd_conv_chunk_width(conv->attrs, out_plane);
    int64_t n_weights = conv->n_out * conv->n_terms;
    parts p = cut(conv, args->scratch);
    const float *bias = args->params[CRD_PARAM_BIAS];
    const float *in = args->in[0] + group * conv->n_in * crd_conv_in_plane(conv);
    const float *weights = crd_layer_weights(p.weights, args, group * n_weights, n_weights);
    int64_t first_out = group * conv->n_out * out_plane;
    for (int64_t first = 0; first < out_plane; first += chunk) {
        int64_t n = out_plane - first < chunk ? out_plane - first : chunk;
        float *out = args->out + first_out + first;
        const float *columns = in;
        if (!pointwise) {
            crd_conv_gather_columns(p.columns, in, conv->node, args, first, n);
            columns = p.columns;
        }
        crd_gemm(out, out_plane, weights, conv->n_terms, columns, n, conv->n_out, n, conv->n_terms,
                 0);
        /* Here, while the chunk is still in the cache. */
        for (int64_t i = 0; bias != NULL && i < conv->n_out; i++)
            for (int64_t j = 0; j < n; j++)
                out[i * out_plane + j] += bias[group * conv->n_out + i];
    }
    crd_layer_finish(args->out + first_out,
                     args->residual == NULL ? NULL : args->residual + first_out, args->relu,
                     conv->n_out * out_plane);
}

const crd_conv_method crd_conv_gemm = {.name = "gemm",
                                       .fits = fits,
                                       .cost = cost,
                                       .scratch_floats = scratch_floats,
                                       .forward = forward};
