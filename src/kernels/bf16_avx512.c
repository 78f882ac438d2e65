/* The loops of convolution in bf16 with AVX-512 alone: two multiply-adds a step. */
#include <stddef.h>
#include <stdint.h>

#include "kernels/lanes_avx512.h"

#define PANELS 2
#define MAX_WIDTH 7
#define BF16_TABLE crd_bf16_kernels_avx512

typedef uint32_t word;

static inline lanes lanes_of_word(word pair)
{
    return _mm512_castsi512_ps(_mm512_set1_epi32((int)pair));
}

static inline lanes low(lanes pairs)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(pairs), 16));
}

static inline lanes high(lanes pairs)
{
    return _mm512_castsi512_ps(
        _mm512_and_si512(_mm512_castps_si512(pairs), _mm512_set1_epi32((int)0xffff0000u)));
}

static inline lanes lanes_step(lanes pixel, lanes weight, lanes sum)
{
    sum = _mm512_fmadd_ps(high(pixel), high(weight), sum);
    return _mm512_fmadd_ps(low(pixel), low(weight), sum);
}

/* The upper half of a lane is the number in bf16. */
static inline __m512i rounded(lanes x)
{
    __m512i bits = _mm512_castps_si512(x), one = _mm512_set1_epi32(1);
    __m512i even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), one);
    __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), even);
    /* NaN stays one: quiet, and nothing carried into it. */
    __mmask16 is_nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_mask_or_epi32(up, is_nan, bits, _mm512_set1_epi32(1 << 22));
}

static inline lanes lanes_pair(lanes first, lanes second)
{
    /* Bits of the second where the mask has ones, of the first elsewhere. */
    return _mm512_castsi512_ps(
        _mm512_ternarylogic_epi32(_mm512_set1_epi32((int)0xffff0000u), rounded(second),
                                  _mm512_srli_epi32(rounded(first), 16), 0xca));
}

static inline void lanes_store_pairs(uint32_t *to, lanes x)
{
    __m512i bits = rounded(x);
    __m256i first = _mm256_srli_epi32(_mm512_castsi512_si256(bits), 16);
    __m256i second =
        _mm256_and_si256(_mm512_extracti64x4_epi64(bits, 1), _mm256_set1_epi32((int)0xffff0000u));
    _mm256_storeu_si256((__m256i *)(void *)to, _mm256_or_si256(first, second));
}

#include "kernels/bf16_body.h"
