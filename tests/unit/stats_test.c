#include "crd_test.h"

#include <math.h>

#include "base/alloc.h"
#include "base/compare.h"
#include "credence/predictive.h"
#include "credence/stopping_rule.h"
#include "stats/order_statistic.h"

/* A small generator of our own: tests of statistics must not lean on the room rng. */
static uint64_t mix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double normal(uint64_t *state)
{
    double u = ((double)(mix(state) >> 11) + 0.5) * 0x1p-53,
           v = (double)(mix(state) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

enum { C = 10 };

/* As in reduce/classification.c. */
enum { N_GROUPS = 32 };

typedef struct study {
    crd_reduction reduction;
    int64_t *sums, *maxima;
    crd_summary summary;
    crd_class_rows rows; /* of the summary */
} study;

static void study_init(study *s)
{
    crd_reduction *r = &s->reduction;
    assert_ok(crd_reduction_init(r, CRD_OUTPUT_LOGITS, C, 3));
    assert_string_equal(crd_reduction_name(r), "classification");
    assert_ok(crd_alloc_zeroed((void **)&s->sums, crd_reduction_n_sums(r), 8, "sums"));
    assert_ok(crd_alloc_zeroed((void **)&s->maxima, crd_reduction_n_maxima(r), 8, "maxima"));
    crd_reduction_reset(r, s->sums, s->maxima);
    assert_ok(crd_summary_init(&s->summary, r, 1));
    s->rows = crd_class_rows_view(&s->summary);
}

/* From now on draws are antithetic pairs. */
static void study_pair(study *s)
{
    s->reduction.is_paired = s->summary.reduction.is_paired = 1;
}

static void add(study *s, const float *logits, int64_t draw)
{
    crd_reduction_add(&s->reduction, s->sums, s->maxima, logits, C, draw, 1);
}

static void study_clear(study *s)
{
    crd_free(s->sums);
    crd_free(s->maxima);
    crd_summary_clear(&s->summary);
}

/* Logits of draw d, a function of (seed, d). */
static void logits_of(float *logits, uint64_t seed, int64_t d, double scale)
{
    uint64_t state = seed * UINT64_C(1000003) + (uint64_t)d * UINT64_C(7919);
    for (int c = 0; c < C; c++)
        logits[c] = (float)(scale * normal(&state) + 0.2 * c);
}

static void summary_equals_the_definition(void **unused)
{
    (void)unused;
    enum { S = 77 };
    static double p[S][C], entropy[S];
    study s;
    study_init(&s);
    for (int64_t d = 0; d < S; d++) {
        float logits[C];
        double sum = 0;
        logits_of(logits, 1, d, 1.5);
        add(&s, logits, d);
        for (int c = 0; c < C; c++)
            sum += exp((double)logits[c]);
        for (int c = 0; c < C; c++) {
            p[d][c] = exp((double)logits[c]) / sum;
            entropy[d] -= p[d][c] * log(p[d][c]);
        }
    }
    crd_summary_finish(&s.summary, 0, s.sums, s.maxima);
    double predictive = 0, expected = 0, correction = 0;
    int64_t votes = 0;
    for (int c = 0; c < C; c++) {
        double mean = 0, variance = 0, low = 1, high = 0;
        for (int d = 0; d < S; d++) {
            mean += p[d][c] / S;
            low = fmin(low, p[d][c]);
            high = fmax(high, p[d][c]);
        }
        for (int d = 0; d < S; d++)
            variance += (p[d][c] - mean) * (p[d][c] - mean) / (S - 1);
        assert_true(fabs((double)s.rows.probs_mean[c] - mean) < 1e-7);
        assert_true(fabs((double)s.rows.probs_sd[c] - sqrt(variance)) < 1e-7);
        assert_true(fabs((double)s.rows.probs_mcse[c] - sqrt(variance / S)) < 1e-7);
        assert_true(fabs((double)s.rows.probs_min[c] - low) < 1e-7);
        assert_true(fabs((double)s.rows.probs_max[c] - high) < 1e-7);
        predictive -= mean * log(mean);
        correction += variance / mean / (2 * S);
        votes += s.rows.votes[c];
    }
    for (int d = 0; d < S; d++)
        expected += entropy[d] / S;
    assert_int_equal(votes, S);
    assert_true(fabs(s.rows.predictive_entropy[0] - predictive) < 1e-8);
    assert_true(fabs(s.rows.predictive_entropy_debiased[0] - predictive - correction) < 1e-8);
    assert_true(fabs(s.rows.expected_entropy[0] - expected) < 1e-8);
    assert_true(fabs(s.rows.mutual_information[0] - predictive + expected) < 1e-8);
    const float *mean = s.rows.probs_mean;
    const int64_t *top = s.rows.top_class;
    assert_true(mean[top[0]] >= mean[top[1]] && mean[top[1]] >= mean[top[2]]);
    for (int c = 0; c < C; c++)
        assert_true(c == top[0] || c == top[1] || mean[c] <= mean[top[2]]);
    study_clear(&s);
}

static void sums_do_not_depend_on_order_or_partition(void **unused)
{
    (void)unused;
    enum { S = 1000 };
    study all, parts[3];
    study_init(&all);
    for (int k = 0; k < 3; k++)
        study_init(&parts[k]);
    float logits[C];
    for (int64_t d = 0; d < S; d++) {
        logits_of(logits, 2, d, 3);
        add(&all, logits, d);
        int64_t other = (d * 337 + 11) % S; /* a permutation: 337 and 1000 have no common factor */
        logits_of(logits, 2, other, 3);
        study *part = &parts[mix(&(uint64_t){(uint64_t)d}) % 3];
        add(part, logits, other);
    }
    for (int64_t i = 0; i < crd_reduction_n_sums(&all.reduction); i++)
        assert_int_equal(all.sums[i], parts[0].sums[i] + parts[1].sums[i] + parts[2].sums[i]);
    for (int64_t i = 0; i < crd_reduction_n_maxima(&all.reduction); i++) {
        int64_t most = parts[0].maxima[i];
        for (int k = 1; k < 3; k++)
            most = parts[k].maxima[i] > most ? parts[k].maxima[i] : most;
        assert_int_equal(all.maxima[i], most);
    }
    for (int k = 0; k < 3; k++)
        study_clear(&parts[k]);
    study_clear(&all);
}

/* In the order of probability, ties by number, whether one is asked for or all of very many: choosing them takes
 * no time that grows with the square of their number. */
static void top_classes_are_in_order(void **unused)
{
    (void)unused;
    enum { MANY = 100000, FEW = 23 };
    static float logits[MANY];
    static const int64_t sizes[][2] = {{FEW, 1},  {FEW, 2},  {FEW, 7},    {FEW, 22},
                                       {FEW, 23}, {MANY, 9}, {MANY, MANY}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        int64_t n = sizes[k][0], n_top = sizes[k][1];
        crd_reduction r;
        crd_summary summary;
        assert_ok(crd_reduction_init(&r, CRD_OUTPUT_LOGITS, n, n_top));
        int64_t *sums = calloc((size_t)crd_reduction_n_sums(&r), sizeof *sums);
        int64_t *maxima = calloc((size_t)crd_reduction_n_maxima(&r), sizeof *maxima);
        for (int64_t c = 0; c < n; c++) /* each of n / 5 values five times */
            logits[c] = (float)(mix(&(uint64_t){(uint64_t)c}) % (uint64_t)(n / 5)) * 10 / (float)n;
        crd_reduction_reset(&r, sums, maxima);
        crd_reduction_add(&r, sums, maxima, logits, n, 0, 1);
        assert_ok(crd_summary_init(&summary, &r, 1));
        crd_summary_finish(&summary, 0, sums, maxima);
        const float *probs = crd_class_rows_view(&summary).probs_mean;
        const int64_t *top = crd_class_rows_view(&summary).top_class;
        int64_t n_before = 0, last = top[n_top - 1];
        for (int64_t i = 1; i < n_top; i++)
            assert_true(probs[top[i]] < probs[top[i - 1]] ||
                        (probs[top[i]] == probs[top[i - 1]] && top[i] > top[i - 1]));
        for (int64_t c = 0; c < n; c++)
            n_before += probs[c] > probs[last] || (probs[c] == probs[last] && c < last);
        assert_int_equal(n_before, n_top - 1);
        crd_summary_clear(&summary);
        free(sums);
        free(maxima);
    }
}

/* Every draw the same: no scatter, exactly; and extreme logits give clean numbers. */
static void certain_and_extreme_draws_are_exact(void **unused)
{
    (void)unused;
    study s;
    study_init(&s);
    float logits[C] = {3e38f, -3e38f, 0, 1, 2, 3, 4, 5, 6, 3e38f};
    for (int64_t d = 0; d < 1000; d++)
        add(&s, logits, d);
    crd_summary_finish(&s.summary, 0, s.sums, s.maxima);
    assert_true(s.rows.probs_mean[0] == 0.5f && s.rows.probs_mean[9] == 0.5f);
    assert_true(s.rows.probs_sd[0] == 0 && s.rows.probs_mcse[0] == 0);
    assert_int_equal(s.rows.votes[0], 1000);
    assert_int_equal(s.rows.top_class[0], 0);
    assert_int_equal(s.rows.top_class[1], 9);
    assert_true(fabs(s.rows.predictive_entropy[0] - log(2)) < 1e-9);
    assert_true(s.rows.mutual_information[0] < 1e-9);
    assert_true(s.rows.mutual_information_mcse[0] < 1e-9);
    study_clear(&s);
}

static void one_draw_has_no_error_figure(void **unused)
{
    (void)unused;
    study s;
    float logits[C];
    study_init(&s);
    logits_of(logits, 3, 0, 1);
    add(&s, logits, 0);
    crd_summary_finish(&s.summary, 0, s.sums, s.maxima);
    assert_true(isnan(s.rows.probs_sd[0]) && isnan(s.rows.probs_mcse[0]));
    assert_true(isnan(s.rows.predictive_entropy_mcse[0]) != 0);
    assert_true(!isnan(s.rows.predictive_entropy[0]));
    crd_summary_mark_skipped(&s.summary, 0);
    assert_true(isnan(s.rows.probs_mean[5]) && s.rows.votes[5] == -1);
    assert_true(s.rows.skipped[0] == 1);
    study_clear(&s);
}

/* Over many studies: the reported errors match the real scatter, and the correction removes the bias.
 * The mutual information of the softmax of ten N(0, 1) logits is 0.37883 nats. */
static void errors_and_corrections_are_honest(void **unused)
{
    (void)unused;
    enum { S = 100, R = 2000 };
    double plug_in = 0, debiased = 0, sum[4] = {0}, square[4] = {0}, claimed[4] = {0};
    study s;
    study_init(&s);
    uint64_t state = 5;
    for (int r = 0; r < R; r++) {
        crd_reduction_reset(&s.reduction, s.sums, s.maxima);
        for (int64_t d = 0; d < S; d++) {
            float logits[C];
            for (int c = 0; c < C; c++)
                logits[c] = (float)normal(&state);
            add(&s, logits, d);
        }
        crd_summary_finish(&s.summary, 0, s.sums, s.maxima);
        plug_in += s.rows.mutual_information[0] / R;
        debiased += s.rows.mutual_information_debiased[0] / R;
        double value[4] = {(double)s.rows.probs_mean[0], s.rows.predictive_entropy[0],
                           s.rows.expected_entropy[0], s.rows.mutual_information[0]};
        double error[4] = {(double)s.rows.probs_mcse[0], s.rows.predictive_entropy_mcse[0],
                           s.rows.expected_entropy_mcse[0], s.rows.mutual_information_mcse[0]};
        for (int k = 0; k < 4; k++) {
            sum[k] += value[k] / R;
            square[k] += value[k] * value[k] / R;
            claimed[k] += error[k] * error[k] / R;
        }
    }
    assert_true(fabs(debiased - 0.37883) < 0.0015);
    assert_true(plug_in < debiased - 0.003);
    /* The sd of a sample sd over 2,000 studies is 1.6 %. The entropy of the mean is flat at the uniform
     * distribution, so its first-order error is small against its second-order one: not judged here. */
    for (int k = 0; k < 4; k++)
        if (k != 1) {
            double ratio = sqrt(claimed[k] / (square[k] - sum[k] * sum[k]));
            assert_true(ratio > 0.93 && ratio < 1.07);
        }
    study_clear(&s);
}

/* With unequal class probabilities the first-order error of the predictive entropy is the right one. */
static void predictive_entropy_error_matches_its_scatter(void **unused)
{
    (void)unused;
    enum { S = 203, R = 2000 };
    double sum = 0, square = 0, claimed = 0;
    study s;
    study_init(&s);
    uint64_t state = 6;
    for (int r = 0; r < R; r++) {
        crd_reduction_reset(&s.reduction, s.sums, s.maxima);
        for (int64_t d = 0; d < S; d++) {
            float logits[C];
            for (int c = 0; c < C; c++)
                logits[c] = (float)(normal(&state) + 0.5 * c);
            add(&s, logits, d);
        }
        crd_summary_finish(&s.summary, 0, s.sums, s.maxima);
        double value = s.rows.predictive_entropy[0], error = s.rows.predictive_entropy_mcse[0];
        sum += value / R;
        square += value * value / R;
        claimed += error * error / R;
    }
    double ratio = sqrt(claimed / (square - sum * sum));
    assert_true(ratio > 0.93 && ratio < 1.07);
    study_clear(&s);
}

/* Pairs against their definition: the pair's mean is the observation. */
static void pairs_are_one_observation(void **unused)
{
    (void)unused;
    enum { S = 70, PAIRS = S / 2 };
    static float probs[S][C];
    study s;
    study_init(&s);
    study_pair(&s);
    for (int64_t k = 0; k < PAIRS; k++) {
        float logits[2][C];
        logits_of(logits[0], 4, k, 1.5);
        for (int c = 0; c < C; c++)
            logits[1][c] = 2 * 0.2f * (float)c - logits[0][c];
        crd_reduction_add(&s.reduction, s.sums, s.maxima, logits[0], C, 2 * k, 2);
        for (int i = 0; i < 2; i++)
            crd_softmax(probs[2 * k + i], logits[i], C);
    }
    crd_summary_finish(&s.summary, 0, s.sums, s.maxima);
    assert_int_equal(s.rows.n_draws[0], S);
    double linear[PAIRS] = {0}, total = 0, square = 0;
    for (int c = 0; c < C; c++) {
        double mean = 0, of_draws = 0, of_pairs = 0;
        for (int d = 0; d < S; d++)
            mean += (double)probs[d][c] / S;
        for (int d = 0; d < S; d++)
            of_draws += ((double)probs[d][c] - mean) * ((double)probs[d][c] - mean) / (S - 1);
        for (int k = 0; k < PAIRS; k++) {
            double pair = ((double)probs[2 * k][c] + (double)probs[2 * k + 1][c]) / 2;
            of_pairs += (pair - mean) * (pair - mean) / (PAIRS - 1);
            linear[k] -= pair * log(mean);
        }
        assert_true(fabs((double)s.rows.probs_mean[c] - mean) < 1e-7);
        assert_true(fabs((double)s.rows.probs_sd[c] - sqrt(of_draws)) < 1e-7);
        assert_true(fabs((double)s.rows.probs_mcse[c] - sqrt(of_pairs / PAIRS)) < 1e-7);
        assert_true(of_pairs < of_draws / 2); /* the pairs are antithetic indeed */
    }
    /* The first PAIRS - 32 groups hold two pairs, the others one. */
    for (int k = 0; k < PAIRS; k++)
        total += linear[k] / PAIRS;
    for (int g = 0; g < N_GROUPS; g++) {
        int m = g + N_GROUPS < PAIRS ? 2 : 1;
        double sum = linear[g] + (m == 2 ? linear[g + N_GROUPS] : 0);
        square += m * (sum / m - total) * (sum / m - total);
    }
    double error = sqrt(square / (N_GROUPS - 1) / PAIRS);
    assert_true(fabs(s.rows.predictive_entropy_mcse[0] / error - 1) < 1e-5);
    study_clear(&s);
}

/* All pairs at the far ends: the sums of squares of 2^26 draws would still fit, and these are exact. */
static void extreme_pairs_are_exact(void **unused)
{
    (void)unused;
    const float ends[2][C] = {{200}, {-200}};
    study s;
    study_init(&s);
    study_pair(&s);
    for (int64_t k = 0; k < 100; k++)
        crd_reduction_add(&s.reduction, s.sums, s.maxima, ends[0], C, 2 * k, 2);
    crd_summary_finish(&s.summary, 0, s.sums, s.maxima);
    assert_true(s.rows.probs_mean[0] == 0.5f && s.rows.probs_mcse[0] == 0);
    assert_true(fabs((double)s.rows.probs_sd[0] - sqrt(0.25 * 200 / 199)) < 1e-7);
    study_clear(&s);
}

static void looks_come_in_blocks_up_to_the_last(void **unused)
{
    (void)unused;
    const crd_stopping_rule rule = {.min_draws = 60, .max_draws = 150, .block = 8};
    const int64_t expected[] = {64, 80, 104, 136, 150};
    int64_t n = 0;
    for (int i = 0; i < 5; i++)
        assert_int_equal(n = crd_stopping_rule_next(&rule, n), expected[i]);
    assert_int_equal(crd_stopping_rule_n_looks(&rule), 5);
    assert_true(fabs(crd_stopping_rule_error_probability(&rule, 0.95) - 0.01) < 1e-15);
    const crd_stopping_rule one = {.min_draws = 7, .max_draws = 7, .block = 8};
    assert_int_equal(crd_stopping_rule_next(&one, 0), 7);
    assert_int_equal(crd_stopping_rule_n_looks(&one), 1);
    const crd_stopping_rule all = {.min_draws = 1, .max_draws = CRD_MAX_DRAWS, .block = 1};
    assert_in_range(crd_stopping_rule_n_looks(&all), 70, 90); /* log(2^26) / log(1.25) = 81 */
}

/* sqrt(2 V ln(4 / miss) / n) + 7 ln(4 / miss) / (3 (n - 1)), worked out by hand; ln 80 = 4.382026634673881. */
static void half_width_has_known_values(void **unused)
{
    (void)unused;
    assert_true(fabs(crd_half_width(1001, 0.04, 0.05) - (0.018713950 + 0.010224729)) < 1e-8);
    assert_true(fabs(crd_half_width(101, 0, 0.05) - 0.10224728814) < 1e-10);
    assert_true(crd_half_width(1, NAN, 0.05) == 1 && crd_half_width(5, 0.25, 0.05) == 1);
}

/* A network of two classes whose logits differ by N(mean, sd^2): the predictive probability of class 0 is
 * E[1 / (1 + exp(-x))], here by the trapezoidal rule, which converges at once for such functions. */
static double logit_normal_mean(double mean, double sd)
{
    double sum = 0;
    for (int i = -4000; i <= 4000; i++) {
        double z = i * 0.0025;
        sum += 0.0025 * exp(-z * z / 2) / 2.5066282746310002 / (1 + exp(-(mean + sd * z)));
    }
    return sum;
}

typedef struct coverage {
    double usual, anytime; /* share of studies whose interval holds where sampling stopped */
    double usual_all, anytime_all; /* at all looks on the way */
    double draws;                  /* mean number of draws */
} coverage;

/* Studies that stop at the first look where the standard error is below `mcse`; 0: at the last one. */
static coverage measure_coverage(double mean, double sd, double mcse, const crd_stopping_rule *rule)
{
    enum { R = 2000 };
    const double truth = logit_normal_mean(mean, sd);
    coverage share = {0};
    crd_reduction reduction;
    crd_summary summary;
    int64_t sums[N_GROUPS * 4 + 10] = {0}, maxima[4];
    assert_ok(crd_reduction_init(&reduction, CRD_OUTPUT_LOGITS, 2, 1));
    assert_true(crd_reduction_n_sums(&reduction) == sizeof sums / sizeof *sums);
    reduction.error_probability = crd_stopping_rule_error_probability(rule, 0.95);
    assert_ok(crd_summary_init(&summary, &reduction, 1));
    const crd_class_rows rows = crd_class_rows_view(&summary);
    uint64_t state = 12;
    for (int r = 0; r < R; r++) {
        int usual = 1, anytime = 1, usual_all = 1, anytime_all = 1, stops = 0;
        int64_t n = 0;
        crd_reduction_reset(&reduction, sums, maxima);
        while (!stops) {
            int64_t next = crd_stopping_rule_next(rule, n);
            for (; n < next; n++) {
                const float logits[2] = {(float)(mean + sd * normal(&state)), 0};
                crd_reduction_add(&reduction, sums, maxima, logits, 2, n, 1);
            }
            crd_summary_finish(&summary, 0, sums, maxima);
            double error = fabs((double)rows.probs_mean[0] - truth);
            usual = error <= 1.959964 * (double)rows.probs_mcse[0];
            anytime = error <= (double)rows.probs_half_width[0];
            usual_all &= usual;
            anytime_all &= anytime;
            stops = n == rule->max_draws || crd_summary_error(&summary, 0) < mcse;
        }
        share.usual += (double)usual / R;
        share.anytime += (double)anytime / R;
        share.usual_all += (double)usual_all / R;
        share.anytime_all += (double)anytime_all / R;
        share.draws += (double)n / R;
    }
    print_message(
        "N(%g, %g^2): truth %.6f, %.0f draws; holds at the end: usual %.3f, anytime-valid "
        "%.3f; at all looks: %.3f, %.3f\n",
        mean, sd, truth, share.draws, share.usual, share.anytime, share.usual_all,
        share.anytime_all);
    crd_summary_clear(&summary);
    return share;
}

/* 4 standard errors of a share of 0.95 in 2,000 studies are 0.0195. */
static void usual_intervals_cover_at_their_rate_with_fixed_draws(void **unused)
{
    (void)unused;
    const crd_stopping_rule once = {.min_draws = 400, .max_draws = 400, .block = 8};
    const double laws[][2] = {{0, 1}, {1, 1.5}, {-1, 2}};
    for (int i = 0; i < 3; i++) {
        coverage share = measure_coverage(laws[i][0], laws[i][1], 0, &once);
        assert_true(share.usual > 0.93 && share.usual < 0.97);
        assert_true(share.anytime >= 0.95);
    }
}

/* Also for a law of which most draws say nothing and few say much, where the usual interval fails; and for whoever stops
 * when the interval is wrong: it is right at all looks. */
static void anytime_valid_intervals_cover_under_stopping(void **unused)
{
    (void)unused;
    const crd_stopping_rule rule = {.min_draws = 16, .max_draws = 4000, .block = 8};
    const double laws[][2] = {{0, 1}, {1, 1.5}, {-6, 3}};
    for (int i = 0; i < 3; i++) {
        coverage share = measure_coverage(laws[i][0], laws[i][1], 0.015, &rule);
        assert_true(share.anytime >= 0.95 && share.anytime_all >= 0.95);
        assert_true(share.draws < 2000);
        assert_true(share.usual_all < 0.9);
    }
}

/* The kinds of numbers that selection might trip over. */
static double number_of(int kind, uint64_t *state)
{
    switch (kind) {
    case 0: /* alike up to the last bits */
        return 0.0067 + 1e-15 * fabs(normal(state));
    case 1: /* of all sizes, denormal and infinite ones among them */
        return exp(300 * normal(state));
    case 2: /* few different ones */
        return (double)(mix(state) % 3);
    case 3:
        return 0.1;
    default:
        return log1p(exp(-3 + 0.1 * normal(state)));
    }
}

static void order_statistics_are_those_of_sorting(void **unused)
{
    enum { MOST = 70000 };
    static double values[MOST], sorted[MOST];
    const int64_t sizes[] = {1, 2, 1023, 1025, 9999, MOST};
    uint64_t state = 1;
    (void)unused;
    for (int kind = 0; kind < 5; kind++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            int64_t n = sizes[k];
            const int64_t places[] = {n - 1, 0, n / 2, n / 20, (int64_t)(0.95 * (double)(n - 1))};
            double found[5];
            for (int64_t i = 0; i < n; i++)
                values[i] = sorted[i] = number_of(kind, &state);
            qsort(sorted, (size_t)n, sizeof *sorted, crd_compare_double);
            assert_ok(crd_order_statistics(found, values, n, places, 5));
            for (int i = 0; i < 5; i++)
                assert_true(found[i] == sorted[places[i]]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(summary_equals_the_definition),
        cmocka_unit_test(sums_do_not_depend_on_order_or_partition),
        cmocka_unit_test(top_classes_are_in_order),
        cmocka_unit_test(certain_and_extreme_draws_are_exact),
        cmocka_unit_test(one_draw_has_no_error_figure),
        cmocka_unit_test(errors_and_corrections_are_honest),
        cmocka_unit_test(predictive_entropy_error_matches_its_scatter),
        cmocka_unit_test(pairs_are_one_observation),
        cmocka_unit_test(extreme_pairs_are_exact),
        cmocka_unit_test(looks_come_in_blocks_up_to_the_last),
        cmocka_unit_test(half_width_has_known_values),
        cmocka_unit_test(usual_intervals_cover_at_their_rate_with_fixed_draws),
        cmocka_unit_test(order_statistics_are_those_of_sorting),
        cmocka_unit_test(anytime_valid_intervals_cover_under_stopping),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
