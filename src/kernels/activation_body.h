/** The loops of kernels/activation.h. Each function and each derivative is written once, in plain C
 * without branches, for all instruction sets; see kernels/elementwise_body.h, which includes this.
 * exp is that of kernels/softplus.h. Absolute error of values and derivatives: below 4e-7 times the
 * larger of 1 and |x|.
 */
#ifndef CRD_KERNELS_ACTIVATION_BODY_H
#define CRD_KERNELS_ACTIVATION_BODY_H

#include "kernels/softplus.h"

#define ROOT_HALF 0.707106781F
#define ROOT_2_PI 0.797884561F      /* sqrt(2 / pi) */
#define ROOT_HALF_PI_2 0.398942280F /* 1 / sqrt(2 pi) */
#define GELU_CUBE 0.044715F

/* A choice that the compiler cannot make a jump of. */
static inline float pick(int condition, float yes, float no)
{
    uint32_t bits, other, mask = 0U - (uint32_t)condition;
    memcpy(&bits, &yes, sizeof bits);
    memcpy(&other, &no, sizeof other);
    bits = (bits & mask) | (other & ~mask);
    memcpy(&yes, &bits, sizeof yes);
    return yes;
}

static inline float if_number(float x, float value)
{
    return pick(x != x, x, value);
}

/* exp(x) of an x that is not positive. */
static inline float exp_down(float x)
{
    return crd_scales_exp(pick(x > CRD_SCALES_LEAST, x, CRD_SCALES_LEAST));
}

/* exp(x) - 1 of an x that is not positive: 2^k expm1(f) + 2^k - 1, exact where x is small. */
static inline float expm1_down(float x)
{
    float least = pick(x > CRD_SCALES_LEAST, x, CRD_SCALES_LEAST);
    float shifted = fmaf(least, CRD_SCALES_PER_LN2, CRD_SCALES_ROUND);
    float k = shifted - CRD_SCALES_ROUND;
    float f = fmaf(k, -CRD_SCALES_LN2_LOW, fmaf(k, -CRD_SCALES_LN2_HIGH, least));
    float p = CRD_SCALES_EXP_4;
    p = fmaf(p, f, CRD_SCALES_EXP_3);
    p = fmaf(p, f, CRD_SCALES_EXP_2);
    p = fmaf(p, f, CRD_SCALES_EXP_1);
    p = fmaf(p, f, CRD_SCALES_EXP_0);
    p = fmaf(p * f, f, f);
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + UINT32_C(0x3f800000);
    float power;
    memcpy(&power, &bits, sizeof power);
    return fmaf(power, p, power - 1);
}

static inline float sigmoid(float x, float a, float b)
{
    (void)a;
    (void)b;
    float e = exp_down(-fabsf(x)), inverse = 1 / (1 + e);
    return if_number(x, pick(x > 0, 1, e) * inverse);
}

static inline float sigmoid_slope(float x, float a, float b)
{
    (void)a;
    (void)b;
    float e = exp_down(-fabsf(x)), inverse = 1 / (1 + e);
    return if_number(x, e * inverse * inverse);
}

/* (1 - e) / (1 + e) with e = exp(-2 |x|). */
static inline float hyperbolic(float x, float a, float b)
{
    (void)a;
    (void)b;
    float e_1 = expm1_down(-2 * fabsf(x)), value = -e_1 / (2 + e_1);
    return if_number(x, pick(x < 0, -value, value));
}

static inline float hyperbolic_slope(float x, float a, float b)
{
    float t = hyperbolic(x, a, b);
    return fmaf(-t, t, 1);
}

static inline float silu(float x, float a, float b)
{
    return x * sigmoid(x, a, b);
}

static inline float silu_slope(float x, float a, float b)
{
    float s = sigmoid(x, a, b);
    return fmaf(x * s, sigmoid(-x, a, b), s);
}

/* Two polynomials, below and above 475 / 512. Source: Remez' exchange, as in N. Juffa's erff. */
static inline float error_function(float x)
{
    float t = fabsf(x), s = x * x;
    float high = fmaf(-1.72853470e-5F, t, 3.83197126e-4F);
    high = fmaf(high, s, fmaf(-3.88396438e-3F, t, 2.42546219e-2F));
    high = fmaf(high, t, -1.06777877e-1F);
    high = fmaf(high, t, -6.34846687e-1F);
    high = fmaf(high, t, -1.28717512e-1F);
    high = fmaf(high, t, -t);
    high = pick(t < 4, high, -20); /* which is 1 to the last bit */
    high = -expm1_down(high);
    float low = -5.96761703e-4F;
    low = fmaf(low, s, 4.99119423e-3F);
    low = fmaf(low, s, -2.67681349e-2F);
    low = fmaf(low, s, 1.12819925e-1F);
    low = fmaf(low, s, -3.76125336e-1F);
    low = fmaf(low, s, 1.28379166e-1F);
    low = fmaf(low, x, x);
    return pick(t > 0.927734375F, pick(x < 0, -high, high), low);
}

static inline float gelu(float x, float a, float b)
{
    (void)a;
    (void)b;
    return if_number(x, 0.5F * x * (1 + error_function(x * ROOT_HALF)));
}

static inline float gelu_slope(float x, float a, float b)
{
    (void)a;
    (void)b;
    float share = 0.5F * (1 + error_function(x * ROOT_HALF));
    return if_number(x, fmaf(x * ROOT_HALF_PI_2, exp_down(-0.5F * x * x), share));
}

