/* The gradient at the weights of Winograd's F(4x4, 3x3): its maps of outputs and weights
 * transposed. dout is mapped to points by the transposed map of the outputs, multiplied with the
 * points of the input, summed over all tiles point by point, and mapped to 3 x 3 weights by the
 * transposed map of the weights: 36 multiply-adds for 16 outputs instead of 144.
 *
 * Chunks of rows of tiles: (1) input and dout to [point][16 channels][tile][16]; (2) for a pair of
 * panels, a point at a time, the product over the tiles, onto [panel][point][input channel][16];
 * (3) after the last chunk, mapped and turned to the gradient. A pair's operands and sums stay in
 * L2. Where there is but one chunk its sums are used and forgotten; otherwise the longer the chunk
 * the less often the sums come by. */
#include <string.h>

#include "base/integers.h"
#include "conv/backward.h"
#include "kernels/kernels.h"

enum { POINTS = CRD_WINOGRAD_POINTS, IN = CRD_WINOGRAD_IN, OUT = CRD_WINOGRAD_OUT };
enum { CHUNK_TILES = 112, BLOCK_GROUPS = 8 };

typedef struct blocking {
    int64_t rows, columns; /* of tiles in an image */
    int64_t n_rows;        /* of tiles in a chunk; they run on over the images */
    int64_t n_chunks;
    int64_t n_tiles;   /* in a chunk */
    int64_t pitch;     /* pixels of a strip's row */
    int64_t n_groups;  /* of 16 input channels in a block */
    int64_t in_step;   /* from point to point of the input */
    int64_t dout_step; /* of dout */
    int64_t sums_step; /* and of the sums of a panel */
    int width;         /* of a piece: channels, a divisor of 16 */
    int n_together;    /* panels of dout that are multiplied together */
} blocking;

static blocking block(const crd_conv *conv)
{
    blocking b = {.rows = crd_divide_up(conv->out_height, OUT),
                  .columns = crd_divide_up(conv->out_width, OUT)};
    int64_t all_rows = conv->n_images * b.rows, n_groups = conv->n_in / CRD_LANES;
    int64_t most = CHUNK_TILES / b.columns < 1 ? 1 : CHUNK_TILES / b.columns;
    b.n_rows = crd_divide_up(all_rows, crd_divide_up(all_rows, most));
    b.n_chunks = crd_divide_up(all_rows, b.n_rows);
    b.n_tiles = b.n_rows * b.columns;
    b.pitch = OUT * b.columns + IN - OUT;
    b.n_groups = crd_divide_up(n_groups, crd_divide_up(n_groups, BLOCK_GROUPS));
    b.in_step = crd_conv_odd_lines(b.n_groups * b.n_tiles * CRD_LANES);
    b.dout_step = crd_conv_odd_lines(crd_conv_n_panels(conv) * b.n_tiles * CRD_LANES);
    b.sums_step = crd_conv_odd_lines(b.n_groups * CRD_LANES * CRD_LANES);
    for (b.width = crd_kernels_get()->conv->max_width; CRD_LANES % b.width != 0;)
        b.width--;
    b.n_together = crd_kernels_get()->conv->n_panels;
    return b;
}

typedef struct parts {
    int64_t *terms, *in_at, *out_at;
    float *strip, *in, *dout, *sums, *panel;
    int64_t n_floats;
} parts;

static parts cut(const crd_conv *conv, const blocking *b, float *scratch)
{
    crd_scratch room = {scratch, 0};
    int64_t n_channels = b->n_groups * CRD_LANES;
    int64_t n_panels = b->n_chunks == 1 ? b->n_together : crd_conv_n_panels(conv);
    parts p = {0};
    p.terms = crd_scratch_indices(&room, b->n_tiles);
    p.in_at = crd_scratch_indices(&room, n_channels / b->width);
    p.out_at = crd_scratch_indices(&room, n_channels / b->width);
    p.strip = crd_scratch_floats(&room, IN * b->pitch * CRD_LANES);
    p.in = crd_scratch_floats(&room, POINTS * b->in_step);
    p.dout = crd_scratch_floats(&room, POINTS * b->dout_step);
    p.sums = crd_scratch_floats(&room, n_panels * POINTS * b->sums_step);
    p.panel = crd_scratch_floats(&room, n_channels * 9 * CRD_LANES);
    p.n_floats = room.n_floats;
    return p;
}

