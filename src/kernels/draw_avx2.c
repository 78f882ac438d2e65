/* The draw loops with AVX2 and FMA: a superblock of 64 elements is made in two halves of 8 Philox
 * counters, so that a half fits the 16 registers. The operations are those of rng/normal.h, one by
 * one. */
#include <immintrin.h>

#include "kernels/variants.h"
#include "rng/normal.h"
#include "rng/philox.h"

/* What is the same for all blocks of a stream. */
typedef struct constants {
    __m256i keys[CRD_PHILOX_ROUNDS][2];
    __m256i draw, image, tensor;
    __m256i turn; /* from an angle to its quadrant */
} constants;

static inline __m256i all(uint32_t value)
{
    return _mm256_set1_epi32((int32_t)value);
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

/* Philox of two times 4 counters, one to a 64-bit lane. The multiplication reads only the lower
 * half of a lane, so the upper halves may hold anything and the products are used as they are. */
static inline void philox4(__m256i c[4], const constants *k)
{
    const __m256i m0 = all(CRD_PHILOX_M0), m1 = all(CRD_PHILOX_M1);
    for (int round = 0; round < CRD_PHILOX_ROUNDS; round++) {
        __m256i p0 = _mm256_mul_epu32(c[0], m0);
        __m256i p1 = _mm256_mul_epu32(c[2], m1);
        c[0] =
            _mm256_xor_si256(_mm256_srli_epi64(p1, 32), _mm256_xor_si256(c[1], k->keys[round][0]));
        c[2] =
            _mm256_xor_si256(_mm256_srli_epi64(p0, 32), _mm256_xor_si256(c[3], k->keys[round][1]));
        c[1] = p1;
        c[3] = p0;
    }
}

/* The words of 8 counters: even and odd ones apart, then interleaved. */
static inline void half_words(__m256i words[4], const constants *k, int64_t block, int half)
{
    __m256i index = _mm256_add_epi32(all((uint32_t)(16 * block + 8 * half)),
                                     _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0));
    __m256i even[4] = {index, k->draw, k->image, k->tensor};
    __m256i odd[4] = {_mm256_srli_epi64(index, 32), k->draw, k->image, k->tensor};
    philox4(even, k);
    philox4(odd, k);
    for (int word = 0; word < 4; word++)
        words[word] = _mm256_blend_epi32(even[word], _mm256_slli_epi64(odd[word], 32), 0xaa);
}

/* One step of a polynomial: p t + c. */
static inline __m256 horner(__m256 p, __m256 t, float c)
{
    return _mm256_fmadd_ps(p, t, _mm256_set1_ps(c));
}

/* crd_normal_radius. */
static inline __m256 radius(__m256i a)
{
    __m256 one = _mm256_set1_ps(1.0f);
    __m256 x = horner(_mm256_cvtepi32_ps(a), _mm256_set1_ps(0x1p-32f), 0x1p-33f);
    __m256 u = _mm256_blendv_ps(x, _mm256_add_ps(x, one), _mm256_castsi256_ps(a));
    __m256i bits = _mm256_castps_si256(u);
    __m256i exponent = _mm256_and_si256(_mm256_sub_epi32(bits, all(CRD_NORMAL_SQRT_HALF)),
                                        all(CRD_NORMAL_EXPONENT));
    __m256 mantissa = _mm256_castsi256_ps(_mm256_sub_epi32(bits, exponent));
    /* The exponent is never positive, so its sign bit tells it from 0. */
    __m256 t = _mm256_blendv_ps(x, _mm256_sub_ps(mantissa, one), _mm256_castsi256_ps(exponent));
    __m256 p = _mm256_set1_ps(CRD_NORMAL_L7);
    p = horner(p, t, CRD_NORMAL_L6);
    p = horner(p, t, CRD_NORMAL_L5);
    p = horner(p, t, CRD_NORMAL_L4);
    p = horner(p, t, CRD_NORMAL_L3);
    p = horner(p, t, CRD_NORMAL_L2);
    p = horner(p, t, CRD_NORMAL_L1);
    p = horner(p, t, CRD_NORMAL_L0);
    __m256 scale = _mm256_set1_ps(CRD_NORMAL_EXPONENT_SCALE);
    return _mm256_sqrt_ps(
        _mm256_fmadd_ps(_mm256_cvtepi32_ps(exponent), scale, _mm256_mul_ps(p, t)));
}

/* value with its sign changed where the top bit of `word` is set. */
static inline __m256 flip(__m256 value, __m256i word)
{
    return _mm256_xor_ps(value, _mm256_and_ps(_mm256_castsi256_ps(word), _mm256_set1_ps(-0.0f)));
}

