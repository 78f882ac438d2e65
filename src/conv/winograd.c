/* Winograd's F(4x4, 3x3): 6 x 6 input pixels and 3 x 3 weights are transformed to 36 points each,
 * where the convolution is a product a point: 36 multiply-adds for 16 outputs instead of 144. The
 * error is about 1e-5 of the largest output; in bf16, where the points are rounded, 1e-2 of its
 * deviation. Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR
 * 2016.
 *
 * Chunks of rows of tiles: (1) the strips of 6 rows under a row of tiles are turned to [pixel][16
 * channels] and transformed, to [point][16 channels][tile][16]; (2) for a pair of panels of
 * weights, 36 products of [tile][channel] by [channel][panel]; (3) transformed back and turned to
 * the output. A product's operands, tiles * channels and channels * 32 floats, stay in L1 and L2;
 * every transformed weight is used for a whole chunk of tiles, every transformed pixel for 32
 * outputs a read, so that neither stream asks for more than about 4 bytes a cycle. */
#include <string.h>

#include "base/integers.h"
#include "conv/backward.h"
#include "kernels/kernels.h"

enum { POINTS = CRD_WINOGRAD_POINTS, IN = CRD_WINOGRAD_IN, OUT = CRD_WINOGRAD_OUT };
enum { CHUNK_TILES = 56 };

typedef struct blocking {
    const crd_format *format;
    int64_t words;              /* that 16 channels of a pixel take */
    int64_t rows, columns;      /* of tiles in an image */
    int64_t n_rows;             /* of tiles in a chunk; they run on over the images */
    int64_t n_chunks, n_groups; /* groups of 16 input channels */
    int64_t n_tiles;            /* in a chunk */
    int64_t pitch;              /* pixels of a strip's row */
    int64_t point_step;         /* from point to point of the input */
    int64_t weight_step;        /* and of a panel of weights */
    int width;
    int n_together; /* panels that are made and multiplied together: their points stay in L2 */
} blocking;

static blocking block(const crd_conv *conv, const crd_format *format)
{
    blocking b = {.format = format,
                  .words = CRD_LANES / format->channels,
                  .rows = crd_divide_up(conv->out_height, OUT),
                  .columns = crd_divide_up(conv->out_width, OUT),
                  .n_groups = crd_divide_up(conv->n_in, CRD_LANES)};
    int64_t all_rows = conv->n_images * b.rows;
    int64_t most = CHUNK_TILES / b.columns < 1 ? 1 : CHUNK_TILES / b.columns;
    b.n_rows = crd_divide_up(all_rows, crd_divide_up(all_rows, most));
    b.n_chunks = crd_divide_up(all_rows, b.n_rows);
    b.n_tiles = b.n_rows * b.columns;
    b.pitch = OUT * b.columns + IN - OUT;
    b.point_step = crd_conv_odd_lines(b.n_groups * b.n_tiles * b.words);
    b.weight_step = crd_conv_odd_lines(b.n_groups * b.words * CRD_LANES);
    b.width = (int)crd_smaller(format->max_width(), b.n_tiles);
    b.n_together = format->n_panels();
    return b;
}

typedef struct parts {
    int64_t *terms, *at;
    float *strip, *room, *turned, *sums;
    float *points, *weights; /* in words */
    int64_t n_floats;
} parts;

static parts cut(const crd_conv *conv, const blocking *b, float *scratch)
{
    crd_scratch room = {scratch, 0};
    int64_t n_panels = b->n_chunks == 1 ? b->n_together : crd_conv_n_panels(conv);
    parts p = {0};
    p.terms = crd_scratch_indices(&room, b->n_groups * b->words);
    p.at = crd_scratch_indices(&room, 2 * crd_divide_up(b->n_tiles, b->width));
    p.strip = crd_scratch_floats(&room, IN * b->pitch * CRD_LANES);
    p.points = crd_scratch_floats(&room, POINTS * b->point_step);
    p.room = crd_scratch_floats(&room, crd_conv_panel_room(conv));
    p.turned = crd_scratch_floats(&room, CRD_CHANNELS_AT_ONCE * 9 * CRD_LANES);
    p.weights = crd_scratch_floats(&room, n_panels * POINTS * b->weight_step);
    p.sums = crd_scratch_floats(&room, b->n_together * POINTS * b->n_tiles * CRD_LANES);
    p.n_floats = room.n_floats;
    return p;
}

