/** The loops of convolution over `lanes`, 16 floats, which the file that includes this one defines
 * for its instruction set: the type; lanes_zero, _all (of one float), _load, _store, _load_n and
 * _store_n (the first n only, 0 elsewhere), _add, _sub, _mul, _fma (a b + c), _max, _min;
 * lanes_even and lanes_odd (every second element of two);
 * lanes_transpose; lanes_load_four (to r[k], element k of each of 16 rows that are `step` apart);
 * PANELS and MAX_WIDTH (see kernels/products_body.h), ROW_CHANNELS and ROW_PIECES (see
 * kernels/rows_body.h), SUMS_WIDTH (pixels of a depthwise sum that go together, at most 7); and
 * CONV_TABLE.
 */
#ifndef CRD_KERNELS_CONV_BODY_H
#define CRD_KERNELS_CONV_BODY_H

typedef float word;
#define POINT_STEP CRD_LANES
#define lanes_of_word lanes_all
#define lanes_step lanes_fma

#include "kernels/products_body.h"
#include "kernels/rows_body.h"
#include "kernels/winograd_body.h"

/* Up to 16 pixels of up to 16 channels. */
INLINE void pack_some(float *strip, const float *in, int64_t plane, int n, int n_channels)
{
    lanes block[CRD_LANES];
    for (int c = 0; c < CRD_LANES; c++)
        block[c] = c < n_channels ? lanes_load_n(in + c * plane, n) : lanes_zero();
    lanes_transpose(block);
    for (int k = 0; k < n; k++)
        lanes_store(strip + k * CRD_LANES, block[k]);
}

