/* Direct convolution without a matrix of columns: the terms of a sum lie at the same distances from
 * every output pixel, so one table of them serves all pixels of an image with its padding around
 * it.
 *
 * The output is computed in chunks of rows. The pixels under a chunk are copied to a slab,
 * [channel] [image][row][column], with padding, and with the columns of equal remainder by the
 * stride side by side, so that neighbouring outputs have neighbouring inputs. A slab stays in L2
 * while all panels of weights stream past it. Where there is but one chunk, a panel pair is made,
 * used and forgotten; otherwise the first chunk leaves them for the others.
 *
 * The lanes of a product are 16 channels, whose sums are turned round on their way to the output;
 * or, where channels are few and rows long, 16 pixels, whose sums go there as they are. The bits
 * are the same.
 *
 * A word of the slab and of the panels holds as many neighbouring channels as the format says. */
#include <string.h>

#include "base/integers.h"
#include "conv/method.h"
#include "kernels/kernels.h"

/* A slab of a third of a 1 MB L2; sums of two panels that stay beside it. */
enum { SLAB_FLOATS = 96 << 10, CHUNK_PIXELS = 448, PANELS = 2 };
enum { SHORT_SUM = 192, LONG_ROW = 14, SHORT_ROW = 4 };
/* Rows that are padded before their columns are split, and what is read after them. */
enum { ROWS_AT_ONCE = 8, SLACK = 32 };

/* A chunk is n_images whole images, or n_rows rows of one; of a pointwise convolution, whose batch
 * is taken for one long row, n_columns of that. */
typedef struct blocking {
    const crd_format *format;
    int64_t n_channels, n_terms;         /* in words */
    int64_t n_images, n_rows, n_columns; /* of the output, in a chunk */
    int64_t n_chunks;
    int64_t row_floats;   /* of a slab's row */
    int64_t phase_floats; /* of its columns of one remainder */
    int64_t slab_rows;    /* of an image in a slab */
    int64_t plane;        /* of a channel in a slab */
    bool by_rows;         /* lanes are pixels */
    int width;            /* pixels of a piece */
    int64_t n_pieces;     /* most in a chunk */
} blocking;

/* Pixels of the row that pieces are cut of. A pointwise convolution's is the whole batch. */
static int64_t row_pixels(const crd_conv *conv)
{
    return crd_conv_is_pointwise(conv) ? crd_conv_in_plane(conv) : conv->out_width;
}

/* Pieces that cover a row of n pixels; the last may overlap the one before it. */
static int64_t pieces_of_row(int64_t n, const crd_format *format)
{
    return crd_divide_up(n, format->max_width());
}

static int64_t channel_words(const crd_conv *conv, const crd_format *format)
{
    return crd_divide_up(conv->n_in, format->channels);
}

static int64_t rows_under(const crd_conv *conv, int64_t n_rows)
{
    return (n_rows - 1) * conv->stride[0] + (conv->kernel_size[0] - 1) * conv->dilation[0] + 1;
}

/* Multiply-adds of whole pieces and panels, a load with each pixel, packing of the weights. */
static double panels_cost(const crd_conv *conv, const crd_format *format)
{
    int64_t width = crd_conv_is_pointwise(conv) ? crd_conv_in_plane(conv) : conv->out_width;
    int64_t rows = crd_conv_is_pointwise(conv) ? 1 : conv->n_images * conv->out_height;
    int64_t n_pieces = pieces_of_row(width, format), n_panels = crd_conv_n_panels(conv);
    double pixels = (double)(rows * n_pieces * crd_divide_up(width, n_pieces));
    double terms = (double)conv->n_terms;
    double steps = terms / (double)conv->n_in * (double)channel_words(conv, format);
    return (pixels * steps * 1.08 + pixels * 16 + terms * 8) * (double)n_panels;
}

/* Groups of so few channels that panels would stay mostly empty were the library's; pixels fill the
 * lanes. Its sums of so few terms are fused multiply-adds from the first to the last, and so are
 * these, on every instruction set. Not so of gradients at the input, which stay the library's. */
