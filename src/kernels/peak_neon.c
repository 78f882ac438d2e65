/* The loop of peak.c for NEON: independent chains of fused multiply-adds in registers. */
#include <arm_neon.h>

#include "kernels/variants.h"

/* Up to four units times a latency of 4. */
#define CHAINS 16
#define LANES 4

double crd_peak_loop_neon(float *sink, int64_t n_steps)
{
    /* The sum is what the instruction overwrites, so the chain goes through it; and the
     * compiler must not know the product. */
    volatile float unknown = 0.5f;
    const float32x4_t half = vdupq_n_f32(unknown);
    float32x4_t sum[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        sum[i] = vdupq_n_f32(1.0f);
    for (int64_t step = 0; step < n_steps; step++)
        for (int i = 0; i < CHAINS; i++)
            sum[i] = vfmaq_f32(sum[i], half, half);
    CRD_UNROLLED
    for (int i = 1; i < CHAINS; i++)
        sum[0] = vaddq_f32(sum[0], sum[i]);
    *sink = vgetq_lane_f32(sum[0], 0);
    return 2.0 * LANES * CHAINS;
}
