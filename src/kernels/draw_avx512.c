/* The draw loops with AVX-512: a superblock of 64 elements is four registers, made from 16 Philox
 * counters without a shuffle between lanes. The operations are those of rng/normal.h, one by one.
 */
#include <immintrin.h>

#include "kernels/variants.h"
#include "rng/normal.h"
#include "rng/philox.h"

/* What is the same for all blocks of a stream. */
typedef struct constants {
    __m512i keys[CRD_PHILOX_ROUNDS][2];
    __m512i draw, image, tensor;
    __m512i turn; /* from an angle to its quadrant */
} constants;

static inline __m512i all(uint32_t value)
{
    return _mm512_set1_epi32((int32_t)value);
}

static inline __m512i xor3(__m512i a, __m512i b, __m512i c)
{
    return _mm512_ternarylogic_epi32(a, b, c, 0x96);
}

static void constants_init(constants *k, const crd_stream *stream)
{
    uint32_t keys[CRD_PHILOX_ROUNDS][2], counter[4];
    crd_stream_keys(keys, stream);
    crd_stream_counter(counter, stream, 0);
    for (int round = 0; round < CRD_PHILOX_ROUNDS; round++) {
        k->keys[round][0] = all(keys[round][0]);
        k->keys[round][1] = all(keys[round][1]);
    }
    k->draw = all(counter[1]);
    k->image = all(counter[2]);
    k->tensor = all(counter[3]);
    k->turn = all(0x20000000u + crd_stream_turn(stream));
}

/* Philox of 8 counters, one to a 64-bit lane. The multiplication reads only the lower half of a
 * lane, so the upper halves may hold anything and the products are used as they are. */
static inline void philox8(__m512i c[4], const constants *k)
{
    const __m512i m0 = all(CRD_PHILOX_M0), m1 = all(CRD_PHILOX_M1);
    for (int round = 0; round < CRD_PHILOX_ROUNDS; round++) {
        __m512i p0 = _mm512_mul_epu32(c[0], m0);
        __m512i p1 = _mm512_mul_epu32(c[2], m1);
        c[0] = xor3(_mm512_srli_epi64(p1, 32), c[1], k->keys[round][0]);
        c[2] = xor3(_mm512_srli_epi64(p0, 32), c[3], k->keys[round][1]);
        c[1] = p1;
        c[3] = p0;
    }
}

/* The words of a superblock: even counters and odd counters apart, then interleaved. */
static inline void block_words(__m512i words[4], const constants *k, int64_t block)
{
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i index = _mm512_add_epi32(all((uint32_t)(16 * block)), lanes);
    __m512i even[4] = {index, k->draw, k->image, k->tensor};
    __m512i odd[4] = {_mm512_srli_epi64(index, 32), k->draw, k->image, k->tensor};
    philox8(even, k);
    philox8(odd, k);
    for (int word = 0; word < 4; word++)
        words[word] = _mm512_mask_shuffle_epi32(even[word], 0xaaaa, odd[word], _MM_PERM_CCAA);
}

/* One step of a polynomial: p t + c. */
static inline __m512 horner(__m512 p, __m512 t, float c)
{
    return _mm512_fmadd_ps(p, t, _mm512_set1_ps(c));
}

/* crd_normal_radius. */
static inline __m512 radius(__m512i a)
{
    __m512 x = horner(_mm512_cvtepi32_ps(a), _mm512_set1_ps(0x1p-32f), 0x1p-33f);
    __mmask16 upper = _mm512_movepi32_mask(a);
    __m512 u = _mm512_mask_add_ps(x, upper, x, _mm512_set1_ps(1.0f));
    __m512i bits = _mm512_castps_si512(u);
    __m512i exponent = _mm512_and_si512(_mm512_sub_epi32(bits, all(CRD_NORMAL_SQRT_HALF)),
                                        all(CRD_NORMAL_EXPONENT));
    __m512 mantissa = _mm512_castsi512_ps(_mm512_sub_epi32(bits, exponent));
    __m512 t = _mm512_mask_sub_ps(x, _mm512_test_epi32_mask(exponent, exponent), mantissa,
                                  _mm512_set1_ps(1.0f));
    __m512 p = _mm512_set1_ps(CRD_NORMAL_L7);
    p = horner(p, t, CRD_NORMAL_L6);
    p = horner(p, t, CRD_NORMAL_L5);
    p = horner(p, t, CRD_NORMAL_L4);
    p = horner(p, t, CRD_NORMAL_L3);
    p = horner(p, t, CRD_NORMAL_L2);
    p = horner(p, t, CRD_NORMAL_L1);
    p = horner(p, t, CRD_NORMAL_L0);
    __m512 scale = _mm512_set1_ps(CRD_NORMAL_EXPONENT_SCALE);
    return _mm512_sqrt_ps(
        _mm512_fmadd_ps(_mm512_cvtepi32_ps(exponent), scale, _mm512_mul_ps(p, t)));
}

/* value with its sign changed where the top bit of `word` is set. */
static inline __m512 flip(__m512 value, __m512i word)
{
    return _mm512_castsi512_ps(
        _mm512_ternarylogic_epi32(_mm512_castps_si512(value), word, all(0x80000000u), 0x78));
}