/* Products; the transforms of input and dout; of the sums, and their way through memory. */
static double cost(const crd_conv *conv)
{
    blocking b = block(conv);
    double tiles = (double)(conv->n_images * b.rows * b.columns), n_in = (double)conv->n_in;
    double panels = (double)crd_conv_n_panels(conv);
    double n_blocks = (double)crd_divide_up(conv->n_in / CRD_LANES, b.n_groups);
    return POINTS * tiles * n_in * panels * 1.08 + tiles * n_in / CRD_LANES * 500 +
           tiles * panels * n_blocks * 300 + n_in * panels * (200 + (double)b.n_chunks * 72);
}

static int64_t scratch_floats(const crd_conv *conv)
{
    blocking b = block(conv);
    return cut(conv, &b, NULL).n_floats;
}

/* The strip of 4 rows of dout in a row of tiles, zero beyond its edges. */
static void fill_dout_strip(float *strip, const float *dout, const crd_conv *conv,
                            const blocking *b, int n_lanes, int64_t image, int64_t tile_row)
{
    int64_t n = conv->out_width, pitch = OUT * b->columns;
    for (int64_t y = tile_row * OUT; y < (tile_row + 1) * OUT; y++, strip += pitch * CRD_LANES) {
        int64_t n_here = y < conv->out_height ? n : 0;
        if (n_here > 0)
            crd_kernels_get()->conv->pack(strip, dout + (image * conv->out_height + y) * n,
                                          crd_conv_out_plane(conv), n, n_lanes);
        memset(strip + n_here * CRD_LANES, 0,
               (size_t)((pitch - n_here) * CRD_LANES) * sizeof *strip);
    }
}

/* Rows [first, first + n) of tiles to points: the input's groups of the block, and all of dout. */
static void transform(const parts *p, const float *in, const float *dout, const crd_conv *conv,
                      const blocking *b, int64_t n_groups, int64_t first, int64_t n)
{
    const crd_conv_kernels *kernels = crd_kernels_get()->conv;
    for (int64_t row = 0; row < n; row++) {
        int64_t image = (first + row) / b->rows, tile_row = (first + row) % b->rows;
        for (int64_t group = 0; group < n_groups; group++) {
            crd_conv_fill_strip(p->strip, in + group * CRD_LANES * crd_conv_in_plane(conv), conv,
                                b->pitch, image, tile_row);
            kernels->winograd_in(p->in + (group * n + row) * b->columns * CRD_LANES, b->in_step,
                                 p->strip, b->pitch, b->columns);
        }
        for (int64_t panel = 0; panel < crd_conv_n_panels(conv); panel++) {
            fill_dout_strip(p->strip, dout + panel * CRD_LANES * crd_conv_out_plane(conv), conv, b,
                            crd_conv_panel_lanes(conv, panel), image, tile_row);
            kernels->winograd_out_transposed(p->dout + (panel * n + row) * b->columns * CRD_LANES,
                                             b->dout_step, p->strip, OUT * b->columns, b->columns);
        }
    }
}

static void fill_tables(const parts *p, const blocking *b, int64_t n_groups, int64_t n_tiles)
{
    for (int64_t k = 0; k < n_tiles; k++)
        p->terms[k] = k * CRD_LANES;
    for (int64_t j = 0; j < n_groups * CRD_LANES / b->width; j++) {
        p->out_at[j] = j * b->width;
        p->in_at[j] = p->out_at[j] / CRD_LANES * n_tiles * CRD_LANES + p->out_at[j] % CRD_LANES;
    }
}

