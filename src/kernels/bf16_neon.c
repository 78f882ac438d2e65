/* The loops of convolution in bf16 with NEON: two multiply-adds a step. */
#include <stddef.h>
#include <stdint.h>

#include "kernels/floats_neon.h"

#define PANELS 1
#define MAX_WIDTH 3
#define BF16_TABLE crd_bf16_kernels_neon

static inline floats floats_of_pair(uint32_t pair)
{
    float32x4_t four = vreinterpretq_f32_u32(vdupq_n_u32(pair));
    return (floats){four, four};
}

static inline float32x4_t first_half(float32x4_t pairs)
{
    return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(pairs), 16));
}

static inline float32x4_t second_half(float32x4_t pairs)
{
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(pairs), vdupq_n_u32(0xffff0000u)));
}

static inline floats floats_first_half(floats pairs)
{
    return (floats){first_half(pairs.low), first_half(pairs.high)};
}

static inline floats floats_second_half(floats pairs)
{
    return (floats){second_half(pairs.low), second_half(pairs.high)};
}

/* The upper half of a lane is the number in bf16. */
static inline uint32x4_t rounded(float32x4_t x)
{
    uint32x4_t bits = vreinterpretq_u32_f32(x);
    uint32x4_t even = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    uint32x4_t up = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), even);
    /* NaN stays one: quiet, and nothing carried into it. */
    return vbslq_u32(vceqq_f32(x, x), up, vorrq_u32(bits, vdupq_n_u32(1 << 22)));
}

static inline float32x4_t pair(float32x4_t first, float32x4_t second)
{
    return vreinterpretq_f32_u32(vsriq_n_u32(rounded(second), rounded(first), 16));
}

static inline floats floats_pair(floats first, floats second)
{
    return (floats){pair(first.low, second.low), pair(first.high, second.high)};
}

#include "kernels/pairs.h"

#include "kernels/bf16_body.h"
