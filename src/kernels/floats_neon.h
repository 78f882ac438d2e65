/** `floats`, 8 of them, with NEON, where they are two registers: what loops over them are written
 * with. kernels/lanes.h, draw_body.h and param_body.h say what each function does. */
#ifndef CRD_KERNELS_FLOATS_NEON_H
#define CRD_KERNELS_FLOATS_NEON_H

#include <arm_neon.h>
#include <stdint.h>

typedef struct floats {
    float32x4_t low, high;
} floats;

static inline floats floats_all(float value)
{
    return (floats){vdupq_n_f32(value), vdupq_n_f32(value)};
}

static inline floats floats_load(const float *from)
{
    return (floats){vld1q_f32(from), vld1q_f32(from + 4)};
}

static inline void floats_store(float *to, floats x)
{
    vst1q_f32(to, x.low);
    vst1q_f32(to + 4, x.high);
}

/* There are no loads and stores under a mask: one element after the other. */
static inline float32x4_t floats_load_some(const float *from, int n)
{
    if (n >= 4)
        return vld1q_f32(from);
    float32x4_t x = vdupq_n_f32(0);
    if (n > 0)
        x = vld1q_lane_f32(from, x, 0);
    if (n > 1)
        x = vld1q_lane_f32(from + 1, x, 1);
    if (n > 2)
        x = vld1q_lane_f32(from + 2, x, 2);
    return x;
}

static inline void floats_store_some(float *to, float32x4_t x, int n)
{
    if (n >= 4) {
        vst1q_f32(to, x);
        return;
    }
    if (n > 0)
        vst1q_lane_f32(to, x, 0);
    if (n > 1)
        vst1q_lane_f32(to + 1, x, 1);
    if (n > 2)
        vst1q_lane_f32(to + 2, x, 2);
}

static inline floats floats_load_n(const float *from, int n)
{
    return (floats){floats_load_some(from, n), floats_load_some(from + 4, n - 4)};
}

static inline void floats_store_n(float *to, floats x, int n)
{
    floats_store_some(to, x.low, n);
    floats_store_some(to + 4, x.high, n - 4);
}

static inline floats floats_add(floats a, floats b)
{
    return (floats){vaddq_f32(a.low, b.low), vaddq_f32(a.high, b.high)};
}

static inline floats floats_sub(floats a, floats b)
{
    return (floats){vsubq_f32(a.low, b.low), vsubq_f32(a.high, b.high)};
}

static inline floats floats_mul(floats a, floats b)
{
    return (floats){vmulq_f32(a.low, b.low), vmulq_f32(a.high, b.high)};
}

static inline floats floats_div(floats a, floats b)
{
    return (floats){vdivq_f32(a.low, b.low), vdivq_f32(a.high, b.high)};
}

static inline floats floats_fma(floats a, floats b, floats c)
{
    return (floats){vfmaq_f32(c.low, a.low, b.low), vfmaq_f32(c.high, a.high, b.high)};
}

static inline floats floats_sqrt(floats x)
{
    return (floats){vsqrtq_f32(x.low), vsqrtq_f32(x.high)};
}

/* Not vmaxq, which orders zeros by their sign. */
static inline floats floats_max(floats a, floats b)
{
    return (floats){vbslq_f32(vcgtq_f32(a.low, b.low), a.low, b.low),
                    vbslq_f32(vcgtq_f32(a.high, b.high), a.high, b.high)};
}

static inline floats floats_min(floats a, floats b)
{
    return (floats){vbslq_f32(vcltq_f32(a.low, b.low), a.low, b.low),
                    vbslq_f32(vcltq_f32(a.high, b.high), a.high, b.high)};
}

/* Elements 0, 2, ... of a and then of b; and 1, 3, ... */
static inline floats floats_even(floats a, floats b)
{
    return (floats){vuzp1q_f32(a.low, a.high), vuzp1q_f32(b.low, b.high)};
}

static inline floats floats_odd(floats a, floats b)
{
    return (floats){vuzp2q_f32(a.low, a.high), vuzp2q_f32(b.low, b.high)};
}

/* The nearest whole number, halves away from zero. */
static inline floats floats_nearest(floats x)
{
    return (floats){vrndaq_f32(x.low), vrndaq_f32(x.high)};
}

static inline float32x4_t floats_and_half(float32x4_t a, float32x4_t b)
{
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
}

static inline floats floats_and(floats a, floats b)
{
    return (floats){floats_and_half(a.low, b.low), floats_and_half(a.high, b.high)};
}

static inline floats floats_abs(floats x)
{
    return (floats){vabsq_f32(x.low), vabsq_f32(x.high)};
}

static inline floats floats_if_less(floats x, floats y, floats yes, floats no)
{
    return (floats){vbslq_f32(vcltq_f32(x.low, y.low), yes.low, no.low),
                    vbslq_f32(vcltq_f32(x.high, y.high), yes.high, no.high)};
}

static inline float32x4_t floats_scale_half(float32x4_t p, float32x4_t shifted)
{
    uint32x4_t power = vshlq_n_u32(vreinterpretq_u32_f32(shifted), 23);
    return vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(p), power));
}

static inline floats floats_scale(floats p, floats shifted)
{
    return (floats){floats_scale_half(p.low, shifted.low), floats_scale_half(p.high, shifted.high)};
}

static inline floats floats_below(floats x, float limit)
{
    float32x4_t most = vdupq_n_f32(limit);
    return (floats){vreinterpretq_f32_u32(vcaltq_f32(x.low, most)),
                    vreinterpretq_f32_u32(vcaltq_f32(x.high, most))};
}

static inline int floats_all_set(floats x)
{
    return vminvq_u32(vreinterpretq_u32_f32(floats_and_half(x.low, x.high))) == UINT32_MAX;
}

static inline void floats_transpose4(float32x4_t r[4])
{
    float32x4_t t[4];
    for (int i = 0; i < 4; i += 2) {
        t[i] = vtrn1q_f32(r[i], r[i + 1]);
        t[i + 1] = vtrn2q_f32(r[i], r[i + 1]);
    }
    for (int k = 0; k < 2; k++) {
        float64x2_t a = vreinterpretq_f64_f32(t[k]), b = vreinterpretq_f64_f32(t[2 + k]);
        r[k] = vreinterpretq_f32_f64(vtrn1q_f64(a, b));
        r[2 + k] = vreinterpretq_f32_f64(vtrn2q_f64(a, b));
    }
}

/* Four blocks of 4 x 4, the two beside the diagonal exchanged. */
static inline void floats_transpose(floats r[8])
{
    float32x4_t blocks[2][2][4];
    for (int i = 0; i < 8; i++) {
        blocks[i / 4][0][i % 4] = r[i].low;
        blocks[i / 4][1][i % 4] = r[i].high;
    }
    for (int block = 0; block < 4; block++)
        floats_transpose4(blocks[block / 2][block % 2]);
    for (int i = 0; i < 8; i++)
        r[i] = (floats){blocks[0][i / 4][i % 4], blocks[1][i / 4][i % 4]};
}

/* Element k of 8 rows, `step` apart, to r[k]. */
static inline void floats_load_four(floats r[4], const float *from, int64_t step)
{
    float32x4_t low[4], high[4];
    for (int i = 0; i < 4; i++) {
        low[i] = vld1q_f32(from + i * step);
        high[i] = vld1q_f32(from + (4 + i) * step);
    }
    floats_transpose4(low);
    floats_transpose4(high);
    for (int k = 0; k < 4; k++)
        r[k] = (floats){low[k], high[k]};
}

#endif
