/* The loop of peak.c for AVX-512: independent chains of fused multiply-adds in registers. */
#include <immintrin.h>

#include "kernels/variants.h"

/* Two units times a latency of at most 5, and some to spare: 32 registers hold them. */
#define CHAINS 16
#define LANES 16

double crd_peak_loop_avx512(float *sink, int64_t n_steps)
{
    const __m512 half = _mm512_set1_ps(0.5f), one = _mm512_set1_ps(1.0f);
    __m512 sum[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        sum[i] = one;
    for (int64_t step = 0; step < n_steps; step++)
        for (int i = 0; i < CHAINS; i++)
            sum[i] = _mm512_fmadd_ps(sum[i], half, one);
    for (int i = 1; i < CHAINS; i++)
        sum[0] = _mm512_add_ps(sum[0], sum[i]);
    *sink = _mm512_cvtss_f32(sum[0]);
    return 2.0 * LANES * CHAINS;
}
