/* The loops of convolution in bf16 with AVX2: two multiply-adds a step. */
#include <stddef.h>
#include <stdint.h>

#include "kernels/floats_avx2.h"

#define PANELS 1
#define MAX_WIDTH 3
#define BF16_TABLE crd_bf16_kernels_avx2

static inline floats floats_of_pair(uint32_t pair)
{
    return _mm256_castsi256_ps(_mm256_set1_epi32((int)pair));
}

static inline floats floats_first_half(floats pairs)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(pairs), 16));
}

static inline floats floats_second_half(floats pairs)
{
    return _mm256_and_ps(pairs, floats_of_pair(0xffff0000u));
}

/* The upper half of a lane is the number in bf16. */
static inline __m256i rounded(floats x)
{
    __m256i bits = _mm256_castps_si256(x);
    __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i up = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), even);
    /* NaN stays one: quiet, and nothing carried into it. */
    __m256i nan = _mm256_or_si256(bits, _mm256_set1_epi32(1 << 22));
    __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(up, nan, is_nan);
}

static inline floats floats_pair(floats first, floats second)
{
    return _mm256_castsi256_ps(
        _mm256_blend_epi16(_mm256_srli_epi32(rounded(first), 16), rounded(second), 0xaa));
}

#include "kernels/pairs.h"

#include "kernels/bf16_body.h"
