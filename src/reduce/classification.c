/* Classification: what softmax probabilities of the draws say of an image.
 *
 * A draw of an image gives probabilities p_c (softmax of its logits, in double), their entropy H
 * and a vote. These are accumulated as integers:
 *
 *   q = round(p * 2^36)   sums of up to 2^26 draws fit int64
 *   q^2, exactly          low 36 bits and the rest apart, each sum fits int64; so variances are
 *                         exact
 *   round(H * 2^32)       H < 32: sums of up to 2^26 draws fit int64
 *   votes, draws          counts
 *
 * Draw d belongs to group d % N_GROUPS; q, H and draws are summed by group, and the scatter between
 * the groups gives the Monte Carlo errors of what is no mean (entropy of the mean, mutual
 * information).
 *
 * Draws in strata have the components as groups instead. The same scatter then gives the cluster
 * standard error, sd of the component means / sqrt(components), of everything; and the sums of a
 * component its entropy, which parts the mutual information.
 *
 * Draws of chains are strata whose groups are batches of neighbouring draws, and the errors those
 * of crd_batch_error.
 *
 * Antithetic draws 2k and 2k + 1 are a pair: not independent of each other, so only the pair's
 * mean counts as one observation. A pair belongs to group k % N_GROUPS, and (q_2k - q_2k+1)^2 is
 * summed too, as q^2 is: with it the variance of pair means is exact, sum (a + b)^2 = 2 sum a^2
 * + 2 sum b^2 - sum (a - b)^2. */
#include <math.h>
#include <string.h>

#include "base/integers.h"
#include "base/softmax.h"
#include "credence/stopping_rule.h"
#include "reduce/reducer.h"
#include "stats/group_error.h"

/* Groups of draws that are not in strata, and most of all groups; bits after the point. */
enum { N_GROUPS = 32, MOST_GROUPS = CRD_MAX_STRATA, PROB_BITS = 36, ENTROPY_BITS = 32 };

/* Wide enough for sums of squares of fixed-point probabilities, single (2^26 draws * 2^26 *
 * 2^72) or added in pairs (2^25 pairs * 2^25 * 2^74). */
__extension__ typedef __int128 wide;

/* The parts of `sums` and `maxima`; C classes. Pointers into the caller's arrays. */
typedef struct accumulator {
    int64_t *group_probs;     /* [groups][C] sum of q over the group's draws */
    int64_t *squares_low;     /* [C] sum of the low 36 bits of q^2 */
    int64_t *squares_high;    /* [C] sum of q^2 >> 36 */
    int64_t *gaps_low;        /* [C] of squared differences within pairs, likewise */
    int64_t *gaps_high;       /* [C] */
    int64_t *votes;           /* [C] */
    int64_t *group_entropies; /* [groups] */
    int64_t *group_draws;     /* [groups] draws added */
    int64_t *max;             /* [C] largest q */
    int64_t *max_negative;    /* [C] largest -q */
} accumulator;

static int is_stratified(const crd_reduction *r)
{
    return r->n_strata > 1;
}

/* Groups that are no mere partition of independent draws. */
static int is_grouped(const crd_reduction *r)
{
    return is_stratified(r) || r->n_batches > 0;
}

static int64_t count_groups(const crd_reduction *r)
{
    return is_grouped(r) ? crd_reduction_n_groups(r) : N_GROUPS;
}

static int64_t group_of(const crd_reduction *r, int64_t observation)
{
    return is_grouped(r) ? crd_reduction_group(r, observation) : observation % N_GROUPS;
}

static accumulator view(const crd_reduction *r, int64_t *sums, int64_t *maxima)
{
    int64_t n_classes = r->n_outputs, n_groups = count_groups(r);
    int64_t *squares = sums + n_groups * n_classes;
    return (accumulator){
        .group_probs = sums,
        .squares_low = squares,
        .squares_high = squares + n_classes,
        .gaps_low = squares + 2 * n_classes,
        .gaps_high = squares + 3 * n_classes,
        .votes = squares + 4 * n_classes,
        .group_entropies = squares + 5 * n_classes,
        .group_draws = squares + 5 * n_classes + n_groups,
        .max = maxima,
        .max_negative = maxima + n_classes,
    };
}

