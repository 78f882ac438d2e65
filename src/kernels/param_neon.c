/* The loops over parameters with NEON: 8 doubles are four registers. */
#include <stdint.h>

#include "kernels/floats_neon.h"
#include "kernels/softplus.h"

#define PARAM_TABLE crd_param_kernels_neon

enum { LANES = 8 };

typedef struct doubles {
    float64x2_t a, b, c, d;
} doubles;

static inline doubles doubles_all(double value)
{
    float64x2_t x = vdupq_n_f64(value);
    return (doubles){x, x, x, x};
}

static inline void doubles_store(double *to, doubles x)
{
    vst1q_f64(to, x.a);
    vst1q_f64(to + 2, x.b);
    vst1q_f64(to + 4, x.c);
    vst1q_f64(to + 6, x.d);
}

static inline doubles doubles_of_floats(floats x)
{
    return (doubles){vcvt_f64_f32(vget_low_f32(x.low)), vcvt_high_f64_f32(x.low),
                     vcvt_f64_f32(vget_low_f32(x.high)), vcvt_high_f64_f32(x.high)};
}

static inline floats doubles_to_floats(doubles x)
{
    return (floats){vcvt_high_f32_f64(vcvt_f32_f64(x.a), x.b),
                    vcvt_high_f32_f64(vcvt_f32_f64(x.c), x.d)};
}

static inline float64x2_t of_longs(const int64_t *from)
{
    return vcvtq_f64_s64(vld1q_s64(from));
}

static inline doubles doubles_of_longs(const int64_t *from)
{
    return (doubles){of_longs(from), of_longs(from + 2), of_longs(from + 4), of_longs(from + 6)};
}

/* What is done to two doubles is done to all. */
#define ALL_OF_ONE(f, x) ((doubles){f((x).a), f((x).b), f((x).c), f((x).d)})
#define ALL_OF_TWO(f, x, y)                                                                        \
    ((doubles){f((x).a, (y).a), f((x).b, (y).b), f((x).c, (y).c), f((x).d, (y).d)})

static inline doubles doubles_add(doubles x, doubles y)
{
    return ALL_OF_TWO(vaddq_f64, x, y);
}

static inline doubles doubles_sub(doubles x, doubles y)
{
    return ALL_OF_TWO(vsubq_f64, x, y);
}

static inline doubles doubles_mul(doubles x, doubles y)
{
    return ALL_OF_TWO(vmulq_f64, x, y);
}

static inline doubles doubles_div(doubles x, doubles y)
{
    return ALL_OF_TWO(vdivq_f64, x, y);
}

static inline doubles doubles_fma(doubles x, doubles y, doubles z)
{
    return (doubles){vfmaq_f64(z.a, x.a, y.a), vfmaq_f64(z.b, x.b, y.b), vfmaq_f64(z.c, x.c, y.c),
                     vfmaq_f64(z.d, x.d, y.d)};
}

/* Not vmaxq, which keeps what is no number. */
static inline float64x2_t larger(float64x2_t x, float64x2_t y)
{
    return vbslq_f64(vcgtq_f64(x, y), x, y);
}

static inline doubles doubles_max(doubles x, doubles y)
{
    return ALL_OF_TWO(larger, x, y);
}

static inline doubles doubles_abs(doubles x)
{
    return ALL_OF_ONE(vabsq_f64, x);
}

static inline doubles doubles_if_less(doubles x, doubles y, doubles yes, doubles no)
{
    return (doubles){
        vbslq_f64(vcltq_f64(x.a, y.a), yes.a, no.a), vbslq_f64(vcltq_f64(x.b, y.b), yes.b, no.b),
        vbslq_f64(vcltq_f64(x.c, y.c), yes.c, no.c), vbslq_f64(vcltq_f64(x.d, y.d), yes.d, no.d)};
}

/* The exponent of x, and what is left of x without it. */
static inline uint64x2_t exponent(float64x2_t x)
{
    uint64x2_t up =
        vsubq_u64(vreinterpretq_u64_f64(x), vdupq_n_u64(CRD_LOG_SQRT_HALF - CRD_LOG_ONE));
    return vshrq_n_u64(up, 52);
}

static inline float64x2_t split_exponent(float64x2_t x)
{
    return vreinterpretq_f64_u64(vorrq_u64(exponent(x), vdupq_n_u64(CRD_LOG_TWO_52)));
}

static inline float64x2_t split_mantissa(float64x2_t x)
{
    uint64x2_t power = vsubq_u64(vshlq_n_u64(exponent(x), 52), vdupq_n_u64(CRD_LOG_ONE));
    return vreinterpretq_f64_u64(vsubq_u64(vreinterpretq_u64_f64(x), power));
}

static inline void doubles_split(doubles *m, doubles *k, doubles x)
{
    *m = ALL_OF_ONE(split_mantissa, x);
    *k = ALL_OF_ONE(split_exponent, x);
}

static inline float64x2_t scale(float64x2_t p, float64x2_t shifted)
{
    uint64x2_t power = vshlq_n_u64(vreinterpretq_u64_f64(shifted), 52);
    return vreinterpretq_f64_u64(vaddq_u64(vreinterpretq_u64_f64(p), power));
}

static inline doubles doubles_scale(doubles p, doubles shifted)
{
    return ALL_OF_TWO(scale, p, shifted);
}

/* Not vcvtaq, which would not round a second time as the reference does. */
static inline void pair_to_longs(int64_t *sums, float64x2_t x, int adds)
{
    float64x2_t half = vbslq_f64(vdupq_n_u64(UINT64_C(1) << 63), x, vdupq_n_f64(0.5));
    int64x2_t longs = vcvtq_s64_f64(vaddq_f64(x, half));
    vst1q_s64(sums, adds ? vaddq_s64(vld1q_s64(sums), longs) : longs);
}

static inline void doubles_to_longs(int64_t *sums, doubles x, int adds)
{
    pair_to_longs(sums, x.a, adds);
    pair_to_longs(sums + 2, x.b, adds);
    pair_to_longs(sums + 4, x.c, adds);
    pair_to_longs(sums + 6, x.d, adds);
}

#include "kernels/param_body.h"
