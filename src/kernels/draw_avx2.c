/* The draw loops with AVX2 and FMA: 8 counters at once, so that what is made of them fits the 16
 * registers. */
#include "kernels/floats_avx2.h"
#include "kernels/variants.h"
#include "rng/philox.h"

enum { WIDTH = 8, N_SIDE_BY_SIDE = 1 };

typedef __m256i words;

static inline words words_all(uint32_t value)
{
    return _mm256_set1_epi32((int32_t)value);
}

static inline words words_count(void)
{
    return _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
}

static inline words words_load(const uint32_t *from)
{
    return _mm256_loadu_si256((const void *)from);
}

static inline void words_store(uint32_t *to, words x)
{
    _mm256_storeu_si256((void *)to, x);
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

/* Even and odd counters in registers of their own, one to a 64-bit lane, then interleaved. The
 * multiplication reads only the lower half of a lane, so the upper halves may hold anything and the
 * products are used as they are. */
static inline void words_philox(words c[1][4], const words keys[CRD_PHILOX_ROUNDS][2])
{
    const words m0 = words_all(CRD_PHILOX_M0), m1 = words_all(CRD_PHILOX_M1);
    words x[2][4] = {{c[0][0], c[0][1], c[0][2], c[0][3]},
                     {_mm256_srli_epi64(c[0][0], 32), c[0][1], c[0][2], c[0][3]}};
    CRD_UNROLLED for (int round = 0; round < CRD_PHILOX_ROUNDS; round++)
        CRD_UNROLLED for (int i = 0; i < 2; i++)
    {
        words p0 = _mm256_mul_epu32(x[i][0], m0), p1 = _mm256_mul_epu32(x[i][2], m1);
        x[i][0] =
            _mm256_xor_si256(_mm256_srli_epi64(p1, 32), _mm256_xor_si256(x[i][1], keys[round][0]));
        x[i][2] =
            _mm256_xor_si256(_mm256_srli_epi64(p0, 32), _mm256_xor_si256(x[i][3], keys[round][1]));
        x[i][1] = p1;
        x[i][3] = p0;
    }
    CRD_UNROLLED for (int word = 0; word < 4; word++) c[0][word] =
        _mm256_blend_epi32(x[0][word], _mm256_slli_epi64(x[1][word], 32), 0xaa);
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
