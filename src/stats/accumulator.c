#include "stats/accumulator.h"

#include <math.h>

int64_t crd_accumulator_n_sums(int64_t n_classes)
{
    return (CRD_N_GROUPS + 3) * n_classes + 2 * CRD_N_GROUPS;
}

int64_t crd_accumulator_n_maxima(int64_t n_classes)
{
    return 2 * n_classes;
}

void crd_accumulator_reset(int64_t *sums, int64_t *maxima, int64_t n_classes)
{
    for (int64_t i = 0; i < crd_accumulator_n_sums(n_classes); i++)
        sums[i] = 0;
    for (int64_t i = 0; i < crd_accumulator_n_maxima(n_classes); i++)
        maxima[i] = INT64_MIN;
}

int64_t crd_accumulator_n_draws(const int64_t *sums, int64_t n_classes)
{
    int64_t n = 0;
    for (int64_t g = 0; g < CRD_N_GROUPS; g++)
        n += sums[crd_accumulator_n_sums(n_classes) - CRD_N_GROUPS + g];
    return n;
}

void crd_softmax(float *probs, const float *logits, int64_t n_classes)
{
    double largest = logits[0], sum = 0;
    for (int64_t c = 1; c < n_classes; c++)
        if ((double)logits[c] > largest)
            largest = (double)logits[c];
    for (int64_t c = 0; c < n_classes; c++)
        sum += exp((double)logits[c] - largest);
    for (int64_t c = 0; c < n_classes; c++)
        probs[c] = (float)(exp((double)logits[c] - largest) / sum);
}

void crd_accumulator_add(int64_t *sums, int64_t *maxima, const float *logits, int64_t n_classes,
                         int64_t draw)
{
    crd_accumulator_view a = crd_accumulator_view_of(sums, maxima, n_classes);
    int64_t group = draw % CRD_N_GROUPS, top = 0;
    for (int64_t c = 1; c < n_classes; c++)
        if (logits[c] > logits[top])
            top = c;
    double largest = (double)logits[top], sum = 0, weighted = 0;
    for (int64_t c = 0; c < n_classes; c++) {
        double x = (double)logits[c] - largest, e = exp(x);
        sum += e;
        weighted += e * x;
    }
    int64_t *group_probs = a.group_probs + group * n_classes;
    for (int64_t c = 0; c < n_classes; c++) {
        double p = exp((double)logits[c] - largest) / sum;
        int64_t q = llrint(ldexp(p, CRD_PROB_BITS));
        /* q < 2^37, so q^2 = high 2^36 + low is put together from the halves of q. */
        uint64_t half = (uint64_t)q >> 18, rest = (uint64_t)q & ((1u << 18) - 1);
        uint64_t middle = 2 * half * rest, low = rest * rest + ((middle & ((1u << 18) - 1)) << 18);
        uint64_t high = half * half + (middle >> 18) + (low >> CRD_PROB_BITS);
        group_probs[c] += q;
        a.squares_low[c] += (int64_t)(low & ((UINT64_C(1) << CRD_PROB_BITS) - 1));
        a.squares_high[c] += (int64_t)high;
        if (q > a.max[c])
            a.max[c] = q;
        if (-q > a.max_negative[c])
            a.max_negative[c] = -q;
    }
    a.votes[top]++;
    a.group_draws[group]++;
    /* H = log(sum) - E[x]: no logarithm of a probability, hence no 0 log 0. */
    double entropy = fmax(log(sum) - weighted / sum, 0);
    a.group_entropies[group] += llrint(ldexp(entropy, CRD_ENTROPY_BITS));
}
