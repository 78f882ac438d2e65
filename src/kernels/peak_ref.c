/* The loop of peak.c in plain C, as wide as the compiler makes it. */
#include <math.h>

#include "kernels/variants.h"

/* Enough chains for any width and latency the compiler may give this loop. */
#define CHAINS 64

double crd_peak_loop_ref(float *sink, int64_t n_steps)
{
    float sum[CHAINS] = {0};
    for (int64_t step = 0; step < n_steps; step++) {
        for (int i = 0; i < CHAINS; i++) {
#ifdef FP_FAST_FMAF
            sum[i] = fmaf(sum[i], 0.5f, 1.0f);
#else
            sum[i] = sum[i] * 0.5f + 1.0f;
#endif
        }
    }
    *sink = 0.0f;
    for (int i = 0; i < CHAINS; i++)
        *sink += sum[i];
    return 2.0 * CHAINS;
}
