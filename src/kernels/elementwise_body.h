/** The loops of kernels/elementwise.h; the file that includes this one defines ELEMENTWISE_TABLE
 * and is compiled for its instruction set. */
#ifndef CRD_KERNELS_ELEMENTWISE_BODY_H
#define CRD_KERNELS_ELEMENTWISE_BODY_H

#include <stddef.h>
#include <string.h>

#include "kernels/variants.h"

/* Elements do not depend on others, even where an output is an input. */
#ifdef __clang__
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

enum { SUM_LANES = 8 };

#include "kernels/activation_body.h"

static void add(float *out, const float *a, const float *b, int64_t n)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        out[i] = a[i] + b[i];
}

static void multiply(float *out, const float *a, const float *b, int64_t n)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        out[i] = a[i] * b[i];
}

static void multiply_add(float *out, const float *a, const float *b, const float *c, int64_t n)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        out[i] = __builtin_fmaf(a[i], b[i], c[i]);
}

/* A stretch that stays in registers takes all rows before the next one. */
enum { ROW_PIECE = 64 };

static void add_rows(float *out, const float *a, const float *factors, const float *rows,
                     int64_t n_rows, int64_t stride, int64_t n)
{
    for (int64_t first = 0; first < n; first += ROW_PIECE) {
        int64_t size = n - first < ROW_PIECE ? n - first : ROW_PIECE;
        float piece[ROW_PIECE] = {0};
        memcpy(piece, a + first, (size_t)size * sizeof *piece);
        for (int64_t k = 0; k < n_rows; k++) {
            const float *row = rows + k * stride + first;
            INDEPENDENT
            for (int64_t i = 0; i < size; i++)
                piece[i] = __builtin_fmaf(factors[k], row[i], piece[i]);
        }
        memcpy(out + first, piece, (size_t)size * sizeof *piece);
    }
}

static void add_product(float *out, const float *a, float scale, const float *b, const float *c,
                        int64_t n)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        out[i] = a[i] + scale * b[i] * c[i];
}

static void scale(float *out, const float *x, float factor, int64_t n)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        out[i] = x[i] * factor;
}

static void scale_shift(float *out, const float *x, float scale, float shift, int64_t n)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        out[i] = x[i] * scale + shift;
}

/* Written so that NaN stays NaN, as in torch: a broken weight must not vanish here. */
static void relu(float *out, const float *x, int64_t n)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        out[i] = x[i] < 0 ? 0 : x[i];
}

/* In two choices, which the compiler makes masks of. */
static void maximum(float *out, const float *a, const float *b, int64_t n)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
        float larger = a[i] > b[i] ? a[i] : b[i];
        out[i] = a[i] != a[i] ? a[i] : larger;
    }
}

static void every_second(float *out, const float *x, int64_t n)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        out[i] = x[2 * i];
}

/* All operands are read in any case, so that choices become masks. */
static void relu_backward(float *din, const float *dout, const float *out, int64_t n, int adds)
{
    if (adds) {
        INDEPENDENT
        for (int64_t i = 0; i < n; i++) {
            float value = dout[i];
            din[i] += out[i] > 0 ? value : 0;
        }
    } else {
        INDEPENDENT
        for (int64_t i = 0; i < n; i++) {
            float value = dout[i];
            din[i] = out[i] > 0 ? value : 0;
        }
    }
}

static void norm_backward(float *din, const float *dout, const float *x, float dout_gain,
                          float x_gain, float shift, int64_t n, int adds)
{
    if (adds) {
        INDEPENDENT
        for (int64_t i = 0; i < n; i++)
            din[i] += dout[i] * dout_gain - (x[i] * x_gain + shift);
    } else {
        INDEPENDENT
        for (int64_t i = 0; i < n; i++)
            din[i] = dout[i] * dout_gain - (x[i] * x_gain + shift);
    }
}

static void add_noise(float *out, const float *mean, const float *sd, const float *eps, int64_t n)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        out[i] = mean[i] + sd[i] * eps[i];
}

static void noise_backward(float *dvariance, const float *dout, const float *eps, const float *sd,
                           int64_t n)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
        float value = dout[i] * eps[i] / (2 * sd[i]);
        dvariance[i] = sd[i] > 0 ? value : 0;
    }
}

static void deviation(float *sd, const float *variance, int64_t n)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        sd[i] = __builtin_sqrtf(variance[i] < 0 ? 0 : variance[i]);
}