void crd_softmax(float *probs, const float *logits, int64_t n_classes)
{
    crd_softmax_law law = crd_softmax_law_of(logits, n_classes);
    for (int64_t c = 0; c < n_classes; c++)
        probs[c] = (float)(exp((double)logits[c] - law.largest) / law.total);
}

/* What the logits of a draw say as a whole. */
typedef struct draw_law {
    int64_t top;
    double largest, sum; /* p_c = exp(x_c - largest) / sum */
    double entropy;
} draw_law;

static draw_law law_of(const float *logits, int64_t n_classes)
{
    draw_law law = {.top = crd_argmax(logits, n_classes)};
    double weighted = 0;
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
    return llrint(ldexp(exp((double)logit - law->largest) / law->sum, PROB_BITS));
}

/* Adds x^2 to the two sums: |x| < 2^37, so x^2 = high 2^36 + low is put together from the
 * halves of x. */
static void add_square(int64_t *low_sum, int64_t *high_sum, int64_t x)
{
    uint64_t size = (uint64_t)(x < 0 ? -x : x);
    uint64_t half = size >> 18, rest = size & ((1u << 18) - 1);
    uint64_t middle = 2 * half * rest, low = rest * rest + ((middle & ((1u << 18) - 1)) << 18);
    uint64_t high = half * half + (middle >> 18) + (low >> PROB_BITS);
    *low_sum += (int64_t)(low & ((UINT64_C(1) << PROB_BITS) - 1));
    *high_sum += (int64_t)high;
}

static void add_prob(const accumulator *a, int64_t *group_probs, int64_t c, int64_t q)
{
    group_probs[c] += q;
    add_square(&a->squares_low[c], &a->squares_high[c], q);
    if (q > a->max[c])
        a->max[c] = q;
    if (-q > a->max_negative[c])
        a->max_negative[c] = -q;
}

static void add_law(const accumulator *a, int64_t group, const draw_law *law)
{
    a->votes[law->top]++;
    a->group_draws[group]++;
    a->group_entropies[group] += llrint(ldexp(law->entropy, ENTROPY_BITS));
}

static void add(const crd_reduction *r, int64_t *sums, int64_t *maxima, const float *logits,
                int64_t draw)
{
    const int64_t n_classes = r->n_outputs, group = group_of(r, draw);
    accumulator a = view(r, sums, maxima);
    draw_law law = law_of(logits, n_classes);
    for (int64_t c = 0; c < n_classes; c++)
        add_prob(&a, a.group_probs + group * n_classes, c, fixed_prob(&law, logits[c]));
    add_law(&a, group, &law);
}

static void add_pair(const crd_reduction *r, int64_t *sums, int64_t *maxima, const float *first,
                     const float *second, int64_t pair)
{
    const int64_t n_classes = r->n_outputs, group = group_of(r, pair);
    accumulator a = view(r, sums, maxima);
    draw_law laws[2] = {law_of(first, n_classes), law_of(second, n_classes)};
    for (int64_t c = 0; c < n_classes; c++) {
        int64_t q = fixed_prob(&laws[0], first[c]), t = fixed_prob(&laws[1], second[c]);
        add_prob(&a, a.group_probs + group * n_classes, c, q);
        add_prob(&a, a.group_probs + group * n_classes, c, t);
        add_square(&a.gaps_low[c], &a.gaps_high[c], q - t);
    }
    add_law(&a, group, &laws[0]);
    add_law(&a, group, &laws[1]);
}

static crd_status size(crd_reduction *r, int64_t n_top)
{
    const int64_t n_classes = r->n_outputs, n_groups = count_groups(r);
    r->extents[CRD_AXIS_OUTPUT] = n_classes;
    r->extents[CRD_AXIS_DETAIL] = n_top < n_classes ? n_top : n_classes;
    r->extents[CRD_AXIS_SUM] = (n_groups + 5) * n_classes + 2 * n_groups;
    r->extents[CRD_AXIS_MAXIMUM] = 2 * n_classes;
    return CRD_OK;
}

static int64_t n_draws(const crd_reduction *r, const int64_t *sums)
{
    int64_t n = 0, n_groups = count_groups(r);
    for (int64_t g = 0; g < n_groups; g++)
        n += sums[r->extents[CRD_AXIS_SUM] - n_groups + g];
    return n;
}

