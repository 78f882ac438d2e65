#include "stats/accumulator.h"

#include <math.h>

int64_t crd_accumulator_n_sums(int64_t n_classes)
{
    return (CRD_N_GROUPS + 5) * n_classes + 2 * CRD_N_GROUPS;
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

/* What the logits of a draw say as a whole. */
typedef struct draw_law {
    int64_t top;
    double largest, sum; /* p_c = exp(x_c - largest) / sum */
    double entropy;
} draw_law;

static draw_law law_of(const float *logits, int64_t n_classes)
{
    draw_law law = {0};
    double weighted = 0;
    for (int64_t c = 1; c < n_classes; c++)
        if (logits[c] > logits[law.top])
            law.top = c;
    law.largest = (double)logits[law.top];
    for (int64_t c = 0; c < n_classes; c++) {
        double x = (double)logits[c] - law.largest, e = exp(x);
        law.sum += e;
        weighted += e * x;
    }
    /* H = log(sum) - E[x]: no logarithm of a probability, hence no 0 log 0. */
    law.entropy = fmax(log(law.sum) - weighted / law.sum, 0);
    return law;
}

static int64_t fixed_prob(const draw_law *law, float logit)
{
    return llrint(ldexp(exp((double)logit - law->largest) / law->sum, CRD_PROB_BITS));
}

/* Adds x^2 to the two sums: |x| < 2^37, so x^2 = high 2^36 + low is put together from the halves of x. */
static void add_square(int64_t *low_sum, int64_t *high_sum, int64_t x)
{
    uint64_t size = (uint64_t)(x < 0 ? -x : x);
    uint64_t half = size >> 18, rest = size & ((1u << 18) - 1);
    uint64_t middle = 2 * half * rest, low = rest * rest + ((middle & ((1u << 18) - 1)) << 18);
    uint64_t high = half * half + (middle >> 18) + (low >> CRD_PROB_BITS);
    *low_sum += (int64_t)(low & ((UINT64_C(1) << CRD_PROB_BITS) - 1));
    *high_sum += (int64_t)high;
}

static void add_prob(const crd_accumulator_view *a, int64_t *group_probs, int64_t c, int64_t q)
{
    group_probs[c] += q;
    add_square(&a->squares_low[c], &a->squares_high[c], q);
    if (q > a->max[c])
        a->max[c] = q;
    if (-q > a->max_negative[c])
        a->max_negative[c] = -q;
}

static void add_law(const crd_accumulator_view *a, int64_t group, const draw_law *law)
{
    a->votes[law->top]++;
    a->group_draws[group]++;
    a->group_entropies[group] += llrint(ldexp(law->entropy, CRD_ENTROPY_BITS));
}

void crd_accumulator_add(int64_t *sums, int64_t *maxima, const float *logits, int64_t n_classes,
                         int64_t draw)
{
    crd_accumulator_view a = crd_accumulator_view_of(sums, maxima, n_classes);
    int64_t group = draw % CRD_N_GROUPS;
    draw_law law = law_of(logits, n_classes);
    for (int64_t c = 0; c < n_classes; c++)
        add_prob(&a, a.group_probs + group * n_classes, c, fixed_prob(&law, logits[c]));
    add_law(&a, group, &law);
}

void crd_accumulator_add_pair(int64_t *sums, int64_t *maxima, const float *first,
                              const float *second, int64_t n_classes, int64_t pair)
{
    crd_accumulator_view a = crd_accumulator_view_of(sums, maxima, n_classes);
    int64_t group = pair % CRD_N_GROUPS;
    draw_law laws[2] = {law_of(first, n_classes), law_of(second, n_classes)};
    for (int64_t c = 0; c < n_classes; c++) {
        int64_t q = fixed_prob(&laws[0], first[c]), r = fixed_prob(&laws[1], second[c]);
        add_prob(&a, a.group_probs + group * n_classes, c, q);
        add_prob(&a, a.group_probs + group * n_classes, c, r);
        add_square(&a.gaps_low[c], &a.gaps_high[c], q - r);
    }
    add_law(&a, group, &laws[0]);
    add_law(&a, group, &laws[1]);
}
