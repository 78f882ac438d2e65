/** Hot loops that pass over arrays once. They are written in plain C, which the compiler turns into
 * the instructions of each table, and round every operation alike: all tables give the same bits.
 * An output may be one of the inputs itself.
 */
#ifndef CRD_KERNELS_ELEMENTWISE_H
#define CRD_KERNELS_ELEMENTWISE_H

#include <stdint.h>

#include "kernels/activation.h"

typedef struct crd_elementwise_kernels {
    /** out = a + b, a * b. */
    void (*add)(float *out, const float *a, const float *b, int64_t n);
    void (*multiply)(float *out, const float *a, const float *b, int64_t n);
    /** out = fma(a, b, c). */
    void (*multiply_add)(float *out, const float *a, const float *b, const float *c, int64_t n);
    /** out = a + sum of factors[k] rows[k * stride + i] over k < n_rows, by one fma after the
     * other. */
    void (*add_rows)(float *out, const float *a, const float *factors, const float *rows,
                     int64_t n_rows, int64_t stride, int64_t n);
    /** out = a + scale * b * c. */
    void (*add_product)(float *out, const float *a, float scale, const float *b, const float *c,
                        int64_t n);
    /** out = x * scale. */
    void (*scale)(float *out, const float *x, float scale, int64_t n);
    /** out = x * scale + shift. */
    void (*scale_shift)(float *out, const float *x, float scale, float shift, int64_t n);
    /** out = x, 0 where x is negative; NaN stays NaN. */
    void (*relu)(float *out, const float *x, int64_t n);
    /** out = the larger of a and b; NaN if either is. */
    void (*maximum)(float *out, const float *a, const float *b, int64_t n);
    /** out[i] = x[2 i]; of x the first 2 n - 1 are read. */
    void (*every_second)(float *out, const float *x, int64_t n);
    /** din = dout where out is positive, 0 elsewhere; added to din if `adds`. */
    void (*relu_backward)(float *din, const float *dout, const float *out, int64_t n, int adds);
    /** din = dout * dout_gain - (x * x_gain + shift), likewise. */
    void (*norm_backward)(float *din, const float *dout, const float *x, float dout_gain,
                          float x_gain, float shift, int64_t n, int adds);
    /** out = mean + sd * eps. */
    void (*add_noise)(float *out, const float *mean, const float *sd, const float *eps, int64_t n);
    /** dvariance = dout * eps / (2 sd), 0 where sd is 0. */
    void (*noise_backward)(float *dvariance, const float *dout, const float *eps, const float *sd,
                           int64_t n);
    /** sd = root of the variance; 0 where that is negative, as a fast convolution's rounding
     * leaves it beside large ones where nothing varies. */
    void (*deviation)(float *sd, const float *variance, int64_t n);
    /** Softmax of n elements, n > 0: exp(x - the largest) by their sum; 0 where the first is
     * below exp(-80). NaN wherever one is. */
    void (*softmax)(float *out, const float *x, int64_t n);
    /** dx = p (dp - sum(p dp)): from the gradient at a softmax p to that at its input. */
    void (*softmax_backward)(float *dx, const float *dp, const float *p, int64_t n);
    crd_activate *activate;
    crd_activate_backward *activate_backward;
    /** Normalization of columns, n of them, with statistics in double. Sums go through the rows in
     * their order: sum += x / count; sum += (x - mean)^2; out = (x - mean) * scale * gain + shift,
     * where each operation is rounded. */
    void (*add_shares)(double *sum, const float *x, double count, int64_t n);
    void (*add_squares)(double *sum, const float *x, const double *mean, int64_t n);
    void (*normalize)(float *out, const float *x, const double *mean, const double *scale,
                      double gain, double shift, int64_t n);
    /** out[i] = sum over k < n_rows of x[k * n + i], from 0 on. */
    void (*sum_rows)(float *out, const float *x, int64_t n_rows, int64_t n);
    /** Sum of x; of (x - x_shift) (y - y_shift). In double, in eight lanes of every eighth element
     * and one of the rest, added in that order: exact enough for a million terms. */
    double (*sum)(const float *x, int64_t n);
    double (*sum_products)(const float *x, double x_shift, const float *y, double y_shift,
                           int64_t n);
} crd_elementwise_kernels;

#endif
