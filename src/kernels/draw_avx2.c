/* The draw loops with AVX2 and FMA: 8 counters at once, so that what is made of them fits the 16
 * registers. */
#include "kernels/floats_avx2.h"
#include "rng/philox.h"

#define WIDTH 8

typedef __m256i words;

static inline words words_all(uint32_t value)
{
    return _mm256_set1_epi32((int32_t)value);
}

static inline words words_count(void)
{
    return _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
}

static inline words words_add(words a, words b)
{
    return _mm256_add_epi32(a, b);
}

static inline words words_sub(words a, words b)
{
    return _mm256_sub_epi32(a, b);
}

static inline words words_and(words a, words b)
{
    return _mm256_and_si256(a, b);
}

static inline words words_shift(words x, int n)
{
    return _mm256_slli_epi32(x, n);
}

static inline words words_of_bits(floats x)
{
    return _mm256_castps_si256(x);
}

static inline floats floats_of_bits(words x)
{
    return _mm256_castsi256_ps(x);
}

static inline floats floats_of_words(words x)
{
    return _mm256_cvtepi32_ps(x);
}

static inline floats floats_choose(words word, floats a, floats b)
{
    return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(word));
}

static inline floats floats_flip(floats x, words word)
{
    return _mm256_xor_ps(x, _mm256_and_ps(_mm256_castsi256_ps(word), _mm256_set1_ps(-0.0f)));
}

/* Philox of 4 counters, one to a 64-bit lane. The multiplication reads only the lower half of a
 * lane, so the upper halves may hold anything and the products are used as they are. */
static inline void philox4(words c[4], const words keys[CRD_PHILOX_ROUNDS][2])
{
    const words m0 = words_all(CRD_PHILOX_M0), m1 = words_all(CRD_PHILOX_M1);
    for (int round = 0; round < CRD_PHILOX_ROUNDS; round++) {
        words p0 = _mm256_mul_epu32(c[0], m0), p1 = _mm256_mul_epu32(c[2], m1);
        c[0] = _mm256_xor_si256(_mm256_srli_epi64(p1, 32), _mm256_xor_si256(c[1], keys[round][0]));
        c[2] = _mm256_xor_si256(_mm256_srli_epi64(p0, 32), _mm256_xor_si256(c[3], keys[round][1]));
        c[1] = p1;
        c[3] = p0;
    }
}

/* Even and odd counters apart, then interleaved. */
static inline void words_philox(words c[4], const words keys[CRD_PHILOX_ROUNDS][2])
{
    words odd[4] = {_mm256_srli_epi64(c[0], 32), c[1], c[2], c[3]};
    philox4(c, keys);
    philox4(odd, keys);
    for (int word = 0; word < 4; word++)
        c[word] = _mm256_blend_epi32(c[word], _mm256_slli_epi64(odd[word], 32), 0xaa);
}

#include "kernels/draw_body.h"

const crd_kernels crd_kernels_avx2 = {
    .name = "avx2",
    .normal_fill = normal_fill,
    .draw = draw,
    .sign_fill = sign_fill,
    .conv = &crd_conv_kernels_avx2,
    .bf16 = &crd_bf16_kernels_avx2,
    .param = &crd_param_kernels_avx2,
    .elementwise = &crd_elementwise_kernels_avx2,
};
