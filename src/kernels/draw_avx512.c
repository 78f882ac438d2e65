/* The draw loops with AVX-512: 16 counters at once, so a superblock is four registers. */
#include "kernels/floats_avx512.h"
#include "rng/philox.h"

#define WIDTH 16

typedef __m512i words;

static inline words words_all(uint32_t value)
{
    return _mm512_set1_epi32((int32_t)value);
}

static inline words words_count(void)
{
    return _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

static inline words words_add(words a, words b)
{
    return _mm512_add_epi32(a, b);
}

static inline words words_sub(words a, words b)
{
    return _mm512_sub_epi32(a, b);
}

static inline words words_and(words a, words b)
{
    return _mm512_and_si512(a, b);
}

static inline words words_shift(words x, unsigned n)
{
    return _mm512_slli_epi32(x, n);
}

static inline words words_of_bits(floats x)
{
    return _mm512_castps_si512(x);
}

static inline floats floats_of_bits(words x)
{
    return _mm512_castsi512_ps(x);
}

static inline floats floats_of_words(words x)
{
    return _mm512_cvtepi32_ps(x);
}

static inline floats floats_choose(words word, floats a, floats b)
{
    return _mm512_mask_mov_ps(b, _mm512_movepi32_mask(word), a);
}

static inline floats floats_flip(floats x, words word)
{
    return floats_of_bits(
        _mm512_ternarylogic_epi32(words_of_bits(x), word, words_all(0x80000000u), 0x78));
}

static inline words xor3(words a, words b, words c)
{
    return _mm512_ternarylogic_epi32(a, b, c, 0x96);
}

/* Philox of 8 counters, one to a 64-bit lane. The multiplication reads only the lower half of a
 * lane, so the upper halves may hold anything and the products are used as they are. */
static inline void philox8(words c[4], const words keys[CRD_PHILOX_ROUNDS][2])
{
    const words m0 = words_all(CRD_PHILOX_M0), m1 = words_all(CRD_PHILOX_M1);
    for (int round = 0; round < CRD_PHILOX_ROUNDS; round++) {
        words p0 = _mm512_mul_epu32(c[0], m0), p1 = _mm512_mul_epu32(c[2], m1);
        c[0] = xor3(_mm512_srli_epi64(p1, 32), c[1], keys[round][0]);
        c[2] = xor3(_mm512_srli_epi64(p0, 32), c[3], keys[round][1]);
        c[1] = p1;
        c[3] = p0;
    }
}

/* Even and odd counters apart, then interleaved. */
static inline void words_philox(words c[4], const words keys[CRD_PHILOX_ROUNDS][2])
{
    words odd[4] = {_mm512_srli_epi64(c[0], 32), c[1], c[2], c[3]};
    philox8(c, keys);
    philox8(odd, keys);
    for (int word = 0; word < 4; word++)
        c[word] = _mm512_mask_shuffle_epi32(c[word], 0xaaaa, odd[word], _MM_PERM_CCAA);
}

#include "kernels/draw_body.h"

const crd_kernels crd_kernels_avx512 = {
    .name = "avx512",
    .normal_fill = normal_fill,
    .draw = draw,
    .sign_fill = sign_fill,
    .conv = &crd_conv_kernels_avx512,
    .bf16 = &crd_bf16_kernels_avx512,
    .param = &crd_param_kernels_avx512,
    .elementwise = &crd_elementwise_kernels_avx512,
};

const crd_kernels crd_kernels_avx512_bf16 = {
    .name = "avx512_bf16",
    .normal_fill = normal_fill,
    .draw = draw,
    .sign_fill = sign_fill,
    .conv = &crd_conv_kernels_avx512,
    .bf16 = &crd_bf16_kernels_avx512_bf16,
    .param = &crd_param_kernels_avx512,
    .elementwise = &crd_elementwise_kernels_avx512,
};
