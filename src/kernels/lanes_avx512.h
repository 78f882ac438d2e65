/** The `lanes` of kernels/conv_body.h with AVX-512: one `floats`, by another name. */
#ifndef CRD_KERNELS_LANES_AVX512_H
#define CRD_KERNELS_LANES_AVX512_H

#include <stdint.h>

#include "kernels/floats_avx512.h"

typedef floats lanes;

#define lanes_all floats_all
#define lanes_load floats_load
#define lanes_store floats_store
#define lanes_load_n floats_load_n
#define lanes_store_n floats_store_n
#define lanes_add floats_add
#define lanes_sub floats_sub
#define lanes_mul floats_mul
#define lanes_fma floats_fma
#define lanes_max floats_max
#define lanes_min floats_min

static inline lanes lanes_zero(void)
{
    return _mm512_setzero_ps();
}

static inline lanes lanes_even(lanes a, lanes b)
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_permutex2var_ps(a, even, b);
}

static inline lanes lanes_odd(lanes a, lanes b)
{
    const __m512i odd =
        _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return _mm512_permutex2var_ps(a, odd, b);
}

/* Pairs, then pairs of pairs within each quarter of a register, then the quarters themselves. */
static inline __attribute__((always_inline)) void lanes_transpose(lanes r[16])
{
    lanes t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int k = 0; k < 2; k++) {
            __m512d a = _mm512_castps_pd(t[i + k]), b = _mm512_castps_pd(t[i + 2 + k]);
            r[i + 2 * k] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            r[i + 2 * k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    for (int i = 0; i < 4; i++)
        for (int half = 0; half < 16; half += 8) {
            t[half + i] = _mm512_shuffle_f32x4(r[half + i], r[half + 4 + i], 0x88);
            t[half + 4 + i] = _mm512_shuffle_f32x4(r[half + i], r[half + 4 + i], 0xdd);
        }
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_f32x4(t[i], t[8 + i], 0x88);
        r[8 + i] = _mm512_shuffle_f32x4(t[i], t[8 + i], 0xdd);
    }
}

/* Quarters of rows 4 apart are loaded into one register each, which leaves only the
 * transposition within quarters to the shuffles. */
static inline __attribute__((always_inline)) void lanes_load_four(lanes r[4], const float *from,
                                                                  int64_t step)
{
    lanes t[4];
    for (int i = 0; i < 4; i++) {
        const float *row = from + i * step;
        t[i] = _mm512_castps128_ps512(_mm_loadu_ps(row));
        t[i] = _mm512_mask_broadcast_f32x4(t[i], 0x00f0, _mm_loadu_ps(row + 4 * step));
        t[i] = _mm512_mask_broadcast_f32x4(t[i], 0x0f00, _mm_loadu_ps(row + 8 * step));
        t[i] = _mm512_mask_broadcast_f32x4(t[i], 0xf000, _mm_loadu_ps(row + 12 * step));
    }
    for (int k = 0; k < 2; k++) {
        lanes a = k == 0 ? _mm512_unpacklo_ps(t[0], t[1]) : _mm512_unpackhi_ps(t[0], t[1]);
        lanes b = k == 0 ? _mm512_unpacklo_ps(t[2], t[3]) : _mm512_unpackhi_ps(t[2], t[3]);
        __m512d c = _mm512_castps_pd(a), d = _mm512_castps_pd(b);
        r[2 * k] = _mm512_castpd_ps(_mm512_unpacklo_pd(c, d));
        r[2 * k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(c, d));
    }
}

#endif