static bool replaces_gemm(const crd_conv *conv, const crd_format *format)
{
    return format->round == NULL && conv->transposed_of == NULL && conv->groups > 1 &&
           conv->n_terms <= SHORT_SUM && row_pixels(conv) >= SHORT_ROW &&
           crd_conv_gemm.cost(conv, format) < panels_cost(conv, format);
}

/* Pixels in the lanes pay where rows are long enough to fill them, and where sums are short enough
 * that turning them round shows. */
static bool is_by_rows(const crd_conv *conv, const crd_format *format)
{
    int64_t n = row_pixels(conv), lanes = crd_divide_up(n, CRD_LANES) * CRD_LANES;
    if (format->round != NULL || conv->n_terms > SHORT_SUM)
        return false;
    return (n >= LONG_ROW && 4 * lanes <= 5 * n) || replaces_gemm(conv, format);
}

static double cost(const crd_conv *conv, const crd_format *format)
{
    return replaces_gemm(conv, format) ? crd_conv_gemm.cost(conv, format)
                                       : panels_cost(conv, format);
}

static void block_pointwise(blocking *out, const crd_conv *conv)
{
    int64_t n = crd_conv_in_plane(conv);
    blocking b = *out;
    int64_t most = crd_smaller(CHUNK_PIXELS, SLAB_FLOATS / b.n_terms);
    b.n_images = b.n_rows = b.slab_rows = 1;
    b.width = (int)crd_smaller(b.by_rows ? CRD_LANES : b.format->max_width(), n);
    /* A whole number of pairs of pieces, but for the last chunk. */
    b.n_columns = n;
    if (n > most) {
        int64_t pair = (b.by_rows ? 1 : 2) * b.width;
        b.n_columns = crd_larger(crd_divide_up(crd_even_part(n, most), pair) * pair, pair);
    }
    b.n_chunks = crd_divide_up(n, b.n_columns);
    b.row_floats = b.phase_floats = b.n_columns;
    b.plane = b.n_chunks == 1 ? n : crd_conv_odd_lines(b.n_columns);
    b.n_pieces = crd_divide_up(b.n_columns, b.width);
    *out = b;
}

static blocking block(const crd_conv *conv, const crd_format *format)
{
    blocking b = {.format = format,
                  .n_channels = channel_words(conv, format),
                  .by_rows = is_by_rows(conv, format)};
    b.n_terms = b.n_channels * conv->kernel_size[0] * conv->kernel_size[1];
    if (crd_conv_is_pointwise(conv)) {
        block_pointwise(&b, conv);
        return b;
    }
    b.n_columns = conv->out_width;
    int64_t reach = (conv->kernel_size[1] - 1) * conv->dilation[1];
    b.phase_floats = conv->out_width + reach / conv->stride[1];
    b.row_floats = b.phase_floats * crd_smaller(conv->stride[1], reach + 1);
    int64_t image_floats = rows_under(conv, conv->out_height) * b.row_floats * b.n_channels;
    int64_t image_pixels = conv->out_height * conv->out_width;
    if (image_floats <= SLAB_FLOATS && image_pixels <= CHUNK_PIXELS) {
        b.n_rows = conv->out_height;
        b.n_images = crd_even_part(
            conv->n_images, crd_smaller(SLAB_FLOATS / image_floats, CHUNK_PIXELS / image_pixels));
    } else {
        int64_t most = SLAB_FLOATS / (b.row_floats * b.n_channels) - rows_under(conv, 1);
        b.n_images = 1;
        b.n_rows = crd_even_part(conv->out_height, crd_smaller(most / conv->stride[0] + 1,
                                                               CHUNK_PIXELS / conv->out_width));
    }
    b.n_chunks =
        crd_divide_up(conv->n_images, b.n_images) * crd_divide_up(conv->out_height, b.n_rows);
    b.slab_rows = rows_under(conv, b.n_rows);
    b.plane = crd_conv_odd_lines(b.n_images * b.slab_rows * b.row_floats);
    b.width = b.by_rows
                  ? CRD_LANES
                  : (int)crd_divide_up(conv->out_width, pieces_of_row(conv->out_width, format));
    b.n_pieces = b.n_images * b.n_rows * crd_divide_up(conv->out_width, b.width);
    return b;
}

