/** The loops over parameters, LANES elements at a time. The file that includes this one defines for
 * its instruction set LANES, 8 or 16; `floats`, as many of them (floats_avx2.h); and `doubles`,
 * likewise: doubles_all, _of_floats, _to_floats, _of_longs (of int64_t in memory), _add, _sub,
 * _mul, _div, _fma (a b + c), _max (b where a is no number), _abs, _if_less (x < y ? a : b),
 * _scale (p times 2 to the low bits of `shifted`), _split (x = m 2^(k - 2^52 - 1023) with m as
 * crd_log_sigma has it), doubles_to_longs (rounded, to or onto int64_t in memory); and
 * PARAM_TABLE. The operations are those of param_ref.c and softplus.h, one by one.
 *
 * The last elements of a vector go through a block on the stack, whose rest is zeros.
 */
#ifndef CRD_KERNELS_PARAM_BODY_H
#define CRD_KERNELS_PARAM_BODY_H

#include <string.h>

#include "kernels/softplus.h"
#include "kernels/variants.h"

#define INLINE static inline __attribute__((always_inline))

/* TILE: elements that go through one loop, then through the next. AHEAD: elements between what
 * is worked on and what is asked for: as many as a unit's gradient is taken at a time, so that
 * they come while the next ones are made. */
