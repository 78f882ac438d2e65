/** The one-dimensional maps of Winograd's algorithm over `lanes`; the includer has defined
 * those, as for kernels/conv_body.h. conv_ref.c has the matrices, and says where the points'
 * factors are. */
#ifndef CRD_KERNELS_WINOGRAD_BODY_H
#define CRD_KERNELS_WINOGRAD_BODY_H

/* What the constants of the maps are made of; doubles, so that each is rounded once. */
#define NEAR CRD_WINOGRAD_NEAR
#define FAR CRD_WINOGRAD_FAR
#define NEAR2 (NEAR * NEAR)
#define FAR2 (FAR * FAR)
#define OF_ZERO (1 / (NEAR2 * FAR2))
#define OF_NEAR (1 / (2 * NEAR2 * (NEAR2 - FAR2)))
#define OF_FAR (1 / (2 * FAR2 * (FAR2 - NEAR2)))

INLINE lanes all(double constant)
{
    return lanes_all((float)constant);
}

/* x y + z; and x +- c y. */
INLINE lanes times(double x, lanes y, lanes z)
{
    return lanes_fma(all(x), y, z);
}

INLINE void both(lanes *plus, lanes *minus, lanes x, double c, lanes y)
{
    *plus = times(c, y, x);
    *minus = times(-c, y, x);
}

/* Six values by the matrix of the inputs. */
INLINE void in_six(lanes t[6], const lanes d[6])
{
    both(&t[1], &t[2], times(-FAR2, d[2], d[4]), NEAR, times(-FAR2, d[1], d[3]));
    both(&t[3], &t[4], times(-NEAR2, d[2], d[4]), FAR, times(-NEAR2, d[1], d[3]));
    t[0] = times(-OF_ZERO * (NEAR2 + FAR2), d[2], times(OF_ZERO, d[4], d[0]));
    t[5] = times(NEAR2 * FAR2, d[1], times(-NEAR2 - FAR2, d[3], d[5]));
}

/* The columns of a tile of pixels, then a row of what came of them. */
INLINE void columns_of_six(lanes half[6][6], const float *in, int64_t pitch)
{
    for (int x = 0; x < 6; x++) {
        lanes column[6];
        for (int y = 0; y < 6; y++)
            column[y] = lanes_load(in + (y * pitch + x) * CRD_LANES);
        in_six(half[x], column);
    }
}

INLINE void row_of_six(lanes out[6], lanes half[6][6], int y)
{
    lanes row[6];
    for (int x = 0; x < 6; x++)
        row[x] = half[x][y];
    in_six(out, row);
}

INLINE void out_six(lanes y[4], const lanes m[6])
{
    lanes near_sum = lanes_add(m[1], m[2]), near_difference = lanes_sub(m[1], m[2]);
    lanes far_sum = lanes_add(m[3], m[4]), far_difference = lanes_sub(m[3], m[4]);
    y[0] = times(OF_NEAR, near_sum, times(OF_FAR, far_sum, m[0]));
    y[1] = times(OF_NEAR * NEAR, near_difference, lanes_mul(all(OF_FAR * FAR), far_difference));
    y[2] = times(OF_NEAR * NEAR2, near_sum, lanes_mul(all(OF_FAR * FAR2), far_sum));
    y[3] = times(OF_NEAR * NEAR * NEAR2, near_difference,
                 times(OF_FAR * FAR * FAR2, far_difference, m[5]));
}

INLINE void weights_three(lanes u[6], const lanes g[3])
{
    u[0] = g[0];
    both(&u[1], &u[2], times(NEAR2, g[2], g[0]), NEAR, g[1]);
    both(&u[3], &u[4], times(FAR2, g[2], g[0]), FAR, g[1]);
    u[5] = g[2];
}

/* The same for the 9 weights of an input channel. */
INLINE void columns_of_three(lanes half[3][6], const float *panel)
{
    for (int x = 0; x < 3; x++) {
        lanes column[3];
        for (int y = 0; y < 3; y++)
            column[y] = lanes_load(panel + (3 * y + x) * CRD_LANES);
        weights_three(half[x], column);
    }
}

INLINE void row_of_three(lanes out[6], lanes half[3][6], int y)
{
    lanes row[3];
    for (int x = 0; x < 3; x++)
        row[x] = half[x][y];
    weights_three(out, row);
}

/* The transposed maps. */
INLINE void out_transposed_four(lanes t[6], const lanes d[4])
{
    t[0] = d[0];
    both(&t[1], &t[2], times(NEAR2, d[2], d[0]), NEAR, times(NEAR2, d[3], d[1]));
    both(&t[3], &t[4], times(FAR2, d[2], d[0]), FAR, times(FAR2, d[3], d[1]));
    t[5] = d[3];
}

INLINE void weights_transposed_six(lanes g[3], const lanes u[6])
{
    lanes near_sum = lanes_add(u[1], u[2]), far_sum = lanes_add(u[3], u[4]);
    g[0] = times(OF_NEAR, near_sum, times(OF_FAR, far_sum, u[0]));
    g[1] = times(NEAR * OF_NEAR, lanes_sub(u[1], u[2]),
                 lanes_mul(all(FAR * OF_FAR), lanes_sub(u[3], u[4])));
    g[2] = times(NEAR2 * OF_NEAR, near_sum, times(FAR2 * OF_FAR, far_sum, u[5]));
}

#endif
