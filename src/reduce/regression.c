/* Regression: what drawn values, and their noise where the network tells it, say of an image.
 *
 * A draw gives every value of an image a mean m and, if the outputs are normals, a variance v. The
 * predictive distribution is the mixture of the draws' normals; where no noise is known it is that
 * of the draws' means. Integers of an image:
 *
 *   draws             a count
 *   m, m^2, v         exact sums (stats/exact_sum.h): 2^26 draws of less than 2^32 a digit stay
 *                     below 2^58
 *   (m - m')^2        of antithetic pairs, an exact sum, below 2^258: with it the variance of pair
 *                     means is exact
 *   slots             the outputs of the first draws as they are, bit by bit; each has a place of
 *                     its own, which one
 *                     addition fills
 *   extremes          largest m and -m, as integers in the order of floats
 *   groups            of draws in strata: for each component its draws, a count, and m, an exact
 *                     sum; of chains for each batch of a chain
 *
 * Means and deviations are of all draws. Quantiles, the errors of deviations, and scores against a
 * true value come from the slots: of up to 512 draws all, of more the first 512 (of images with
 * more than 64 values fewer, 32 at least). Draws are alike, so the first ones are a sample, and
 * quantiles have the error of their own number.
 *
 * Draws in strata: errors are cluster standard errors (stats/group_error.h). The squared
 * deviation over draws has a part within components, the mean square within them, and a part
 * between, which is the rest. Both are of this mixture of components. Quantiles and scores:
 * stats/normal_mixture.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compare.h"
#include "base/integers.h"
#include "reduce/reducer.h"
#include "stats/exact_sum.h"
#include "stats/group_error.h"
#include "stats/normal_mixture.h"

/* Slots of a value, and of all values of an image; both even, so that pairs stay together. */
enum { MOST_SLOTS = 512, LEAST_SLOTS = 32, ALL_SLOTS = 1 << 15 };

/* The loss's floor of the variance, torch's; and a ceiling that keeps its square in range. */
#define LOG_VARIANCE_MIN (-13.815510557964274) /* log 1e-6 */
#define LOG_VARIANCE_MAX 80.0

/* Ends and middle of the central intervals of 95, 90 and 50 %. */
static const double levels[] = {0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975};
enum { N_LEVELS = sizeof levels / sizeof *levels };

/* The parts of a value's sums. */
typedef struct accumulator {
    int64_t *mean, *squares, *gaps, *noise; /* exact sums; noise NULL: there is none */
    int64_t *means, *noises;                /* slots: bits of a float plus 1; 0: empty */
    int64_t *groups;                        /* exact sums of m by group; NULL: none */
    const int64_t *draws;                   /* [groups] of all values */
    int64_t *max;                           /* of m, of -m */
} accumulator;

static int has_noise(const crd_reduction *r)
{
    return r->outputs == CRD_OUTPUT_NORMALS;
}

static int64_t n_slots(int64_t n_values)
{
    int64_t n = ALL_SLOTS / n_values;
    n = n < MOST_SLOTS ? n : MOST_SLOTS;
    return n < LEAST_SLOTS ? LEAST_SLOTS : n - n % 2;
}

static int is_stratified(const crd_reduction *r)
{
    return r->n_strata > 1;
}

/* Groups whose sums are kept. */
static int64_t count_groups(const crd_reduction *r)
{
    return is_stratified(r) || r->n_batches > 0 ? crd_reduction_n_groups(r) : 0;
}

static int64_t sums_of_value(const crd_reduction *r, int64_t n_values)
{
    int noise = has_noise(r);
    int64_t n_exact = 3 + noise + count_groups(r);
    return n_exact * CRD_EXACT_SIZE + (1 + noise) * n_slots(n_values);
}

/* Counts in front of the values' sums: draws, and those of each component. */
static int64_t n_counts(const crd_reduction *r)
{
    return 1 + count_groups(r);
}

