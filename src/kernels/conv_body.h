/** The loops of convolution over `lanes`, 16 floats, which the file that includes this one defines
 * for its instruction set: the type; lanes_zero, _all (of one float), _load, _store, _load_n and
 * _store_n (the first n only, 0 elsewhere), _add, _sub, _mul, _fma (a b + c), _max; lanes_transpose;
 * PANELS and MAX_WIDTH, how many panels and pixels of a piece a tile has; and CONV_TABLE.
 *
 * multiply: a tile is PANELS panels times 2 pieces of up to MAX_WIDTH pixels. A step of it loads
 * PANELS registers of weights and broadcasts 2 width pixels, for PANELS * 2 width multiply-adds.
 * With AVX-512, 2 panels and 2 * 7 pixels: 28 sums, 2 weights and a pixel take 31 of 32 registers,
 * and 16 loads go with 28 multiply-adds, where the core can do one for one. The two pieces may lie
 * anywhere: for images 7 pixels wide they are two rows.
 */
#ifndef CRD_KERNELS_CONV_BODY_H
#define CRD_KERNELS_CONV_BODY_H

#include "kernels/variants.h"

#define INLINE static inline __attribute__((always_inline))

INLINE float *out_of(const crd_products *p, int64_t piece, int64_t pixel, int64_t panel)
{
    return p->out + panel * p->out_step + (p->out_at[piece] + pixel) * CRD_LANES;
}

INLINE void tile(const crd_products *p, int64_t piece, int64_t panel, int width, int n_pieces,
                 int n_panels, int in_step)
{
    const float *in[2], *weights[PANELS];
    lanes sum[2][MAX_WIDTH][PANELS];
    for (int j = 0; j < n_pieces; j++)
        in[j] = p->in + p->in_at[piece + j];
    for (int v = 0; v < n_panels; v++)
        weights[v] = p->panels + (panel + v) * p->panel_step;
    CRD_UNROLLED
    for (int j = 0; j < n_pieces; j++)
        for (int i = 0; i < width; i++)
            for (int v = 0; v < n_panels; v++)
                sum[j][i][v] =
                    p->adds ? lanes_load(out_of(p, piece + j, i, panel + v)) : lanes_zero();
    for (int64_t k = 0; k < p->n_terms; k++) {
        int64_t term = p->terms[k];
        lanes weight[PANELS];
        for (int v = 0; v < n_panels; v++)
            weight[v] = lanes_load(weights[v] + k * CRD_LANES);
        for (int j = 0; j < n_pieces; j++)
            for (int i = 0; i < width; i++) {
                lanes pixel = lanes_all(in[j][term + i * in_step]);
                for (int v = 0; v < n_panels; v++)
                    sum[j][i][v] = lanes_fma(pixel, weight[v], sum[j][i][v]);
            }
    }
    CRD_UNROLLED
    for (int j = 0; j < n_pieces; j++)
        for (int v = 0; v < n_panels; v++)
            for (int i = 0; i < width; i++)
                lanes_store(out_of(p, piece + j, i, panel + v), sum[j][i][v]);
}

typedef void tile_loop(const crd_products *p, int64_t piece, int64_t panel);

/* One function a shape, so that all sums stay in registers. */
#define TILE(width, pieces, which, panels, step)                                                   \
    static void tile_##width##_##pieces##_##which##_##step(const crd_products *p, int64_t piece,   \
                                                           int64_t panel)                          \
    {                                                                                              \
        tile(p, piece, panel, width, pieces, panels, step);                                        \
    }
#define TILES_OF_WIDTH(width)                                                                      \
    TILE(width, 1, one, 1, 1)                                                                      \
    TILE(width, 2, one, 1, 1)                                                                      \
    TILE(width, 1, all, PANELS, 1)                                                                 \
    TILE(width, 2, all, PANELS, 1)                                                                 \
    TILE(width, 1, one, 1, 16)                                                                     \
    TILE(width, 2, one, 1, 16)                                                                     \
    TILE(width, 1, all, PANELS, 16)                                                                \
    TILE(width, 2, all, PANELS, 16)