/* Also at least 16 input channels: the terms of a group are whole panels. */
bool crd_conv_fits_winograd(const crd_conv *conv)
{
    for (int i = 0; i < 2; i++)
        if (conv->kernel_size[i] != 3 || conv->stride[i] != 1 || conv->dilation[i] != 1 ||
            conv->padding[i] < 0)
            return false;
    return conv->n_in % CRD_LANES == 0;
}

/* Products; the transforms of pixels, outputs and weights, and what making and reading the points
 * of the weights costs. Constants from measurements of `credence bench -v`. */
static double cost(const crd_conv *conv, const crd_format *format)
{
    blocking b = block(conv, format);
    double tiles = (double)(conv->n_images * b.rows * b.columns), n_in = (double)conv->n_in;
    double panels = (double)crd_conv_n_panels(conv), groups = (double)b.n_groups;
    return POINTS * tiles * n_in * panels * format->product_cost + tiles * groups * 500 +
           tiles * panels * 400 + n_in * panels * format->weight_cost;
}

static int64_t scratch_floats(const crd_conv *conv, const crd_format *format)
{
    blocking b = block(conv, format);
    return cut(conv, &b, NULL).n_floats;
}

void crd_conv_fill_strip(float *strip, const float *in, const crd_conv *conv, int64_t pitch,
                         int64_t image, int64_t tile_row)
{
    const crd_conv_kernels *kernels = crd_kernels_get()->conv;
    int64_t top = tile_row * OUT - conv->padding[0], left = conv->padding[1];
    int64_t n = crd_smaller(conv->width, pitch - left);
    for (int64_t y = 0; y < IN; y++, strip += pitch * CRD_LANES) {
        if (top + y < 0 || top + y >= conv->height) {
            memset(strip, 0, (size_t)(pitch * CRD_LANES) * sizeof *strip);
            continue;
        }
        memset(strip, 0, (size_t)(left * CRD_LANES) * sizeof *strip);
        kernels->pack(strip + left * CRD_LANES, in + (image * conv->height + top + y) * conv->width,
                      crd_conv_in_plane(conv), n, CRD_LANES);
        memset(strip + (left + n) * CRD_LANES, 0,
               (size_t)((pitch - left - n) * CRD_LANES) * sizeof *strip);
    }
}

/* Rows [first, first + n) of tiles to points. */
static void transform_in(const parts *p, const float *in, const crd_conv *conv, const blocking *b,
                         int64_t first, int64_t n)
{
    for (int64_t group = 0; group < b->n_groups; group++)
        for (int64_t row = 0; row < n; row++) {
            float *points = p->points + (group * n + row) * b->columns * b->words;
            crd_conv_fill_strip(p->strip, in + group * CRD_LANES * crd_conv_in_plane(conv), conv,
                                b->pitch, (first + row) / b->rows, (first + row) % b->rows);
            b->format->winograd_in(points, b->point_step, p->strip, b->pitch, b->columns);
        }
}

/* Sums of a panel back to pixels. */
static void transform_out(const parts *p, const float *sums, const crd_conv *conv,
                          const crd_conv_args *args, int64_t group, int64_t panel,
                          const blocking *b, int64_t first, int64_t n)
{
    int64_t width = conv->out_width;
    for (int64_t row = 0; row < n; row++) {
        int64_t image = (first + row) / b->rows, y = (first + row) % b->rows * OUT;
        int64_t height = crd_smaller(OUT, conv->out_height - y);
        crd_kernels_get()->conv->winograd_out(p->strip, height, width,
                                              sums + row * b->columns * CRD_LANES,
                                              n * b->columns * CRD_LANES, b->columns);
        crd_conv_finish_panel(p->strip, conv, args, group, panel,
                              (image * conv->out_height + y) * width, height * width);
    }
}