#define FIELD(member, kind, axis, unit, text)                                                      \
    CRD_FIELD(crd_class_rows, member, kind, axis, CRD_AXIS_NONE, unit, text)

static const crd_field fields[] = {
    {FIELD(probs_mean, CRD_FLOAT32, CRD_AXIS_OUTPUT, "1",
           "predictive probability: mean over draws of the softmax probability")},
    {FIELD(probs_sd, CRD_FLOAT32, CRD_AXIS_OUTPUT, "1",
           "standard deviation over draws of the softmax probability")},
    {FIELD(probs_mcse, CRD_FLOAT32, CRD_AXIS_OUTPUT, "1",
           "Monte Carlo standard error of probs_mean")},
    {FIELD(probs_half_width, CRD_FLOAT32, CRD_AXIS_OUTPUT, "1",
           "half-width of an interval about probs_mean that holds whenever sampling stops")},
    {FIELD(probs_min, CRD_FLOAT32, CRD_AXIS_OUTPUT, "1", "smallest probability of any draw")},
    {FIELD(probs_max, CRD_FLOAT32, CRD_AXIS_OUTPUT, "1", "largest probability of any draw")},
    {FIELD(votes, CRD_INT64, CRD_AXIS_OUTPUT, "1",
           "number of draws in which this class is the most probable")},
    {FIELD(predictive_entropy, CRD_FLOAT64, CRD_AXIS_NONE, "nat",
           "total uncertainty: entropy of the predictive probabilities (plug-in)")},
    {FIELD(predictive_entropy_debiased, CRD_FLOAT64, CRD_AXIS_NONE, "nat",
           "total uncertainty, corrected for the finite number of draws")},
    {FIELD(predictive_entropy_mcse, CRD_FLOAT64, CRD_AXIS_NONE, "nat",
           "Monte Carlo standard error of predictive_entropy")},
    {FIELD(expected_entropy, CRD_FLOAT64, CRD_AXIS_NONE, "nat",
           "aleatoric uncertainty: mean over draws of the entropy")},
    {FIELD(expected_entropy_mcse, CRD_FLOAT64, CRD_AXIS_NONE, "nat",
           "Monte Carlo standard error of expected_entropy")},
    {FIELD(mutual_information, CRD_FLOAT64, CRD_AXIS_NONE, "nat",
           "epistemic uncertainty: predictive_entropy - expected_entropy (plug-in)")},
    {FIELD(mutual_information_debiased, CRD_FLOAT64, CRD_AXIS_NONE, "nat",
           "epistemic uncertainty, corrected for the finite number of draws")},
    {FIELD(mutual_information_mcse, CRD_FLOAT64, CRD_AXIS_NONE, "nat",
           "Monte Carlo standard error of mutual_information")},
    CRD_FIELD_N_DRAWS(crd_class_rows),
    CRD_FIELD_SKIPPED(crd_class_rows),
    {FIELD(top_class, CRD_INT64, CRD_AXIS_DETAIL, "1",
           "most probable classes, the first is the first")},
    CRD_FIELD_SUMS(crd_class_rows),
    {FIELD(maxima, CRD_INT64, CRD_AXIS_MAXIMUM, "1",
           "largest and smallest probability of any draw, in fixed point")},
    {FIELD(probs_mcse_draws, CRD_FLOAT32, CRD_AXIS_OUTPUT, "1",
           "standard error of probs_mean about this mixture of components, by the draws alone")},
    {FIELD(mutual_information_between, CRD_FLOAT64, CRD_AXIS_NONE, "nat",
           "epistemic uncertainty between components: predictive_entropy - mean over components of "
           "theirs (plug-in)")},
    {FIELD(mutual_information_between_mcse, CRD_FLOAT64, CRD_AXIS_NONE, "nat",
           "Monte Carlo standard error of mutual_information_between")},
    {FIELD(mutual_information_within, CRD_FLOAT64, CRD_AXIS_NONE, "nat",
           "epistemic uncertainty within components: mean over components of theirs (plug-in)")},
    {FIELD(mutual_information_within_mcse, CRD_FLOAT64, CRD_AXIS_NONE, "nat",
           "Monte Carlo standard error of mutual_information_within")},
};
enum { N_STRATA_FIELDS = 5 };