/* The products of n_tiles tiles at all points, onto the sums of n panels from `panel` on. */
static void multiply(float *sums, const parts *p, const blocking *b, int64_t n_groups,
                     int64_t n_tiles, int64_t panel, int64_t n, int adds)
{
    crd_products products = {
        .out_step = POINTS * b->sums_step,
        .adds = adds,
        .out_at = p->out_at,
        .in_at = p->in_at,
        .n_pieces = n_groups * CRD_LANES / b->width,
        .width = b->width,
        .in_step = 1,
        .terms = p->terms,
        .n_terms = n_tiles,
        .n_panels = n,
        .panel_step = n_tiles * CRD_LANES,
    };
    for (int64_t point = 0; point < POINTS; point++) {
        products.out = sums + point * b->sums_step;
        products.in = p->in + point * b->in_step;
        products.panels = p->dout + point * b->dout_step + panel * products.panel_step;
        crd_kernels_get()->conv->multiply(&products);
    }
}

/* A panel's sums to the gradient at the weights, from a block's first input channel on. */
static void finish(float *dweight, const float *sums, const parts *p, const crd_conv *conv,
                   const blocking *b, int64_t n_groups, int64_t panel)
{
    const crd_conv_kernels *kernels = crd_kernels_get()->conv;
    const crd_epilogue nothing = {0};
    int64_t n_channels = n_groups * CRD_LANES;
    kernels->winograd_weights_transposed(p->panel, sums, b->sums_step, n_channels);
    kernels->unpack(dweight + panel * CRD_LANES * conv->n_terms, conv->n_terms, p->panel,
                    n_channels * 9, crd_conv_panel_lanes(conv, panel), &nothing);
}

/* Rows [first, first + n) of tiles for a block of input channels, whose gradient is complete with
 * the last ones. */
static void add_chunk(float *dweight, const parts *p, const crd_conv *conv, const blocking *b,
                      int64_t n_groups, int64_t first, int64_t n)
{
    int64_t n_panels = crd_conv_n_panels(conv), sums_step = POINTS * b->sums_step;
    fill_tables(p, b, n_groups, n * b->columns);
    for (int64_t panel = 0; panel < n_panels; panel += b->n_together) {
        int64_t n_here = crd_smaller(b->n_together, n_panels - panel);
        float *sums = p->sums + (b->n_chunks == 1 ? 0 : panel * sums_step);
        multiply(sums, p, b, n_groups, n * b->columns, panel, n_here, first > 0);
        for (int64_t v = 0; first + n == conv->n_images * b->rows && v < n_here; v++)
            finish(dweight, sums + v * sums_step, p, conv, b, n_groups, panel + v);
    }
}

static void run(float *dweight, const crd_conv *conv, const crd_conv_args *args, const float *dout,
                int64_t group)
{
    blocking b = block(conv);
    parts p = cut(conv, &b, args->scratch);
    int64_t in_plane = crd_conv_in_plane(conv), all_rows = conv->n_images * b.rows;
    const float *in = args->in + group * conv->n_in * in_plane;
    dweight += group * conv->n_out * conv->n_terms;
    dout += group * conv->n_out * crd_conv_out_plane(conv);
    for (int64_t channel = 0; channel < conv->n_in; channel += b.n_groups * CRD_LANES) {
        int64_t n_groups = crd_smaller(b.n_groups, (conv->n_in - channel) / CRD_LANES);
        for (int64_t first = 0; first < all_rows; first += b.n_rows) {
            int64_t n_rows = crd_smaller(b.n_rows, all_rows - first);
            transform(&p, in + channel * in_plane, dout, conv, &b, n_groups, first, n_rows);
            add_chunk(dweight + channel * 9, &p, conv, &b, n_groups, first, n_rows);
        }
    }
}

const crd_conv_weight_gradient crd_conv_weight_gradient_winograd = {
    .fits = crd_conv_fits_winograd, .cost = cost, .scratch_floats = scratch_floats, .run = run};