/* Four pixels at a time; the last four may overlap those before. */
static void pack(float *strip, const float *in, int64_t plane, int64_t n, int n_channels)
{
    if (n_channels < CRD_LANES || n < 4) {
        for (int64_t i = 0; i < n; i += CRD_LANES)
            pack_some(strip + i * CRD_LANES, in + i, plane,
                      n - i < CRD_LANES ? (int)(n - i) : CRD_LANES, n_channels);
        return;
    }
    for (int64_t i = 0; i < n; i += 4) {
        lanes pixels[4];
        int64_t at = i < n - 4 ? i : n - 4;
        lanes_load_four(pixels, in + at, plane);
        for (int k = 0; k < 4; k++)
            lanes_store(strip + (at + k) * CRD_LANES, pixels[k]);
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

static void split_rows(float *even, float *odd, int64_t pitch, int64_t n, const float *from,
                       int64_t step, int64_t n_rows)
{
    for (int64_t y = 0; y < n_rows; y++, even += pitch, odd += pitch, from += step)
        for (int64_t i = 0; i < n; i += CRD_LANES) {
            int some = n - i < CRD_LANES ? (int)(n - i) : CRD_LANES;
            lanes a = lanes_load(from + 2 * i), b = lanes_load(from + 2 * i + CRD_LANES);
            lanes_store_n(even + i, lanes_even(a, b), some);
            lanes_store_n(odd + i, lanes_odd(a, b), some);
        }
}

/* Up to 16 pixels; bias is added where channels still are lanes. */
INLINE void unpack_block(float *out, int64_t plane, const float *strip, int n, int n_channels,
                         lanes bias, const float *residual, int is_relu)
{
    lanes block[CRD_LANES];
    for (int k = 0; k < CRD_LANES; k++)
        block[k] = k < n ? lanes_add(lanes_load(strip + k * CRD_LANES), bias) : lanes_zero();
    lanes_transpose(block);
    for (int c = 0; c < n_channels; c++) {
        lanes value = block[c];
        if (residual != NULL)
            value = lanes_add(value, lanes_load_n(residual + c * plane, n));
        if (is_relu) /* of two equal or unordered ones _max takes the second: NaN stays NaN */
            value = lanes_max(lanes_zero(), value);
        lanes_store_n(out + c * plane, value, n);
    }
}

static void unpack(float *out, int64_t plane, const float *strip, int64_t n, int n_channels,
                   const crd_epilogue *epilogue)
{
    const float *residual = epilogue->residual;
    int is_relu = epilogue->activation.kind == CRD_RELU;
    lanes bias = epilogue->bias == NULL ? lanes_zero() : lanes_load_n(epilogue->bias, n_channels);
    int64_t n_whole = n_channels == CRD_LANES ? n - n % CRD_LANES : 0, i = 0;
    for (; i < n_whole; i += CRD_LANES)
        unpack_block(out + i, plane, strip + i * CRD_LANES, CRD_LANES, CRD_LANES, bias,
                     residual == NULL ? NULL : residual + i, is_relu);
    for (; i < n; i += CRD_LANES)
        unpack_block(out + i, plane, strip + i * CRD_LANES,
                     n - i < CRD_LANES ? (int)(n - i) : CRD_LANES, n_channels, bias,
                     residual == NULL ? NULL : residual + i, is_relu);
}

static void winograd_in(float *points, int64_t step, const float *strip, int64_t pitch,
                        int64_t n_tiles)
{
    for (int64_t j = 0; j < n_tiles; j++) {
        lanes half[6][6]; /* [column][point of rows] */
        columns_of_six(half, strip + CRD_WINOGRAD_OUT * j * CRD_LANES, pitch);
        for (int y = 0; y < 6; y++) {
            lanes out[6];
            row_of_six(out, half, y);
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
        columns_of_three(half, panel + 9 * i * CRD_LANES);
        for (int y = 0; y < 6; y++) {
            lanes out[6];
            row_of_three(out, half, y);
            for (int x = 0; x < 6; x++)
                lanes_store(points + (6 * y + x) * step + i * CRD_LANES, out[x]);
        }
    }
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

INLINE void lane_sums_piece(float *out, const float *in, const crd_lane_sums *p, int64_t step,
                            int width)
{
    lanes sum[SUMS_WIDTH], start = lanes_load(p->start);
    CRD_UNROLLED
    for (int i = 0; i < width; i++)
        sum[i] = start;
    for (int64_t k = 0; k < p->n_terms; k++) {
        const float *pixel = in + p->terms[k];
        lanes weight = lanes_load(p->weights + k * CRD_LANES);
        CRD_UNROLLED
        for (int i = 0; i < width; i++)
            sum[i] = lanes_fma(lanes_load(pixel + i * step * CRD_LANES), weight, sum[i]);
    }
    CRD_UNROLLED
    for (int i = 0; i < width; i++)
        lanes_store(out + i * CRD_LANES, sum[i]);
}

/* The pixels that are left of a row. */
#define LANE_SUMS_OF(width)                                                                        \
    case width:                                                                                    \
        lane_sums_piece(out, in, p, step, width);                                                  \
        break;

INLINE void lane_sums_row(float *out, const float *in, const crd_lane_sums *p, int64_t step)
{
    int64_t x = 0;
    for (; x + SUMS_WIDTH <= p->n; x += SUMS_WIDTH)
        lane_sums_piece(out + x * CRD_LANES, in + x * step * CRD_LANES, p, step, SUMS_WIDTH);
    out += x * CRD_LANES;
    in += x * step * CRD_LANES;
    switch (p->n - x) {
        LANE_SUMS_OF(1)
        LANE_SUMS_OF(2)
#if SUMS_WIDTH > 3
        LANE_SUMS_OF(3)
        LANE_SUMS_OF(4)
        LANE_SUMS_OF(5)
#endif
#if SUMS_WIDTH > 6
        LANE_SUMS_OF(6)
#endif
    default:
        break;
    }
}

static void sum_lanes(const crd_lane_sums *p)
{
    for (int64_t y = 0; y < p->n_rows; y++) {
        float *out = p->out + y * p->n * CRD_LANES;
        const float *in = p->in + y * p->row_step * CRD_LANES;
        if (p->step == 1) /* known to the compiler, distances are part of its instructions */
            lane_sums_row(out, in, p, 1);
        else if (p->step == 2)
            lane_sums_row(out, in, p, 2);
        else
            lane_sums_row(out, in, p, p->step);
    }
}

/* Sums at once: as many multiply-adds as are under way. */
enum { AT_ONCE = 4 };

INLINE void products_piece(float *sums, const float *in, const int64_t *terms, const float *y,
                           int64_t n, int n_terms)
{
    lanes sum[AT_ONCE];
    CRD_UNROLLED
    for (int k = 0; k < n_terms; k++)
        sum[k] = lanes_zero();
    for (int64_t i = 0; i < n; i += CRD_LANES) {
        lanes factor = lanes_load(y + i);
        CRD_UNROLLED
        for (int k = 0; k < n_terms; k++)
            sum[k] = lanes_fma(lanes_load(in + i + terms[k]), factor, sum[k]);
    }
    for (int k = 0; k < n_terms; k++) {
        float parts[CRD_LANES];
        double total = 0;
        lanes_store(parts, sum[k]);
        for (int c = 0; c < CRD_LANES; c++)
            total += (double)parts[c];
        sums[k] += (float)total;
    }
}

static void sum_products(float *sums, const float *in, const int64_t *terms, int64_t n_terms,
                         const float *y, int64_t n)
{
    int64_t k = 0;
    for (; k + AT_ONCE <= n_terms; k += AT_ONCE)
        products_piece(sums + k, in, terms + k, y, n, AT_ONCE);
    for (; k < n_terms; k++)
        products_piece(sums + k, in, terms + k, y, n, 1);
}

const crd_conv_kernels CONV_TABLE = {
    .max_width = MAX_WIDTH,
    .n_panels = PANELS,
    .multiply = multiply,
    .multiply_rows = multiply_rows,
    .pack = pack,
    .copy_rows = copy_rows,
    .split_rows = split_rows,
    .unpack = unpack,
    .sum_lanes = sum_lanes,
    .sum_products = sum_products,
    .winograd_in = winograd_in,
    .winograd_out = winograd_out,
    .winograd_weights = winograd_weights,
    .winograd_out_transposed = winograd_out_transposed,
    .winograd_weights_transposed = winograd_weights_transposed,
};

#endif