/* crd_normal_pair of 16 lanes. */
static inline void pairs(__m512 out[2], __m512i a, __m512i b, __m512i turn)
{
    __m512 r = radius(a);
    __m512 z = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_slli_epi32(b, 2)), _mm512_set1_ps(0x1p-32f));
    __m512i quadrant = _mm512_add_epi32(b, turn);
    __m512 zz = _mm512_mul_ps(z, z);
    __m512 s = horner(_mm512_set1_ps(CRD_NORMAL_S3), zz, CRD_NORMAL_S2);
    s = horner(s, zz, CRD_NORMAL_S1);
    s = horner(s, zz, CRD_NORMAL_S0);
    s = _mm512_mul_ps(s, z);
    __m512 c = horner(_mm512_set1_ps(CRD_NORMAL_C3), zz, CRD_NORMAL_C2);
    c = horner(c, zz, CRD_NORMAL_C1);
    c = horner(c, zz, CRD_NORMAL_C0);
    __mmask16 swap = _mm512_test_epi32_mask(quadrant, all(0x40000000u));
    __m512 cosine =
        flip(_mm512_mask_mov_ps(c, swap, s), _mm512_add_epi32(quadrant, all(0x40000000u)));
    __m512 sine = flip(_mm512_mask_mov_ps(s, swap, c), quadrant);
    out[0] = _mm512_mul_ps(r, cosine);
    out[1] = _mm512_mul_ps(r, sine);
}

static inline void block_normals(__m512 eps[4], const constants *k, int64_t block)
{
    __m512i words[4];
    block_words(words, k, block);
    pairs(eps, words[0], words[1], k->turn);
    pairs(eps + 2, words[2], words[3], k->turn);
}

static void normal_fill(float *out, int64_t n, int64_t first, const crd_stream *stream)
{
    constants k;
    constants_init(&k, stream);
    for (int64_t i = 0; i < n; i += CRD_STREAM_BLOCK) {
        __m512 eps[4];
        block_normals(eps, &k, (first + i) / CRD_STREAM_BLOCK);
        if (n - i >= CRD_STREAM_BLOCK) {
            for (int word = 0; word < 4; word++)
                _mm512_storeu_ps(out + i + 16 * word, eps[word]);
        } else {
            memcpy(out + i, eps, (size_t)(n - i) * sizeof *out);
        }
    }
}

static inline void draw_any(float *w, const float *mu, const float *sigma, int64_t n, int64_t first,
                            const crd_stream *stream)
{
    constants k;
    constants_init(&k, stream);
    int64_t n_whole = n - n % CRD_STREAM_BLOCK;
    __m512 eps[4];
    for (int64_t i = 0; i < n_whole; i += CRD_STREAM_BLOCK) {
        block_normals(eps, &k, (first + i) / CRD_STREAM_BLOCK);
        for (int word = 0; word < 4; word++) {
            int64_t e = i + 16 * word;
            __m512 centre = mu != NULL ? _mm512_loadu_ps(mu + e) : _mm512_setzero_ps();
            _mm512_storeu_ps(w + e, _mm512_fmadd_ps(_mm512_loadu_ps(sigma + e), eps[word], centre));
        }
    }
    if (n_whole == n)
        return;
    float tail[CRD_STREAM_BLOCK];
    block_normals(eps, &k, (first + n_whole) / CRD_STREAM_BLOCK);
    memcpy(tail, eps, sizeof tail);
    for (int64_t i = n_whole; i < n; i++)
        w[i] = fmaf(sigma[i], tail[i - n_whole], mu != NULL ? mu[i] : 0.0f);
}

static void draw(float *w, const float *mu, const float *sigma, int64_t n, int64_t first,
                 const crd_stream *stream)
{
    if (mu != NULL)
        draw_any(w, mu, sigma, n, first, stream);
    else
        draw_any(w, NULL, sigma, n, first, stream);
}

static void sign_fill(float *out, int64_t n, const crd_stream *stream)
{
    constants k;
    constants_init(&k, stream);
    for (int64_t i = 0; i < n; i += CRD_STREAM_BLOCK) {
        __m512i words[4];
        __m512 signs[4];
        block_words(words, &k, i / CRD_STREAM_BLOCK);
        for (int word = 0; word < 4; word++)
            signs[word] = flip(_mm512_set1_ps(1.0f), words[word]);
        if (n - i >= CRD_STREAM_BLOCK) {
            for (int word = 0; word < 4; word++)
                _mm512_storeu_ps(out + i + 16 * word, signs[word]);
        } else {
            memcpy(out + i, signs, (size_t)(n - i) * sizeof *out);
        }
    }
}

const crd_kernels crd_kernels_avx512 = {
    .name = "avx512",
    .normal_fill = normal_fill,
    .draw = draw,
    .sign_fill = sign_fill,
    .conv = &crd_conv_kernels_avx512,
    .param = &crd_param_kernels_avx512,
    .elementwise = &crd_elementwise_kernels_avx512,
};
