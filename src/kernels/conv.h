/** Hot loops of convolution. They work on CRD_LANES channels at once: a "panel" holds the weights
 * of 16 output channels, [term][16]; a "strip" holds 16 channels of pixels, [pixel][16].
 *
 * The sum over the terms of an output element runs in one order, from the first to the last,
 * whatever the tiling: its bits depend on the terms and the instruction set only.
 */
#ifndef CRD_KERNELS_CONV_H
#define CRD_KERNELS_CONV_H

#include <stdint.h>

#include "kernels/activation.h"

#define CRD_LANES 16
/** Winograd's F(4x4, 3x3): a tile of 6 x 6 pixels gives 4 x 4 outputs. */
#define CRD_WINOGRAD_IN 6
#define CRD_WINOGRAD_OUT 4
#define CRD_WINOGRAD_POINTS 36
/** Of a line: 0, +-NEAR, +-FAR and infinity. With these the products' rounding errors reach the
 * output half as large as with the usual 1 and 2; their powers are exact. */
#define CRD_WINOGRAD_NEAR 0.625
#define CRD_WINOGRAD_FAR 1.5

/** Products of pixels and panels. Pixels come in pieces of `width` neighbours:
 * out[p * out_step + 16 (out_at[j] + i) + c] =
 *     sum over k of in[in_at[j] + i * in_step + terms[k]] * panels[p * panel_step + 16 k + c]
 * for panel p, piece j, pixel i < width, channel c < 16. */
typedef struct crd_products {
    float *out;
    int adds; /**< 1: onto what out holds; 0: out is overwritten */
    int64_t out_step;
    const int64_t *out_at; /**< [n_pieces] */
    const void *in;
    const int64_t *in_at; /**< [n_pieces] */
    int64_t n_pieces;
    int width;   /**< from 1 to the table's max_width */
    int in_step; /**< 1, or what a tile's channels take: CRD_LANES floats, CRD_LANES / 2 pairs */
    const int64_t *terms;
    int64_t n_terms;
    const void *panels;
    int64_t n_panels, panel_step;
} crd_products;

/** Products of pixels and one panel whose lanes are neighbouring pixels, through the epilogue to
 * their places in the output. Pieces are 16 pixels long, from n_whole on `rest` pixels:
 * out[c * plane + out_at[j] + i] =
 *     sum over k of in[in_at[j] + terms[k] + i] * panel[16 k + c], and so on,
 * for channel c < n_channels, piece j, pixel i of it. The sum is that of crd_products in every
 * bit. */
typedef struct crd_row_products {
    float *out;
    int64_t plane;
    const int64_t *out_at, *in_at; /**< [n_pieces] */
    int64_t n_whole, n_pieces;
    int rest;
    int n_channels; /**< from 1 to 16 */
    int is_fused;   /**< a step of the sum is rounded once, also by the reference */
    const float *in;
    const int64_t *terms;
    int64_t n_terms;
    const float *panel;
    crd_epilogue epilogue; /**< of these channels; of activations CRD_RELU and CRD_CLAMP are done */
} crd_row_products;

/** Sums of a depthwise convolution, whose lanes are 16 channels:
 * out[16 (y * n + x) + c] = start[c] +
 *     sum over k of in[16 (y * row_step + x * step) + terms[k] + c] * weights[16 k + c]
 * for y < n_rows, x < n. A step of the sum is rounded once but by the reference. */
typedef struct crd_lane_sums {
    float *out;
    const float *start, *in;
    int64_t n_rows, n, row_step;
    int step;
    const int64_t *terms;
    const float *weights;
    int64_t n_terms;
} crd_lane_sums;

