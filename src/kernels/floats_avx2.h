/** `floats`, 8 of them, with AVX2 and FMA: what loops over them are written with. kernels/lanes.h,
 * draw_body.h and param_body.h say what each function does. */
#ifndef CRD_KERNELS_FLOATS_AVX2_H
#define CRD_KERNELS_FLOATS_AVX2_H

#include <immintrin.h>
#include <stdint.h>

typedef __m256 floats;

static inline floats floats_all(float value)
{
    return _mm256_set1_ps(value);
}

static inline floats floats_load(const float *from)
{
    return _mm256_loadu_ps(from);
}

static inline void floats_store(float *to, floats x)
{
    _mm256_storeu_ps(to, x);
}

/* All bits set in the lanes whose number is below n. */
static inline __m256i floats_first(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0));
}

static inline floats floats_load_n(const float *from, int n)
{
    return _mm256_maskload_ps(from, floats_first(n));
}

static inline void floats_store_n(float *to, floats x, int n)
{
    _mm256_maskstore_ps(to, floats_first(n), x);
}

static inline floats floats_add(floats a, floats b)
{
    return _mm256_add_ps(a, b);
}

static inline floats floats_sub(floats a, floats b)
{
    return _mm256_sub_ps(a, b);
}

static inline floats floats_mul(floats a, floats b)
{
    return _mm256_mul_ps(a, b);
}

static inline floats floats_div(floats a, floats b)
{
    return _mm256_div_ps(a, b);
}

static inline floats floats_fma(floats a, floats b, floats c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline floats floats_sqrt(floats x)
{
    return _mm256_sqrt_ps(x);
}

static inline floats floats_max(floats a, floats b)
{
    return _mm256_max_ps(a, b);
}

static inline floats floats_min(floats a, floats b)
{
    return _mm256_min_ps(a, b);
}

/* The nearest whole number, halves away from zero: nothing below a half becomes one. */
static inline floats floats_nearest(floats x)
{
    const floats below_half = _mm256_set1_ps(0x1.fffffep-2F);
    floats half = _mm256_or_ps(_mm256_and_ps(x, _mm256_set1_ps(-0.0F)), below_half);
    return _mm256_round_ps(_mm256_add_ps(x, half), _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
}

static inline floats floats_and(floats a, floats b)
{
    return _mm256_and_ps(a, b);
}

static inline floats floats_abs(floats x)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), x);
}

static inline floats floats_if_less(floats x, floats y, floats yes, floats no)
{
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(x, y, _CMP_LT_OQ));
}

static inline floats floats_scale(floats p, floats shifted)
{
    __m256i power = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), power));
}

static inline floats floats_below(floats x, float limit)
{
    return _mm256_cmp_ps(floats_abs(x), _mm256_set1_ps(limit), _CMP_LT_OQ);
}

static inline int floats_all_set(floats x)
{
    return _mm256_movemask_ps(x) == 0xff;
}

/* Elements 0, 2, ... of a and then of b; and 1, 3, ... */
static inline floats floats_even(floats a, floats b)
{
    __m256d pairs = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88));
    return _mm256_castpd_ps(_mm256_permute4x64_pd(pairs, 0xd8));
}

static inline floats floats_odd(floats a, floats b)
{
    __m256d pairs = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0xdd));
    return _mm256_castpd_ps(_mm256_permute4x64_pd(pairs, 0xd8));
}

static inline void floats_transpose(floats r[8])
{
    __m256 t[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int k = 0; k < 2; k++) {
            __m256d a = _mm256_castps_pd(t[i + k]), b = _mm256_castps_pd(t[i + 2 + k]);
            r[i + 2 * k] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, b));
            r[i + 2 * k + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, b));
        }
    for (int i = 0; i < 4; i++) {
        __m256 a = r[i], b = r[4 + i];
        r[i] = _mm256_permute2f128_ps(a, b, 0x20);
        r[4 + i] = _mm256_permute2f128_ps(a, b, 0x31);
    }
}

/* Element k of 8 rows, `step` apart, to r[k]. */
static inline void floats_load_four(floats r[4], const float *from, int64_t step)
{
    __m256 t[4];
    for (int i = 0; i < 4; i++)
        t[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(from + i * step)),
                                    _mm_loadu_ps(from + (4 + i) * step), 1);
    for (int k = 0; k < 2; k++) {
        __m256 a = k == 0 ? _mm256_unpacklo_ps(t[0], t[1]) : _mm256_unpackhi_ps(t[0], t[1]);
        __m256 b = k == 0 ? _mm256_unpacklo_ps(t[2], t[3]) : _mm256_unpackhi_ps(t[2], t[3]);
        __m256d c = _mm256_castps_pd(a), d = _mm256_castps_pd(b);
        r[2 * k] = _mm256_castpd_ps(_mm256_unpacklo_pd(c, d));
        r[2 * k + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(c, d));
    }
}

#endif