enum { SUM_LANES = 8, LINE_FLOATS = 16, TILE = 64, AHEAD = 1024, TO_L2 = 2 };

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
INLINE doubles softplus_of(doubles rho)
{
    doubles x = doubles_sub(doubles_all(-0.0), doubles_abs(rho));
    doubles e = exponential(doubles_max(x, doubles_all(CRD_EXP_LEAST)));
    doubles s = doubles_div(e, doubles_add(doubles_all(2), e));
    return doubles_add(doubles_max(rho, doubles_all(0)), twice_artanh(s));
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

INLINE void affine_block(float *out, const float *in, doubles gain, doubles shift)
{
    doubles value = doubles_mul(doubles_of_floats(floats_load(in)), gain);
    floats_store(out, doubles_to_floats(doubles_add(value, shift)));
}

static void affine(float *out, const float *in, int64_t n, double gain, double shift)
{
    const doubles gains = doubles_all(gain), shifts = doubles_all(shift);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        affine_block(out + i, in + i, gains, shifts);
    if (i == n)
        return;
    float last[LANES] = {0};
    memcpy(last, in + i, (size_t)(n - i) * sizeof *last);
    affine_block(last, last, gains, shifts);
    memcpy(out + i, last, (size_t)(n - i) * sizeof *out);
}

INLINE void softplus_block(float *sigma, const float *rho, doubles gain)
{
    doubles value = softplus_of(doubles_of_floats(floats_load(rho)));
    floats_store(sigma, doubles_to_floats(doubles_mul(value, gain)));
}

static void softplus(float *sigma, const float *rho, int64_t n, double gain)
{
    const doubles gains = doubles_all(gain);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        softplus_block(sigma + i, rho + i, gains);
    if (i == n)
        return;
    float in[LANES] = {0}, out[LANES];
    memcpy(in, rho + i, (size_t)(n - i) * sizeof *in);
    softplus_block(out, in, gains);
    memcpy(sigma + i, out, (size_t)(n - i) * sizeof *out);
}

INLINE floats horner_floats(floats p, floats x, float c)
{
    return floats_fma(p, x, floats_all(c));
}

/* crd_scales_exp. */
INLINE floats scales_exp(floats x)
{
    floats round = floats_all(CRD_SCALES_ROUND);
    floats shifted = floats_fma(x, floats_all(CRD_SCALES_PER_LN2), round);
    floats k = floats_sub(shifted, round);
    floats f = floats_fma(k, floats_all(-CRD_SCALES_LN2_HIGH), x);
    f = floats_fma(k, floats_all(-CRD_SCALES_LN2_LOW), f);
    floats p = floats_all(CRD_SCALES_EXP_4);
    p = horner_floats(p, f, CRD_SCALES_EXP_3);
    p = horner_floats(p, f, CRD_SCALES_EXP_2);
    p = horner_floats(p, f, CRD_SCALES_EXP_1);
    p = horner_floats(p, f, CRD_SCALES_EXP_0);
    p = floats_fma(floats_mul(p, f), f, floats_add(f, floats_all(1)));
    return floats_scale(p, shifted);
}

/* crd_scales in two loops, n a multiple of LANES, at most TILE: see posterior_step_tile.
 * Returns whether every rho is finite. */
INLINE floats scales_tile(float *sigma, float *slope, const float *rho, int64_t n)
{
    float powers[TILE];
    const floats zero = floats_all(0), one = floats_all(1);
    floats finite = floats_below(zero, INFINITY);
    for (int64_t i = 0; i < n; i += LANES) {
        floats r = floats_load(rho + i), x = floats_sub(floats_all(-0.0F), floats_abs(r));
        finite = floats_and(finite, floats_below(r, INFINITY));
        floats_store(powers + i, scales_exp(floats_max(x, floats_all(CRD_SCALES_LEAST))));
    }
    for (int64_t i = 0; i < n; i += LANES) {
        floats r = floats_load(rho + i), e = floats_load(powers + i);
        floats one_e = floats_add(one, e), two_e = floats_add(floats_all(2), e);
        floats inverse = floats_div(one, floats_mul(one_e, two_e));
        floats s = floats_mul(floats_mul(e, one_e), inverse), ss = floats_mul(s, s);
        floats p = floats_all(CRD_SCALES_ARTANH_3);
        p = horner_floats(p, ss, CRD_SCALES_ARTANH_2);
        p = horner_floats(p, ss, CRD_SCALES_ARTANH_1);
        p = horner_floats(p, ss, CRD_SCALES_ARTANH_0);
        floats small = floats_fma(floats_mul(p, ss), s, floats_add(s, s));
        floats numerator = floats_if_less(zero, r, one, e);
        floats_store(sigma + i, floats_add(floats_max(r, zero), small));
        floats_store(slope + i, floats_mul(floats_mul(numerator, two_e), inverse));
    }
    return finite;
}

static int scales(float *sigma, float *slope, const float *rho, int64_t n)
{
    floats finite = floats_below(floats_all(0), INFINITY);
    int64_t n_whole = n - n % LANES, i = 0;
    for (int64_t n_here; i < n_whole; i += n_here) {
        n_here = n_whole - i < TILE ? n_whole - i : TILE;
        finite = floats_and(finite, scales_tile(sigma + i, slope + i, rho + i, n_here));
    }
    if (i == n)
        return floats_all_set(finite);
    float in[LANES] = {0}, out[2][LANES];
    size_t bytes = (size_t)(n - i) * sizeof *in;
    memcpy(in, rho + i, bytes);
    finite = floats_and(finite, scales_tile(out[0], out[1], in, LANES));
    memcpy(sigma + i, out[0], bytes);
    memcpy(slope + i, out[1], bytes);
    return floats_all_set(finite);
}

/* The distance to the prior's mean. */
INLINE doubles distance(const float *mu, const float *means, const crd_kl_normal *prior)
{
    doubles mean = means != NULL ? doubles_of_floats(floats_load(means)) : doubles_all(prior->mean);
    return doubles_sub(doubles_of_floats(floats_load(mu)), mean);
}

INLINE doubles kl_value_block(const float *mu, const float *rho, const float *means,
                              const crd_kl_normal *prior)
{
    doubles r = doubles_of_floats(floats_load(rho)), sigma = softplus_of(r);
    doubles d = distance(mu, means, prior);
    doubles square = doubles_fma(d, d, doubles_mul(sigma, sigma));
    doubles rest = doubles_sub(doubles_all(prior->constant), log_sigma(sigma, r));
    return doubles_fma(doubles_all(0.5 * prior->precision), square, rest);
}

static double kl_value(const float *mu, const float *rho, int64_t n, const crd_kl_normal *prior)
{
    const float *means = prior->means;
    double sums[SUM_LANES] = {0}, values[LANES], total = 0;
    for (int64_t i = 0; i < n; i += LANES) {
        int n_here = n - i < LANES ? (int)(n - i) : LANES;
        float in[3][LANES] = {{0}};
        if (n_here == LANES) {
            doubles_store(values,
                          kl_value_block(mu + i, rho + i, means == NULL ? NULL : means + i, prior));
        } else {
            size_t bytes = (size_t)n_here * sizeof(float);
            memcpy(in[0], mu + i, bytes);
            memcpy(in[1], rho + i, bytes);
            if (means != NULL)
                memcpy(in[2], means + i, bytes);
            doubles_store(values,
                          kl_value_block(in[0], in[1], means == NULL ? NULL : in[2], prior));
        }
        for (int k = 0; k < n_here; k++)
            sums[k % SUM_LANES] += values[k];
    }
    for (int lane = 0; lane < SUM_LANES; lane++)
        total += sums[lane];
    return total;
}

/* The factors of all elements. */
typedef struct kl_factors {
    floats pull, mean, precision, weight;
} kl_factors;

INLINE kl_factors make_kl_factors(const crd_kl_normal *prior)
{
    return (kl_factors){
        .pull = floats_all((float)(prior->weight * prior->precision)),
        .mean = floats_all((float)prior->mean),
        .precision = floats_all((float)prior->precision),
        .weight = floats_all((float)prior->weight),
    };
}

INLINE void add_kl_gradient(floats *dmu, floats *drho, const float *mu, const float *sigma,
                            const float *slope, const float *means, const kl_factors *k)
{
    const floats least = floats_all(CRD_SIGMA_FLOOR);
    floats s = floats_load(sigma), t = floats_load(slope);
    floats distance = floats_sub(floats_load(mu), means != NULL ? floats_load(means) : k->mean);
    floats minus_ratio =
        floats_div(floats_sub(floats_all(-CRD_SIGMA_FLOOR), t), floats_add(s, least));
    floats push = floats_fma(floats_mul(k->precision, s), t, minus_ratio);
    *dmu = floats_fma(k->pull, distance, *dmu);
    *drho = floats_fma(k->weight, push, *drho);
}

INLINE void kl_gradient_block(float *dmu, float *drho, const float *mu, const float *sigma,
                              const float *slope, const float *means, const kl_factors *k)
{
    floats grads[2] = {floats_load(dmu), floats_load(drho)};
    add_kl_gradient(&grads[0], &grads[1], mu, sigma, slope, means, k);
    floats_store(dmu, grads[0]);
    floats_store(drho, grads[1]);
}

static void kl_gradient(float *dmu, float *drho, const float *mu, const float *sigma,
                        const float *slope, int64_t n, const crd_kl_normal *prior)
{
    const float *means = prior->means;
    const kl_factors k = make_kl_factors(prior);
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
        __builtin_prefetch(values + i + AHEAD, 0, TO_L2);
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

/* A multiple of 1 / scale, without a sign where it is zero. */
INLINE floats rounded(floats x, floats scale, floats unit)
{
    return floats_fma(floats_nearest(floats_mul(x, scale)), unit, floats_all(0));
}

INLINE floats round_block(float *rounded_values, floats x, floats scale, floats unit, float limit)
{
    floats_store(rounded_values, rounded(x, scale, unit));
    return floats_below(x, limit);
}

static int round_values(float *out, const float *values, const float *factors, int64_t n,
                        float scale, float limit)
{
    const floats scales = floats_all(scale), units = floats_all(1 / scale);
    floats fits = floats_below(floats_all(0), INFINITY);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        __builtin_prefetch(values + i + AHEAD, 0, TO_L2);
        floats x = floats_load(values + i);
        if (factors != NULL)
            x = floats_mul(x, floats_load(factors + i));
        fits = floats_and(fits, round_block(out + i, x, scales, units, limit));
    }
    if (i < n) {
        float in[LANES] = {0}, rest[LANES];
        for (int64_t k = i; k < n; k++)
            in[k - i] = factors != NULL ? values[k] * factors[k] : values[k];
        fits = floats_and(fits, round_block(rest, floats_load(in), scales, units, limit));
        memcpy(out + i, rest, (size_t)(n - i) * sizeof *rest);
    }
    return floats_all_set(fits);
}

INLINE floats keep_block(float *grads, float *kept, floats scale, floats unit, float limit)
{
    floats x = floats_add(floats_load(kept), floats_load(grads));
    floats_store(kept, x);
    return round_block(grads, x, scale, unit, limit);
}

static int keep(float *grads, float *kept, int64_t n, float scale, float limit)
{
    const floats scales = floats_all(scale), units = floats_all(1 / scale);
    floats fits = floats_below(floats_all(0), INFINITY);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        __builtin_prefetch(kept + i + AHEAD, 0, TO_L2);
        fits = floats_and(fits, keep_block(grads + i, kept + i, scales, units, limit));
    }
    if (i < n) {
        float rest[2][LANES] = {{0}};
        size_t bytes = (size_t)(n - i) * sizeof(float);
        memcpy(rest[0], grads + i, bytes);
        memcpy(rest[1], kept + i, bytes);
        fits = floats_and(fits, keep_block(rest[0], rest[1], scales, units, limit));
        memcpy(grads + i, rest[0], bytes);
        memcpy(kept + i, rest[1], bytes);
    }
    return floats_all_set(fits);
}