typedef struct crd_conv_kernels {
    int max_width; /**< pixels of a piece that the registers hold best */
    int n_panels;  /**< that go through a product together */
    void (*multiply)(const crd_products *products);
    void (*multiply_rows)(const crd_row_products *products);
    /** strip[i * 16 + c] = in[c * plane + i] for i < n, and 0 for c >= n_channels. */
    void (*pack)(float *strip, const float *in, int64_t plane, int64_t n, int n_channels);
    /** to[y * pitch + i] = pixel i + shift of row y of rows of `width` pixels, 0 outside of it, for
     * i < n and y < n_rows. */
    void (*copy_rows)(float *to, int64_t pitch, int64_t n, const float *from, int64_t width,
                      int64_t shift, int64_t n_rows);
    /** even[y * pitch + i] = from[y * step + 2 i], odd[y * pitch + i] = the one after it, for i < n
     * and y < n_rows. Up to 31 floats after are read. */
    void (*split_rows)(float *even, float *odd, int64_t pitch, int64_t n, const float *from,
                       int64_t step, int64_t n_rows);
    /** out[c * plane + i] = strip[i * 16 + c] + bias[c] + residual[c * plane + i], then CRD_RELU if
     * that is the activation, for i < n and c < n_channels. Another activation is left to do. */
    void (*unpack)(float *out, int64_t plane, const float *strip, int64_t n, int n_channels,
                   const crd_epilogue *epilogue);
    void (*sum_lanes)(const crd_lane_sums *sums);
    /** sums[k] += sum over i < n of in[i + terms[k]] * y[i]; up to 15 floats after are read of
     * both, those of y being 0. */
    void (*sum_products)(float *sums, const float *in, const int64_t *terms, int64_t n_terms,
                         const float *y, int64_t n);
    /** Point x of tile j of a row of tiles: points[x * step + 16 j + c], from pixels (y, 4 j + i)
     * of a strip of rows of `pitch` pixels. */
    void (*winograd_in)(float *points, int64_t step, const float *strip, int64_t pitch,
                        int64_t n_tiles);
    /** Back: pixels (y, x) with y < height, x < width of a strip of rows of `width` pixels, of
     * points laid out in the same way. */
    void (*winograd_out)(float *strip, int64_t height, int64_t width, const float *points,
                         int64_t step, int64_t n_tiles);
    /** Weights of n input channels, a panel of [n][9] terms, to points[x * step + 16 i + c]. */
    void (*winograd_weights)(float *points, int64_t step, const float *panel, int64_t n);
    /** The transposed maps, which carry gradients: from the outputs of a strip of 4 rows of `pitch`
     * pixels to points, laid out as by winograd_in; and from points to a panel of weights. */
    void (*winograd_out_transposed)(float *points, int64_t step, const float *strip, int64_t pitch,
                                    int64_t n_tiles);
    void (*winograd_weights_transposed)(float *panel, const float *points, int64_t step, int64_t n);
} crd_conv_kernels;

/** The same with factors in bf16, a float's upper half, and sums in fp32. Terms come in pairs: a
 * uint32_t holds the first one in its low half. Floats become bf16 by rounding to nearest, ties to
 * even; what is below 2^-126 may become 0.
 *
 * A step of a sum is that of AVX-512's VDPBF16PS as measured on Zen 4, alike in all variants:
 * sum = fma(first, first, fma(second, second, sum)). */
typedef struct crd_bf16_kernels {
    int max_width, n_panels;
    /** As that of crd_conv_kernels: `in` and `panels` are pairs, terms are pairs of terms, and all
     * indices and steps count pairs. */
    void (*multiply)(const crd_products *products);
    /** pairs[i] of first[i] and second[i], or 0 where second is NULL. */
    void (*round_pairs)(uint32_t *pairs, const float *first, const float *second, int64_t n);
    /** Points of pixels as winograd_in makes them: pair c of point x and tile j, of channels c and
     * c + 8, is points[x * step + 8 j + c]. */
    void (*winograd_in)(uint32_t *points, int64_t step, const float *strip, int64_t pitch,
                        int64_t n_tiles);
    /** Points of 16 n_groups input channels' weights to go with them: channels i and i + 8 of group
     * g to points[x * step + (8 g + i) * 16 + c]. */
    void (*winograd_weights)(uint32_t *points, int64_t step, const float *panel, int64_t n_groups);
} crd_bf16_kernels;

#endif
