/** The loops over parameters, 8 elements at a time. The file that includes this one defines for its
 * instruction set `doubles`, 8 of them: doubles_all, _of_floats, _to_floats, _of_longs (of int64_t in memory), _add,
 * _sub, _mul, _div, _fma (a b + c), _max (b where a is no number), _abs, _if_less (x < y ? a : b), _scale (p times 2 to the low bits of `shifted`), _split (x = m 2^(k - 2^52 - 1023)
 * with m as crd_log_sigma has it), doubles_to_longs (rounded, to or onto int64_t in memory); and PARAM_TABLE. The operations are those of
 * param_ref.c and softplus.h, one by one.
 *
 * The last elements of a vector go through a block of 8 on the stack, whose rest is zeros.
 */
#ifndef CRD_KERNELS_PARAM_BODY_H
#define CRD_KERNELS_PARAM_BODY_H

#include <string.h>

#include "kernels/softplus.h"
#include "kernels/variants.h"

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 8 };

/* One step of a polynomial: p x + c. */
INLINE doubles horner(doubles p, doubles x, double c)
{
    return doubles_fma(p, x, doubles_all(c));
}

/* crd_softplus_exp. */
INLINE doubles exponential(doubles x)
{
    doubles round = doubles_all(CRD_EXP_ROUND);
    doubles shifted = doubles_fma(x, doubles_all(CRD_EXP_PER_LN2), round);
    doubles k = doubles_sub(shifted, round);
    doubles f = doubles_fma(k, doubles_all(-CRD_EXP_LN2_HIGH), x);
    f = doubles_fma(k, doubles_all(-CRD_EXP_LN2_LOW), f);
    doubles p = doubles_all(CRD_EXP_7);
    p = horner(p, f, CRD_EXP_6);
    p = horner(p, f, CRD_EXP_5);
    p = horner(p, f, CRD_EXP_4);
    p = horner(p, f, CRD_EXP_3);
    p = horner(p, f, CRD_EXP_2);
    p = horner(p, f, CRD_EXP_1);
    p = horner(p, f, CRD_EXP_0);
    p = doubles_fma(doubles_mul(p, f), f, doubles_add(f, doubles_all(1)));
    return doubles_scale(p, shifted);
}

/* crd_twice_artanh. */
INLINE doubles twice_artanh(doubles s)
{
    doubles ss = doubles_mul(s, s);
    doubles p = doubles_all(CRD_ARTANH_7);
    p = horner(p, ss, CRD_ARTANH_6);
    p = horner(p, ss, CRD_ARTANH_5);
    p = horner(p, ss, CRD_ARTANH_4);
    p = horner(p, ss, CRD_ARTANH_3);
    p = horner(p, ss, CRD_ARTANH_2);
    p = horner(p, ss, CRD_ARTANH_1);
    p = horner(p, ss, CRD_ARTANH_0);
    return doubles_fma(doubles_mul(p, ss), s, doubles_add(s, s));
}

/* crd_softplus. */
INLINE void softplus8(doubles *sigma, doubles *slope, doubles rho)
{
    doubles zero = doubles_all(0), one = doubles_all(1);
    doubles x = doubles_sub(doubles_all(-0.0), doubles_abs(rho));
    doubles e = exponential(doubles_max(x, doubles_all(CRD_EXP_LEAST)));
    doubles one_e = doubles_add(one, e), two_e = doubles_add(doubles_all(2), e);
    doubles inverse = doubles_div(one, doubles_mul(one_e, two_e));
    doubles s = doubles_mul(doubles_mul(e, one_e), inverse);
    *sigma = doubles_add(doubles_max(rho, zero), twice_artanh(s));
    *slope = doubles_mul(doubles_mul(doubles_if_less(zero, rho, one, e), two_e), inverse);
}

/* crd_log_sigma. */
INLINE doubles log_sigma(doubles sigma, doubles rho)
{
    doubles k, m;
    doubles_split(&m, &k, sigma);
    k = doubles_sub(k, doubles_all(0x1p52 + 1023));
    doubles one = doubles_all(1);
    doubles s = doubles_div(doubles_sub(m, one), doubles_add(m, one));
    doubles low = doubles_fma(k, doubles_all(CRD_EXP_LN2_LOW), twice_artanh(s));
    doubles value = doubles_fma(k, doubles_all(CRD_EXP_LN2_HIGH), low);
    return doubles_if_less(rho, doubles_all(CRD_LOG_SIGMA_IS_RHO), rho, value);
}

INLINE floats softplus_block(float *sigma, float *slope, const float *rho, doubles gain)
{
    floats r = floats_load(rho);
    doubles value, derivative;
    softplus8(&value, &derivative, doubles_of_floats(r));
    if (slope != NULL)
        floats_store(slope, doubles_to_floats(derivative));
    floats_store(sigma, doubles_to_floats(doubles_mul(value, gain)));
    return floats_below(r, INFINITY);
}