typedef struct parts {
    int64_t *terms, *in_at, *out_at;
    float *slab, *room, *panels, *sums; /* slab and panels in words */
    float *padded;                      /* some rows, if their columns are split */
    float *planes;                      /* a word's channels of a chunk before they are rounded */
    int64_t n_floats;
} parts;

/* Two phases of columns. */
static bool is_split(const crd_conv *conv, const blocking *b)
{
    return conv->stride[1] == 2 && b->row_floats == 2 * b->phase_floats && conv->kernel_size[0] > 1;
}

static parts cut(const crd_conv *conv, const blocking *b, float *scratch)
{
    crd_scratch room = {scratch, 0};
    int64_t n_panels = b->n_chunks == 1 ? PANELS : crd_conv_n_panels(conv);
    parts p = {0};
    p.terms = crd_scratch_indices(&room, b->n_terms);
    p.in_at = crd_scratch_indices(&room, b->n_pieces);
    p.out_at = crd_scratch_indices(&room, b->n_pieces);
    p.slab = crd_scratch_floats(&room, b->plane * b->n_channels + CRD_LANES);
    p.padded =
        crd_scratch_floats(&room, is_split(conv, b) ? ROWS_AT_ONCE * b->row_floats + SLACK : 0);
    p.planes =
        crd_scratch_floats(&room, b->format->round == NULL ? 0 : b->format->channels * b->plane);
    p.room = crd_scratch_floats(&room, crd_conv_words_room(conv, b->format));
    p.panels = crd_scratch_floats(&room, n_panels * b->n_terms * CRD_LANES);
    p.sums = crd_scratch_floats(
        &room, b->by_rows ? 0 : PANELS * b->n_images * b->n_rows * b->n_columns * CRD_LANES);
    p.n_floats = room.n_floats;
    return p;
}

static bool fits(const crd_conv *conv)
{
    (void)conv;
    return true;
}

static int64_t scratch_floats(const crd_conv *conv, const crd_format *format)
{
    blocking b = block(conv, format);
    return cut(conv, &b, NULL).n_floats;
}

