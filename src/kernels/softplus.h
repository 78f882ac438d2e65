/** The specification of softplus, in C: in double for prediction, where it is evaluated once, and
 * in float with its slope for training, where every step does it.
 *
 * Every instruction set does these operations, in this order, each rounded once: so all give the
 * same bits, on every CPU and with every C library. Relative error for every float rho: in double
 * below 4e-14, so that rounded to float it is within 0.5001 units of the last place; in float below
 * 4e-7, and nothing is below 2^-125.
 *
 * With e = exp(-|rho|), sigma = max(rho, 0) + log(1 + e); and log(1 + e) = 2 artanh(s) with s = e /
 * (2 + e), whose series keeps its relative accuracy down to the smallest e. Source: Remez' exchange
 * for the polynomials.
 */
#ifndef CRD_KERNELS_SOFTPLUS_H
#define CRD_KERNELS_SOFTPLUS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/** exp(x) = 2^k exp(f): k = x / ln 2 to the nearest by adding 1.5 * 2^52, which leaves it in the
 * low bits. */
#define CRD_EXP_PER_LN2 0x1.71547652b82fep+0
#define CRD_EXP_ROUND 0x1.8p+52
#define CRD_EXP_LN2_HIGH 0x1.62e42feep-1
#define CRD_EXP_LN2_LOW 0x1.a39ef35793c76p-33
/** Below, 2^k would not be a normal number. */
#define CRD_EXP_LEAST (-708.0)
/** (exp(f) - 1 - f) / f^2 for |f| <= ln 2 / 2: error 2e-14 of exp(f). */
#define CRD_EXP_0 0x1.fffffffff13c7p-2
#define CRD_EXP_1 0x1.5555555589fadp-3
#define CRD_EXP_2 0x1.5555557df5126p-5
#define CRD_EXP_3 0x1.1111108e18862p-7
#define CRD_EXP_4 0x1.6c163bdba1935p-10
#define CRD_EXP_5 0x1.a01b73aa18968p-13
#define CRD_EXP_6 0x1.a16e43fa00421p-16
#define CRD_EXP_7 0x1.71017702fd1b1p-19
/** (2 artanh(s) / s - 2) / s^2 in s^2 for |s| <= 1/3: error 2e-15 of 2 artanh(s). */
#define CRD_ARTANH_0 0x1.555555554dcc7p-1
#define CRD_ARTANH_1 0x1.999999aa91560p-2
#define CRD_ARTANH_2 0x1.2492429f09c47p-2
#define CRD_ARTANH_3 0x1.c71edcd96eb9dp-3
#define CRD_ARTANH_4 0x1.741de1a3fbde3p-3
#define CRD_ARTANH_5 0x1.3ece7b9232c9fp-3
#define CRD_ARTANH_6 0x1.e1e19b4758326p-4
#define CRD_ARTANH_7 0x1.7f56e59576934p-3
/** Bits of sqrt(1/2), so that a logarithm's mantissa is in [sqrt(1/2), sqrt(2)), and of 2^52 and
 * 1. */
#define CRD_LOG_SQRT_HALF UINT64_C(0x3fe6a09e667f3bcd)
#define CRD_LOG_TWO_52 UINT64_C(0x4330000000000000)
#define CRD_LOG_ONE UINT64_C(0x3ff0000000000000)
/** Below this rho, log(sigma) is rho to the last bit. */
#define CRD_LOG_SIGMA_IS_RHO (-37.0)

static inline uint64_t crd_double_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline double crd_bits_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/** 2 artanh(s) = log((1 + s) / (1 - s)). */
static inline double crd_twice_artanh(double s)
{
    double ss = s * s;
    double p = CRD_ARTANH_7;
    p = fma(p, ss, CRD_ARTANH_6);
    p = fma(p, ss, CRD_ARTANH_5);
    p = fma(p, ss, CRD_ARTANH_4);
    p = fma(p, ss, CRD_ARTANH_3);
    p = fma(p, ss, CRD_ARTANH_2);
    p = fma(p, ss, CRD_ARTANH_1);
    p = fma(p, ss, CRD_ARTANH_0);
    return fma(p * ss, s, s + s);
}

/** exp(x) for CRD_EXP_LEAST <= x <= 0. */
static inline double crd_softplus_exp(double x)
{
    double shifted = fma(x, CRD_EXP_PER_LN2, CRD_EXP_ROUND), k = shifted - CRD_EXP_ROUND;
    double f = fma(k, -CRD_EXP_LN2_HIGH, x);
    f = fma(k, -CRD_EXP_LN2_LOW, f);
    double p = CRD_EXP_7;
    p = fma(p, f, CRD_EXP_6);
    p = fma(p, f, CRD_EXP_5);
    p = fma(p, f, CRD_EXP_4);
    p = fma(p, f, CRD_EXP_3);
    p = fma(p, f, CRD_EXP_2);
    p = fma(p, f, CRD_EXP_1);
    p = fma(p, f, CRD_EXP_0);
    p = fma(p * f, f, f + 1);
    return crd_bits_double(crd_double_bits(p) + (crd_double_bits(shifted) << 52));
}