#define ROW_OF_WIDTH(width)                                                                        \
    {                                                                                              \
        {{tile_##width##_1_one_1, tile_##width##_2_one_1},                                         \
         {tile_##width##_1_all_1, tile_##width##_2_all_1}},                                        \
            {{tile_##width##_1_one_16, tile_##width##_2_one_16},                                   \
             {tile_##width##_1_all_16, tile_##width##_2_all_16}},                                  \
    }

TILES_OF_WIDTH(1)
TILES_OF_WIDTH(2)
TILES_OF_WIDTH(3)
#if MAX_WIDTH == 7
TILES_OF_WIDTH(4)
TILES_OF_WIDTH(5)
TILES_OF_WIDTH(6)
TILES_OF_WIDTH(7)
#endif

/* [width - 1][step is 16][all panels][two pieces] */
static tile_loop *const tiles[MAX_WIDTH][2][2][2] = {
    ROW_OF_WIDTH(1), ROW_OF_WIDTH(2), ROW_OF_WIDTH(3),
#if MAX_WIDTH == 7
    ROW_OF_WIDTH(4), ROW_OF_WIDTH(5), ROW_OF_WIDTH(6), ROW_OF_WIDTH(7),
#endif
};

static void multiply(const crd_products *p)
{
    tile_loop *const(*shapes)[2] = tiles[p->width - 1][p->in_step != 1];
    for (int64_t panel = 0; panel < p->n_panels;) {
        int all = p->n_panels - panel >= PANELS;
        for (int64_t piece = 0; piece < p->n_pieces; piece += 2)
            shapes[all][p->n_pieces - piece >= 2](p, piece, panel);
        panel += all ? PANELS : 1;
    }
}

static void pack(float *strip, const float *in, int64_t plane, int64_t n, int n_channels)
{
    for (int64_t i = 0; i < n; i += CRD_LANES) {
        int n_here = n - i < CRD_LANES ? (int)(n - i) : CRD_LANES;
        lanes block[CRD_LANES];
        if (n_here == CRD_LANES && n_channels == CRD_LANES) {
            for (int c = 0; c < CRD_LANES; c++)
                block[c] = lanes_load(in + c * plane + i);
            lanes_transpose(block);
            for (int k = 0; k < CRD_LANES; k++)
                lanes_store(strip + (i + k) * CRD_LANES, block[k]);
        } else {
            for (int c = 0; c < CRD_LANES; c++)
                block[c] = c < n_channels ? lanes_load_n(in + c * plane + i, n_here) : lanes_zero();
            lanes_transpose(block);
            for (int k = 0; k < n_here; k++)
                lanes_store(strip + (i + k) * CRD_LANES, block[k]);
        }
    }
}

/* Rows are short, so that calls of memcpy would cost more than what they do. */
INLINE void copy_floats(float *to, const float *from, int64_t n)
{
    int64_t i = 0;
    for (; i + CRD_LANES <= n; i += CRD_LANES)
        lanes_store(to + i, lanes_load(from + i));
    if (i < n)
        lanes_store_n(to + i, lanes_load_n(from + i, (int)(n - i)), (int)(n - i));
}

INLINE void clear_floats(float *to, int64_t n)
{
    for (int64_t i = 0; i < n; i += CRD_LANES)
        lanes_store_n(to + i, lanes_zero(), n - i < CRD_LANES ? (int)(n - i) : CRD_LANES);
}

static void copy_rows(float *to, int64_t pitch, int64_t n, const float *from, int64_t width,
                      int64_t shift, int64_t n_rows)
{
    int64_t first = shift < 0 ? -shift : 0, end = width - shift;
    end = end < n ? end : n;
    if (first >= end)
        first = end = n; /* all outside */
    for (int64_t y = 0; y < n_rows; y++, to += pitch, from += width) {
        clear_floats(to, first);
        copy_floats(to + first, from + first + shift, end - first);
        clear_floats(to + end, n - end);
    }
}

/* Up to 16 pixels; bias is added where channels still are lanes. */
INLINE void unpack_block(float *out, int64_t plane, const float *strip, int n, int n_channels,
                         lanes bias, const float *residual, int relu)
{
    lanes block[CRD_LANES];
    for (int k = 0; k < CRD_LANES; k++)
        block[k] = k < n ? lanes_add(lanes_load(strip + k * CRD_LANES), bias) : lanes_zero();
    lanes_transpose(block);
    for (int c = 0; c < n_channels; c++) {
        lanes value = block[c];
        if (residual != NULL)
            value = lanes_add(value, lanes_load_n(residual + c * plane, n));
        if (relu) /* of two equal or unordered ones _max takes the second: NaN stays NaN */
            value = lanes_max(lanes_zero(), value);
        lanes_store_n(out + c * plane, value, n);
    }
}

static void unpack(float *out, int64_t plane, const float *strip, int64_t n, int n_channels,
                   const crd_epilogue *epilogue)
{
    const float *residual = epilogue->residual;
    lanes bias = epilogue->bias == NULL ? lanes_zero() : lanes_load_n(epilogue->bias, n_channels);
    int64_t n_whole = n_channels == CRD_LANES ? n - n % CRD_LANES : 0, i = 0;
    for (; i < n_whole; i += CRD_LANES)
        unpack_block(out + i, plane, strip + i * CRD_LANES, CRD_LANES, CRD_LANES, bias,
                     residual == NULL ? NULL : residual + i, epilogue->relu);
    for (; i < n; i += CRD_LANES)
        unpack_block(out + i, plane, strip + i * CRD_LANES,
                     n - i < CRD_LANES ? (int)(n - i) : CRD_LANES, n_channels, bias,
                     residual == NULL ? NULL : residual + i, epilogue->relu);
}

/* Six values by the matrix of the inputs (conv_ref.c has the matrices). */
INLINE void in_six(lanes t[6], const lanes d[6])
{
    const lanes two = lanes_all(2), four = lanes_all(4), minus_four = lanes_all(-4),
                minus_five = lanes_all(-5);
    lanes even = lanes_fma(minus_four, d[2], d[4]), odd = lanes_fma(minus_four, d[1], d[3]);
    lanes low = lanes_sub(d[4], d[2]), high = lanes_mul(two, lanes_sub(d[3], d[1]));
    t[0] = lanes_fma(four, d[0], lanes_fma(minus_five, d[2], d[4]));
    t[1] = lanes_add(even, odd);
    t[2] = lanes_sub(even, odd);
    t[3] = lanes_add(low, high);
    t[4] = lanes_sub(low, high);
    t[5] = lanes_fma(four, d[1], lanes_fma(minus_five, d[3], d[5]));
}

INLINE void out_six(lanes y[4], const lanes m[6])
{
    lanes sum = lanes_add(m[1], m[2]), difference = lanes_sub(m[1], m[2]);
    lanes far_sum = lanes_add(m[3], m[4]), far_difference = lanes_sub(m[3], m[4]);
    y[0] = lanes_add(lanes_add(m[0], sum), far_sum);
    y[1] = lanes_fma(lanes_all(2), far_difference, difference);
    y[2] = lanes_fma(lanes_all(4), far_sum, sum);
    y[3] = lanes_add(lanes_fma(lanes_all(8), far_difference, difference), m[5]);
}

INLINE void weights_three(lanes u[6], const lanes g[3])
{
    const lanes sixth = lanes_all(1.0f / 6), twelfth = lanes_all(1.0f / 12);
    lanes minus_sixth = lanes_all(-1.0f / 6);
    lanes even = lanes_mul(minus_sixth, lanes_add(g[0], g[2]));
    lanes far_even = lanes_fma(lanes_all(1.0f / 24), g[0], lanes_mul(sixth, g[2]));
    u[0] = lanes_mul(lanes_all(0.25f), g[0]);
    u[1] = lanes_fma(minus_sixth, g[1], even);
    u[2] = lanes_fma(sixth, g[1], even);
    u[3] = lanes_fma(twelfth, g[1], far_even);
    u[4] = lanes_fma(lanes_all(-1.0f / 12), g[1], far_even);
    u[5] = g[2];
}

static void winograd_in(float *points, int64_t step, const float *strip, int64_t pitch,
                        int64_t n_tiles)
{
    for (int64_t j = 0; j < n_tiles; j++) {
        const float *in = strip + CRD_WINOGRAD_OUT * j * CRD_LANES;
        lanes half[6][6]; /* [column][point of rows] */
        for (int x = 0; x < 6; x++) {
            lanes column[6];
            for (int y = 0; y < 6; y++)
                column[y] = lanes_load(in + (y * pitch + x) * CRD_LANES);
            in_six(half[x], column);
        }
        for (int y = 0; y < 6; y++) {
            lanes row[6], out[6];
            for (int x = 0; x < 6; x++)
                row[x] = half[x][y];
            in_six(out, row);
            for (int x = 0; x < 6; x++)
                lanes_store(points + (6 * y + x) * step + j * CRD_LANES, out[x]);
        }
    }
}

static void winograd_out(float *strip, int64_t height, int64_t width, const float *points,
                         int64_t step, int64_t n_tiles)
{
    for (int64_t j = 0; j < n_tiles; j++) {
        lanes half[6][4];
        for (int x = 0; x < 6; x++) {
            lanes column[6];
            for (int y = 0; y < 6; y++)
                column[y] = lanes_load(points + (6 * y + x) * step + j * CRD_LANES);
            out_six(half[x], column);
        }
        for (int y = 0; y < CRD_WINOGRAD_OUT && y < height; y++) {
            lanes row[6], out[4];
            for (int x = 0; x < 6; x++)
                row[x] = half[x][y];
            out_six(out, row);
            for (int x = 0; x < CRD_WINOGRAD_OUT; x++)
                if (CRD_WINOGRAD_OUT * j + x < width)
                    lanes_store(strip + (y * width + CRD_WINOGRAD_OUT * j + x) * CRD_LANES, out[x]);
        }
    }
}

static void winograd_weights(float *points, int64_t step, const float *panel, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        lanes half[3][6];
        for (int x = 0; x < 3; x++) {
            lanes column[3];
            for (int y = 0; y < 3; y++)
                column[y] = lanes_load(panel + (9 * i + 3 * y + x) * CRD_LANES);
            weights_three(half[x], column);
        }
        for (int y = 0; y < 6; y++) {
            lanes row[3], out[6];
            for (int x = 0; x < 3; x++)
                row[x] = half[x][y];
            weights_three(out, row);
            for (int x = 0; x < 6; x++)
                lanes_store(points + (6 * y + x) * step + i * CRD_LANES, out[x]);
        }
    }
}

INLINE void out_transposed_four(lanes t[6], const lanes d[4])
{
    lanes even = lanes_add(d[0], d[2]), odd = lanes_add(d[1], d[3]);
    lanes far_even = lanes_fma(lanes_all(4), d[2], d[0]);
    lanes far_odd = lanes_fma(lanes_all(8), d[3], lanes_mul(lanes_all(2), d[1]));
    t[0] = d[0];
    t[1] = lanes_add(even, odd);
    t[2] = lanes_sub(even, odd);
    t[3] = lanes_add(far_even, far_odd);
    t[4] = lanes_sub(far_even, far_odd);
    t[5] = d[3];
}

INLINE void weights_transposed_six(lanes g[3], const lanes u[6])
{
    const lanes sixth = lanes_all(1.0f / 6);
    lanes sum = lanes_add(u[1], u[2]), far_sum = lanes_add(u[3], u[4]);
    lanes near = lanes_fma(lanes_all(-1.0f / 6), sum, lanes_mul(lanes_all(1.0f / 24), far_sum));
    g[0] = lanes_fma(lanes_all(0.25f), u[0], near);
    g[1] = lanes_fma(sixth, lanes_sub(u[2], u[1]),
                     lanes_mul(lanes_all(1.0f / 12), lanes_sub(u[3], u[4])));
    g[2] = lanes_fma(sixth, lanes_sub(far_sum, sum), u[5]);
}

static void winograd_out_transposed(float *points, int64_t step, const float *strip, int64_t pitch,
                                    int64_t n_tiles)
{
    for (int64_t j = 0; j < n_tiles; j++) {
        const float *in = strip + CRD_WINOGRAD_OUT * j * CRD_LANES;
        lanes half[4][6]; /* [column][point of rows] */
        for (int x = 0; x < 4; x++) {
            lanes column[4];
            for (int y = 0; y < 4; y++)
                column[y] = lanes_load(in + (y * pitch + x) * CRD_LANES);
            out_transposed_four(half[x], column);
        }
        for (int y = 0; y < 6; y++) {
            lanes row[4], out[6];
            for (int x = 0; x < 4; x++)
                row[x] = half[x][y];
            out_transposed_four(out, row);
            for (int x = 0; x < 6; x++)
                lanes_store(points + (6 * y + x) * step + j * CRD_LANES, out[x]);
        }
    }
}

static void winograd_weights_transposed(float *panel, const float *points, int64_t step, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        lanes half[6][3];
        for (int x = 0; x < 6; x++) {
            lanes column[6];
            for (int y = 0; y < 6; y++)
                column[y] = lanes_load(points + (6 * y + x) * step + i * CRD_LANES);
            weights_transposed_six(half[x], column);
        }
        for (int y = 0; y < 3; y++) {
            lanes row[6], out[3];
            for (int x = 0; x < 6; x++)
                row[x] = half[x][y];
            weights_transposed_six(out, row);
            for (int x = 0; x < 3; x++)
                lanes_store(panel + (9 * i + 3 * y + x) * CRD_LANES, out[x]);
        }
    }
}

const crd_conv_kernels CONV_TABLE = {
    .max_width = MAX_WIDTH,
    .multiply = multiply,
    .pack = pack,
    .copy_rows = copy_rows,
    .unpack = unpack,
    .winograd_in = winograd_in,
    .winograd_out = winograd_out,
    .winograd_weights = winograd_weights,
    .winograd_out_transposed = winograd_out_transposed,
    .winograd_weights_transposed = winograd_weights_transposed,
};

#endif
