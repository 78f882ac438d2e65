/** The products of kernels/conv.h over `lanes`, 16 of them, which the file that includes this one
 * defines for its instruction set: `word`, what a term of a pixel is; lanes_zero, _load, _store,
 * and lanes_of_word (one in all lanes) and lanes_step (the sum with the products of a word and of
 * weights); PANELS and MAX_WIDTH, how many panels and pixels of a piece a tile has; POINT_STEP,
 * the in_step beside 1.
 *
 * A tile is PANELS panels times 2 pieces of up to MAX_WIDTH pixels. A step of it loads
 * PANELS registers of weights and broadcasts 2 width pixels, for PANELS * 2 width multiply-adds.
 * With AVX-512, 2 panels and 2 * 7 pixels: 28 sums, 2 weights and a pixel take 31 of 32 registers,
 * and 16 loads go with 28 multiply-adds, where the core can do one for one. The two pieces may lie
 * anywhere: for images 7 pixels wide they are two rows.
 */
#ifndef CRD_KERNELS_PRODUCTS_BODY_H
#define CRD_KERNELS_PRODUCTS_BODY_H

#include "kernels/variants.h"

#define INLINE static inline __attribute__((always_inline))

INLINE float *out_of(const crd_products *p, int64_t piece, int64_t pixel, int64_t panel)
{
    return p->out + panel * p->out_step + (p->out_at[piece] + pixel) * CRD_LANES;
}

INLINE void tile(const crd_products *p, int64_t piece, int64_t panel, int width, int n_pieces,
                 int n_panels, int in_step)
{
    const word *in[2];
    const float *weights[PANELS];
    lanes sum[2][MAX_WIDTH][PANELS];
    for (int j = 0; j < n_pieces; j++)
        in[j] = (const word *)p->in + p->in_at[piece + j];
    for (int v = 0; v < n_panels; v++)
        weights[v] = (const float *)p->panels + (panel + v) * p->panel_step;
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
                lanes pixel = lanes_of_word(in[j][term + i * in_step]);
                for (int v = 0; v < n_panels; v++)
                    sum[j][i][v] = lanes_step(pixel, weight[v], sum[j][i][v]);
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
#define TILE(width, pieces, which, panels, step, kind)                                             \
    static void tile_##width##_##pieces##_##which##_##kind(const crd_products *p, int64_t piece,   \
                                                           int64_t panel)                          \
    {                                                                                              \
        tile(p, piece, panel, width, pieces, panels, step);                                        \
    }
#define TILES_OF_WIDTH(width)                                                                      \
    TILE(width, 1, one, 1, 1, row)                                                                 \
    TILE(width, 2, one, 1, 1, row)                                                                 \
    TILE(width, 1, all, PANELS, 1, row)                                                            \
    TILE(width, 2, all, PANELS, 1, row)                                                            \
    TILE(width, 1, one, 1, POINT_STEP, points)                                                     \
    TILE(width, 2, one, 1, POINT_STEP, points)                                                     \
    TILE(width, 1, all, PANELS, POINT_STEP, points)                                                \
    TILE(width, 2, all, PANELS, POINT_STEP, points)
#define ROW_OF_WIDTH(width)                                                                        \
    {                                                                                              \
        {{tile_##width##_1_one_row, tile_##width##_2_one_row},                                     \
         {tile_##width##_1_all_row, tile_##width##_2_all_row}},                                    \
            {{tile_##width##_1_one_points, tile_##width##_2_one_points},                           \
             {tile_##width##_1_all_points, tile_##width##_2_all_points}},                          \
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

/* [width - 1][step is not 1][all panels][two pieces] */
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

#endif
