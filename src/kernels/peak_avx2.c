/* The loop of peak.c for AVX2: independent chains of fused multiply-adds in registers. */
#include <immintrin.h>

#include "kernels/variants.h"

/* Two units times a latency of at most 5: ten chains keep them full, and 16 registers hold them. */
#define CHAINS 10
#define LANES 8

double crd_peak_loop_avx2(float *sink, int64_t n_steps)
{
    const __m256 half = _mm256_set1_ps(0.5f), one = _mm256_set1_ps(1.0f);
    __m256 sum[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        sum[i] = one;
    for (int64_t step = 0; step < n_steps; step++)
        for (int i = 0; i < CHAINS; i++)
            sum[i] = _mm256_fmadd_ps(sum[i], half, one);
    for (int i = 1; i < CHAINS; i++)
        sum[0] = _mm256_add_ps(sum[0], sum[i]);
    *sink = _mm256_cvtss_f32(sum[0]);
    return 2.0 * LANES * CHAINS;
}
