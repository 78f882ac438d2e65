/* The draw loops with NEON: 8 counters at once, in twice four lanes, whose chains of
 * multiplications run side by side. */
#include "kernels/floats_neon.h"
#include "rng/philox.h"

enum { WIDTH = 8, N_SIDE_BY_SIDE = 1 };

typedef struct words {
    uint32x4_t low, high;
} words;

static inline words words_all(uint32_t value)
{
    return (words){vdupq_n_u32(value), vdupq_n_u32(value)};
}

static inline words words_count(void)
{
    static const uint32_t count[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    return (words){vld1q_u32(count), vld1q_u32(count + 4)};
}

static inline words words_load(const uint32_t *from)
{
    return (words){vld1q_u32(from), vld1q_u32(from + 4)};
}

static inline void words_store(uint32_t *to, words x)
{
    vst1q_u32(to, x.low);
    vst1q_u32(to + 4, x.high);
}

static inline words words_add(words a, words b)
{
    return (words){vaddq_u32(a.low, b.low), vaddq_u32(a.high, b.high)};
}

static inline words words_sub(words a, words b)
{
    return (words){vsubq_u32(a.low, b.low), vsubq_u32(a.high, b.high)};
}

static inline words words_and(words a, words b)
{
    return (words){vandq_u32(a.low, b.low), vandq_u32(a.high, b.high)};
}

static inline words words_shift(words x, int n)
{
    int32x4_t by = vdupq_n_s32(n);
    return (words){vshlq_u32(x.low, by), vshlq_u32(x.high, by)};
}

static inline words words_of_bits(floats x)
{
    return (words){vreinterpretq_u32_f32(x.low), vreinterpretq_u32_f32(x.high)};
}

static inline floats floats_of_bits(words x)
{
    return (floats){vreinterpretq_f32_u32(x.low), vreinterpretq_f32_u32(x.high)};
}

static inline floats floats_of_words(words x)
{
    return (floats){vcvtq_f32_s32(vreinterpretq_s32_u32(x.low)),
                    vcvtq_f32_s32(vreinterpretq_s32_u32(x.high))};
}

/* All bits set where the top one is. */
static inline uint32x4_t spread(uint32x4_t word)
{
    return vcltzq_s32(vreinterpretq_s32_u32(word));
}

static inline floats floats_choose(words word, floats a, floats b)
{
    return (floats){vbslq_f32(spread(word.low), a.low, b.low),
                    vbslq_f32(spread(word.high), a.high, b.high)};
}

static inline floats floats_flip(floats x, words word)
{
    words bits = words_of_bits(x), sign = words_and(word, words_all(0x80000000u));
    return floats_of_bits((words){veorq_u32(bits.low, sign.low), veorq_u32(bits.high, sign.high)});
}

/* The lower and the upper halves of four products. */
static inline void multiply(uint32x4_t *low, uint32x4_t *high, uint32x4_t a, uint32_t factor)
{
    uint32x4_t first = vreinterpretq_u32_u64(vmull_n_u32(vget_low_u32(a), factor));
    uint32x4_t second = vreinterpretq_u32_u64(vmull_high_n_u32(a, factor));
    *low = vuzp1q_u32(first, second);
    *high = vuzp2q_u32(first, second);
}

static inline void philox_round(uint32x4_t *c0, uint32x4_t *c1, uint32x4_t *c2, uint32x4_t *c3,
                                uint32x4_t key0, uint32x4_t key1)
{
    uint32x4_t low0, high0, low1, high1;
    multiply(&low0, &high0, *c0, CRD_PHILOX_M0);
    multiply(&low1, &high1, *c2, CRD_PHILOX_M1);
    *c0 = veorq_u32(high1, veorq_u32(*c1, key0));
    *c2 = veorq_u32(high0, veorq_u32(*c3, key1));
    *c1 = low1;
    *c3 = low0;
}

static inline void words_philox(words c[1][4], const words keys[CRD_PHILOX_ROUNDS][2])
{
    words *x = c[0];
    for (int round = 0; round < CRD_PHILOX_ROUNDS; round++) {
        uint32x4_t key0 = keys[round][0].low, key1 = keys[round][1].low; /* as .high */
        philox_round(&x[0].low, &x[1].low, &x[2].low, &x[3].low, key0, key1);
        philox_round(&x[0].high, &x[1].high, &x[2].high, &x[3].high, key0, key1);
    }
}

#include "kernels/draw_body.h"

const crd_kernels crd_kernels_neon = {
    .name = "neon",
    .normal_fill = normal_fill,
    .draw = draw,
    .sign_fill = sign_fill,
    .conv = &crd_conv_kernels_neon,
    .bf16 = &crd_bf16_kernels_neon,
    .param = &crd_param_kernels_neon,
    .elementwise = &crd_elementwise_kernels_ref, /* plain C, and every AArch64 has NEON */
};