static accumulator view(const crd_reduction *r, int64_t *sums, int64_t *maxima, int64_t value)
{
    int64_t n_values = r->extents[CRD_AXIS_OUTPUT];
    int64_t *at = sums + n_counts(r) + value * sums_of_value(r, n_values);
    accumulator a = {.mean = at, .squares = at + CRD_EXACT_SIZE, .gaps = at + 2 * CRD_EXACT_SIZE};
    a.means = at + 3 * CRD_EXACT_SIZE;
    if (has_noise(r)) {
        a.noise = a.means;
        a.means += CRD_EXACT_SIZE;
        a.noises = a.means + n_slots(n_values);
    }
    if (count_groups(r) > 0) {
        a.groups = at + sums_of_value(r, n_values) - count_groups(r) * CRD_EXACT_SIZE;
        a.draws = sums + 1;
    }
    a.max = maxima + 2 * value;
    return a;
}

static crd_status size(crd_reduction *r, int64_t n_top)
{
    int64_t n_values = has_noise(r) ? r->n_outputs / 2 : r->n_outputs;
    (void)n_top;
    if (n_values < 1 || (has_noise(r) && r->n_outputs % 2 != 0))
        return CRD_FAIL(CRD_ERR_INPUT, "%lld outputs are no means with as many log variances",
                        (long long)r->n_outputs);
    r->extents[CRD_AXIS_OUTPUT] = n_values;
    r->extents[CRD_AXIS_DETAIL] = N_LEVELS;
    r->extents[CRD_AXIS_SUM] = n_counts(r) + n_values * sums_of_value(r, n_values);
    r->extents[CRD_AXIS_MAXIMUM] = 2 * n_values;
    return CRD_OK;
}

static double level_of(int64_t i)
{
    return levels[i];
}

static int64_t n_draws(const crd_reduction *r, const int64_t *sums)
{
    (void)r;
    return sums[0];
}

static double variance_of(float log_variance)
{
    return exp(fmin(fmax((double)log_variance, LOG_VARIANCE_MIN), LOG_VARIANCE_MAX));
}

static int64_t to_slot(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (int64_t)bits + 1;
}

