/* Figures of rankings: by hand, against the definitions over all pairs, and their errors against the scatter of repetitions. */
#include "crd_test.h"

#include <math.h>

#include "credence/detection.h"
#include "credence/rng.h"

enum { N = 400, N_REPEATS = 200 };

static void near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.12g differs from %.12g by more than %g", value, expected, tolerance);
}

static void detection_by_hand(void **state)
{
    (void)state;
    /* From the top: flagged, other, (flagged, other) tied, other. */
    const double scores[5] = {4, 2, 2, 3, 1};
    const int8_t flags[5] = {1, 0, 1, 0, 0};
    crd_detection d;
    assert_int_equal(crd_detection_eval(&d, scores, flags, 5, 0), CRD_OK);
    near(d.auroc.value, (3 + 1.5) / 6, 1e-15);
    near(d.aupr.value, (1.0 + 2.0 / 4) / 2, 1e-15);
    near(d.fpr95.value, 2.0 / 3, 1e-15);
    const int8_t nothing[5] = {0};
    assert_int_equal(crd_detection_eval(&d, scores, nothing, 5, 0), CRD_OK);
    assert_true(isnan(d.auroc.value) && isnan(d.aupr.value) && isnan(d.fpr95.se));
    assert_int_equal(crd_detection_eval(&d, NULL, NULL, 0, 0), CRD_OK);
    assert_true(isnan(d.auroc.value) && isnan(d.auroc.se));
}

static void selection_by_hand(void **state)
{
    (void)state;
    /* Risks from the surest on: 0, 1/2, then a tie of one right and one wrong: 1.5/3, 2/4, 2/5. */
    const double doubts[5] = {0.1, 0.2, 0.5, 0.5, 0.9};
    const int8_t is_right[5] = {1, 0, 1, 0, 1};
    crd_selection s;
    assert_int_equal(crd_selection_eval(&s, doubts, is_right, 5, 0), CRD_OK);
    near(s.aurc.value, (0 + 0.5 + 0.5 + 0.5 + 0.4 - 0.5 * (0 + 0.4)) / 4, 1e-15);
    near(s.risk_at_80.value, 0.5, 1e-15);
    near(s.coverage_at_5.value, 0.2, 1e-15);
    assert_int_equal(crd_selection_eval(&s, doubts, is_right, 1, 0), CRD_OK);
    assert_true(isnan(s.aurc.value));
}

static void avu_by_hand(void **state)
{
    (void)state;
    /* Up to u = 0.5 (thresholds 0 .. 9 of 0 .. 20) only the first is certain, up to 1 two are, then all. */
    const double uncertainties[3] = {0, 0.5, 1};
    const int8_t is_right[3] = {1, 1, 0};
    crd_estimate e;
    double expected = (0.5 * 2 + 9 * 2 + 10 * 3 + 0.5 * 2) / 3 / 20;
    assert_int_equal(crd_avu_eval(&e, uncertainties, is_right, 3, 0), CRD_OK);
    near(e.value, expected, 1e-14);
    assert_true(e.se > 0);
}

/* A flagged image's score is one standard deviation higher: AUROC = Phi(1 / sqrt(2)). Scores are coarse, so that many are equal. */
static void sample(double *scores, int8_t *flags, uint32_t number)
{
    float normals[N], coins[N];
    crd_stream stream = {.seed = 7, .draw = number, .purpose = CRD_PURPOSE_WEIGHT};
    crd_normal_fill(normals, N, 0, &stream);
    stream.purpose = CRD_PURPOSE_ACTIVATION;
    crd_normal_fill(coins, N, 0, &stream);
    for (int i = 0; i < N; i++) {
        flags[i] = coins[i] > 0.5F;
        scores[i] = rint(4 * ((double)normals[i] + flags[i]));
    }
}

static void area_is_the_probability_over_pairs(void **state)
{
    (void)state;
    double scores[N], wins = 0, pairs = 0;
    int8_t flags[N];
    crd_detection d;
    sample(scores, flags, 0);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            if (flags[i] && !flags[j]) {
                wins += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
                pairs++;
            }
    assert_int_equal(crd_detection_eval(&d, scores, flags, N, 0), CRD_OK);
    near(d.auroc.value, wins / pairs, 1e-13);
}

/* Order of the images changes nothing but which of them a resample takes. */
static void figures_do_not_depend_on_the_order(void **state)
{
    (void)state;
    double scores[N], turned[N];
    int8_t flags[N], turned_flags[N];
    crd_selection a, b;
    sample(scores, flags, 1);
    for (int i = 0; i < N; i++) {
        turned[i] = scores[N - 1 - i];
        turned_flags[i] = flags[N - 1 - i];
    }
    assert_int_equal(crd_selection_eval(&a, scores, flags, N, 0), CRD_OK);
    assert_int_equal(crd_selection_eval(&b, turned, turned_flags, N, 0), CRD_OK);
    assert_true(a.aurc.value == b.aurc.value && a.risk_at_80.value == b.risk_at_80.value);
}

/* The mean estimated error against the standard deviation of the figure itself. */
static void errors_are_the_scatter_of_repetitions(void **state)
{
    (void)state;
    static const double tolerance = 0.2; /* of 200 repetitions: 4 standard errors of an sd */
    double sum[3] = {0}, square[3] = {0}, error[3] = {0};
    for (uint32_t r = 0; r < N_REPEATS; r++) {
        double scores[N];
        int8_t flags[N];
        crd_detection d;
        crd_selection s;
        sample(scores, flags, 2 + r);
        assert_int_equal(crd_detection_eval(&d, scores, flags, N, r), CRD_OK);
        assert_int_equal(crd_selection_eval(&s, scores, flags, N, r), CRD_OK);
        const crd_estimate figures[3] = {d.auroc, d.aupr, s.aurc};
        for (int f = 0; f < 3; f++) {
            sum[f] += figures[f].value;
            square[f] += figures[f].value * figures[f].value;
            error[f] += figures[f].se / N_REPEATS;
        }
    }
    for (int f = 0; f < 3; f++) {
        double mean = sum[f] / N_REPEATS;
        double sd = sqrt((square[f] - N_REPEATS * mean * mean) / (N_REPEATS - 1));
        near(error[f] / sd, 1, tolerance);
    }
    near(sum[0] / N_REPEATS, 0.7602, 0.005);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(detection_by_hand),
        cmocka_unit_test(selection_by_hand),
        cmocka_unit_test(avu_by_hand),
        cmocka_unit_test(area_is_the_probability_over_pairs),
        cmocka_unit_test(figures_do_not_depend_on_the_order),
        cmocka_unit_test(errors_are_the_scatter_of_repetitions),
    };
    return cmocka_run_group_tests_name("ranking", tests, NULL, NULL);
}
