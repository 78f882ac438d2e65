/* Convolution as matrix products of the linear-algebra library: the pixels under the kernel are
 * gathered into the columns of a matrix (im2col; Chellapilla et al. 2006), which the weights
 * multiply. For groups of so few channels that panels of 16 would stay mostly empty. */
#include <string.h>

#include "conv/backward.h"
#include "kernels/kernels.h"

/* Columns are made in chunks that stay in the cache. The width of a chunk depends on shapes only,
 * as the last bits of a product depend on its shape. */
enum { CHUNK_FLOATS = 1 << 20, CHUNK_ALIGN = 16, CACHE_FLOATS = 1 << 18 };

int64_t crd_conv_chunk_width(const crd_conv *conv)
{
    int64_t n_columns = crd_conv_out_plane(conv);
    if (crd_conv_is_pointwise(conv))
        return n_columns;
    int64_t most = CHUNK_FLOATS / conv->n_terms / CHUNK_ALIGN * CHUNK_ALIGN;
    if (most < CHUNK_ALIGN)
        most = CHUNK_ALIGN;
    int64_t n_chunks = (n_columns + most - 1) / most;
    int64_t width = (n_columns + n_chunks - 1) / n_chunks;
    return (width + CHUNK_ALIGN - 1) / CHUNK_ALIGN * CHUNK_ALIGN;
}

int64_t crd_conv_column_floats(const crd_conv *conv)
{
    return crd_conv_is_pointwise(conv) ? 0 : conv->n_terms * crd_conv_chunk_width(conv);
}

void crd_conv_gather_columns(float *columns, const float *in, const crd_conv *conv, int64_t first,
                             int64_t n)
{
    int64_t height = conv->height, width = conv->width;
    int64_t out_height = conv->out_height, out_width = conv->out_width;
    int64_t n_taps = conv->kernel_size[0] * conv->kernel_size[1];
    for (int64_t k = 0; k < conv->n_terms; k++) {
        const float *channel = in + k / n_taps * conv->n_images * height * width;
        int64_t dy = k % n_taps / conv->kernel_size[1] * conv->dilation[0] - conv->padding[0];
        int64_t dx = k % conv->kernel_size[1] * conv->dilation[1] - conv->padding[1];
        float *out = columns + k * n;
        int64_t x = first % out_width, y = first / out_width % out_height;
        int64_t image = first / out_width / out_height;
        for (int64_t done = 0, run; done < n; done += run) {
            run = out_width - x < n - done ? out_width - x : n - done;
            int64_t in_y = y * conv->stride[0] + dy;
            if (in_y < 0 || in_y >= height)
                memset(out + done, 0, (size_t)run * sizeof *out);
            else
                crd_conv_gather_row(out + done, channel + (image * height + in_y) * width, run,
                                    conv->stride[1], x * conv->stride[1] + dx, width);
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
    p.columns = crd_scratch_floats(&room, crd_conv_column_floats(conv));
    p.weights = crd_scratch_floats(&room, crd_conv_weights_room(conv));
    p.n_floats = room.n_floats;
    return p;
}

static bool fits(const crd_conv *conv)
{
    (void)conv;
    return true;
}

/* The library reaches about 0.6 of full speed here, less where a matrix has but a few rows. A
 * pointwise product is one call: clearing, bias and activation then pass over the whole output,
 * which costs where it has left the cache. */
static double cost(const crd_conv *conv, const crd_format *format)
{
    (void)format;
    double rows = (double)conv->n_out, pixels = (double)crd_conv_out_plane(conv);
    double passes = crd_conv_is_pointwise(conv) && rows * pixels > CACHE_FLOATS ? 24 * rows : 0;
    return pixels * ((double)conv->n_terms * (rows + 4) / 0.6 + passes) / CRD_LANES;
}

static int64_t scratch_floats(const crd_conv *conv, const crd_format *format)
{
    (void)format;
    return cut(conv, NULL).n_floats;
}

static void run(const crd_conv *conv, const crd_format *format, const crd_conv_args *args,
                int64_t group)
{
    (void)format;
    int64_t out_plane = crd_conv_out_plane(conv), chunk = crd_conv_chunk_width(conv);
    int pointwise = crd_conv_is_pointwise(conv);
    parts p = cut(conv, args->scratch);
    int onto_itself = args->epilogue.residual == args->out;
    const float *bias = args->epilogue.bias;
    const float *in = args->in + group * conv->n_in * crd_conv_in_plane(conv);
    const float *weights = crd_conv_weights(p.weights, conv, args, group);
    int64_t first_out = group * conv->n_out * out_plane;
    for (int64_t first = 0; first < out_plane; first += chunk) {
        int64_t n = out_plane - first < chunk ? out_plane - first : chunk;
        float *out = args->out + first_out + first;
        const float *columns = in;
        if (!pointwise) {
            crd_conv_gather_columns(p.columns, in, conv, first, n);
            columns = p.columns;
        }
        crd_gemm(out, out_plane, weights, conv->n_terms, columns, n, conv->n_out, n, conv->n_terms,
                 onto_itself ? 1 : 0);
        /* Here, while the chunk is still in the cache. */
        for (int64_t i = 0; bias != NULL && i < conv->n_out; i++)
            for (int64_t j = 0; j < n; j++)
                out[i * out_plane + j] += bias[group * conv->n_out + i];
    }
    crd_epilogue rest = {.activation = args->epilogue.activation};
    if (args->epilogue.residual != NULL && !onto_itself)
        rest.residual = args->epilogue.residual + first_out;
    crd_epilogue_apply(args->out + first_out, &rest, conv->n_out * out_plane);
}

const crd_conv_method crd_conv_gemm = {.name = "gemm",
                                       .format = &crd_format_fp32,
                                       .fits = fits,
                                       .cost = cost,
                                       .scratch_floats = scratch_floats,
                                       .run = run};