INLINE floats read_of(const int64_t *sums, doubles unit)
{
    return doubles_to_floats(doubles_mul(doubles_of_longs(sums), unit));
}

static void read_sums(float *values, const int64_t *sums, int64_t n, double unit)
{
    const doubles units = doubles_all(unit);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        floats_store(values + i, read_of(sums + i, units));
    if (i == n)
        return;
    int64_t in[LANES] = {0};
    float out[LANES];
    memcpy(in, sums + i, (size_t)(n - i) * sizeof *in);
    floats_store(out, read_of(in, units));
    memcpy(values + i, out, (size_t)(n - i) * sizeof *out);
}

/* Returns the new parameters. */
INLINE floats step_adam(float *params, floats grads, float *mean, float *square,
                        const crd_adam *step)
{
    floats p = floats_mul(floats_load(params), floats_all(step->keep));
    floats g = floats_fma(p, floats_all(step->decay), grads);
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
    return p;
}

INLINE floats adam_block(float *params, const float *grads, float *mean, float *square,
                         const crd_adam *step)
{
    return floats_below(step_adam(params, floats_load(grads), mean, square, step), INFINITY);
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

/* Asks for a cache line of each of eight arrays. */
INLINE void fetch(const crd_posterior_step *s, int64_t i)
{
    for (int b = 0; b < 2; b++) {
        __builtin_prefetch(s->params[b] + i, 0, TO_L2);
        __builtin_prefetch(s->means[b] + i, 0, TO_L2);
        __builtin_prefetch(s->squares[b] + i, 0, TO_L2);
    }
    __builtin_prefetch(s->sigma + i, 0, TO_L2);
    __builtin_prefetch(s->slope + i, 0, TO_L2);
}

/* Elements [first, first + n), at most TILE, a multiple of LANES. Each loop's chains of
 * operations are short, so that those of several blocks fill the CPU's window of instructions
 * side by side; one loop's would not. */
INLINE floats posterior_step_tile(const crd_posterior_step *s, int64_t first, int64_t n,
                                  const kl_factors *k, int has_prior, int64_t ahead)
{
    float grads[2][TILE];
    const floats clip = floats_all(s->clip);
    floats finite = floats_below(floats_all(0), INFINITY);
    for (int64_t t = 0; t < n; t += LANES) {
        int64_t i = first + t;
        floats dmu = floats_load(s->grads[0] + i), drho = floats_load(s->grads[1] + i);
        if (has_prior)
            add_kl_gradient(&dmu, &drho, s->params[0] + i, s->sigma + i, s->slope + i,
                            s->prior.means == NULL ? NULL : s->prior.means + i, k);
        floats_store(grads[0] + t, floats_mul(dmu, clip));
        floats_store(grads[1] + t, floats_mul(drho, clip));
    }
    for (int64_t t = 0; t < n; t += LANES) {
        int64_t i = first + t;
        if (t % LINE_FLOATS == 0)
            fetch(s, i + ahead);
        for (int b = 0; b < 2; b++)
            finite = floats_and(finite, adam_block(s->params[b] + i, grads[b] + t, s->means[b] + i,
                                                   s->squares[b] + i, &s->adam));
    }
    return floats_and(finite,
                      scales_tile(s->sigma + first, s->slope + first, s->params[1] + first, n));
}

/* What is left behind them, on the stack. */
static floats posterior_step_rest(const crd_posterior_step *s, int64_t first, int64_t n,
                                  const kl_factors *k)
{
    float block[11][LANES] = {{0}},
          *from[8] = {s->params[0], s->means[0],   s->squares[0], s->params[1],
                      s->means[1],  s->squares[1], s->sigma,      s->slope};
    size_t bytes = (size_t)n * sizeof(float);
    crd_posterior_step rest = *s;
    for (int b = 0; b < 2; b++) {
        memcpy(block[8 + b], s->grads[b] + first, bytes);
        rest.grads[b] = block[8 + b];
        rest.params[b] = block[3 * b];
        rest.means[b] = block[3 * b + 1];
        rest.squares[b] = block[3 * b + 2];
    }
    rest.sigma = block[6];
    rest.slope = block[7];
    if (s->prior.means != NULL) {
        memcpy(block[10], s->prior.means + first, bytes);
        rest.prior.means = block[10];
    }
    for (int f = 0; f < 8; f++)
        memcpy(block[f], from[f] + first, bytes);
    floats finite = posterior_step_tile(&rest, 0, LANES, k, rest.prior.weight != 0, 0);
    for (int f = 0; f < 8; f++)
        memcpy(from[f] + first, block[f], bytes);
    return finite;
}

INLINE int posterior_step_any(const crd_posterior_step *step, int64_t n, int has_prior)
{
    const crd_posterior_step s = *step; /* which no store can change */
    const kl_factors k = make_kl_factors(&s.prior);
    floats finite = floats_below(floats_all(0), INFINITY);
    int64_t n_whole = n - n % LANES;
    for (int64_t i = 0, n_here; i < n_whole; i += n_here) {
        n_here = n_whole - i < TILE ? n_whole - i : TILE;
        finite = floats_and(finite, posterior_step_tile(&s, i, n_here, &k, has_prior, AHEAD));
    }
    if (n_whole < n)
        finite = floats_and(finite, posterior_step_rest(step, n_whole, n - n_whole, &k));
    return floats_all_set(finite);
}

static int posterior_step(const crd_posterior_step *step, int64_t n)
{
    return step->prior.weight != 0 ? posterior_step_any(step, n, 1)
                                   : posterior_step_any(step, n, 0);
}

const crd_param_kernels PARAM_TABLE = {
    .affine = affine,
    .softplus = softplus,
    .scales = scales,
    .kl_value = kl_value,
    .kl_gradient = kl_gradient,
    .accumulate = accumulate,
    .read_sums = read_sums,
    .round = round_values,
    .keep = keep,
    .adam = adam,
    .posterior_step = posterior_step,
};

#endif
