/** The specification of a normal: one Box-Muller pair from two random words, in C.
 *
 * Every instruction set does these operations, in this order, each rounded once to float (that is
 * why fmaf is written wherever a fused operation is meant, and why the flags forbid contraction).
 * So all give the same bits; a change here changes every draw of every posterior.
 *
 * The pair is sqrt(-2 ln u1) * (cos, sin)(2 pi u2) with u1 = (a + 1/2) / 2^32, which is never 0 or
 * 1, and u2 = b / 2^32. Relative error below 4e-7, in the tails and near 0 alike.
 * Source: Box and Muller, Ann. Math. Stat. 29 (1958) 610; minimax polynomials by Remez' exchange,
 * their coefficients rounded to float one by one.
 */
#ifndef CRD_RNG_NORMAL_H
#define CRD_RNG_NORMAL_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/** Bits of sqrt(1/2): mantissas are taken in [sqrt(1/2), sqrt(2)), so that 1 + t is near 1. */
#define CRD_NORMAL_SQRT_HALF 0x3f3504f3u
#define CRD_NORMAL_EXPONENT 0xff800000u
/** -2 ln(2) for an exponent still in its place, 23 bits up. */
#define CRD_NORMAL_EXPONENT_SCALE (-0x1.62e430p-23f)

/** -2 ln(1 + t) / t on [sqrt(1/2) - 1, sqrt(2) - 1]: relative error 1.7e-7. */
#define CRD_NORMAL_L0 (-0x1.fffffep+0f)
#define CRD_NORMAL_L1 0x1.000078p+0f
#define CRD_NORMAL_L2 (-0x1.5559e6p-1f)
#define CRD_NORMAL_L3 0x1.ff63acp-2f
#define CRD_NORMAL_L4 (-0x1.978df4p-2f)
#define CRD_NORMAL_L5 0x1.613e2ep-2f
#define CRD_NORMAL_L6 (-0x1.4c3736p-2f)
#define CRD_NORMAL_L7 0x1.9e3330p-3f

/** sin(z pi/2) / z in z^2 on [-1/2, 1/2]: relative error 3e-8. */
#define CRD_NORMAL_S0 0x1.921fb6p+0f
#define CRD_NORMAL_S1 (-0x1.4abc24p-1f)
#define CRD_NORMAL_S2 0x1.4680a4p-4f
#define CRD_NORMAL_S3 (-0x1.331990p-8f)

/** cos(z pi/2) in z^2 on [-1/2, 1/2]: relative error 4e-8. */
#define CRD_NORMAL_C0 1.0f
#define CRD_NORMAL_C1 (-0x1.3bd39cp+0f)
#define CRD_NORMAL_C2 0x1.03b058p-2f
#define CRD_NORMAL_C3 (-0x1.4e78bep-6f)

static inline uint32_t crd_normal_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float crd_normal_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/** sqrt(-2 ln u1): from 6.764 down to 1.5e-5, never rising with a (tried for all 2^32 words). */
static inline float crd_normal_radius(uint32_t a)
{
    /* Read as a signed number, the word gives u1 below 1/2 and u1 - 1 above: whichever of the two
     * is small keeps all its digits in a float. */
    int32_t centred = (int32_t)a;
    float x = fmaf((float)centred, 0x1p-32f, 0x1p-33f);
    float u = centred < 0 ? x + 1.0f : x;

    /* u = 2^e (1 + t); where e is 0, u came from the upper half, and x is the exact t. */
    uint32_t exponent = (crd_normal_bits(u) - CRD_NORMAL_SQRT_HALF) & CRD_NORMAL_EXPONENT;
    float t = exponent == 0 ? x : crd_normal_float(crd_normal_bits(u) - exponent) - 1.0f;

    float p = CRD_NORMAL_L7;
    p = fmaf(p, t, CRD_NORMAL_L6);
    p = fmaf(p, t, CRD_NORMAL_L5);
    p = fmaf(p, t, CRD_NORMAL_L4);
    p = fmaf(p, t, CRD_NORMAL_L3);
    p = fmaf(p, t, CRD_NORMAL_L2);
    p = fmaf(p, t, CRD_NORMAL_L1);
    p = fmaf(p, t, CRD_NORMAL_L0);
    return sqrtf(fmaf((float)(int32_t)exponent, CRD_NORMAL_EXPONENT_SCALE, p * t));
}

/** The two normals of the words a and b. */
static inline void crd_normal_pair(float out[2], uint32_t a, uint32_t b)
{
    float r = crd_normal_radius(a);

    /* The angle is (quadrant + z) quarter turns. The lower 30 bits of b, taken as signed, are z;
     * the quadrant is what rounding to the nearest axis leaves above them. */
    float z = (float)(int32_t)(b << 2) * 0x1p-32f;
    uint32_t quadrant = b + 0x20000000u;
    float zz = z * z;
    float s = fmaf(CRD_NORMAL_S3, zz, CRD_NORMAL_S2);
    s = fmaf(s, zz, CRD_NORMAL_S1);
    s = fmaf(s, zz, CRD_NORMAL_S0);
    s = s * z;
    float c = fmaf(CRD_NORMAL_C3, zz, CRD_NORMAL_C2);
    c = fmaf(c, zz, CRD_NORMAL_C1);
    c = fmaf(c, zz, CRD_NORMAL_C0);

    /* Odd quadrants swap sine and cosine; the sine is negative in the quadrants 2 and 3, the cosine
     * in 1 and 2. */
    uint32_t swap = quadrant & 0x40000000u;
    uint32_t cos_sign = (quadrant + 0x40000000u) & 0x80000000u;
    uint32_t sin_sign = quadrant & 0x80000000u;
    float cosine = crd_normal_float(crd_normal_bits(swap ? s : c) ^ cos_sign);
    float sine = crd_normal_float(crd_normal_bits(swap ? c : s) ^ sin_sign);
    out[0] = r * cosine;
    out[1] = r * sine;
}

#endif