/* Draws by group, as errors need them. */
typedef struct grouping {
    const crd_reduction *reduction;
    int64_t n, n_draws, n_each; /* groups; draws in all; of an observation */
    const int64_t *draws;       /* [n] */
} grouping;

static grouping grouping_of(const crd_reduction *r, const accumulator *a, int64_t n_draws)
{
    return (grouping){r, count_groups(r), n_draws, r->is_paired ? 2 : 1, a->group_draws};
}

static double error_of_mean(const double *group_sums, const grouping *by)
{
    return is_grouped(by->reduction)
               ? crd_reduction_group_error(by->reduction, group_sums, by->draws)
               : crd_group_error(group_sums, by->draws, by->n, by->n_each);
}

/* Of the probability of a class. */
static double error_of_class(const accumulator *a, const grouping *by, int64_t n_classes, int64_t c)
{
    double sums[MOST_GROUPS];
    for (int64_t g = 0; g < by->n; g++)
        sums[g] = ldexp((double)a->group_probs[g * n_classes + c], -PROB_BITS);
    return error_of_mean(sums, by);
}

/* Variance (n - 1) of n fixed-point numbers of which sum and sum of squares are known: exact,
 * rounded once. */
static double variance_of(int64_t n, wide squares, int64_t sum)
{
    double scatter = ldexp((double)((wide)n * squares - (wide)sum * sum), -2 * PROB_BITS);
    return n > 1 ? scatter / (double)n / (double)(n - 1) : NAN;
}

/* Class probabilities. Returns the variance of an observation, as if all n of them were
 * independent: n times the square of the standard error. */
