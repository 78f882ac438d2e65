/** `floats`, 16 of them, with AVX-512: what loops over them are written with.
 * kernels/draw_body.h, param_body.h and (as `lanes`) conv_body.h say what each function does. A
 * mask is a register of all bits set or none, as with the other sets. */
#ifndef CRD_KERNELS_FLOATS_AVX512_H
#define CRD_KERNELS_FLOATS_AVX512_H

#include <immintrin.h>

typedef __m512 floats;

static inline floats floats_all(float value)
{
    return _mm512_set1_ps(value);
}

static inline floats floats_load(const float *from)
{
    return _mm512_loadu_ps(from);
}

static inline void floats_store(float *to, floats x)
{
    _mm512_storeu_ps(to, x);
}

static inline __mmask16 floats_first(int n)
{
    return (__mmask16)((1u << n) - 1);
}

static inline floats floats_load_n(const float *from, int n)
{
    return _mm512_maskz_loadu_ps(floats_first(n), from);
}

static inline void floats_store_n(float *to, floats x, int n)
{
    _mm512_mask_storeu_ps(to, floats_first(n), x);
}

static inline floats floats_add(floats a, floats b)
{
    return _mm512_add_ps(a, b);
}

static inline floats floats_sub(floats a, floats b)
{
    return _mm512_sub_ps(a, b);
}

static inline floats floats_mul(floats a, floats b)
{
    return _mm512_mul_ps(a, b);
}

static inline floats floats_div(floats a, floats b)
{
    return _mm512_div_ps(a, b);
}

static inline floats floats_fma(floats a, floats b, floats c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline floats floats_sqrt(floats x)
{
    return _mm512_sqrt_ps(x);
}

static inline floats floats_max(floats a, floats b)
{
    return _mm512_max_ps(a, b);
}

static inline floats floats_min(floats a, floats b)
{
    return _mm512_min_ps(a, b);
}

static inline floats floats_abs(floats x)
{
    return _mm512_abs_ps(x);
}

/* The nearest whole number, halves away from zero: nothing below a half becomes one. */
static inline floats floats_nearest(floats x)
{
    const floats below_half = _mm512_set1_ps(0x1.fffffep-2F);
    floats half = _mm512_or_ps(_mm512_and_ps(x, _mm512_set1_ps(-0.0F)), below_half);
    return _mm512_roundscale_ps(_mm512_add_ps(x, half), _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
}

static inline floats floats_and(floats a, floats b)
{
    return _mm512_and_ps(a, b);
}

static inline floats floats_if_less(floats x, floats y, floats yes, floats no)
{
    return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), yes);
}

static inline floats floats_scale(floats p, floats shifted)
{
    __m512i power = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), power));
}

static inline floats floats_below(floats x, float limit)
{
    __mmask16 below = _mm512_cmp_ps_mask(floats_abs(x), _mm512_set1_ps(limit), _CMP_LT_OQ);
    return _mm512_castsi512_ps(_mm512_movm_epi32(below));
}

static inline int floats_all_set(floats x)
{
    return _mm512_movepi32_mask(_mm512_castps_si512(x)) == 0xffff;
}

#endif
