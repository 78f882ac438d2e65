/** The products of kernels/conv.h whose lanes are pixels, over the `lanes` of kernels/conv_body.h.
 *
 * A tile is a few channels and a few pieces of 16 pixels: a step of it loads a register a piece and
 * broadcasts a weight a channel. With AVX-512, 8 channels of 3 pieces: 24 sums, 3 registers of
 * pixels, and 11 loads for 24 multiply-adds. Fewer channels take more pieces, so that enough
 * multiply-adds are under way. ROW_CHANNELS is the most channels, ROW_PIECES(channels) their
 * pieces.
 */
#ifndef CRD_KERNELS_ROWS_BODY_H
#define CRD_KERNELS_ROWS_BODY_H

#include <math.h>

#include "kernels/variants.h"

/* n: pixels of a piece. */
INLINE void row_tile(const crd_row_products *p, int64_t piece, int64_t channel, int n,
                     int n_channels, int n_pieces)
{
    const int64_t *terms = p->terms, n_terms = p->n_terms, plane = p->plane;
    const float *weights = p->panel + channel, *in[ROW_PIECES(1)];
    const float *bias = p->epilogue.bias == NULL ? NULL : p->epilogue.bias + channel;
    const float *residual = p->epilogue.residual;
    const crd_activation *f = &p->epilogue.activation;
    int is_bounded = f->kind == CRD_RELU || f->kind == CRD_CLAMP;
    lanes sum[ROW_CHANNELS][ROW_PIECES(1)];
    CRD_UNROLLED
    for (int j = 0; j < n_pieces; j++)
        in[j] = p->in + p->in_at[piece + j];
    CRD_UNROLLED
    for (int c = 0; c < n_channels; c++)
        for (int j = 0; j < n_pieces; j++)
            sum[c][j] = lanes_zero();
    for (int64_t k = 0; k < n_terms; k++, weights += CRD_LANES) {
        int64_t term = terms[k];
        lanes pixels[ROW_PIECES(1)];
        CRD_UNROLLED
        for (int j = 0; j < n_pieces; j++)
            pixels[j] = n == CRD_LANES ? lanes_load(in[j] + term) : lanes_load_n(in[j] + term, n);
        CRD_UNROLLED
        for (int c = 0; c < n_channels; c++) {
            lanes weight = lanes_all(weights[c]);
            CRD_UNROLLED
            for (int j = 0; j < n_pieces; j++)
                sum[c][j] = lanes_fma(pixels[j], weight, sum[c][j]);
        }
    }
    /* Read here for each tile, they take no registers from the sums. */
    __asm__ volatile("" ::: "memory");
    lanes low = lanes_all(f->kind == CRD_CLAMP ? f->a : 0);
    lanes high = lanes_all(f->kind == CRD_CLAMP ? f->b : INFINITY);
    CRD_UNROLLED
    for (int j = 0; j < n_pieces; j++) {
        int64_t at = channel * plane + p->out_at[piece + j];
        float *out = p->out + at;
        CRD_UNROLLED
        for (int c = 0; c < n_channels; c++, at += plane, out += plane) {
            lanes value = lanes_add(sum[c][j], bias == NULL ? lanes_zero() : lanes_all(bias[c]));
            if (residual != NULL)
                value = lanes_add(value, n == CRD_LANES ? lanes_load(residual + at)
                                                        : lanes_load_n(residual + at, n));
            if (is_bounded) /* of two equal or unordered ones the second is taken: NaN stays NaN */
                value = lanes_min(high, lanes_max(low, value));
            if (n == CRD_LANES)
                lanes_store(out, value);
            else
                lanes_store_n(out, value, n);
        }
    }
}

typedef void row_loop(const crd_row_products *p, int64_t channel);

/* Whole pieces, and then those that are not. */
#define ROW_LOOP(channels)                                                                         \
    static void rows_of_##channels(const crd_row_products *p, int64_t channel)                     \
    {                                                                                              \
        int64_t j = 0;                                                                             \
        for (; j + ROW_PIECES(channels) <= p->n_whole; j += ROW_PIECES(channels))                  \
            row_tile(p, j, channel, CRD_LANES, channels, ROW_PIECES(channels));                    \
        for (; j < p->n_whole; j++)                                                                \
            row_tile(p, j, channel, CRD_LANES, channels, 1);                                       \
        for (; j + ROW_PIECES(channels) <= p->n_pieces; j += ROW_PIECES(channels))                 \
            row_tile(p, j, channel, p->rest, channels, ROW_PIECES(channels));                      \
        for (; j < p->n_pieces; j++)                                                               \
            row_tile(p, j, channel, p->rest, channels, 1);                                         \
    }

ROW_LOOP(1)
ROW_LOOP(2)
ROW_LOOP(3)
ROW_LOOP(4)
ROW_LOOP(5)
ROW_LOOP(6)
#if ROW_CHANNELS == 8
ROW_LOOP(7)
ROW_LOOP(8)
#endif

static row_loop *const row_loops[ROW_CHANNELS] = {
    rows_of_1, rows_of_2, rows_of_3, rows_of_4, rows_of_5, rows_of_6,
#if ROW_CHANNELS == 8
    rows_of_7, rows_of_8,
#endif
};

static void multiply_rows(const crd_row_products *p)
{
    int n_blocks = (p->n_channels + ROW_CHANNELS - 1) / ROW_CHANNELS;
    for (int block = 0; block < n_blocks; block++) {
        int first = p->n_channels * block / n_blocks, end = p->n_channels * (block + 1) / n_blocks;
        row_loops[end - first - 1](p, first);
    }
}

#endif