/* crd_normal_pair of 8 lanes. */
static inline void pairs(__m256 out[2], __m256i a, __m256i b, __m256i turn)
{
    __m256 r = radius(a);
    __m256 z = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_slli_epi32(b, 2)), _mm256_set1_ps(0x1p-32f));
    __m256i quadrant = _mm256_add_epi32(b, turn);
    __m256 zz = _mm256_mul_ps(z, z);
    __m256 s = horner(_mm256_set1_ps(CRD_NORMAL_S3), zz, CRD_NORMAL_S2);
    s = horner(s, zz, CRD_NORMAL_S1);
    s = horner(s, zz, CRD_NORMAL_S0);
    s = _mm256_mul_ps(s, z);
    __m256 c = horner(_mm256_set1_ps(CRD_NORMAL_C3), zz, CRD_NORMAL_C2);
    c = horner(c, zz, CRD_NORMAL_C1);
    c = horner(c, zz, CRD_NORMAL_C0);
    __m256 swap = _mm256_castsi256_ps(_mm256_slli_epi32(quadrant, 1));
    __m256 cosine =
        flip(_mm256_blendv_ps(c, s, swap), _mm256_add_epi32(quadrant, all(0x40000000u)));
    __m256 sine = flip(_mm256_blendv_ps(s, c, swap), quadrant);
    out[0] = _mm256_mul_ps(r, cosine);
    out[1] = _mm256_mul_ps(r, sine);
}

static inline void half_normals(__m256 eps[4], const constants *k, int64_t block, int half)
{
    __m256i words[4];
    half_words(words, k, block, half);
    pairs(eps, words[0], words[1], k->turn);
    pairs(eps + 2, words[2], words[3], k->turn);
}

static void block_normals(float eps[CRD_STREAM_BLOCK], const constants *k, int64_t block)
{
    for (int half = 0; half < 2; half++) {
        __m256 part[4];
        half_normals(part, k, block, half);
        for (int word = 0; word < 4; word++)
            _mm256_storeu_ps(eps + 16 * word + 8 * half, part[word]);
    }
}

static void normal_fill(float *out, int64_t n, int64_t first, const crd_stream *stream)
{
    constants k;
    constants_init(&k, stream);
    int64_t n_whole = n - n % CRD_STREAM_BLOCK;
    for (int64_t i = 0; i < n_whole; i += CRD_STREAM_BLOCK)
        block_normals(out + i, &k, (first + i) / CRD_STREAM_BLOCK);
    if (n_whole == n)
        return;
    float tail[CRD_STREAM_BLOCK];
    block_normals(tail, &k, (first + n_whole) / CRD_STREAM_BLOCK);
    memcpy(out + n_whole, tail, (size_t)(n - n_whole) * sizeof *out);
}

static inline void draw_any(float *w, const float *mu, const float *sigma, int64_t n, int64_t first,
                            const crd_stream *stream)
{
    constants k;
    constants_init(&k, stream);
    int64_t n_whole = n - n % CRD_STREAM_BLOCK;
    for (int64_t i = 0; i < n_whole; i += CRD_STREAM_BLOCK) {
        for (int half = 0; half < 2; half++) {
            __m256 eps[4];
            half_normals(eps, &k, (first + i) / CRD_STREAM_BLOCK, half);
            for (int word = 0; word < 4; word++) {
                int64_t e = i + 16 * word + 8 * half;
                __m256 centre = mu != NULL ? _mm256_loadu_ps(mu + e) : _mm256_setzero_ps();
                _mm256_storeu_ps(w + e,
                                 _mm256_fmadd_ps(_mm256_loadu_ps(sigma + e), eps[word], centre));
            }
        }
    }
    if (n_whole == n)
        return;
    float tail[CRD_STREAM_BLOCK];
    block_normals(tail, &k, (first + n_whole) / CRD_STREAM_BLOCK);
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

static void block_signs(float signs[CRD_STREAM_BLOCK], const constants *k, int64_t block)
{
    for (int half = 0; half < 2; half++) {
        __m256i words[4];
        half_words(words, k, block, half);
        for (int word = 0; word < 4; word++)
            _mm256_storeu_ps(signs + 16 * word + 8 * half, flip(_mm256_set1_ps(1.0f), words[word]));
    }
}

static void sign_fill(float *out, int64_t n, const crd_stream *stream)
{
    constants k;
    constants_init(&k, stream);
    int64_t n_whole = n - n % CRD_STREAM_BLOCK;
    for (int64_t i = 0; i < n_whole; i += CRD_STREAM_BLOCK)
        block_signs(out + i, &k, i / CRD_STREAM_BLOCK);
    if (n_whole == n)
        return;
    float tail[CRD_STREAM_BLOCK];
    block_signs(tail, &k, n_whole / CRD_STREAM_BLOCK);
    memcpy(out + n_whole, tail, (size_t)(n - n_whole) * sizeof *out);
}

const crd_kernels crd_kernels_avx2 = {
    .name = "avx2",
    .normal_fill = normal_fill,
    .draw = draw,
    .sign_fill = sign_fill,
    .conv = &crd_conv_kernels_avx2,
    .param = &crd_param_kernels_avx2,
    .elementwise = &crd_elementwise_kernels_avx2,
};