static float from_slot(int64_t slot)
{
    uint32_t bits = (uint32_t)(slot - 1);
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* An integer that grows with x, and back: negative floats grow against their bits. */
static int64_t to_order(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits < 0 ? (int64_t)INT32_MIN - bits - 1 : bits;
}

static float from_order(int64_t order)
{
    int32_t bits = (int32_t)(order < 0 ? (int64_t)INT32_MIN - order - 1 : order);
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void raise_to(int64_t *most, int64_t x)
{
    if (x > *most)
        *most = x;
}

static int64_t group_of(const crd_reduction *r, int64_t draw)
{
    return crd_reduction_group(r, r->is_paired ? draw / 2 : draw);
}

static void add_value(const crd_reduction *r, const accumulator *a, const float *outputs,
                      int64_t value, int64_t draw)
{
    int64_t n_values = r->extents[CRD_AXIS_OUTPUT];
    int is_kept = draw < n_slots(n_values);
    float m = outputs[value];
    crd_exact_add(a->mean, (double)m);
    crd_exact_add(a->squares, (double)m * (double)m);
    if (a->groups != NULL)
        crd_exact_add(a->groups + group_of(r, draw) * CRD_EXACT_SIZE, (double)m);
    raise_to(&a->max[0], to_order(m));
    raise_to(&a->max[1], to_order(-m));
    if (is_kept)
        a->means[draw] += to_slot(m);
    if (a->noise == NULL)
        return;
    crd_exact_add(a->noise, variance_of(outputs[n_values + value]));
    if (is_kept)
        a->noises[draw] += to_slot(outputs[n_values + value]);
}

static void add(const crd_reduction *r, int64_t *sums, int64_t *maxima, const float *outputs,
                int64_t draw)
{
    sums[0]++;
    if (count_groups(r) > 0)
        sums[1 + group_of(r, draw)]++;
    for (int64_t k = 0; k < r->extents[CRD_AXIS_OUTPUT]; k++) {
        accumulator a = view(r, sums, maxima, k);
        add_value(r, &a, outputs, k, draw);
    }
}

static void add_pair(const crd_reduction *r, int64_t *sums, int64_t *maxima, const float *first,
                     const float *second, int64_t pair)
{
    add(r, sums, maxima, first, 2 * pair);
    add(r, sums, maxima, second, 2 * pair + 1);
    for (int64_t k = 0; k < r->extents[CRD_AXIS_OUTPUT]; k++) {
        accumulator a = view(r, sums, maxima, k);
        double gap = (double)first[k] - (double)second[k];
        crd_exact_add(a.gaps, gap * gap);
    }
}

/* The draws of a value that its slots hold, in their order. */
typedef struct sample {
    crd_normal_mixture law; /* over the arrays below */
    int64_t n_each;         /* draws of one observation: 2 of pairs */
    const crd_reduction *reduction;
    int group[MOST_SLOTS], stratum[MOST_SLOTS];
    double mean[MOST_SLOTS], sd[MOST_SLOTS];
    double sorted[MOST_SLOTS]; /* means, ascending */
} sample;

static void read_sample(sample *s, const crd_reduction *r, const accumulator *a)
{
    s->law = (crd_normal_mixture){
        .has_noise = has_noise(r), .mean = s->mean, .sd = s->sd, .sorted = s->sorted};
    s->n_each = r->is_paired ? 2 : 1;
    s->reduction = r;
    for (int64_t i = 0; i < n_slots(r->extents[CRD_AXIS_OUTPUT]); i++) {
        if (a->means[i] == 0)
            continue;
        s->group[s->law.n] = (int)group_of(r, i);
        s->stratum[s->law.n] = s->group[s->law.n] / (int)crd_larger(r->n_batches, 1);
        s->mean[s->law.n] = (double)from_slot(a->means[i]);
        s->sd[s->law.n] = s->law.has_noise ? sqrt(variance_of(from_slot(a->noises[i]))) : 0;
        s->law.n++;
    }
    memcpy(s->sorted, s->mean, (size_t)s->law.n * sizeof *s->sorted);
    qsort(s->sorted, (size_t)s->law.n, sizeof *s->sorted, crd_compare_double);
}

/* Standard deviation of the observations of x; those of a pair are averaged first. NaN below
 * two. */
static double scatter_of(const double *x, const sample *s)
{
    double mean = 0, square = 0;
    int64_t n = s->law.n / s->n_each;
    for (int64_t i = 0; i < n * s->n_each; i++)
        mean += x[i] / (double)(n * s->n_each);
    for (int64_t i = 0; i < n; i++) {
        double own = x[i * s->n_each];
        if (s->n_each == 2)
            own = (own + x[2 * i + 1]) / 2;
        square += (own - mean) * (own - mean);
    }
    return n > 1 ? sqrt(square / (double)(n - 1)) : NAN;
}

/* Standard error of the mean of x, of which the sample's draws are seen, and n observations
 * counted. */
static double error_of(const double *x, const sample *s, double n)
{
    double sums[CRD_MAX_STRATA] = {0};
    int64_t draws[CRD_MAX_STRATA] = {0};
    if (count_groups(s->reduction) == 0)
        return scatter_of(x, s) / sqrt(n);
    for (int64_t i = 0; i < s->law.n; i++) {
        sums[s->group[i]] += x[i];
        draws[s->group[i]]++;
    }
    return crd_reduction_group_error(s->reduction, sums, draws);
}

/* A quantile and its standard error. Of a mixture that is the scatter of the draws' shares
 * below it, over the density there; of values half the distance of the quantiles one standard
 * error of p to both sides. */
static double quantile(double *error, const sample *s, double p)
{
    double n = (double)(s->law.n / s->n_each), density, below[MOST_SLOTS];
    if (!s->law.has_noise) {
        double step = sqrt(p * (1 - p) / n), at = crd_normal_mixture_mean_quantile(&s->law, p);
        const int is_grouped = count_groups(s->reduction) > 0;
        for (int64_t i = 0; is_grouped && i < s->law.n; i++)
            below[i] = s->mean[i] <= at;
        if (is_grouped)
            step = error_of(below, s, n);
        *error = n < 2 ? NAN
                       : (crd_normal_mixture_mean_quantile(&s->law, fmin(p + step, 1)) -
                          crd_normal_mixture_mean_quantile(&s->law, fmax(p - step, 0))) /
                             2;
        return crd_normal_mixture_mean_quantile(&s->law, p);
    }
    double x = crd_normal_mixture_quantile(&s->law, p);
    crd_normal_mixture_at(&density, &s->law, x);
    for (int64_t i = 0; i < s->law.n; i++)
        below[i] = crd_normal_below((x - s->mean[i]) / s->sd[i]);
    *error = error_of(below, s, n) / density;
    return x;
}

/* Standard error of the root of a mean of which `x` are draws and `n` is the number of
 * observations. */
static double error_of_root(double root, const double *x, const sample *s, double n)
{
    double error = error_of(x, s, n);
    return root > 0 ? error / (2 * root) : error * 0;
}

static void finish_deviations(const crd_value_rows *rows, int64_t at, const sample *s,
                              double epistemic, double aleatoric, double n)
{
    double apart[MOST_SLOTS], noise[MOST_SLOTS], both[MOST_SLOTS];
    double predictive = (s->law.has_noise ? aleatoric : 0) + (isnan(epistemic) ? 0 : epistemic);
    for (int64_t i = 0; i < s->law.n; i++) {
        double gap = s->mean[i] - rows->mean[at];
        apart[i] = gap * gap;
        noise[i] = s->sd[i] * s->sd[i];
        both[i] = apart[i] + noise[i];
    }
    rows->epistemic_sd[at] = sqrt(epistemic);
    rows->epistemic_sd_mcse[at] = error_of_root(sqrt(epistemic), apart, s, n);
    if (s->law.has_noise || !isnan(epistemic)) {
        rows->predictive_sd[at] = sqrt(predictive);
        rows->predictive_sd_mcse[at] = error_of_root(sqrt(predictive), both, s, n);
    }
    if (!s->law.has_noise)
        return;
    rows->aleatoric_sd[at] = sqrt(aleatoric);
    rows->aleatoric_sd_mcse[at] = error_of_root(sqrt(aleatoric), noise, s, n);
}

static void finish_mean(const crd_value_rows *rows, int64_t at, const crd_reduction *r,
                        const accumulator *a)
{
    double sums[CRD_MAX_STRATA];
    for (int64_t g = 0; g < count_groups(r); g++)
        sums[g] = crd_exact_get(a->groups + g * CRD_EXACT_SIZE);
    if (is_stratified(r))
        rows->mean_mcse_draws[at] = rows->mean_mcse[at];
    rows->mean_mcse[at] = crd_reduction_group_error(r, sums, a->draws);
}

/* Of a component's mean square of its draws about their mean, and of what lies between components:
 * errors by the components' own. */
static void finish_strata(const crd_value_rows *rows, int64_t at, const sample *s,
                          const accumulator *a, double epistemic)
{
    double means[CRD_MAX_STRATA], between = 0, within[MOST_SLOTS], apart[MOST_SLOTS];
    const int64_t n_strata = s->reduction->n_strata,
                  n_batches = count_groups(s->reduction) / n_strata;
    int64_t n = rows->n_draws[at / rows->n_values];
    for (int64_t g = 0; g < n_strata; g++) {
        int64_t n_own = 0;
        double sum = 0;
        for (int64_t k = g * n_batches; k < (g + 1) * n_batches; k++) {
            n_own += a->draws[k];
            sum += crd_exact_get(a->groups + k * CRD_EXACT_SIZE);
        }
        if (n_own < 2 * s->n_each)
            return;
        means[g] = sum / (double)n_own;
        between += (double)n_own * (means[g] - rows->mean[at]) * (means[g] - rows->mean[at]);
    }
    double square = (epistemic * (double)(n - 1) - between) / (double)(n - n_strata);
    square = fmin(fmax(square, 0), epistemic);
    rows->epistemic_sd_within[at] = sqrt(square);
    rows->epistemic_sd_between[at] = sqrt(epistemic - square);
    for (int64_t i = 0; i < s->law.n; i++) {
        double of_all = s->mean[i] - rows->mean[at];
        double own = s->mean[i] - means[s->stratum[i]];
        within[i] = own * own;
        apart[i] = of_all * of_all - own * own;
    }
    rows->epistemic_sd_within_mcse[at] = error_of_root(sqrt(square), within, s, 0);
    rows->epistemic_sd_between_mcse[at] = error_of_root(sqrt(epistemic - square), apart, s, 0);
}

static void finish_value(const crd_value_rows *rows, const crd_reduction *r, int64_t at,
                         const accumulator *a)
{
    int64_t n_draws = rows->n_draws[at / rows->n_values], doubled[CRD_EXACT_SIZE];
    int64_t n = r->is_paired ? n_draws / 2 : n_draws;
    crd_moments of_draws = crd_exact_moments(n_draws, a->mean, a->squares);
    double variance = of_draws.variance;
    if (r->is_paired) { /* of sums of two, a quarter of it is that of their mean */
        for (int l = 0; l < CRD_EXACT_SIZE; l++)
            doubled[l] = 2 * a->squares[l] - a->gaps[l];
        variance = crd_exact_moments(n, a->mean, doubled).variance / 4;
    }
    rows->mean[at] = of_draws.mean;
    rows->mean_mcse[at] = sqrt(variance / (double)n);
    rows->draws_min[at] = -from_order(a->max[1]);
    rows->draws_max[at] = from_order(a->max[0]);
    sample s;
    read_sample(&s, r, a);
    double aleatoric = a->noise != NULL ? crd_exact_get(a->noise) / (double)n_draws : NAN;
    finish_deviations(rows, at, &s, of_draws.variance, aleatoric, (double)n);
    if (count_groups(r) > 0)
        finish_mean(rows, at, r, a);
    if (is_stratified(r))
        finish_strata(rows, at, &s, a, of_draws.variance);
    for (int q = 0; q < N_LEVELS && s.law.n > 0; q++)
        rows->quantiles[at * N_LEVELS + q] =
            quantile(&rows->quantiles_mcse[at * N_LEVELS + q], &s, levels[q]);
}

static void finish(crd_summary *summary, int64_t image, int64_t *sums, int64_t *maxima)
{
    const crd_value_rows rows = crd_value_rows_view(summary);
    for (int64_t k = 0; k < rows.n_values; k++) {
        accumulator a = view(&summary->reduction, sums, maxima, k);
        finish_value(&rows, &summary->reduction, image * rows.n_values + k, &a);
    }
}

/* In units of the predictive deviation: a limit means the same for all values. */
static double error(const crd_summary *summary, int64_t image)
{
    const crd_value_rows rows = crd_value_rows_view(summary);
    const int is_mixture = rows.mean_mcse_draws != NULL && summary->reduction.n_batches == 0;
    double worst = 0;
    for (int64_t k = image * rows.n_values; k < (image + 1) * rows.n_values; k++) {
        double mcse = (is_mixture ? rows.mean_mcse_draws : rows.mean_mcse)[k];
        if (isnan(mcse))
            return NAN;
        worst = fmax(worst, mcse > 0 ? mcse / rows.predictive_sd[k] : 0);
    }
    return worst;
}

/* The largest predictive deviation of its values. */
static double doubt(const crd_summary *summary, int64_t image)
{
    const crd_value_rows rows = crd_value_rows_view(summary);
    double most = 0;
    for (int64_t k = image * rows.n_values; k < (image + 1) * rows.n_values; k++)
        most = fmax(most, rows.predictive_sd[k]);
    return most;
}

static const crd_draw_field draw_fields[] = {
    {"mean", NULL, "value that the drawn network gives", CRD_KIND(MEANS) | CRD_KIND(NORMALS)},
    {"sd", NULL, "standard deviation of its noise", CRD_KIND(NORMALS)},
};

static void describe_draw(float *values, const crd_reduction *r, int field, const float *outputs)
{
    int64_t n = r->extents[CRD_AXIS_OUTPUT];
    for (int64_t k = 0; k < n; k++)
        values[k] = field == 0 ? outputs[k] : (float)sqrt(variance_of(outputs[n + k]));
}

/* What is judged, image by image: means over its values. */
enum {
    SQUARE,
    DISTANCE,
    NLL,
    CRPS,
    IN_50,
    IN_90,
    IN_95,
    PREDICTIVE,
    ALEATORIC,
    EPISTEMIC,
    N_JUDGED
};

static const crd_figure_spec figures[N_JUDGED] = {
    [SQUARE] = {"rmse", "RMSE", NULL, 1, 1},
    [DISTANCE] = {"mae", "MAE", NULL, 0, 1},
    [NLL] = {"nll", "NLL", "nat", 0, 1},
    [CRPS] = {"crps", "CRPS", NULL, 0, 1},
    [IN_50] = {"coverage_50", "coverage 50 %", "%", 0, 0},
    [IN_90] = {"coverage_90", "coverage 90 %", "%", 0, 0},
    [IN_95] = {"coverage_95", "coverage 95 %", "%", 0, 0},
    [PREDICTIVE] = {"predictive_sd", "predictive sd", NULL, 1, 0},
    [ALEATORIC] = {"aleatoric_sd", "aleatoric sd", NULL, 1, 0},
    [EPISTEMIC] = {"epistemic_sd", "epistemic sd", NULL, 1, 0},
};

static void judge(double *quantities, const crd_summary *summary, int64_t image,
                  const crd_truth *truth)
{
    const crd_reduction *r = &summary->reduction;
    const crd_value_rows rows = crd_value_rows_view(summary);
    int64_t *sums = summary->sums + image * crd_reduction_n_sums(r);
    int64_t *maxima = summary->maxima + image * crd_reduction_n_maxima(r);
    sample s;
    for (int q = 0; q < N_JUDGED; q++)
        quantities[q] = 0;
    for (int64_t k = 0; k < rows.n_values; k++) {
        int64_t at = image * rows.n_values + k;
        double target = (double)truth->targets[k], gap = target - rows.mean[at];
        accumulator a = view(r, sums, maxima, k);
        read_sample(&s, r, &a);
        const double own[N_JUDGED] = {
            [SQUARE] = gap * gap,
            [DISTANCE] = fabs(gap),
            [NLL] = s.law.has_noise ? crd_normal_mixture_nll(&s.law, target) : NAN,
            [CRPS] = crd_normal_mixture_crps(&s.law, target),
            [IN_50] = crd_normal_mixture_covers(&s.law, target, 0.5),
            [IN_90] = crd_normal_mixture_covers(&s.law, target, 0.9),
            [IN_95] = crd_normal_mixture_covers(&s.law, target, 0.95),
            [PREDICTIVE] = rows.predictive_sd[at] * rows.predictive_sd[at],
            [ALEATORIC] = rows.aleatoric_sd[at] * rows.aleatoric_sd[at],
            [EPISTEMIC] = rows.epistemic_sd[at] * rows.epistemic_sd[at],
        };
        for (int q = 0; q < N_JUDGED; q++)
            quantities[q] += own[q] / (double)rows.n_values;
    }
}

#define OF_VALUE(member, unit, text)                                                               \
    CRD_FIELD(crd_value_rows, member, CRD_FLOAT64, CRD_AXIS_OUTPUT, CRD_AXIS_NONE, unit, text)
#define OF_QUANTILE(member, text)                                                                  \
    CRD_FIELD(crd_value_rows, member, CRD_FLOAT64, CRD_AXIS_OUTPUT, CRD_AXIS_DETAIL, NULL, text)
#define OF_DRAWS(member, text)                                                                     \
    CRD_FIELD(crd_value_rows, member, CRD_FLOAT32, CRD_AXIS_OUTPUT, CRD_AXIS_NONE, NULL, text)

static const crd_field fields[] = {
    {OF_VALUE(mean, NULL, "mean over draws of the value"), .title = "mean", .error = "mean_mcse"},
    {OF_VALUE(mean_mcse, NULL, "Monte Carlo standard error of mean")},
    {OF_VALUE(predictive_sd, NULL,
              "total uncertainty: standard deviation of the predictive distribution"),
     .title = "predictive sd", .error = "predictive_sd_mcse"},
    {OF_VALUE(predictive_sd_mcse, NULL, "Monte Carlo standard error of predictive_sd")},
    {OF_VALUE(aleatoric_sd, NULL, "aleatoric uncertainty: root of the mean variance of the noise"),
     .title = "aleatoric sd", .error = "aleatoric_sd_mcse"},
    {OF_VALUE(aleatoric_sd_mcse, NULL, "Monte Carlo standard error of aleatoric_sd")},
    {OF_VALUE(epistemic_sd, NULL,
              "epistemic uncertainty: standard deviation over draws of the value"),
     .title = "epistemic sd", .error = "epistemic_sd_mcse"},
    {OF_VALUE(epistemic_sd_mcse, NULL, "Monte Carlo standard error of epistemic_sd")},
    {OF_DRAWS(draws_min, "smallest value of any draw")},
    {OF_DRAWS(draws_max, "largest value of any draw")},
    {OF_QUANTILE(quantiles, "quantiles of the predictive distribution"), .title = "quantile",
     .error = "quantiles_mcse"},
    {OF_QUANTILE(quantiles_mcse, "Monte Carlo standard error of quantiles")},
    CRD_FIELD_N_DRAWS(crd_value_rows),
    CRD_FIELD_SKIPPED(crd_value_rows),
    CRD_FIELD_SUMS(crd_value_rows),
    {CRD_FIELD(crd_value_rows, maxima, CRD_INT64, CRD_AXIS_MAXIMUM, CRD_AXIS_NONE, "1",
               "largest and smallest value of any draw, as integers in the order of floats")},
    {OF_VALUE(mean_mcse_draws, NULL,
              "standard error of mean about this mixture of components, by the draws alone")},
    {OF_VALUE(epistemic_sd_between, NULL,
              "epistemic uncertainty between components: standard deviation of their means"),
     .title = "epistemic sd between", .error = "epistemic_sd_between_mcse"},
    {OF_VALUE(epistemic_sd_between_mcse, NULL,
              "Monte Carlo standard error of epistemic_sd_between")},
    {OF_VALUE(epistemic_sd_within, NULL,
              "epistemic uncertainty within components: root of their draws' mean variance"),
     .title = "epistemic sd within", .error = "epistemic_sd_within_mcse"},
    {OF_VALUE(epistemic_sd_within_mcse, NULL, "Monte Carlo standard error of epistemic_sd_within")},
};
enum { N_STRATA_FIELDS = 5 };

crd_value_rows crd_value_rows_view(const crd_summary *summary)
{
    const int64_t *extents = summary->reduction.extents;
    crd_value_rows rows = {.n_images = summary->n_images,
                           .n_values = extents[CRD_AXIS_OUTPUT],
                           .n_quantiles = extents[CRD_AXIS_DETAIL]};
    crd_summary_point(&rows, summary);
    return rows;
}

const crd_reducer crd_regression = {
    .name = "regression",
    .outputs = CRD_KIND(MEANS) | CRD_KIND(NORMALS),
    .axes = {[CRD_AXIS_OUTPUT] = "value",
             [CRD_AXIS_DETAIL] = "quantile",
             [CRD_AXIS_SUM] = "sum",
             [CRD_AXIS_MAXIMUM] = "maximum"},
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .n_strata_fields = N_STRATA_FIELDS,
    .draw_fields = draw_fields,
    .n_draw_fields = sizeof draw_fields / sizeof *draw_fields,
    .figures = figures,
    .n_figures = N_JUDGED,
    .size = size,
    .coordinate = level_of,
    .add = add,
    .add_pair = add_pair,
    .n_draws = n_draws,
    .finish = finish,
    .error = error,
    .doubt = doubt,
    .describe_draw = describe_draw,
    .judge = judge,
};
