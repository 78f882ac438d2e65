/* The loops over parameters with AVX-512: 8 doubles are one register. */
#include <stdint.h>

#include "kernels/floats_avx2.h"
#include "kernels/softplus.h"

#define PARAM_TABLE crd_param_kernels_avx512

typedef __m512d doubles;

static inline doubles doubles_all(double value)
{
    return _mm512_set1_pd(value);
}

static inline void doubles_store(double *to, doubles x)
{
    _mm512_storeu_pd(to, x);
}

static inline doubles doubles_of_floats(floats x)
{
    return _mm512_cvtps_pd(x);
}

static inline floats doubles_to_floats(doubles x)
{
    return _mm512_cvtpd_ps(x);
}

static inline doubles doubles_of_longs(const int64_t *from)
{
    return _mm512_cvtepi64_pd(_mm512_loadu_si512(from));
}

static inline doubles doubles_add(doubles a, doubles b)
{
    return _mm512_add_pd(a, b);
}

static inline doubles doubles_sub(doubles a, doubles b)
{
    return _mm512_sub_pd(a, b);
}

static inline doubles doubles_mul(doubles a, doubles b)
{
    return _mm512_mul_pd(a, b);
}

static inline doubles doubles_div(doubles a, doubles b)
{
    return _mm512_div_pd(a, b);
}

static inline doubles doubles_fma(doubles a, doubles b, doubles c)
{
    return _mm512_fmadd_pd(a, b, c);
}

static inline doubles doubles_max(doubles a, doubles b)
{
    return _mm512_max_pd(a, b);
}

static inline doubles doubles_abs(doubles x)
{
    return _mm512_abs_pd(x);
}

static inline doubles doubles_if_less(doubles x, doubles y, doubles a, doubles b)
{
    return _mm512_mask_mov_pd(b, _mm512_cmp_pd_mask(x, y, _CMP_LT_OQ), a);
}

static inline void doubles_split(doubles *m, doubles *k, doubles x)
{
    const __m512i one = _mm512_set1_epi64((int64_t)CRD_LOG_ONE);
    __m512i bits = _mm512_castpd_si512(x);
    __m512i up = _mm512_sub_epi64(bits, _mm512_set1_epi64((int64_t)(CRD_LOG_SQRT_HALF)));
    __m512i exponent = _mm512_srli_epi64(_mm512_add_epi64(up, one), 52);
    *k = _mm512_castsi512_pd(_mm512_or_si512(exponent, _mm512_set1_epi64((int64_t)CRD_LOG_TWO_52)));
    *m = _mm512_castsi512_pd(
        _mm512_sub_epi64(bits, _mm512_sub_epi64(_mm512_slli_epi64(exponent, 52), one)));
}

static inline doubles doubles_scale(doubles p, doubles shifted)
{
    __m512i exponent = _mm512_slli_epi64(_mm512_castpd_si512(shifted), 52);
    return _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(p), exponent));
}

static inline void doubles_to_longs(int64_t *sums, doubles x, int adds)
{
    __m512d sign = _mm512_and_pd(x, _mm512_set1_pd(-0.0));
    __m512d nearest = _mm512_add_pd(x, _mm512_or_pd(sign, _mm512_set1_pd(0.5)));
    __m512i longs = _mm512_cvttpd_epi64(nearest);
    if (adds)
        longs = _mm512_add_epi64(_mm512_loadu_si512(sums), longs);
    _mm512_storeu_si512(sums, longs);
}

#include "kernels/param_body.h"
