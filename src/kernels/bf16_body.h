/** The loops of convolution in bf16 over `lanes`; beside what kernels/conv_body.h asks for, the
 * file that includes this one defines lanes_of_word (a pair in all lanes), lanes_step (see
 * crd_bf16_kernels), lanes_pair (the pairs of two numbers each) and lanes_store_pairs (those of
 * channels c and c + 8); and BF16_TABLE.
 */
#ifndef CRD_KERNELS_BF16_BODY_H
#define CRD_KERNELS_BF16_BODY_H

#define POINT_STEP (CRD_LANES / 2)

#include "kernels/products_body.h"
#include "kernels/winograd_body.h"

static void round_pairs(uint32_t *pairs, const float *first, const float *second, int64_t n)
{
    float *to = (float *)(void *)pairs;
    for (int64_t i = 0; i < n; i += CRD_LANES) {
        int n_here = n - i < CRD_LANES ? (int)(n - i) : CRD_LANES;
        if (n_here == CRD_LANES && second != NULL) {
            lanes_store(to + i, lanes_pair(lanes_load(first + i), lanes_load(second + i)));
            continue;
        }
        lanes other = second == NULL ? lanes_zero() : lanes_load_n(second + i, n_here);
        lanes_store_n(to + i, lanes_pair(lanes_load_n(first + i, n_here), other), n_here);
    }
}

static void winograd_in(uint32_t *points, int64_t step, const float *strip, int64_t pitch,
                        int64_t n_tiles)
{
    for (int64_t j = 0; j < n_tiles; j++) {
        lanes half[6][6];
        columns_of_six(half, strip + CRD_WINOGRAD_OUT * j * CRD_LANES, pitch);
        for (int y = 0; y < 6; y++) {
            lanes out[6];
            row_of_six(out, half, y);
            for (int x = 0; x < 6; x++)
                lanes_store_pairs(points + (6 * y + x) * step + j * POINT_STEP, out[x]);
        }
    }
}

static void winograd_weights(uint32_t *points, int64_t step, const float *panel, int64_t n_groups)
{
    float *to = (float *)(void *)points;
    for (int64_t g = 0; g < n_groups; g++, panel += 9 * CRD_LANES * CRD_LANES)
        for (int64_t i = 0; i < POINT_STEP; i++, to += CRD_LANES) {
            lanes first[3][6], second[3][6];
            columns_of_three(first, panel + 9 * i * CRD_LANES);
            columns_of_three(second, panel + 9 * (i + POINT_STEP) * CRD_LANES);
            for (int y = 0; y < 6; y++) {
                lanes a[6], b[6];
                row_of_three(a, first, y);
                row_of_three(b, second, y);
                for (int x = 0; x < 6; x++)
                    lanes_store(to + (6 * y + x) * step, lanes_pair(a[x], b[x]));
            }
        }
}

const crd_bf16_kernels BF16_TABLE = {
    .max_width = MAX_WIDTH,
    .n_panels = PANELS,
    .multiply = multiply,
    .round_pairs = round_pairs,
    .winograd_in = winograd_in,
    .winograd_weights = winograd_weights,
};

#endif
