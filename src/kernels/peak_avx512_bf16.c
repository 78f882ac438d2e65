/* The loop of peak.c for AVX512_BF16: independent chains of products of bf16 pairs. */
#include <immintrin.h>

#include "kernels/variants.h"

/* As kernels/peak_avx512.c; a lane takes two products at once. */
#define CHAINS 16
#define LANES 16

double crd_peak_loop_avx512_bf16(float *sink, int64_t n_steps)
{
    const __m512bh half = (__m512bh)_mm512_set1_epi32(0x3f003f00);
    __m512 sum[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        sum[i] = _mm512_set1_ps(1.0f);
    for (int64_t step = 0; step < n_steps; step++)
        for (int i = 0; i < CHAINS; i++)
            sum[i] = _mm512_dpbf16_ps(sum[i], half, half);
    for (int i = 1; i < CHAINS; i++)
        sum[0] = _mm512_add_ps(sum[0], sum[i]);
    *sink = _mm512_cvtss_f32(sum[0]);
    return 2.0 * 2.0 * LANES * CHAINS;
}
