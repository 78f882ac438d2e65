/* The loops over parameters with AVX-512: 16 doubles are two registers. */
#include <stdint.h>

#include "kernels/floats_avx512.h"
#include "kernels/softplus.h"

#define PARAM_TABLE crd_param_kernels_avx512

enum { LANES = 16 };

typedef struct doubles {
    __m512d low, high;
} doubles;

static inline doubles doubles_all(double value)
{
    return (doubles){_mm512_set1_pd(value), _mm512_set1_pd(value)};
}

static inline void doubles_store(double *to, doubles x)
{
    _mm512_storeu_pd(to, x.low);
    _mm512_storeu_pd(to + 8, x.high);
}

static inline doubles doubles_of_floats(floats x)
{
    return (doubles){_mm512_cvtps_pd(_mm512_castps512_ps256(x)),
                     _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1))};
}

static inline floats doubles_to_floats(doubles x)
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(x.low)),
                              _mm512_cvtpd_ps(x.high), 1);
}

static inline doubles doubles_of_longs(const int64_t *from)
{
    return (doubles){_mm512_cvtepi64_pd(_mm512_loadu_si512(from)),
                     _mm512_cvtepi64_pd(_mm512_loadu_si512(from + 8))};
}

static inline doubles doubles_add(doubles a, doubles b)
{
    return (doubles){_mm512_add_pd(a.low, b.low), _mm512_add_pd(a.high, b.high)};
}

static inline doubles doubles_sub(doubles a, doubles b)
{
    return (doubles){_mm512_sub_pd(a.low, b.low), _mm512_sub_pd(a.high, b.high)};
}

static inline doubles doubles_mul(doubles a, doubles b)
{
    return (doubles){_mm512_mul_pd(a.low, b.low), _mm512_mul_pd(a.high, b.high)};
}

static inline doubles doubles_div(doubles a, doubles b)
{
    return (doubles){_mm512_div_pd(a.low, b.low), _mm512_div_pd(a.high, b.high)};
}

static inline doubles doubles_max(doubles a, doubles b)
{
    return (doubles){_mm512_max_pd(a.low, b.low), _mm512_max_pd(a.high, b.high)};
}

static inline doubles doubles_fma(doubles a, doubles b, doubles c)
{
    return (doubles){_mm512_fmadd_pd(a.low, b.low, c.low), _mm512_fmadd_pd(a.high, b.high, c.high)};
}

static inline doubles doubles_abs(doubles x)
{
    return (doubles){_mm512_abs_pd(x.low), _mm512_abs_pd(x.high)};
}

static inline doubles doubles_if_less(doubles x, doubles y, doubles a, doubles b)
{
    return (doubles){
        _mm512_mask_mov_pd(b.low, _mm512_cmp_pd_mask(x.low, y.low, _CMP_LT_OQ), a.low),
        _mm512_mask_mov_pd(b.high, _mm512_cmp_pd_mask(x.high, y.high, _CMP_LT_OQ), a.high)};
}

static inline void half_split(__m512d *m, __m512d *k, __m512d x)
{
    const __m512i one = _mm512_set1_epi64((int64_t)CRD_LOG_ONE);
    __m512i bits = _mm512_castpd_si512(x);
    __m512i up = _mm512_sub_epi64(bits, _mm512_set1_epi64((int64_t)(CRD_LOG_SQRT_HALF)));
    __m512i exponent = _mm512_srli_epi64(_mm512_add_epi64(up, one), 52);
    *k = _mm512_castsi512_pd(_mm512_or_si512(exponent, _mm512_set1_epi64((int64_t)CRD_LOG_TWO_52)));
    *m = _mm512_castsi512_pd(
        _mm512_sub_epi64(bits, _mm512_sub_epi64(_mm512_slli_epi64(exponent, 52), one)));
}

static inline void doubles_split(doubles *m, doubles *k, doubles x)
{
    half_split(&m->low, &k->low, x.low);
    half_split(&m->high, &k->high, x.high);
}

static inline __m512d half_scale(__m512d p, __m512d shifted)
{
    __m512i exponent = _mm512_slli_epi64(_mm512_castpd_si512(shifted), 52);
    return _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(p), exponent));
}

static inline doubles doubles_scale(doubles p, doubles shifted)
{
    return (doubles){half_scale(p.low, shifted.low), half_scale(p.high, shifted.high)};
}

static inline void half_to_longs(int64_t *sums, __m512d x, int adds)
{
    __m512d sign = _mm512_and_pd(x, _mm512_set1_pd(-0.0));
    __m512d nearest = _mm512_add_pd(x, _mm512_or_pd(sign, _mm512_set1_pd(0.5)));
    __m512i longs = _mm512_cvttpd_epi64(nearest);
    if (adds)
        longs = _mm512_add_epi64(_mm512_loadu_si512(sums), longs);
    _mm512_storeu_si512(sums, longs);
}

static inline void doubles_to_longs(int64_t *sums, doubles x, int adds)
{
    half_to_longs(sums, x.low, adds);
    half_to_longs(sums + 8, x.high, adds);
}

#include "kernels/param_body.h"
