#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "credence/looks.h"
#include "stats/accumulator.h"

/* Wide enough for sums of squares of fixed-point probabilities, single (2^26 draws * 2^26 * 2^72) or added in
 * pairs (2^25 pairs * 2^25 * 2^74). */
__extension__ typedef __int128 wide;

#define FIELD(member, kind, extent, unit, text)                                                    \
    {                                                                                              \
        .name = #member, .type = kind, .dim = extent, .offset = offsetof(crd_summary, member),     \
        .units = unit, .long_name = text                                                           \
    }

static const crd_field fields[] = {
    FIELD(probs_mean, CRD_FLOAT32, CRD_DIM_CLASS, "1",
          "predictive probability: mean over draws of the softmax probability"),
    FIELD(probs_sd, CRD_FLOAT32, CRD_DIM_CLASS, "1",
          "standard deviation over draws of the softmax probability"),
    FIELD(probs_mcse, CRD_FLOAT32, CRD_DIM_CLASS, "1", "Monte Carlo standard error of probs_mean"),
    FIELD(probs_half_width, CRD_FLOAT32, CRD_DIM_CLASS, "1",
          "half-width of an interval about probs_mean that holds whenever sampling stops"),
    FIELD(probs_min, CRD_FLOAT32, CRD_DIM_CLASS, "1", "smallest probability of any draw"),
    FIELD(probs_max, CRD_FLOAT32, CRD_DIM_CLASS, "1", "largest probability of any draw"),
    FIELD(votes, CRD_INT64, CRD_DIM_CLASS, "1",
          "number of draws in which this class is the most probable"),
    FIELD(predictive_entropy, CRD_FLOAT64, CRD_DIM_NONE, "nat",
          "total uncertainty: entropy of the predictive probabilities (plug-in)"),
    FIELD(predictive_entropy_debiased, CRD_FLOAT64, CRD_DIM_NONE, "nat",
          "total uncertainty, corrected for the finite number of draws"),
    FIELD(predictive_entropy_mcse, CRD_FLOAT64, CRD_DIM_NONE, "nat",
          "Monte Carlo standard error of predictive_entropy"),
    FIELD(expected_entropy, CRD_FLOAT64, CRD_DIM_NONE, "nat",
          "aleatoric uncertainty: mean over draws of the entropy"),
    FIELD(expected_entropy_mcse, CRD_FLOAT64, CRD_DIM_NONE, "nat",
          "Monte Carlo standard error of expected_entropy"),
    FIELD(mutual_information, CRD_FLOAT64, CRD_DIM_NONE, "nat",
          "epistemic uncertainty: predictive_entropy - expected_entropy (plug-in)"),
    FIELD(mutual_information_debiased, CRD_FLOAT64, CRD_DIM_NONE, "nat",
          "epistemic uncertainty, corrected for the finite number of draws"),
    FIELD(mutual_information_mcse, CRD_FLOAT64, CRD_DIM_NONE, "nat",
          "Monte Carlo standard error of mutual_information"),
    FIELD(n_draws, CRD_INT64, CRD_DIM_NONE, "1", "number of draws behind the image's figures"),
    FIELD(skipped, CRD_BOOL8, CRD_DIM_NONE, "1", "the image could not be read"),
    FIELD(top_class, CRD_INT64, CRD_DIM_TOP, "1", "most probable classes, the first is the first"),
    FIELD(sums, CRD_INT64, CRD_DIM_SUM, "1", "sums over the draws, in fixed point"),
    FIELD(maxima, CRD_INT64, CRD_DIM_MAXIMUM, "1",
          "largest and smallest probability of any draw, in fixed point"),
};

enum { N_FIELDS = sizeof fields / sizeof *fields };

const crd_field *crd_summary_fields(int *n)
{
    *n = N_FIELDS;
    return fields;
}

static size_t field_size(crd_field_type type)
{
    return type == CRD_FLOAT32 ? sizeof(float) : type == CRD_BOOL8 ? sizeof(int8_t) : 8;
}

int64_t crd_summary_columns(const crd_summary *summary, const crd_field *field)
{
    switch (field->dim) {
    case CRD_DIM_NONE:
        break;
    case CRD_DIM_CLASS:
        return summary->n_classes;
    case CRD_DIM_TOP:
        return summary->n_top;
    case CRD_DIM_SUM:
        return summary->n_sums;
    case CRD_DIM_MAXIMUM:
        return summary->n_maxima;
    }
    return 1;
}

static void **field_pointer(crd_summary *summary, const crd_field *field)
{
    return (void **)(void *)((char *)summary + field->offset);
}

