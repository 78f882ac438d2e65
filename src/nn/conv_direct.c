/* Direct convolution without a matrix of columns: the terms of a sum lie at the same distances from
 * every output pixel, so one table of them serves all pixels of an image with its padding around it.
 *
 * The output is computed in chunks of rows. The pixels under a chunk are copied to a slab, [channel]
 * [image][row][column], with padding, and with the columns of equal remainder by the stride side by
 * side, so that neighbouring outputs have neighbouring inputs. A slab stays in L2 while all panels
 * of weights stream past it. Where there is but one chunk, a panel pair is made, used and forgotten;
 * otherwise the first chunk leaves them for the others.
 *
 * In bf16 all is the same but that a word of the slab and of the panels holds two neighbouring channels
 * instead of one. */
#include <string.h>

#include "base/integers.h"
#include "kernels/kernels.h"
#include "nn/conv_method.h"

/* A slab of a third of a 1 MB L2; sums of two panels that stay beside it. */
enum { SLAB_FLOATS = 96 << 10, CHUNK_PIXELS = 448, PANELS = 2 };

/* A chunk is n_images whole images, or n_rows rows of one; of a pointwise convolution, whose batch
 * is taken for one long row, n_columns of that. */
typedef struct blocking {
    int is_bf16;
    int64_t n_channels, n_terms;         /* in words */
    int64_t n_images, n_rows, n_columns; /* of the output, in a chunk */
    int64_t n_chunks;
    int64_t row_floats;   /* of a slab's row */
    int64_t phase_floats; /* of its columns of one remainder */
    int64_t slab_rows;    /* of an image in a slab */
    int64_t plane;        /* of a channel in a slab */
    int width;            /* pixels of a piece */
    int64_t n_pieces;     /* most in a chunk */
} blocking;

static int max_width(int is_bf16)
{
    const crd_kernels *kernels = crd_kernels_get();
    return is_bf16 ? kernels->bf16->max_width : kernels->conv->max_width;
}

/* Pieces that cover a row of n pixels; the last may overlap the one before it. */
static int64_t pieces_of_row(int64_t n, int is_bf16)
{
    return crd_divide_up(n, max_width(is_bf16));
}

static int64_t channel_words(const crd_conv *conv, int is_bf16)
{
    return is_bf16 ? crd_divide_up(conv->n_in, 2) : conv->n_in;
}

static int64_t rows_under(const crd_conv *conv, int64_t n_rows)
{
    const crd_conv2d_attrs *a = &conv->attrs;
    return (n_rows - 1) * a->stride[0] + (a->kernel_size[0] - 1) * a->dilation[0] + 1;
}

static void block_pointwise(blocking *out, const crd_conv *conv)
{
    int64_t n = crd_conv_in_plane(conv);
    blocking b = *out;
    int64_t most = crd_smaller(CHUNK_PIXELS, SLAB_FLOATS / b.n_terms);
    b.n_images = b.n_rows = b.slab_rows = 1;
    b.width = (int)crd_smaller(max_width(b.is_bf16), n);
    /* A whole number of pairs of pieces, but for the last chunk. */
    b.n_columns = n;
    if (n > most) {
        int64_t pair = 2 * b.width;
        b.n_columns = crd_larger(crd_divide_up(crd_even_part(n, most), pair) * pair, pair);
    }
    b.n_chunks = crd_divide_up(n, b.n_columns);
    b.row_floats = b.phase_floats = b.n_columns;
    b.plane = b.n_chunks == 1 ? n : crd_conv_odd_lines(b.n_columns);
    b.n_pieces = crd_divide_up(b.n_columns, b.width);
    *out = b;
}