static int softplus(float *sigma, float *slope, const float *rho, int64_t n, double gain)
{
    const doubles gains = doubles_all(gain);
    floats finite = floats_below(floats_all(0), INFINITY);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        finite = floats_and(
            finite, softplus_block(sigma + i, slope == NULL ? NULL : slope + i, rho + i, gains));
    if (i < n) {
        float in[LANES] = {0}, out[2][LANES];
        size_t bytes = (size_t)(n - i) * sizeof *in;
        memcpy(in, rho + i, bytes);
        finite = floats_and(finite, softplus_block(out[0], out[1], in, gains));
        memcpy(sigma + i, out[0], bytes);
        if (slope != NULL)
            memcpy(slope + i, out[1], bytes);
    }
    return floats_all_set(finite);
}

/* Of 8 elements: the distance to the prior's mean. */
INLINE doubles distance(const float *mu, const float *means, const crd_kl_normal *prior)
{
    doubles mean =
        means != NULL ? doubles_of_floats(floats_load(means)) : doubles_all(prior->mean);
    return doubles_sub(doubles_of_floats(floats_load(mu)), mean);
}

INLINE doubles kl_value_block(const float *mu, const float *rho, const float *means,
                              const crd_kl_normal *prior)
{
    doubles sigma, slope, r = doubles_of_floats(floats_load(rho));
    softplus8(&sigma, &slope, r);
    doubles d = distance(mu, means, prior);
    doubles square = doubles_fma(d, d, doubles_mul(sigma, sigma));
    doubles rest = doubles_sub(doubles_all(prior->constant), log_sigma(sigma, r));
    return doubles_fma(doubles_all(0.5 * prior->precision), square, rest);
}

static double kl_value(const float *mu, const float *rho, int64_t n, const crd_kl_normal *prior)
{
    const float *means = prior->means;
    doubles sum = doubles_all(0);
    double sums[LANES], rest[LANES], total = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        sum = doubles_add(sum,
                          kl_value_block(mu + i, rho + i, means == NULL ? NULL : means + i, prior));
    doubles_store(sums, sum);
    if (i < n) {
        float in[3][LANES] = {{0}};
        size_t bytes = (size_t)(n - i) * sizeof(float);
        memcpy(in[0], mu + i, bytes);
        memcpy(in[1], rho + i, bytes);
        if (means != NULL)
            memcpy(in[2], means + i, bytes);
        doubles_store(rest, kl_value_block(in[0], in[1], means == NULL ? NULL : in[2], prior));
        for (int64_t k = 0; k < n - i; k++)
            sums[k] += rest[k];
    }
    for (int lane = 0; lane < LANES; lane++)
        total += sums[lane];
    return total;
}

/* The factors of 8 elements. */
typedef struct kl_factors {
    floats pull, mean, precision, weight;
} kl_factors;

INLINE void kl_gradient_block(float *dmu, float *drho, const float *mu, const float *sigma,
                              const float *slope, const float *means, const kl_factors *k)
{
    const floats least = floats_all(CRD_SIGMA_FLOOR);
    floats s = floats_load(sigma), t = floats_load(slope);
    floats distance = floats_sub(floats_load(mu), means != NULL ? floats_load(means) : k->mean);
    floats minus_ratio = floats_div(floats_sub(floats_all(-CRD_SIGMA_FLOOR), t), floats_add(s, least));
    floats push = floats_fma(floats_mul(k->precision, s), t, minus_ratio);
    floats_store(dmu, floats_fma(k->pull, distance, floats_load(dmu)));
    floats_store(drho, floats_fma(k->weight, push, floats_load(drho)));
}

static void kl_gradient(float *dmu, float *drho, const float *mu, const float *sigma,
                        const float *slope, int64_t n, const crd_kl_normal *prior)
{
    const float *means = prior->means;
    const kl_factors k = {
        .pull = floats_all((float)(prior->weight * prior->precision)),
        .mean = floats_all((float)prior->mean),
        .precision = floats_all((float)prior->precision),
        .weight = floats_all((float)prior->weight),
    };
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        kl_gradient_block(dmu + i, drho + i, mu + i, sigma + i, slope + i,
                          means == NULL ? NULL : means + i, &k);
    if (i == n)
        return;
    float block[6][LANES] = {{0}};
    size_t bytes = (size_t)(n - i) * sizeof(float);
    memcpy(block[0], dmu + i, bytes);
    memcpy(block[1], drho + i, bytes);
    memcpy(block[2], mu + i, bytes);
    memcpy(block[3], sigma + i, bytes);
    memcpy(block[4], slope + i, bytes);
    if (means != NULL)
        memcpy(block[5], means + i, bytes);
    kl_gradient_block(block[0], block[1], block[2], block[3], block[4],
                      means == NULL ? NULL : block[5], &k);
    memcpy(dmu + i, block[0], bytes);
    memcpy(drho + i, block[1], bytes);
}

