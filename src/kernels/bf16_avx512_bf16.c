/* The loops of convolution in bf16 with AVX512_BF16, which has an instruction for a step. */
#include <stddef.h>
#include <stdint.h>

#include "kernels/lanes_avx512.h"

#define PANELS 2
#define MAX_WIDTH 7
#define BF16_TABLE crd_bf16_kernels_avx512_bf16

typedef uint32_t word;

static inline lanes lanes_of_word(word pair)
{
    return _mm512_castsi512_ps(_mm512_set1_epi32((int)pair));
}

static inline lanes lanes_step(lanes pixel, lanes weight, lanes sum)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)pixel, (__m512bh)weight);
}

/* The instruction leaves the second ones' 16 numbers after the first ones'. */
static inline lanes lanes_pair(lanes first, lanes second)
{
    const __m512i turns = _mm512_set_epi32(
        0x1f000f, 0x1e000e, 0x1d000d, 0x1c000c, 0x1b000b, 0x1a000a, 0x190009, 0x180008, 0x170007,
        0x160006, 0x150005, 0x140004, 0x130003, 0x120002, 0x110001, 0x100000);
    __m512i apart = (__m512i)_mm512_cvtne2ps_pbh(second, first);
    /* Index of each half: i, 16 + i. */
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(turns, apart));
}

static inline void lanes_store_pairs(uint32_t *to, lanes x)
{
    const __m256i turns =
        _mm256_set_epi32(0xf0007, 0xe0006, 0xd0005, 0xc0004, 0xb0003, 0xa0002, 0x90001, 0x80000);
    __m256i apart = (__m256i)_mm512_cvtneps_pbh(x);
    _mm256_storeu_si256((__m256i *)(void *)to, _mm256_permutexvar_epi16(turns, apart));
}

#include "kernels/bf16_body.h"
