/* The gradient at the weights, dweight[o][c][y][x] = sum over output pixels of dout[o] times the
 * pixel of in[c] under kernel pixel (y, x), as products of panels without a matrix of columns: the
 * terms are pixels, a panel holds dout of 16 output channels, and the neighbours of a piece are the
 * pixels of a kernel's row, which lie side by side in a slab of the input with its padding around
 * it.
 *
 * Terms go in chunks whose slab and panels stay in L2, over the sums of which all chunks run. Where
 * the sums are many they are taken a block of input channels after the other. */
#include <string.h>

#include "base/integers.h"
#include "conv/backward.h"
#include "kernels/kernels.h"

/* A slab of a third of a 1 MB L2, and terms of a product: two panels of them stay in L1. */
enum { SLAB_FLOATS = 96 << 10, CHUNK_PIXELS = 448, TERMS = 192, PANELS = 2 };

typedef struct blocking {
    int64_t n_channels;       /* of the input in a block */
    int64_t n_images, n_rows; /* of the output in a chunk: whole images, or rows of one */
    int64_t slab_rows, row_floats, plane;
    int64_t n_pixels; /* most in a chunk */
} blocking;

static int64_t extent_under(const crd_conv *conv, int dim, int64_t n)
{
    return (n - 1) * conv->stride[dim] + (conv->kernel_size[dim] - 1) * conv->dilation[dim] + 1;
}

static blocking block(const crd_conv *conv)
{
    blocking b = {.row_floats = extent_under(conv, 1, conv->out_width)};
    int64_t image_pixels = conv->out_height * conv->out_width;
    b.n_rows = conv->out_height;
    b.n_images = 1;
    if (image_pixels <= CHUNK_PIXELS)
        b.n_images = crd_even_part(conv->n_images, CHUNK_PIXELS / image_pixels);
    else
        b.n_rows = crd_even_part(conv->out_height, CHUNK_PIXELS / conv->out_width);
    b.slab_rows = extent_under(conv, 0, b.n_rows);
    b.n_pixels = b.n_images * b.n_rows * conv->out_width;
    b.plane = crd_conv_odd_lines(b.n_images * b.slab_rows * b.row_floats);
    b.n_channels = crd_even_part(conv->n_in, SLAB_FLOATS / b.plane);
    return b;
}

static int64_t kernel_pixels(const crd_conv *conv)
{
    return conv->kernel_size[0] * conv->kernel_size[1];
}

typedef struct parts {
    int64_t *terms, *in_at, *out_at;
    float *slab, *panels, *sums;
    int64_t panel_step, sums_step;
    int64_t n_floats;
} parts;

static parts cut(const crd_conv *conv, const blocking *b, float *scratch)
{
    crd_scratch room = {scratch, 0};
    int64_t n_panels = crd_conv_n_panels(conv), n_sums = b->n_channels * kernel_pixels(conv);
    parts p = {.panel_step = b->n_pixels * CRD_LANES, .sums_step = n_sums * CRD_LANES};
    p.terms = crd_scratch_indices(&room, b->n_pixels);
    p.in_at = crd_scratch_indices(&room, n_sums);
    p.out_at = crd_scratch_indices(&room, n_sums);
    p.slab = crd_scratch_floats(&room, b->plane * b->n_channels);
    p.panels = crd_scratch_floats(&room, n_panels * p.panel_step);
    p.sums = crd_scratch_floats(&room, n_panels * p.sums_step);
    p.n_floats = room.n_floats;
    return p;
}

/* Kernels of more than a column, whose pixels are neighbours. */
static bool fits(const crd_conv *conv)
{
    return conv->kernel_size[1] > 1 && conv->dilation[1] == 1;
}

/* Multiply-adds of whole panels; packing of dout; the way of the sums into the gradient. */
static double cost(const crd_conv *conv)
{
    double pixels = (double)crd_conv_out_plane(conv), panels = (double)crd_conv_n_panels(conv);
    double terms = (double)conv->n_terms;
    return (pixels * terms * 1.08 + pixels * 24 + terms * 8) * panels;
}

static int64_t scratch_floats(const crd_conv *conv)
{
    blocking b = block(conv);
    return cut(conv, &b, NULL).n_floats;
}

/* A chunk of the output, and the block of input channels. */
typedef struct chunk {
    int64_t channel, n_channels;
    int64_t image, row, n_images, n_rows;
    int64_t first, n_pixels;
} chunk;

static void fill_slab(float *slab, const float *in, const crd_conv *conv, const blocking *b,
                      const chunk *k)
{
    int64_t top = k->row * conv->stride[0] - conv->padding[0],
            n_rows = extent_under(conv, 0, k->n_rows);
    for (int64_t c = 0; c < k->n_channels; c++)
        for (int64_t image = 0; image < k->n_images; image++) {
            const float *from = in + ((k->channel + c) * conv->n_images + k->image + image) *
                                         conv->height * conv->width;
            crd_conv_pad_rows(slab + c * b->plane + image * b->slab_rows * b->row_floats,
                              b->row_floats, from, conv, top, -conv->padding[1], n_rows);
        }
}