static blocking block(const crd_conv *conv, int is_bf16)
{
    const crd_conv2d_attrs *a = &conv->attrs;
    blocking b = {.is_bf16 = is_bf16, .n_channels = channel_words(conv, is_bf16)};
    b.n_terms = b.n_channels * a->kernel_size[0] * a->kernel_size[1];
    if (crd_conv_is_pointwise(conv)) {
        block_pointwise(&b, conv);
        return b;
    }
    b.n_columns = conv->out_width;
    int64_t reach = (a->kernel_size[1] - 1) * a->dilation[1];
    b.phase_floats = conv->out_width + reach / a->stride[1];
    b.row_floats = b.phase_floats * crd_smaller(a->stride[1], reach + 1);
    int64_t image_floats = rows_under(conv, conv->out_height) * b.row_floats * b.n_channels;
    int64_t image_pixels = conv->out_height * conv->out_width;
    if (image_floats <= SLAB_FLOATS && image_pixels <= CHUNK_PIXELS) {
        b.n_rows = conv->out_height;
        b.n_images = crd_even_part(
            conv->n_images, crd_smaller(SLAB_FLOATS / image_floats, CHUNK_PIXELS / image_pixels));
    } else {
        int64_t most = SLAB_FLOATS / (b.row_floats * b.n_channels) - rows_under(conv, 1);
        b.n_images = 1;
        b.n_rows = crd_even_part(
            conv->out_height, crd_smaller(most / a->stride[0] + 1, CHUNK_PIXELS / conv->out_width));
    }
    b.n_chunks =
        crd_divide_up(conv->n_images, b.n_images) * crd_divide_up(conv->out_height, b.n_rows);
    b.slab_rows = rows_under(conv, b.n_rows);
    b.plane = crd_conv_odd_lines(b.n_images * b.slab_rows * b.row_floats);
    b.width = (int)crd_divide_up(conv->out_width, pieces_of_row(conv->out_width, is_bf16));
    b.n_pieces = b.n_images * b.n_rows * crd_divide_up(conv->out_width, b.width);
    return b;
}

typedef struct parts {
    int64_t *terms, *in_at, *out_at;
    float *slab, *room, *panels, *sums; /* slab and panels in words */
    float *planes;                      /* two channels of a chunk before they are rounded */
    int64_t n_floats;
} parts;

static parts cut(const crd_conv *conv, const blocking *b, float *scratch)
{
    crd_scratch room = {scratch, 0};
    int64_t n_panels = b->n_chunks == 1 ? PANELS : crd_conv_n_panels(conv);
    parts p = {0};
    p.terms = crd_scratch_indices(&room, b->n_terms);
    p.in_at = crd_scratch_indices(&room, b->n_pieces);
    p.out_at = crd_scratch_indices(&room, b->n_pieces);
    p.slab = crd_scratch_floats(&room, b->plane * b->n_channels);
    p.planes = crd_scratch_floats(&room, b->is_bf16 ? 2 * b->plane : 0);
    p.room = crd_scratch_floats(&room,
                                b->is_bf16 ? crd_conv_pairs_room(conv) : crd_conv_panel_room(conv));
    p.panels = crd_scratch_floats(&room, n_panels * b->n_terms * CRD_LANES);
    p.sums = crd_scratch_floats(&room, PANELS * b->n_images * b->n_rows * b->n_columns * CRD_LANES);
    p.n_floats = room.n_floats;
    return p;
}

static int fits(const crd_conv *conv)
{
    (void)conv;
    return 1;
}

static int fits_bf16(const crd_conv *conv)
{
    return conv->forward == NULL; /* gradients are fp32 */
}

/* Multiply-adds of whole pieces and panels, a load with each pixel, packing of the weights. */
static double cost_of(const crd_conv *conv, int is_bf16)
{
    int64_t width = crd_conv_is_pointwise(conv) ? crd_conv_in_plane(conv) : conv->out_width;
    int64_t rows = crd_conv_is_pointwise(conv) ? 1 : conv->n_images * conv->out_height;
    int64_t n_pieces = pieces_of_row(width, is_bf16), n_panels = crd_conv_n_panels(conv);
    double pixels = (double)(rows * n_pieces * crd_divide_up(width, n_pieces));
    double terms = (double)conv->n_terms;
    double steps = is_bf16 ? terms / (double)conv->n_in * (double)channel_words(conv, 1) : terms;
    return (pixels * steps * 1.08 + pixels * 16 + terms * 8) * (double)n_panels;
}

static double cost(const crd_conv *conv)
{
    return cost_of(conv, 0);
}

static double cost_bf16(const crd_conv *conv)
{
    return cost_of(conv, 1);
}

static int64_t scratch_floats_of(const crd_conv *conv, int is_bf16)
{
    blocking b = block(conv, is_bf16);
    return cut(conv, &b, NULL).n_floats;
}

static int64_t scratch_floats(const crd_conv *conv)
{
    return scratch_floats_of(conv, 0);
}

static int64_t scratch_floats_bf16(const crd_conv *conv)
{
    return scratch_floats_of(conv, 1);
}