static double finish_class(const crd_class_rows *s, const crd_reduction *r, int64_t at,
                           const accumulator *a, int64_t c, double *mean)
{
    int64_t n_draws = s->n_draws[at / s->n_classes], sum = 0;
    int64_t n = r->is_paired ? n_draws / 2 : n_draws;
    const grouping by = grouping_of(r, a, n_draws);
    for (int64_t g = 0; g < by.n; g++)
        sum += a->group_probs[g * s->n_classes + c];
    wide squares = ((wide)a->squares_high[c] << PROB_BITS) + a->squares_low[c];
    wide gaps = ((wide)a->gaps_high[c] << PROB_BITS) + a->gaps_low[c];
    double of_draws = variance_of(n_draws, squares, sum);
    double variance = r->is_paired ? variance_of(n, 2 * squares - gaps, sum) / 4 : of_draws;
    *mean = ldexp((double)sum, -PROB_BITS) / (double)n_draws;
    s->probs_mean[at] = (float)*mean;
    s->probs_sd[at] = (float)sqrt(of_draws);
    s->probs_mcse[at] = (float)sqrt(variance / (double)n);
    s->probs_half_width[at] = (float)crd_half_width(n, variance, r->error_probability);
    s->probs_min[at] = (float)ldexp((double)-a->max_negative[c], -PROB_BITS);
    s->probs_max[at] = (float)ldexp((double)a->max[c], -PROB_BITS);
    s->votes[at] = a->votes[c];
    if (!is_grouped(r))
        return variance;
    double error = error_of_class(a, &by, s->n_classes, c);
    if (is_stratified(r))
        s->probs_mcse_draws[at] = s->probs_mcse[at];
    s->probs_mcse[at] = (float)error;
    return error * error * (double)n;
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

/* The first n_top of all classes: a heap of the first ones so far, which is then sorted in
 * place. */
static void finish_top(const crd_class_rows *s, int64_t image)
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

/* Entropies of the components part the mutual information. `cross` and `own` as in finish. */
static void finish_parts(const crd_class_rows *s, int64_t image, const accumulator *a,
                         const grouping *by, const double *cross, const double *own)
{
    double between[MOST_GROUPS], within[MOST_GROUPS], sum_between = 0, sum_within = 0;
    const int64_t n_strata = by->reduction->n_strata, n_batches = by->n / n_strata;
    int64_t draws[MOST_GROUPS];
    for (int64_t g = 0; g < n_strata; g++) {
        double entropy = 0, sum_cross = 0, sum_own = 0;
        const int64_t first = g * n_batches, end = first + n_batches;
        draws[g] = 0;
        for (int64_t k = first; k < end; k++) {
            draws[g] += by->draws[k];
            sum_cross += cross[k];
            sum_own += own[k];
        }
        double m = (double)draws[g];
        if (draws[g] < 2 * by->n_each)
            return;
        for (int64_t c = 0; c < s->n_classes; c++) {
            int64_t sum = 0;
            for (int64_t k = first; k < end; k++)
                sum += a->group_probs[k * s->n_classes + c];
            double p = ldexp((double)sum, -PROB_BITS) / m;
            entropy -= p > 0 ? p * log(p) : 0;
        }
        between[g] = sum_cross - m * entropy;
        within[g] = m * entropy - sum_own;
        sum_between += between[g];
        sum_within += within[g];
    }
    s->mutual_information_between[image] = fmax(sum_between / (double)by->n_draws, 0);
    s->mutual_information_between_mcse[image] =
        crd_group_error(between, draws, n_strata, by->n_each);
    s->mutual_information_within[image] = fmax(sum_within / (double)by->n_draws, 0);
    s->mutual_information_within_mcse[image] = crd_group_error(within, draws, n_strata, by->n_each);
}

static void finish(crd_summary *summary, int64_t image, int64_t *sums, int64_t *maxima)
{
    const crd_reduction *r = &summary->reduction;
    const crd_class_rows rows = crd_class_rows_view(summary), *s = &rows;
    const int64_t n_classes = s->n_classes, n = s->n_draws[image];
    accumulator a = view(r, sums, maxima);
    const grouping by = grouping_of(r, &a, n);
    double entropy = 0, correction = 0, expected = 0;
    /* cross[g]: sum over the group's draws of -sum_c p_c log(mean p_c), whose mean is the
     * entropy of the mean and whose scatter is, to first order, that of the entropy of the
     * mean. */
    double cross[MOST_GROUPS] = {0}, own[MOST_GROUPS], information[MOST_GROUPS];
    for (int64_t c = 0; c < n_classes; c++) {
        double mean, variance = finish_class(s, r, image * n_classes + c, &a, c, &mean);
        if (mean <= 0)
            continue;
        double log_mean = log(mean);
        entropy -= mean * log_mean;
        correction += variance / mean;
        for (int64_t g = 0; g < by.n; g++)
            cross[g] -= ldexp((double)a.group_probs[g * n_classes + c], -PROB_BITS) * log_mean;
    }
    correction /= 2 * (double)(n / by.n_each);
    for (int64_t g = 0; g < by.n; g++) {
        own[g] = ldexp((double)a.group_entropies[g], -ENTROPY_BITS);
        information[g] = cross[g] - own[g];
        expected += own[g] / (double)n;
    }
    s->predictive_entropy[image] = fmax(entropy, 0);
    s->predictive_entropy_debiased[image] = fmax(entropy, 0) + correction;
    s->predictive_entropy_mcse[image] = error_of_mean(cross, &by);
    s->expected_entropy[image] = expected;
    s->expected_entropy_mcse[image] = error_of_mean(own, &by);
    s->mutual_information[image] = fmax(entropy - expected, 0);
    s->mutual_information_debiased[image] = entropy - expected + correction;
    s->mutual_information_mcse[image] = error_of_mean(information, &by);
    if (is_stratified(r))
        finish_parts(s, image, &a, &by, cross, own);
    finish_top(s, image);
}

static double error(const crd_summary *summary, int64_t image)
{
    const crd_class_rows s = crd_class_rows_view(summary);
    const int is_mixture = s.probs_mcse_draws != NULL && summary->reduction.n_batches == 0;
    const float *errors = is_mixture ? s.probs_mcse_draws : s.probs_mcse;
    double worst = 0;
    for (int64_t t = 0; t < s.n_top; t++) {
        double mcse = (double)errors[image * s.n_classes + s.top_class[image * s.n_top + t]];
        if (isnan(mcse))
            return NAN;
        worst = fmax(worst, mcse);
    }
    return worst;
}

/* The entropy; of one observation there is nothing to correct it by. */
static double doubt(const crd_summary *summary, int64_t image)
{
    const crd_class_rows s = crd_class_rows_view(summary);
    double debiased = s.predictive_entropy_debiased[image];
    return isnan(debiased) ? s.predictive_entropy[image] : debiased;
}

static const crd_draw_field draw_fields[] = {
    {"logits", "1", "output of the drawn network", CRD_KIND(LOGITS)},
    {"probs", "1", "probability of the class under the drawn network", CRD_KIND(LOGITS)},
};

static void describe_draw(float *values, const crd_reduction *r, int field, const float *outputs)
{
    if (field == 0)
        memcpy(values, outputs, (size_t)r->n_outputs * sizeof *values);
    else
        crd_softmax(values, outputs, r->n_outputs);
}

crd_class_rows crd_class_rows_view(const crd_summary *summary)
{
    const int64_t *extents = summary->reduction.extents;
    crd_class_rows rows = {.n_images = summary->n_images,
                           .n_classes = extents[CRD_AXIS_OUTPUT],
                           .n_top = extents[CRD_AXIS_DETAIL]};
    crd_summary_point(&rows, summary);
    return rows;
}

/* Half-samples are of whole chains; of a single one, of eighths. */
enum { PIECES_OF_A_CHAIN = 8 };

static int64_t count_pieces(const crd_reduction *r)
{
    return r->n_batches == 0 ? count_groups(r)
           : r->n_strata > 1 ? r->n_strata
                             : crd_smaller(PIECES_OF_A_CHAIN, r->n_batches);
}

int64_t crd_class_n_half_samples(const crd_reduction *reduction)
{
    return crd_half_samples(count_pieces(reduction));
}

int64_t crd_class_half_samples(double *probs, const crd_summary *summary, int64_t image)
{
    const crd_reduction *r = &summary->reduction;
    const crd_class_rows rows = crd_class_rows_view(summary);
    const int64_t n_classes = r->n_outputs, n_groups = count_groups(r), n = count_pieces(r);
    const double n_draws = (double)summary->n_draws[image];
    const accumulator a = view(r, summary->sums + image * crd_reduction_n_sums(r),
                               summary->maxima + image * crd_reduction_n_maxima(r));
    int64_t n_filled = 0, draws[MOST_GROUPS] = {0};
    for (int64_t g = 0; g < n_groups; g++)
        draws[g * n / n_groups] += a.group_draws[g];
    for (int64_t i = 0; i < n; i++)
        n_filled += draws[i] > 0;
    for (int64_t c = 0; c < n_classes; c++) {
        int64_t all = 0, sums[MOST_GROUPS] = {0};
        for (int64_t g = 0; g < n_groups; g++) {
            all += a.group_probs[g * n_classes + c];
            sums[g * n / n_groups] += a.group_probs[g * n_classes + c];
        }
        const double mean = ldexp((double)all, -PROB_BITS) / n_draws;
        for (int64_t i = 0; i < n; i++)
            probs[i * n_classes + c] =
                (ldexp((double)sums[i], -PROB_BITS) - (double)draws[i] * mean) / n_draws;
    }
    crd_half_sample_gaps(probs, n_classes, n);
    for (int64_t i = 0; i < crd_half_samples(n) * n_classes; i++)
        probs[i] += (double)rows.probs_mean[image * n_classes + i % n_classes];
    return n_filled;
}

const crd_reducer crd_classification = {
    .name = "classification",
    .is_ranked = 1,
    .outputs = CRD_KIND(LOGITS),
    .axes = {[CRD_AXIS_OUTPUT] = "class",
             [CRD_AXIS_DETAIL] = "top",
             [CRD_AXIS_SUM] = "sum",
             [CRD_AXIS_MAXIMUM] = "maximum"},
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .n_strata_fields = N_STRATA_FIELDS,
    .draw_fields = draw_fields,
    .n_draw_fields = sizeof draw_fields / sizeof *draw_fields,
    .size = size,
    .add = add,
    .add_pair = add_pair,
    .n_draws = n_draws,
    .finish = finish,
    .error = error,
    .doubt = doubt,
    .describe_draw = describe_draw,
};