crd_status crd_summary_init(crd_summary *summary, int64_t n_images, int64_t n_classes,
                            int64_t n_top)
{
    crd_status status = CRD_OK;
    *summary = (crd_summary){
        .n_images = n_images,
        .n_classes = n_classes,
        .n_top = n_top < n_classes ? n_top : n_classes,
        .miss = 0.05,
    };
    for (int i = 0; i < N_FIELDS; i++)
        CRD_TRY(crd_alloc_zeroed(field_pointer(summary, &fields[i]),
                                 n_images * crd_summary_columns(summary, &fields[i]),
                                 field_size(fields[i].type), fields[i].name));
cleanup:
    if (status != CRD_OK)
        crd_summary_clear(summary);
    return status;
}

crd_status crd_summary_keep_sums(crd_summary *s)
{
    crd_status status = CRD_OK;
    s->n_sums = crd_accumulator_n_sums(s->n_classes);
    s->n_maxima = crd_accumulator_n_maxima(s->n_classes);
    crd_free(s->sums);
    crd_free(s->maxima);
    s->maxima = NULL;
    CRD_ALLOC(&s->sums, s->n_images * s->n_sums, "sums");
    CRD_ALLOC(&s->maxima, s->n_images * s->n_maxima, "maxima");
cleanup:
    return status;
}

void crd_summary_clear(crd_summary *summary)
{
    for (int i = 0; i < N_FIELDS; i++)
        crd_free(*field_pointer(summary, &fields[i]));
    *summary = (crd_summary){0};
}

/* Standard error of the mean over all draws of a statistic of which the sum over each group's draws is known:
 * for independent observations the mean square between groups is unbiased for the variance of one, whatever
 * the groups' sizes (one-way analysis of variance). An observation is the sum of `n_each` draws. */
static double error_of_mean(const double group_sums[CRD_N_GROUPS],
                            const int64_t group_draws[CRD_N_GROUPS], int64_t n_draws,
                            int64_t n_each)
{
    double total = 0, square = 0, n = (double)(n_draws / n_each);
    int64_t n_groups = 0;
    for (int64_t g = 0; g < CRD_N_GROUPS; g++) {
        total += group_sums[g];
        n_groups += group_draws[g] > 0;
    }
    if (n_groups < 2)
        return NAN;
    for (int64_t g = 0; g < CRD_N_GROUPS; g++) {
        if (group_draws[g] == 0)
            continue;
        double m = (double)(group_draws[g] / n_each);
        double difference = group_sums[g] / m - total / n;
        square += m * difference * difference;
    }
    return sqrt(square / (double)(n_groups - 1) / n) / (double)n_each;
}

/* Variance (n - 1) of n fixed-point numbers of which sum and sum of squares are known: exact, rounded once. */
static double variance_of(int64_t n, wide squares, int64_t sum)
{
    double scatter = ldexp((double)((wide)n * squares - (wide)sum * sum), -2 * CRD_PROB_BITS);
    return n > 1 ? scatter / (double)n / (double)(n - 1) : NAN;
}

/* Class probabilities. Returns the variance of one observation. */
static double finish_class(crd_summary *s, int64_t at, const crd_accumulator_view *a, int64_t c,
                           double *mean)
{
    int64_t n_draws = s->n_draws[at / s->n_classes], sum = 0;
    int64_t n = s->is_paired ? n_draws / 2 : n_draws;
    for (int64_t g = 0; g < CRD_N_GROUPS; g++)
        sum += a->group_probs[g * s->n_classes + c];
    wide squares = ((wide)a->squares_high[c] << CRD_PROB_BITS) + a->squares_low[c];
    wide gaps = ((wide)a->gaps_high[c] << CRD_PROB_BITS) + a->gaps_low[c];
    double of_draws = variance_of(n_draws, squares, sum);
    double variance = s->is_paired ? variance_of(n, 2 * squares - gaps, sum) / 4 : of_draws;
    *mean = ldexp((double)sum, -CRD_PROB_BITS) / (double)n_draws;
    s->probs_mean[at] = (float)*mean;
    s->probs_sd[at] = (float)sqrt(of_draws);
    s->probs_mcse[at] = (float)sqrt(variance / (double)n);
    s->probs_half_width[at] = (float)crd_half_width(n, variance, s->miss);
    s->probs_min[at] = (float)ldexp((double)-a->max_negative[c], -CRD_PROB_BITS);
    s->probs_max[at] = (float)ldexp((double)a->max[c], -CRD_PROB_BITS);
    s->votes[at] = a->votes[c];
    return variance;
}

/* Does class a come before class b: is it more probable, or as probable with a smaller number? */
static int is_before(const float *probs, int64_t a, int64_t b)
{
    return probs[a] != probs[b] ? probs[a] > probs[b] : a < b;
}

/* Restores a heap of n classes, the last of which in order is at its root, from place k down. */
static void sink(int64_t *heap, int64_t n, int64_t k, const float *probs)
{
    for (int64_t child; (child = 2 * k + 1) < n; k = child) {
        if (child + 1 < n && is_before(probs, heap[child], heap[child + 1]))
            child++;
        if (is_before(probs, heap[child], heap[k]))
            return;
        int64_t moved = heap[k];
        heap[k] = heap[child];
        heap[child] = moved;
    }
}

