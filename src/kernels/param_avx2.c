/* The loops over parameters with AVX2 and FMA: 8 doubles are two registers. */
#include <stdint.h>

#include "kernels/floats_avx2.h"
#include "kernels/softplus.h"

#define PARAM_TABLE crd_param_kernels_avx2

enum { LANES = 8 };

typedef struct doubles {
    __m256d low, high;
} doubles;

static inline doubles doubles_all(double value)
{
    return (doubles){_mm256_set1_pd(value), _mm256_set1_pd(value)};
}

static inline void doubles_store(double *to, doubles x)
{
    _mm256_storeu_pd(to, x.low);
    _mm256_storeu_pd(to + 4, x.high);
}

static inline doubles doubles_of_floats(floats x)
{
    return (doubles){_mm256_cvtps_pd(_mm256_castps256_ps128(x)),
                     _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))};
}

static inline floats doubles_to_floats(doubles x)
{
    return _mm256_set_m128(_mm256_cvtpd_ps(x.high), _mm256_cvtpd_ps(x.low));
}

/* The halves of a number become the low bits of 2^52 and, with the sign turned into an offset,
 * of 2^84; what they stand for is exact, so that only the last addition rounds. */
static inline __m256d of_longs(const int64_t *from)
{
    __m256i x = _mm256_loadu_si256((const __m256i *)from);
    __m256i low = _mm256_blend_epi32(x, _mm256_castpd_si256(_mm256_set1_pd(0x1p52)), 0xaa);
    __m256i high = _mm256_xor_si256(_mm256_srli_epi64(x, 32),
                                    _mm256_castpd_si256(_mm256_set1_pd(0x1p84 + 0x1p63)));
    __m256d upper =
        _mm256_sub_pd(_mm256_castsi256_pd(high), _mm256_set1_pd(0x1p84 + 0x1p63 + 0x1p52));
    return _mm256_add_pd(upper, _mm256_castsi256_pd(low));
}

static inline doubles doubles_of_longs(const int64_t *from)
{
    return (doubles){of_longs(from), of_longs(from + 4)};
}

static inline doubles doubles_add(doubles a, doubles b)
{
    return (doubles){_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)};
}

static inline doubles doubles_sub(doubles a, doubles b)
{
    return (doubles){_mm256_sub_pd(a.low, b.low), _mm256_sub_pd(a.high, b.high)};
}

static inline doubles doubles_mul(doubles a, doubles b)
{
    return (doubles){_mm256_mul_pd(a.low, b.low), _mm256_mul_pd(a.high, b.high)};
}

static inline doubles doubles_div(doubles a, doubles b)
{
    return (doubles){_mm256_div_pd(a.low, b.low), _mm256_div_pd(a.high, b.high)};
}

static inline doubles doubles_fma(doubles a, doubles b, doubles c)
{
    return (doubles){_mm256_fmadd_pd(a.low, b.low, c.low), _mm256_fmadd_pd(a.high, b.high, c.high)};
}

static inline doubles doubles_max(doubles a, doubles b)
{
    return (doubles){_mm256_max_pd(a.low, b.low), _mm256_max_pd(a.high, b.high)};
}

static inline doubles doubles_abs(doubles x)
{
    const __m256d sign = _mm256_set1_pd(-0.0);
    return (doubles){_mm256_andnot_pd(sign, x.low), _mm256_andnot_pd(sign, x.high)};
}

static inline __m256d if_less(__m256d x, __m256d y, __m256d a, __m256d b)
{
    return _mm256_blendv_pd(b, a, _mm256_cmp_pd(x, y, _CMP_LT_OQ));
}

static inline doubles doubles_if_less(doubles x, doubles y, doubles a, doubles b)
{
    return (doubles){if_less(x.low, y.low, a.low, b.low), if_less(x.high, y.high, a.high, b.high)};
}

static inline void split(__m256d *m, __m256d *k, __m256d x)
{
    const __m256i one = _mm256_set1_epi64x((int64_t)CRD_LOG_ONE);
    __m256i bits = _mm256_castpd_si256(x);
    __m256i up = _mm256_sub_epi64(bits, _mm256_set1_epi64x((int64_t)CRD_LOG_SQRT_HALF));
    __m256i exponent = _mm256_srli_epi64(_mm256_add_epi64(up, one), 52);
    *k =
        _mm256_castsi256_pd(_mm256_or_si256(exponent, _mm256_set1_epi64x((int64_t)CRD_LOG_TWO_52)));
    *m = _mm256_castsi256_pd(
        _mm256_sub_epi64(bits, _mm256_sub_epi64(_mm256_slli_epi64(exponent, 52), one)));
}

static inline void doubles_split(doubles *m, doubles *k, doubles x)
{
    split(&m->low, &k->low, x.low);
    split(&m->high, &k->high, x.high);
}

static inline __m256d scale(__m256d p, __m256d shifted)
{
    __m256i exponent = _mm256_slli_epi64(_mm256_castpd_si256(shifted), 52);
    return _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(p), exponent));
}

static inline doubles doubles_scale(doubles p, doubles shifted)
{
    return (doubles){scale(p.low, shifted.low), scale(p.high, shifted.high)};
}

/* A whole number below 2^51 as int64_t: the low bits of what 1.5 * 2^52 added to it leaves. */
static inline __m256i to_longs(__m256d whole)
{
    const __m256d shift = _mm256_set1_pd(0x1.8p52);
    return _mm256_sub_epi64(_mm256_castpd_si256(_mm256_add_pd(whole, shift)),
                            _mm256_castpd_si256(shift));
}

/* There is no conversion to int64_t: the multiple of 2^32 and the rest go apart, both exact. */
static inline void half_to_longs(int64_t *sums, __m256d x, int adds)
{
    enum { toward_zero = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC };
    __m256d half = _mm256_or_pd(_mm256_and_pd(x, _mm256_set1_pd(-0.0)), _mm256_set1_pd(0.5));
    __m256d nearest = _mm256_add_pd(x, half);
    __m256d high = _mm256_round_pd(_mm256_mul_pd(nearest, _mm256_set1_pd(0x1p-32)), toward_zero);
    __m256d low =
        _mm256_round_pd(_mm256_fnmadd_pd(high, _mm256_set1_pd(0x1p32), nearest), toward_zero);
    __m256i sum = _mm256_add_epi64(_mm256_slli_epi64(to_longs(high), 32), to_longs(low));
    __m256i *at = (__m256i *)sums;
    _mm256_storeu_si256(at, adds ? _mm256_add_epi64(_mm256_loadu_si256(at), sum) : sum);
}

static inline void doubles_to_longs(int64_t *sums, doubles x, int adds)
{
    half_to_longs(sums, x.low, adds);
    half_to_longs(sums + 4, x.high, adds);
}

#include "kernels/param_body.h"
