/* The highest rate of multiply-adds of this core, as the best of many short runs of a loop without
 * memory (peak_<isa>.c). It is what `bench` compares with, not what a datasheet says. */
#include "base/clock.h"
#include "kernels/variants.h"

double crd_peak_flops(int in_bf16, double seconds)
{
    const crd_variant *widest = &crd_variants[0];
    for (int i = 1; i < crd_n_variants; i++)
        if (crd_variants[i].runs_here())
            widest = &crd_variants[i];
    crd_peak_loop *loop = in_bf16 ? widest->bf16_peak_loop : widest->peak_loop;

    /* The best of many short runs: what the core can do, not what it did beside other programs. */
    const int64_t n_steps = 1000000;
    volatile float sink = 0.0f;
    double best = 0.0, start = crd_clock_now_s(), end = start;
    do {
        double begin = end;
        float sum;
        double flops = loop(&sum, n_steps) * (double)n_steps;
        sink = sum;
        end = crd_clock_now_s();
        if (end > begin && flops / (end - begin) > best)
            best = flops / (end - begin);
    } while (end - start < seconds);
    (void)sink;
    return best;
}