/* The first n_top of all classes: a heap of the first ones so far, which is then sorted in place. */
static void finish_top(crd_summary *s, int64_t image)
{
    const float *probs = s->probs_mean + image * s->n_classes;
    int64_t *top = s->top_class + image * s->n_top, n = s->n_top;
    for (int64_t k = 0; k < n; k++)
        top[k] = k;
    for (int64_t k = n / 2 - 1; k >= 0; k--)
        sink(top, n, k, probs);
    for (int64_t c = n; c < s->n_classes; c++) {
        if (!is_before(probs, c, top[0]))
            continue;
        top[0] = c;
        sink(top, n, 0, probs);
    }
    while (n > 1) {
        int64_t last = top[0];
        top[0] = top[--n];
        top[n] = last;
        sink(top, n, 0, probs);
    }
}

void crd_summary_miss(crd_summary *summary, int64_t image)
{
    for (int i = 0; i < N_FIELDS; i++) {
        int64_t width = crd_summary_columns(summary, &fields[i]);
        void *data = *field_pointer(summary, &fields[i]);
        for (int64_t j = image * width; j < (image + 1) * width; j++) {
            if (fields[i].type == CRD_FLOAT32)
                ((float *)data)[j] = NAN;
            else if (fields[i].type == CRD_FLOAT64)
                ((double *)data)[j] = NAN;
            else if (fields[i].type == CRD_INT64)
                ((int64_t *)data)[j] = -1;
        }
    }
    summary->n_draws[image] = 0;
    summary->skipped[image] = 0;
}

void crd_summary_finish(crd_summary *s, int64_t image, int64_t *sums, int64_t *maxima)
{
    const int64_t n_classes = s->n_classes, n_each = s->is_paired ? 2 : 1;
    crd_accumulator_view a = crd_accumulator_view_of(sums, maxima, n_classes);
    int64_t n = crd_accumulator_n_draws(sums, n_classes);
    crd_summary_miss(s, image);
    if (n == 0)
        return;
    s->n_draws[image] = n;
    if (s->n_sums > 0) {
        memcpy(s->sums + image * s->n_sums, sums, (size_t)s->n_sums * sizeof *sums);
        memcpy(s->maxima + image * s->n_maxima, maxima, (size_t)s->n_maxima * sizeof *maxima);
    }
    double entropy = 0, correction = 0, expected = 0;
    /* cross[g]: sum over the group's draws of -sum_c p_c log(mean p_c), whose mean is the entropy of the mean
     * and whose scatter is, to first order, that of the entropy of the mean. */
    double cross[CRD_N_GROUPS] = {0}, own[CRD_N_GROUPS], information[CRD_N_GROUPS];
    for (int64_t c = 0; c < n_classes; c++) {
        double mean, variance = finish_class(s, image * n_classes + c, &a, c, &mean);
        if (mean <= 0)
            continue;
        double log_mean = log(mean);
        entropy -= mean * log_mean;
        correction += variance / mean;
        for (int64_t g = 0; g < CRD_N_GROUPS; g++)
            cross[g] -= ldexp((double)a.group_probs[g * n_classes + c], -CRD_PROB_BITS) * log_mean;
    }
    correction /= 2 * (double)(n / n_each);
    for (int64_t g = 0; g < CRD_N_GROUPS; g++) {
        own[g] = ldexp((double)a.group_entropies[g], -CRD_ENTROPY_BITS);
        information[g] = cross[g] - own[g];
        expected += own[g] / (double)n;
    }
    s->predictive_entropy[image] = fmax(entropy, 0);
    s->predictive_entropy_debiased[image] = fmax(entropy, 0) + correction;
    s->predictive_entropy_mcse[image] = error_of_mean(cross, a.group_draws, n, n_each);
    s->expected_entropy[image] = expected;
    s->expected_entropy_mcse[image] = error_of_mean(own, a.group_draws, n, n_each);
    s->mutual_information[image] = fmax(entropy - expected, 0);
    s->mutual_information_debiased[image] = entropy - expected + correction;
    s->mutual_information_mcse[image] = error_of_mean(information, a.group_draws, n, n_each);
    finish_top(s, image);
}

int crd_summary_is_precise(const crd_summary *summary, int64_t image, double mcse)
{
    for (int64_t t = 0; t < summary->n_top; t++) {
        int64_t c = summary->top_class[image * summary->n_top + t];
        if (!((double)summary->probs_mcse[image * summary->n_classes + c] < mcse))
            return 0;
    }
    return 1;
}

void crd_summary_skip(crd_summary *summary, int64_t image)
{
    crd_summary_miss(summary, image);
    summary->skipped[image] = 1;
}