static void make_weights(float *weights, const parts *p, const crd_conv *conv, const blocking *b,
                         const crd_conv_args *args, int64_t group, int64_t panel)
{
    const float *rows = crd_conv_panel_rows(p->room, conv, args, group, panel);
    for (int64_t first = 0; first < conv->n_in; first += CRD_CHANNELS_AT_ONCE) {
        float *to = weights + first * b->words;
        crd_conv_turn_rows(p->turned, p->room, rows, conv, panel, first, CRD_CHANNELS_AT_ONCE);
        b->format->winograd_weights(to, b->weight_step, p->turned, CRD_CHANNELS_AT_ONCE);
    }
}

/* The products of n_panels panels at all points. */
static void multiply(const parts *p, const float *weights, const blocking *b, int64_t n_tiles,
                     int64_t n_panels)
{
    int width = (int)crd_smaller(b->width, n_tiles);
    crd_products products = {
        .out_step = POINTS * n_tiles * CRD_LANES,
        .out_at = p->at,
        .in_at = p->at + crd_divide_up(n_tiles, width),
        .n_pieces = crd_divide_up(n_tiles, width),
        .width = width,
        .in_step = (int)b->words,
        .terms = p->terms,
        .n_terms = b->n_groups * b->words,
        .n_panels = n_panels,
        .panel_step = POINTS * b->weight_step,
    };
    for (int64_t point = 0; point < POINTS; point++) {
        products.out = p->sums + point * n_tiles * CRD_LANES;
        products.in = p->points + point * b->point_step;
        products.panels = weights + point * b->weight_step;
        b->format->multiply(&products);
    }
}

static void fill_tables(const parts *p, const blocking *b, int64_t n_tiles)
{
    int64_t width = crd_smaller(b->width, n_tiles), n = crd_divide_up(n_tiles, width);
    for (int64_t k = 0; k < b->n_groups * b->words; k++)
        p->terms[k] = k / b->words * n_tiles * b->words + k % b->words;
    for (int64_t j = 0; j < n; j++) {
        p->at[j] = crd_smaller(j * width, n_tiles - width);
        p->at[n + j] = p->at[j] * b->words;
    }
}

static void run(const crd_conv *conv, const crd_format *format, const crd_conv_args *args,
                int64_t group)
{
    blocking b = block(conv, format);
    parts p = cut(conv, &b, args->scratch);
    const float *in = args->in + group * conv->n_in * crd_conv_in_plane(conv);
    int64_t n_panels = crd_conv_n_panels(conv);
    int64_t all_rows = conv->n_images * b.rows, panel_step = POINTS * b.weight_step;
    for (int64_t first = 0; first < all_rows; first += b.n_rows) {
        int64_t n_rows = crd_smaller(b.n_rows, all_rows - first), n_tiles = n_rows * b.columns;
        fill_tables(&p, &b, n_tiles);
        transform_in(&p, in, conv, &b, first, n_rows);
        for (int64_t panel = 0; panel < n_panels; panel += b.n_together) {
            int64_t n = crd_smaller(b.n_together, n_panels - panel);
            float *weights = p.weights + (b.n_chunks == 1 ? 0 : panel * panel_step);
            for (int64_t v = 0; first == 0 && v < n; v++)
                make_weights(weights + v * panel_step, &p, conv, &b, args, group, panel + v);
            multiply(&p, weights, &b, n_tiles, n);
            for (int64_t v = 0; v < n; v++)
                transform_out(&p, p.sums + v * POINTS * n_tiles * CRD_LANES, conv, args, group,
                              panel + v, &b, first, n_rows);
        }
    }
}

const crd_conv_method crd_conv_winograd = {.name = "winograd 4x4",
                                           .format = &crd_format_fp32,
                                           .fits = crd_conv_fits_winograd,
                                           .cost = cost,
                                           .scratch_floats = scratch_floats,
                                           .run = run};

const crd_conv_method crd_conv_winograd_bf16 = {.name = "winograd 4x4 bf16",
                                                .format = &crd_format_bf16,
                                                .fits = crd_conv_fits_winograd,
                                                .cost = cost,
                                                .scratch_floats = scratch_floats,
                                                .run = run};