/** log(1 + exp(rho)). A rho that is not a number counts as a very small one. */
static inline double crd_softplus(double rho)
{
    double x = -fabs(rho);
    double e = crd_softplus_exp(x > CRD_EXP_LEAST ? x : CRD_EXP_LEAST);
    return (rho > 0 ? rho : 0) + crd_twice_artanh(e / (2 + e));
}

/** log(sigma) of crd_softplus's sigma. */
static inline double crd_log_sigma(double sigma, double rho)
{
    /* sigma = 2^k m; k from its place in the exponent by way of the low bits of 2^52. */
    uint64_t up = crd_double_bits(sigma) - CRD_LOG_SQRT_HALF + CRD_LOG_ONE, exponent = up >> 52;
    double k = crd_bits_double(CRD_LOG_TWO_52 | exponent) - (0x1p52 + 1023);
    double m = crd_bits_double(crd_double_bits(sigma) - ((exponent << 52) - CRD_LOG_ONE));
    double log_m = crd_twice_artanh((m - 1) / (m + 1));
    double value = fma(k, CRD_EXP_LN2_HIGH, fma(k, CRD_EXP_LN2_LOW, log_m));
    return rho < CRD_LOG_SIGMA_IS_RHO ? rho : value;
}

/** The same in float: for exp(x) with x from CRD_SCALES_LEAST on; (exp(f) - 1 - f) / f^2 to 3e-9 of
 * exp(f), (2 artanh(s) / s - 2) / s^2 to 5e-9 of 2 artanh(s). */
#define CRD_SCALES_PER_LN2 0x1.715476p+0F
#define CRD_SCALES_ROUND 0x1.8p+23F
#define CRD_SCALES_LN2_HIGH 0x1.62e4p-1F
#define CRD_SCALES_LN2_LOW 0x1.7f7d1cp-20F
#define CRD_SCALES_LEAST (-86.0F)
#define CRD_SCALES_EXP_0 0x1p-1F
#define CRD_SCALES_EXP_1 0x1.555486p-3F
#define CRD_SCALES_EXP_2 0x1.555454p-5F
#define CRD_SCALES_EXP_3 0x1.124148p-7F
#define CRD_SCALES_EXP_4 0x1.6dbc64p-10F
#define CRD_SCALES_ARTANH_0 0x1.5555p-1F
#define CRD_SCALES_ARTANH_1 0x1.99d27cp-2F
#define CRD_SCALES_ARTANH_2 0x1.1eb61p-2F
#define CRD_SCALES_ARTANH_3 0x1.1ef874p-2F

static inline float crd_scales_exp(float x)
{
    float shifted = fmaf(x, CRD_SCALES_PER_LN2, CRD_SCALES_ROUND), k = shifted - CRD_SCALES_ROUND;
    float f = fmaf(k, -CRD_SCALES_LN2_HIGH, x);
    f = fmaf(k, -CRD_SCALES_LN2_LOW, f);
    float p = CRD_SCALES_EXP_4;
    p = fmaf(p, f, CRD_SCALES_EXP_3);
    p = fmaf(p, f, CRD_SCALES_EXP_2);
    p = fmaf(p, f, CRD_SCALES_EXP_1);
    p = fmaf(p, f, CRD_SCALES_EXP_0);
    p = fmaf(p * f, f, f + 1);
    uint32_t bits, power;
    memcpy(&bits, &p, sizeof bits);
    memcpy(&power, &shifted, sizeof power);
    bits += power << 23;
    memcpy(&p, &bits, sizeof p);
    return p;
}

/** *sigma = log(1 + exp(rho)), *slope = its derivative; one division serves both. */
static inline void crd_scales(float *sigma, float *slope, float rho)
{
    float x = -fabsf(rho);
    float e = crd_scales_exp(x > CRD_SCALES_LEAST ? x : CRD_SCALES_LEAST);
    float one_e = 1 + e, two_e = 2 + e, inverse = 1 / (one_e * two_e);
    float s = e * one_e * inverse, ss = s * s;
    float p = CRD_SCALES_ARTANH_3;
    p = fmaf(p, ss, CRD_SCALES_ARTANH_2);
    p = fmaf(p, ss, CRD_SCALES_ARTANH_1);
    p = fmaf(p, ss, CRD_SCALES_ARTANH_0);
    *sigma = (rho > 0 ? rho : 0) + fmaf(p * ss, s, s + s);
    *slope = (rho > 0 ? 1 : e) * two_e * inverse;
}

#endif
