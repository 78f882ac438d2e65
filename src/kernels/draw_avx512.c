/* The draw loops with AVX-512: 16 counters to a register, so a superblock is four registers,
 * and two superblocks side by side fill the 32 there are. */
#include "kernels/floats_avx512.h"
#include "kernels/variants.h"
#include "rng/philox.h"

enum { WIDTH = 16, N_SIDE_BY_SIDE = 2 };

typedef __m512i words;

static inline words words_all(uint32_t value)
{
    return _mm512_set1_epi32((int32_t)value);
}

static inline words words_count(void)
{
    return _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

static inline words words_load(const uint32_t *from)
{
    return _mm512_loadu_si512(from);
}

static inline void words_store(uint32_t *to, words x)
{
    _mm512_storeu_si512(to, x);
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

/* Even and odd counters in registers of their own, one to a 64-bit lane, then interleaved. The
 * multiplication reads only the lower half of a lane, so the upper halves may hold anything and the
 * products are used as they are. */
static inline void words_philox(words c[N_SIDE_BY_SIDE][4], const words keys[CRD_PHILOX_ROUNDS][2])
{
    enum { N = 2 * N_SIDE_BY_SIDE };
    const words m0 = words_all(CRD_PHILOX_M0), m1 = words_all(CRD_PHILOX_M1);
    words x[N][4];
    CRD_UNROLLED for (int i = 0; i < N; i++)
    {
        x[i][0] = i % 2 == 0 ? c[i / 2][0] : _mm512_srli_epi64(c[i / 2][0], 32);
        CRD_UNROLLED for (int word = 1; word < 4; word++) x[i][word] = c[i / 2][word];
    }
    CRD_UNROLLED for (int round = 0; round < CRD_PHILOX_ROUNDS; round++)
        CRD_UNROLLED for (int i = 0; i < N; i++)
    {
        words p0 = _mm512_mul_epu32(x[i][0], m0), p1 = _mm512_mul_epu32(x[i][2], m1);
        x[i][0] = xor3(_mm512_srli_epi64(p1, 32), x[i][1], keys[round][0]);
        x[i][2] = xor3(_mm512_srli_epi64(p0, 32), x[i][3], keys[round][1]);
        x[i][1] = p1;
        x[i][3] = p0;
    }
    CRD_UNROLLED for (int i = 0; i < N; i += 2) CRD_UNROLLED for (int word = 0; word < 4; word++)
        c[i / 2][word] =
            _mm512_mask_shuffle_epi32(x[i][word], 0xaaaa, x[i + 1][word], _MM_PERM_CCAA);
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