static void fill_terms(int64_t *terms, const crd_conv *conv, const blocking *b)
{
    const crd_conv2d_attrs *a = &conv->attrs;
    for (int64_t c = 0; c < b->n_channels; c++)
        for (int64_t y = 0; y < a->kernel_size[0]; y++)
            for (int64_t x = 0; x < a->kernel_size[1]; x++) {
                int64_t shift = x * a->dilation[1];
                *terms++ = c * b->plane + y * a->dilation[0] * b->row_floats +
                           shift % a->stride[1] * b->phase_floats + shift / a->stride[1];
            }
}

/* A chunk's place in the output. */
typedef struct chunk {
    int64_t image, row, column;
    int64_t n_images, n_rows, n_columns;
} chunk;

static chunk take_chunk(const crd_conv *conv, const blocking *b, int64_t i)
{
    if (crd_conv_is_pointwise(conv)) {
        int64_t column = i * b->n_columns, n = crd_conv_in_plane(conv);
        return (chunk){0, 0, column, 1, 1, crd_smaller(b->n_columns, n - column)};
    }
    int64_t per_image = crd_divide_up(conv->out_height, b->n_rows);
    int64_t image = i / per_image * b->n_images, row = i % per_image * b->n_rows;
    return (chunk){image,
                   row,
                   0,
                   crd_smaller(b->n_images, conv->n_images - image),
                   crd_smaller(b->n_rows, conv->out_height - row),
                   conv->out_width};
}

/* The pixels of one channel under a chunk. */
static void fill_plane(float *plane, const float *in, const crd_conv *conv, const blocking *b,
                       const chunk *k, int64_t channel)
{
    const crd_conv2d_attrs *a = &conv->attrs;
    int64_t top = k->row * a->stride[0] - a->padding[0], n_rows = rows_under(conv, k->n_rows);
    for (int64_t image = 0; image < k->n_images; image++) {
        const float *from =
            in + (channel * conv->n_images + k->image + image) * conv->height * conv->width;
        float *to = plane + image * b->slab_rows * b->row_floats;
        if (a->stride[0] == 1 && a->stride[1] == 1) {
            crd_conv_pad_rows(to, b->row_floats, from, conv, top, -a->padding[1], n_rows);
            continue;
        }
        for (int64_t y = 0; y < n_rows; y++, to += b->row_floats) {
            if (a->kernel_size[0] == 1 && y % a->stride[0] != 0)
                continue; /* no kernel row falls here */
            if (top + y < 0 || top + y >= conv->height) {
                memset(to, 0, (size_t)b->row_floats * sizeof *to);
                continue;
            }
            for (int64_t phase = 0; phase * b->phase_floats < b->row_floats; phase++)
                crd_conv_gather_row(to + phase * b->phase_floats, from + (top + y) * conv->width,
                                    b->phase_floats, a->stride[1], phase - a->padding[1],
                                    conv->width);
        }
    }
}

/* Returns where the chunk's pixels lie: those of a single pointwise chunk stay in place. */
static const float *fill_slab(const parts *p, const float *in, const crd_conv *conv,
                              const blocking *b, const chunk *k)
{
    int is_pointwise = crd_conv_is_pointwise(conv);
    if (is_pointwise && b->n_chunks == 1)
        return in;
    for (int64_t c = 0; c < conv->n_in; c++) {
        float *plane = p->slab + c * b->plane;
        if (is_pointwise)
            memcpy(plane, in + c * crd_conv_in_plane(conv) + k->column,
                   (size_t)k->n_columns * sizeof *plane);
        else
            fill_plane(plane, in, conv, b, k, c);
    }
    return p->slab;
}

static const uint32_t *fill_slab_bf16(const parts *p, const float *in, const crd_conv *conv,
                                      const blocking *b, const chunk *k)
{
    int is_pointwise = crd_conv_is_pointwise(conv);
    uint32_t *pairs = (uint32_t *)(void *)p->slab;
    int64_t n = is_pointwise ? k->n_columns : k->n_images * b->slab_rows * b->row_floats;
    for (int64_t c = 0; c < conv->n_in; c += 2, pairs += b->plane) {
        const float *planes[2] = {NULL};
        for (int64_t i = 0; i < 2 && c + i < conv->n_in; i++) {
            planes[i] = p->planes + i * b->plane;
            if (is_pointwise)
                planes[i] = in + (c + i) * crd_conv_in_plane(conv) + k->column;
            else
                fill_plane(p->planes + i * b->plane, in, conv, b, k, c + i);
        }
        crd_kernels_get()->bf16->round_pairs(pairs, planes[0], planes[1], n);
    }
    return (const uint32_t *)(void *)p->slab;
}