static void fill_terms(int64_t *terms, const crd_conv *conv, const blocking *b, const chunk *k)
{
    const int64_t *stride = conv->stride;
    for (int64_t image = 0; image < k->n_images; image++)
        for (int64_t y = 0; y < k->n_rows; y++)
            for (int64_t x = 0; x < conv->out_width; x++)
                *terms++ = (image * b->slab_rows + y * stride[0]) * b->row_floats + x * stride[1];
}

/* Pieces of rows of kernels from column `x` on, of all channels of a block. */
static int64_t fill_pieces(int64_t *in_at, int64_t *out_at, const crd_conv *conv, const blocking *b,
                           const chunk *k, int64_t x)
{
    int64_t n = 0;
    for (int64_t c = 0; c < k->n_channels; c++)
        for (int64_t y = 0; y < conv->kernel_size[0]; y++, n++) {
            in_at[n] = c * b->plane + y * conv->dilation[0] * b->row_floats + x;
            out_at[n] = (c * conv->kernel_size[0] + y) * conv->kernel_size[1] + x;
        }
    return n;
}

/* A chunk's terms onto the sums of a pair of panels. */
static void multiply(const parts *p, const crd_conv *conv, const blocking *b, const chunk *k,
                     int64_t panel)
{
    const crd_conv_kernels *kernels = crd_kernels_get()->conv;
    int64_t kernel_width = conv->kernel_size[1];
    crd_products products = {
        .out = p->sums + panel * p->sums_step,
        .out_step = p->sums_step,
        .out_at = p->out_at,
        .in = p->slab,
        .in_at = p->in_at,
        .in_step = 1,
        .n_panels = crd_smaller(PANELS, crd_conv_n_panels(conv) - panel),
        .panel_step = p->panel_step,
    };
    for (int64_t x = 0; x < kernel_width; x += products.width) {
        products.width = (int)crd_smaller(kernels->max_width, kernel_width - x);
        products.n_pieces = fill_pieces(p->in_at, p->out_at, conv, b, k, x);
        int64_t step = crd_even_part(k->n_pixels, TERMS);
        for (int64_t first = 0; first < k->n_pixels; first += step) {
            products.adds = k->first + first > 0;
            products.terms = p->terms + first;
            products.n_terms = crd_smaller(step, k->n_pixels - first);
            products.panels = p->panels + panel * p->panel_step + first * CRD_LANES;
            kernels->multiply(&products);
        }
    }
}

static void add_chunk(float *dweight, const parts *p, const crd_conv *conv, const blocking *b,
                      const chunk *k, const float *in, const float *dout)
{
    const crd_conv_kernels *kernels = crd_kernels_get()->conv;
    const crd_epilogue nothing = {0};
    int64_t out_plane = crd_conv_out_plane(conv), n_panels = crd_conv_n_panels(conv);
    int64_t n_taps = kernel_pixels(conv);
    int is_last = k->first + k->n_pixels == out_plane;
    fill_slab(p->slab, in, conv, b, k);
    fill_terms(p->terms, conv, b, k);
    for (int64_t panel = 0; panel < n_panels; panel += PANELS) {
        int64_t end = crd_smaller(panel + PANELS, n_panels);
        for (int64_t v = panel; v < end; v++)
            kernels->pack(p->panels + v * p->panel_step,
                          dout + v * CRD_LANES * out_plane + k->first, out_plane, k->n_pixels,
                          crd_conv_panel_lanes(conv, v));
        multiply(p, conv, b, k, panel);
        for (int64_t v = panel; is_last && v < end; v++)
            kernels->unpack(dweight + v * CRD_LANES * conv->n_terms + k->channel * n_taps,
                            conv->n_terms, p->sums + v * p->sums_step, k->n_channels * n_taps,
                            crd_conv_panel_lanes(conv, v), &nothing);
    }
}

static void run(float *dweight, const crd_conv *conv, const crd_conv_args *args, const float *dout,
                int64_t group)
{
    blocking b = block(conv);
    parts p = cut(conv, &b, args->scratch);
    const float *in = args->in + group * conv->n_in * crd_conv_in_plane(conv);
    dweight += group * conv->n_out * conv->n_terms;
    dout += group * conv->n_out * crd_conv_out_plane(conv);
    for (int64_t channel = 0; channel < conv->n_in; channel += b.n_channels)
        for (int64_t image = 0; image < conv->n_images; image += b.n_images)
            for (int64_t row = 0; row < conv->out_height; row += b.n_rows) {
                chunk k = {.channel = channel,
                           .n_channels = crd_smaller(b.n_channels, conv->n_in - channel),
                           .image = image,
                           .row = row,
                           .n_images = crd_smaller(b.n_images, conv->n_images - image),
                           .n_rows = crd_smaller(b.n_rows, conv->out_height - row),
                           .first = (image * conv->out_height + row) * conv->out_width};
                k.n_pixels = k.n_images * k.n_rows * conv->out_width;
                add_chunk(dweight, &p, conv, &b, &k, in, dout);
            }
}

const crd_conv_weight_gradient crd_conv_weight_gradient_direct = {
    .fits = fits, .cost = cost, .scratch_floats = scratch_floats, .run = run};