static void add_shares(double *sums, const float *x, double count, int64_t n)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        sums[i] += (double)x[i] / count;
}

static void add_squares(double *sums, const float *x, const double *mean, int64_t n)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
        double apart = (double)x[i] - mean[i];
        sums[i] += apart * apart;
    }
}

static void normalize(float *out, const float *x, const double *mean, const double *factor,
                      double gain, double shift, int64_t n)
{
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(((double)x[i] - mean[i]) * factor[i] * gain + shift);
}

/* Stretches whose sums stay in registers. */
static void sum_rows(float *out, const float *x, int64_t n_rows, int64_t n)
{
    enum { PIECE = 64 };
    for (int64_t first = 0; first < n; first += PIECE) {
        float piece[PIECE] = {0};
        int64_t size = n - first < PIECE ? n - first : PIECE;
        if (size == PIECE)
            for (int64_t k = 0; k < n_rows; k++)
                for (int64_t i = 0; i < PIECE; i++)
                    piece[i] += x[k * n + first + i];
        else
            for (int64_t k = 0; k < n_rows; k++) {
                INDEPENDENT
                for (int64_t i = 0; i < size; i++)
                    piece[i] += x[k * n + first + i];
            }
        memcpy(out + first, piece, (size_t)size * sizeof *piece);
    }
}

static double sum_of(const double lanes[SUM_LANES], double rest)
{
    for (int l = 0; l < SUM_LANES; l++)
        rest += lanes[l];
    return rest;
}

static double sum(const float *x, int64_t n)
{
    double lanes[SUM_LANES] = {0}, rest = 0;
    int64_t i = 0;
    for (; i + SUM_LANES <= n; i += SUM_LANES)
        for (int l = 0; l < SUM_LANES; l++)
            lanes[l] += (double)x[i + l];
    for (; i < n; i++)
        rest += (double)x[i];
    return sum_of(lanes, rest);
}

static double sum_products(const float *x, double x_shift, const float *y, double y_shift,
                           int64_t n)
{
    double lanes[SUM_LANES] = {0}, rest = 0;
    int64_t i = 0;
    for (; i + SUM_LANES <= n; i += SUM_LANES)
        for (int l = 0; l < SUM_LANES; l++)
            lanes[l] += ((double)x[i + l] - x_shift) * ((double)y[i + l] - y_shift);
    for (; i < n; i++)
        rest += ((double)x[i] - x_shift) * ((double)y[i] - y_shift);
    return sum_of(lanes, rest);
}

/* The largest but for NaN, which the exponentials keep. */
static float largest(const float *x, int64_t n)
{
    enum { LANES = 2 * SUM_LANES };
    float lanes[LANES], most = x[0];
    int64_t i = 0;
    for (int l = 0; l < LANES; l++)
        lanes[l] = -INFINITY;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lanes[l] = x[i + l] > lanes[l] ? x[i + l] : lanes[l];
    for (; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (int l = 0; l < LANES; l++)
        most = lanes[l] > most ? lanes[l] : most;
    return most;
}

/* What is further below the largest is 0: numbers so small slow down whatever they meet. */
#define NOTHING (-80.0F)

static void softmax(float *out, const float *x, int64_t n)
{
    float most = largest(x, n);
    INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
        float below = x[i] - most;
        out[i] = if_number(below, pick(below > NOTHING, exp_down(below), 0));
    }
    float scale = (float)(1 / sum(out, n));
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        out[i] *= scale;
}

static void softmax_backward(float *dx, const float *dp, const float *p, int64_t n)
{
    float mean = (float)sum_products(dp, 0, p, 0, n);
    INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        dx[i] = p[i] * (dp[i] - mean);
}

const crd_elementwise_kernels ELEMENTWISE_TABLE = {
    .add = add,
    .multiply = multiply,
    .multiply_add = multiply_add,
    .add_rows = add_rows,
    .add_product = add_product,
    .scale = scale,
    .scale_shift = scale_shift,
    .relu = relu,
    .maximum = maximum,
    .every_second = every_second,
    .relu_backward = relu_backward,
    .norm_backward = norm_backward,
    .add_noise = add_noise,
    .noise_backward = noise_backward,
    .deviation = deviation,
    .softmax = softmax,
    .softmax_backward = softmax_backward,
    .activate = activate,
    .activate_backward = activate_backward,
    .add_shares = add_shares,
    .add_squares = add_squares,
    .normalize = normalize,
    .sum_rows = sum_rows,
    .sum = sum,
    .sum_products = sum_products,
};

#endif