static inline float gelu_tanh(float x, float a, float b)
{
    float t = hyperbolic(ROOT_2_PI * fmaf(GELU_CUBE * x * x, x, x), a, b);
    return 0.5F * x * (1 + t);
}

static inline float gelu_tanh_slope(float x, float a, float b)
{
    float t = hyperbolic(ROOT_2_PI * fmaf(GELU_CUBE * x * x, x, x), a, b);
    float inner = ROOT_2_PI * fmaf(3 * GELU_CUBE * x, x, 1);
    float sech = fmaf(-t, t, 1);
    return fmaf(0.5F * x * sech, pick(sech > 0, inner, 0), 0.5F * (1 + t));
}

static inline float clamp(float x, float a, float b)
{
    float value = pick(x < a, a, x);
    return pick(value > b, b, value);
}

static inline float clamp_slope(float x, float a, float b)
{
    return if_number(x, pick(x > a, pick(x < b, 1, 0), 0));
}

static inline float relu_of(float x, float a, float b)
{
    (void)a;
    (void)b;
    return pick(x < 0, 0, x);
}

static inline float relu_slope(float x, float a, float b)
{
    (void)a;
    (void)b;
    return if_number(x, pick(x > 0, 1, 0));
}

static inline float leaky_relu(float x, float a, float b)
{
    (void)b;
    return pick(x < 0, a * x, x);
}

static inline float leaky_relu_slope(float x, float a, float b)
{
    (void)b;
    return if_number(x, pick(x > 0, 1, a));
}

static inline float elu(float x, float a, float b)
{
    (void)b;
    float value = a * expm1_down(pick(x < 0, x, 0));
    return pick(x < 0, value, x);
}

static inline float elu_slope(float x, float a, float b)
{
    (void)b;
    float value = a * exp_down(pick(x < 0, x, 0));
    return if_number(x, pick(x > 0, 1, value));
}

static inline float hardsigmoid(float x, float a, float b)
{
    (void)a;
    (void)b;
    return clamp(x + 3, 0, 6) * (1.0F / 6);
}

static inline float hardsigmoid_slope(float x, float a, float b)
{
    (void)a;
    (void)b;
    return clamp_slope(x, -3, 3) * (1.0F / 6);
}

static inline float hardswish(float x, float a, float b)
{
    return x * hardsigmoid(x, a, b);
}

static inline float hardswish_slope(float x, float a, float b)
{
    (void)a;
    (void)b;
    float middle = fmaf(x, 1.0F / 3, 0.5F);
    return pick(x > 3, 1, pick(x < -3, 0, middle));
}

#define FORWARD(function)                                                                          \
    INDEPENDENT                                                                                    \
    for (int64_t i = 0; i < n; i++)                                                                \
        out[i] = function(x[i], a, b);                                                             \
    break

static void activate(float *out, const float *x, int64_t n, const crd_activation *f)
{
    const float a = f->a, b = f->b;
    switch (f->kind) {
    case CRD_RELU:
        FORWARD(relu_of);
    case CRD_CLAMP:
        FORWARD(clamp);
    case CRD_LEAKY_RELU:
        FORWARD(leaky_relu);
    case CRD_ELU:
        FORWARD(elu);
    case CRD_SIGMOID:
        FORWARD(sigmoid);
    case CRD_TANH:
        FORWARD(hyperbolic);
    case CRD_SILU:
        FORWARD(silu);
    case CRD_GELU:
        FORWARD(gelu);
    case CRD_GELU_TANH:
        FORWARD(gelu_tanh);
    case CRD_HARDSIGMOID:
        FORWARD(hardsigmoid);
    case CRD_HARDSWISH:
        FORWARD(hardswish);
    default:
        if (out != x)
            memcpy(out, x, (size_t)n * sizeof *out);
    }
}

#define BACKWARD(slope)                                                                            \
    if (adds) {                                                                                    \
        INDEPENDENT                                                                                \
        for (int64_t i = 0; i < n; i++)                                                            \
            din[i] += dout[i] * slope(x[i], a, b);                                                 \
    } else {                                                                                       \
        INDEPENDENT                                                                                \
        for (int64_t i = 0; i < n; i++)                                                            \
            din[i] = dout[i] * slope(x[i], a, b);                                                  \
    }                                                                                              \
    break

static float identity_slope(float x, float a, float b)
{
    (void)x;
    (void)a;
    (void)b;
    return 1;
}

static void activate_backward(float *din, const float *dout, const float *x, int64_t n,
                              const crd_activation *f, int adds)
{
    const float a = f->a, b = f->b;
    switch (f->kind) {
    case CRD_RELU:
        BACKWARD(relu_slope);
    case CRD_CLAMP:
        BACKWARD(clamp_slope);
    case CRD_LEAKY_RELU:
        BACKWARD(leaky_relu_slope);
    case CRD_ELU:
        BACKWARD(elu_slope);
    case CRD_SIGMOID:
        BACKWARD(sigmoid_slope);
    case CRD_TANH:
        BACKWARD(hyperbolic_slope);
    case CRD_SILU:
        BACKWARD(silu_slope);
    case CRD_GELU:
        BACKWARD(gelu_slope);
    case CRD_GELU_TANH:
        BACKWARD(gelu_tanh_slope);
    case CRD_HARDSIGMOID:
        BACKWARD(hardsigmoid_slope);
    case CRD_HARDSWISH:
        BACKWARD(hardswish_slope);
    default:
        BACKWARD(identity_slope);
    }
}

#endif
