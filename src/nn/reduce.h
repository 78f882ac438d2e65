/** Sums over long rows, in double and in a fixed number of lanes, which the compiler keeps in
 * registers: exact enough for a million terms, and the same bits on every CPU. */
#ifndef CRD_NN_REDUCE_H
#define CRD_NN_REDUCE_H

#include <stdint.h>

enum { CRD_REDUCE_LANES = 8 };

/** Sum of x[i]. */
static inline double crd_sum(const float *x, int64_t n)
{
    double lanes[CRD_REDUCE_LANES] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + CRD_REDUCE_LANES <= n; i += CRD_REDUCE_LANES)
        for (int l = 0; l < CRD_REDUCE_LANES; l++)
            lanes[l] += (double)x[i + l];
    for (; i < n; i++)
        sum += (double)x[i];
    for (int l = 0; l < CRD_REDUCE_LANES; l++)
        sum += lanes[l];
    return sum;
}

/** Sum of (x[i] - x_shift) * (y[i] - y_shift). */
static inline double crd_sum_products(const float *x, double x_shift, const float *y,
                                      double y_shift, int64_t n)
{
    double lanes[CRD_REDUCE_LANES] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + CRD_REDUCE_LANES <= n; i += CRD_REDUCE_LANES)
        for (int l = 0; l < CRD_REDUCE_LANES; l++)
            lanes[l] += ((double)x[i + l] - x_shift) * ((double)y[i + l] - y_shift);
    for (; i < n; i++)
        sum += ((double)x[i] - x_shift) * ((double)y[i] - y_shift);
    for (int l = 0; l < CRD_REDUCE_LANES; l++)
        sum += lanes[l];
    return sum;
}

#endif