INLINE floats accumulate_block(int64_t *sums, floats values, doubles scale, float limit, int adds)
{
    floats fits = floats_below(values, limit);
    doubles x = doubles_mul(doubles_of_floats(floats_and(values, fits)), scale);
    doubles_to_longs(sums, x, adds);
    return fits;
}

INLINE int accumulate_any(int64_t *sums, const float *values, const float *factors, int64_t n,
                          double scale, float limit, int adds)
{
    const doubles scales = doubles_all(scale);
    floats fits = floats_below(floats_all(0), INFINITY);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        floats v = floats_load(values + i);
        if (factors != NULL)
            v = floats_mul(v, floats_load(factors + i));
        fits = floats_and(fits, accumulate_block(sums + i, v, scales, limit, adds));
    }
    if (i < n) {
        float in[LANES] = {0};
        int64_t out[LANES] = {0};
        for (int64_t k = i; k < n; k++)
            in[k - i] = factors != NULL ? values[k] * factors[k] : values[k];
        memcpy(out, sums + i, (size_t)(n - i) * sizeof *sums);
        fits = floats_and(fits, accumulate_block(out, floats_load(in), scales, limit, adds));
        memcpy(sums + i, out, (size_t)(n - i) * sizeof *sums);
    }
    return floats_all_set(fits);
}

static int accumulate(int64_t *sums, const float *values, const float *factors, int64_t n,
                      double scale, float limit, int adds)
{
    return adds ? accumulate_any(sums, values, factors, n, scale, limit, 1)
                : accumulate_any(sums, values, factors, n, scale, limit, 0);
}

INLINE void read_block(float *values, const int64_t *sums, doubles unit)
{
    floats_store(values, doubles_to_floats(doubles_mul(doubles_of_longs(sums), unit)));
}

static void read_sums(float *values, const int64_t *sums, int64_t n, double unit)
{
    const doubles units = doubles_all(unit);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        read_block(values + i, sums + i, units);
    if (i == n)
        return;
    int64_t in[LANES] = {0};
    float out[LANES];
    memcpy(in, sums + i, (size_t)(n - i) * sizeof *in);
    read_block(out, in, units);
    memcpy(values + i, out, (size_t)(n - i) * sizeof *out);
}

INLINE floats adam_block(float *params, const float *grads, float *mean, float *square,
                       const crd_adam *step)
{
    floats p = floats_mul(floats_load(params), floats_all(step->keep));
    floats g = floats_fma(p, floats_all(step->decay), floats_load(grads));
    floats m = floats_mul(floats_load(mean), floats_all(step->beta1));
    m = floats_fma(g, floats_all(step->share1), m);
    floats v = floats_mul(floats_load(square), floats_all(step->beta2));
    v = floats_fma(floats_mul(floats_all(step->share2), g), g, v);
    floats root = floats_div(floats_sqrt(v), floats_all(step->correction));
    floats way = floats_div(floats_mul(floats_all(step->rate), m),
                               floats_add(root, floats_all(step->epsilon)));
    floats_store(mean, m);
    floats_store(square, v);
    p = floats_add(p, way);
    floats_store(params, p);
    return floats_below(p, INFINITY);
}

static int adam(float *params, const float *grads, float *mean, float *square, int64_t n,
                const crd_adam *step)
{
    floats finite = floats_below(floats_all(0), INFINITY);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        finite = floats_and(finite, adam_block(params + i, grads + i, mean + i, square + i, step));
    if (i == n)
        return floats_all_set(finite);
    float block[4][LANES] = {{0}};
    size_t bytes = (size_t)(n - i) * sizeof(float);
    memcpy(block[0], params + i, bytes);
    memcpy(block[1], grads + i, bytes);
    memcpy(block[2], mean + i, bytes);
    memcpy(block[3], square + i, bytes);
    finite = floats_and(finite, adam_block(block[0], block[1], block[2], block[3], step));
    memcpy(params + i, block[0], bytes);
    memcpy(mean + i, block[2], bytes);
    memcpy(square + i, block[3], bytes);
    return floats_all_set(finite);
}

const crd_param_kernels PARAM_TABLE = {
    .softplus = softplus,
    .kl_value = kl_value,
    .kl_gradient = kl_gradient,
    .accumulate = accumulate,
    .read_sums = read_sums,
    .adam = adam,
};

#endif