static void fill_terms(int64_t *terms, const crd_conv *conv, const blocking *b)
{
    for (int64_t c = 0; c < b->n_channels; c++)
        for (int64_t y = 0; y < conv->kernel_size[0]; y++)
            for (int64_t x = 0; x < conv->kernel_size[1]; x++) {
                int64_t shift = x * conv->dilation[1];
                *terms++ = c * b->plane + y * conv->dilation[0] * b->row_floats +
                           shift % conv->stride[1] * b->phase_floats + shift / conv->stride[1];
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

/* Rows of an image from `top` on, even columns and then odd ones. */
static void fill_split(float *to, float *padded, const float *in, const crd_conv *conv,
                       const blocking *b, int64_t top, int64_t n_rows)
{
    for (int64_t y = 0; y < n_rows; y += ROWS_AT_ONCE, to += ROWS_AT_ONCE * b->row_floats) {
        int64_t n = crd_smaller(ROWS_AT_ONCE, n_rows - y);
        crd_conv_pad_rows(padded, b->row_floats, in, conv, top + y, -conv->padding[1], n);
        crd_kernels_get()->conv->split_rows(to, to + b->phase_floats, b->row_floats,
                                            b->phase_floats, padded, b->row_floats, n);
    }
}

/* The pixels of one channel under a chunk. */
static void fill_plane(float *plane, float *padded, const float *in, const crd_conv *conv,
                       const blocking *b, const chunk *k, int64_t channel)
{
    int64_t top = k->row * conv->stride[0] - conv->padding[0], n_rows = rows_under(conv, k->n_rows);
    for (int64_t image = 0; image < k->n_images; image++) {
        const float *from =
            in + (channel * conv->n_images + k->image + image) * conv->height * conv->width;
        float *to = plane + image * b->slab_rows * b->row_floats;
        if (conv->stride[0] == 1 && conv->stride[1] == 1) {
            crd_conv_pad_rows(to, b->row_floats, from, conv, top, -conv->padding[1], n_rows);
            continue;
        }
        if (is_split(conv, b)) {
            fill_split(to, padded, from, conv, b, top, n_rows);
            continue;
        }
        for (int64_t y = 0; y < n_rows; y++, to += b->row_floats) {
            if (conv->kernel_size[0] == 1 && y % conv->stride[0] != 0)
                continue; /* no kernel row falls here */
            if (top + y < 0 || top + y >= conv->height) {
                memset(to, 0, (size_t)b->row_floats * sizeof *to);
                continue;
            }
            for (int64_t phase = 0; phase * b->phase_floats < b->row_floats; phase++)
                crd_conv_gather_row(to + phase * b->phase_floats, from + (top + y) * conv->width,
                                    b->phase_floats, conv->stride[1], phase - conv->padding[1],
                                    conv->width);
        }
    }
}

/* The pixels of one channel under a chunk: made in `room`, or those of a pointwise one in place. */
static const float *plane_of(float *room, float *padded, const float *in, const crd_conv *conv,
                             const blocking *b, const chunk *k, int64_t channel)
{
    if (crd_conv_is_pointwise(conv))
        return in + channel * crd_conv_in_plane(conv) + k->column;
    fill_plane(room, padded, in, conv, b, k, channel);
    return room;
}

/* Returns where the chunk's words are: floats of a single pointwise chunk stay in place. */
static const void *fill_slab(const parts *p, const float *in, const crd_conv *conv,
                             const blocking *b, const chunk *k)
{
    int is_pointwise = crd_conv_is_pointwise(conv), n_channels = b->format->channels;
    if (b->format->round == NULL && is_pointwise && b->n_chunks == 1)
        return in;
    int64_t n = is_pointwise ? k->n_columns : k->n_images * b->slab_rows * b->row_floats;
    for (int64_t c = 0; c < conv->n_in; c += n_channels) {
        float *words = p->slab + c / n_channels * b->plane;
        const float *planes[CRD_FORMAT_MAX_CHANNELS] = {NULL};
        for (int64_t i = 0; i < n_channels && c + i < conv->n_in; i++)
            planes[i] = plane_of(b->format->round == NULL ? words : p->planes + i * b->plane,
                                 p->padded, in, conv, b, k, c + i);
        if (b->format->round != NULL)
            b->format->round(words, planes, n);
        else if (is_pointwise)
            memcpy(words, planes[0], (size_t)n * sizeof *words);
    }
    return p->slab;
}

/* Where the pieces of a chunk begin in the slab and among the sums; returns their number. */
static int64_t fill_pieces(int64_t *in_at, int64_t *out_at, const crd_conv *conv, const blocking *b,
                           const chunk *k, int width)
{
    int64_t n = 0, row_step = conv->stride[0] * b->row_floats;
    for (int64_t image = 0; image < k->n_images; image++)
        for (int64_t y = 0; y < k->n_rows; y++)
            for (int64_t x = 0; x < k->n_columns; x += width, n++) {
                int64_t at = crd_smaller(x, k->n_columns - width);
                in_at[n] = image * b->slab_rows * b->row_floats + y * row_step + at;
                out_at[n] = (image * k->n_rows + y) * k->n_columns + at;
            }
    return n;
}

/* The same of pieces whose lanes are pixels: whole ones first. */
static void fill_row_pieces(crd_row_products *out, const parts *p, const crd_conv *conv,
                            const blocking *b, const chunk *k)
{
    int64_t whole = k->n_columns / CRD_LANES, n_rows = k->n_images * k->n_rows;
    int64_t n = 0, row_step = conv->stride[0] * b->row_floats;
    out->rest = (int)(k->n_columns % CRD_LANES);
    out->n_whole = whole * n_rows;
    out->n_pieces = out->n_whole + (out->rest > 0 ? n_rows : 0);
    for (int64_t row = 0; row < n_rows; row++) {
        int64_t in_at = row / k->n_rows * b->slab_rows * b->row_floats + row % k->n_rows * row_step;
        for (int64_t x = 0; x * CRD_LANES < k->n_columns; x++) {
            int64_t j = x < whole ? n++ : out->n_whole + row;
            p->in_at[j] = in_at + x * CRD_LANES;
            p->out_at[j] = row * k->n_columns + x * CRD_LANES;
        }
    }
    out->in_at = p->in_at;
    out->out_at = p->out_at;
}

/* A panel's products to the output, by pixels in the lanes. */
static void multiply_rows(crd_row_products products, const crd_conv *conv,
                          const crd_conv_args *args, int64_t group, int64_t panel, int64_t first,
                          int64_t n)
{
    const crd_kernels *kernels = crd_kernels_get();
    int64_t channel = group * conv->n_out + panel * CRD_LANES, plane = crd_conv_out_plane(conv);
    int64_t at = channel * plane + first;
    products.out = args->out + at;
    products.plane = plane;
    products.n_channels = crd_conv_panel_lanes(conv, panel);
    products.epilogue = args->epilogue;
    if (products.epilogue.bias != NULL)
        products.epilogue.bias += channel;
    if (products.epilogue.residual != NULL)
        products.epilogue.residual += at;
    kernels->conv->multiply_rows(&products);
    if (args->epilogue.activation.kind > CRD_CLAMP)
        crd_conv_activate_panel(conv, args, group, panel, first, n);
}

static void run(const crd_conv *conv, const crd_format *format, const crd_conv_args *args,
                int64_t group)
{
    blocking b = block(conv, format);
    parts p = cut(conv, &b, args->scratch);
    const float *in = args->in + group * conv->n_in * crd_conv_in_plane(conv);
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
            .width = width,
            .in = fill_slab(&p, in, conv, &b, &k),
            .in_step = 1,
            .terms = p.terms,
            .n_terms = b.n_terms,
            .panel_step = panel_floats,
        };
        crd_row_products rows = {.in = products.in,
                                 .terms = p.terms,
                                 .n_terms = b.n_terms,
                                 .is_fused = replaces_gemm(conv, format)};
        if (b.by_rows)
            fill_row_pieces(&rows, &p, conv, &b, &k);
        else
            products.n_pieces = fill_pieces(p.in_at, p.out_at, conv, &b, &k, width);
        for (int64_t panel = 0; panel < n_panels; panel += PANELS) {
            int64_t n = crd_smaller(PANELS, n_panels - panel);
            float *panels = p.panels + (b.n_chunks == 1 ? 0 : panel * panel_floats);
            for (int64_t v = 0; i == 0 && v < n; v++)
                crd_conv_make_words(panels + v * panel_floats, p.room, conv, format, args, group,
                                    panel + v);
            for (int64_t v = 0; b.by_rows && v < n; v++) {
                rows.panel = panels + v * panel_floats;
                multiply_rows(rows, conv, args, group, panel + v, first, n_pixels);
            }
            if (b.by_rows)
                continue;
            products.panels = panels;
            products.n_panels = n;
            format->multiply(&products);
            for (int64_t v = 0; v < n; v++)
                crd_conv_finish_panel(p.sums + v * products.out_step, conv, args, group, panel + v,
                                      first, n_pixels);
        }
    }
}

const crd_conv_method crd_conv_direct = {.name = "direct",
                                         .format = &crd_format_fp32,
                                         .fits = fits,
                                         .cost = cost,
                                         .scratch_floats = scratch_floats,
                                         .run = run};

const crd_conv_method crd_conv_direct_bf16 = {.name = "direct bf16",
                                              .format = &crd_format_bf16,
                                              .fits = fits,
                                              .cost = cost,
                                              .scratch_floats = scratch_floats,
                                              .run = run};