/* Where the pieces of a chunk begin in the slab and among the sums; returns their number. */
static int64_t fill_pieces(int64_t *in_at, int64_t *out_at, const crd_conv *conv, const blocking *b,
                           const chunk *k, int width)
{
    int64_t n = 0, row_step = conv->attrs.stride[0] * b->row_floats;
    for (int64_t image = 0; image < k->n_images; image++)
        for (int64_t y = 0; y < k->n_rows; y++)
            for (int64_t x = 0; x < k->n_columns; x += width, n++) {
                int64_t at = crd_smaller(x, k->n_columns - width);
                in_at[n] = image * b->slab_rows * b->row_floats + y * row_step + at;
                out_at[n] = (image * k->n_rows + y) * k->n_columns + at;
            }
    return n;
}

static void make_panel(float *panel_words, const parts *p, const crd_conv *conv, const blocking *b,
                       const crd_layer_args *args, int64_t group, int64_t panel)
{
    if (b->is_bf16)
        crd_conv_make_pairs((uint32_t *)(void *)panel_words, p->room, conv, args, group, panel);
    else
        crd_conv_make_panel(panel_words, p->room, conv, args, group, panel);
}

static void forward_of(const crd_conv *conv, const crd_layer_args *args, int64_t group, int is_bf16)
{
    const crd_kernels *kernels = crd_kernels_get();
    blocking b = block(conv, is_bf16);
    parts p = cut(conv, &b, args->scratch);
    const float *in = args->in[0] + group * conv->n_in * crd_conv_in_plane(conv);
    int64_t n_panels = crd_conv_n_panels(conv), panel_floats = b.n_terms * CRD_LANES;
    fill_terms(p.terms, conv, &b);
    for (int64_t i = 0; i < b.n_chunks; i++) {
        chunk k = take_chunk(conv, &b, i);
        int width = (int)crd_smaller(b.width, k.n_columns);
        int64_t n_pixels = k.n_images * k.n_rows * k.n_columns;
        int64_t first = (k.image * conv->out_height + k.row) * conv->out_width + k.column;
        crd_products products = {
            .out = p.sums,
            .out_step = n_pixels * CRD_LANES,
            .out_at = p.out_at,
            .in_at = p.in_at,
            .n_pieces = fill_pieces(p.in_at, p.out_at, conv, &b, &k, width),
            .width = width,
            .in_step = 1,
            .terms = p.terms,
            .n_terms = b.n_terms,
            .panel_step = panel_floats,
        };
        if (is_bf16)
            products.in = fill_slab_bf16(&p, in, conv, &b, &k);
        else
            products.in = fill_slab(&p, in, conv, &b, &k);
        for (int64_t panel = 0; panel < n_panels; panel += PANELS) {
            int64_t n = crd_smaller(PANELS, n_panels - panel);
            float *panels = p.panels + (b.n_chunks == 1 ? 0 : panel * panel_floats);
            for (int64_t v = 0; i == 0 && v < n; v++)
                make_panel(panels + v * panel_floats, &p, conv, &b, args, group, panel + v);
            products.panels = panels;
            products.n_panels = n;
            if (is_bf16)
                kernels->bf16->multiply(&products);
            else
                kernels->conv->multiply(&products);
            for (int64_t v = 0; v < n; v++)
                crd_conv_finish_panel(p.sums + v * products.out_step, conv, args, group, panel + v,
                                      first, n_pixels);
        }
    }
}

static void forward(const crd_conv *conv, const crd_layer_args *args, int64_t group)
{
    forward_of(conv, args, group, 0);
}

static void forward_bf16(const crd_conv *conv, const crd_layer_args *args, int64_t group)
{
    forward_of(conv, args, group, 1);
}

const crd_conv_method crd_conv_direct = {.name = "direct",
                                         .fits = fits,
                                         .cost = cost,
                                         .scratch_floats = scratch_floats,
                                         .forward = forward};

const crd_conv_method crd_conv_direct_bf16 = {.name = "direct bf16",
                                              .precision = CRD_BF16,
                                              .fits = fits_bf16,
                                              .cost = cost_bf16,
                                              .scratch_floats = scratch_floats_bf16,
                                              .forward = forward_bf16};
