#include "crd_test.h"

#include <math.h>

#include "base/alloc.h"
#include "credence/predictive.h"

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

typedef struct study {
    int64_t *sums, *maxima;
    crd_summary summary;
} study;

static void study_init(study *s)
{
    assert_ok(crd_alloc_zeroed((void **)&s->sums, crd_accumulator_n_sums(C), 8, "sums"));
    assert_ok(crd_alloc_zeroed((void **)&s->maxima, crd_accumulator_n_maxima(C), 8, "maxima"));
    crd_accumulator_reset(s->sums, s->maxima, C);
    assert_ok(crd_summary_init(&s->summary, 1, C, 3));
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
        crd_accumulator_add(s.sums, s.maxima, logits, C, d);
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
        assert_true(fabs((double)s.summary.probs_mean[c] - mean) < 1e-7);
        assert_true(fabs((double)s.summary.probs_sd[c] - sqrt(variance)) < 1e-7);
        assert_true(fabs((double)s.summary.probs_mcse[c] - sqrt(variance / S)) < 1e-7);
        assert_true(fabs((double)s.summary.probs_min[c] - low) < 1e-7);
        assert_true(fabs((double)s.summary.probs_max[c] - high) < 1e-7);
        predictive -= mean * log(mean);
        correction += variance / mean / (2 * S);
        votes += s.summary.votes[c];
    }
    for (int d = 0; d < S; d++)
        expected += entropy[d] / S;
    assert_int_equal(votes, S);
    assert_true(fabs(s.summary.predictive_entropy[0] - predictive) < 1e-8);
    assert_true(fabs(s.summary.predictive_entropy_debiased[0] - predictive - correction) < 1e-8);
    assert_true(fabs(s.summary.expected_entropy[0] - expected) < 1e-8);
    assert_true(fabs(s.summary.mutual_information[0] - predictive + expected) < 1e-8);
    const float *mean = s.summary.probs_mean;
    const int64_t *top = s.summary.top_class;
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
        crd_accumulator_add(all.sums, all.maxima, logits, C, d);
        int64_t other = (d * 337 + 11) % S; /* a permutation: 337 and 1000 have no common factor */
        logits_of(logits, 2, other, 3);
        study *part = &parts[mix(&(uint64_t){(uint64_t)d}) % 3];
        crd_accumulator_add(part->sums, part->maxima, logits, C, other);
    }
    for (int64_t i = 0; i < crd_accumulator_n_sums(C); i++)
        assert_int_equal(all.sums[i], parts[0].sums[i] + parts[1].sums[i] + parts[2].sums[i]);
    for (int64_t i = 0; i < crd_accumulator_n_maxima(C); i++) {
        int64_t most = parts[0].maxima[i];
        for (int k = 1; k < 3; k++)
            most = parts[k].maxima[i] > most ? parts[k].maxima[i] : most;
        assert_int_equal(all.maxima[i], most);
    }
    for (int k = 0; k < 3; k++)
        study_clear(&parts[k]);
    study_clear(&all);
}

/* Every draw the same: no scatter, exactly; and extreme logits give clean numbers. */
static void certain_and_extreme_draws_are_exact(void **unused)
{
    (void)unused;
    study s;
    study_init(&s);
    float logits[C] = {3e38f, -3e38f, 0, 1, 2, 3, 4, 5, 6, 3e38f};
    for (int64_t d = 0; d < 1000; d++)
        crd_accumulator_add(s.sums, s.maxima, logits, C, d);
    crd_summary_finish(&s.summary, 0, s.sums, s.maxima);
    assert_true(s.summary.probs_mean[0] == 0.5f && s.summary.probs_mean[9] == 0.5f);
    assert_true(s.summary.probs_sd[0] == 0 && s.summary.probs_mcse[0] == 0);
    assert_int_equal(s.summary.votes[0], 1000);
    assert_int_equal(s.summary.top_class[0], 0);
    assert_int_equal(s.summary.top_class[1], 9);
    assert_true(fabs(s.summary.predictive_entropy[0] - log(2)) < 1e-9);
    assert_true(s.summary.mutual_information[0] < 1e-9);
    assert_true(s.summary.mutual_information_mcse[0] < 1e-9);
    study_clear(&s);
}

static void one_draw_has_no_error_figure(void **unused)
{
    (void)unused;
    study s;
    float logits[C];
    study_init(&s);
    logits_of(logits, 3, 0, 1);
    crd_accumulator_add(s.sums, s.maxima, logits, C, 0);
    crd_summary_finish(&s.summary, 0, s.sums, s.maxima);
    assert_true(isnan(s.summary.probs_sd[0]) && isnan(s.summary.probs_mcse[0]));
    assert_true(isnan(s.summary.predictive_entropy_mcse[0]) != 0);
    assert_true(!isnan(s.summary.predictive_entropy[0]));
    crd_summary_skip(&s.summary, 0);
    assert_true(isnan(s.summary.probs_mean[5]) && s.summary.votes[5] == -1);
    assert_true(s.summary.skipped[0] == 1);
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
        crd_accumulator_reset(s.sums, s.maxima, C);
        for (int64_t d = 0; d < S; d++) {
            float logits[C];
            for (int c = 0; c < C; c++)
                logits[c] = (float)normal(&state);
            crd_accumulator_add(s.sums, s.maxima, logits, C, d);
        }
        crd_summary_finish(&s.summary, 0, s.sums, s.maxima);
        plug_in += s.summary.mutual_information[0] / R;
        debiased += s.summary.mutual_information_debiased[0] / R;
        double value[4] = {(double)s.summary.probs_mean[0], s.summary.predictive_entropy[0],
                           s.summary.expected_entropy[0], s.summary.mutual_information[0]};
        double error[4] = {(double)s.summary.probs_mcse[0], s.summary.predictive_entropy_mcse[0],
                           s.summary.expected_entropy_mcse[0],
                           s.summary.mutual_information_mcse[0]};
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
        crd_accumulator_reset(s.sums, s.maxima, C);
        for (int64_t d = 0; d < S; d++) {
            float logits[C];
            for (int c = 0; c < C; c++)
                logits[c] = (float)(normal(&state) + 0.5 * c);
            crd_accumulator_add(s.sums, s.maxima, logits, C, d);
        }
        crd_summary_finish(&s.summary, 0, s.sums, s.maxima);
        double value = s.summary.predictive_entropy[0],
               error = s.summary.predictive_entropy_mcse[0];
        sum += value / R;
        square += value * value / R;
        claimed += error * error / R;
    }
    double ratio = sqrt(claimed / (square - sum * sum));
    assert_true(ratio > 0.93 && ratio < 1.07);
    study_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(summary_equals_the_definition),
        cmocka_unit_test(sums_do_not_depend_on_order_or_partition),
        cmocka_unit_test(certain_and_extreme_draws_are_exact),
        cmocka_unit_test(one_draw_has_no_error_figure),
        cmocka_unit_test(errors_and_corrections_are_honest),
        cmocka_unit_test(predictive_entropy_error_matches_its_scatter),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
