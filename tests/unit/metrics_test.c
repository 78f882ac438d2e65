/* Metrics against labels: known answers, the definition in doubles, and errors against the scatter of repetitions. */
#include "crd_test.h"

#include <math.h>

#include "credence/metrics.h"

enum { C = 4 };

static uint64_t mix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double uniform(uint64_t *state)
{
    return ((double)(mix(state) >> 11) + 0.5) * 0x1p-53;
}

static void near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.12g differs from %.12g by more than %g", value, expected, tolerance);
}

static void three_images_by_hand(void **state)
{
    (void)state;
    const float probs[3][C] = {{0.7F, 0.1F, 0.1F, 0.1F}, {0.25F, 0.25F, 0.5F, 0}, {0, 1, 0, 0}};
    const int64_t labels[3] = {0, 1, 1};
    int64_t sums[CRD_METRICS_N_SUMS] = {0};
    crd_metrics m;
    crd_metrics_bin bins[CRD_METRICS_N_BINS];
    for (int i = 0; i < 3; i++)
        crd_metrics_add(sums, probs[i], C, labels[i]);
    crd_metrics_finish(&m, sums);
    assert_int_equal(m.n_images, 3);
    near(m.accuracy, 2.0 / 3, 1e-15);
    near(m.accuracy_se, 1.0 / 3, 1e-12); /* sqrt(p (1 - p) / (n - 1)) */
    near(m.nll, (-log(0.7) - log(0.25)) / 3, 1e-7);
    near(m.brier, (0.09 + 0.03 + 0.0625 + 0.5625 + 0.25) / 3, 1e-7);
    near(m.ece, (0.3 + 0.5 + 0) / 3, 1e-7);
    crd_metrics_bins(bins, sums);
    assert_int_equal(bins[10].n_images, 1); /* 0.7 in [10/15, 11/15) */
    assert_int_equal(bins[7].n_images, 1);
    assert_int_equal(bins[15].n_images, 1); /* exactly 1 */
    assert_true(bins[7].confidence == 0.5 && bins[7].accuracy == 0);
    assert_true(isnan(bins[0].accuracy));
}

static void edges_are_defined(void **state)
{
    (void)state;
    int64_t sums[CRD_METRICS_N_SUMS] = {0};
    crd_metrics m;
    crd_metrics_finish(&m, sums);
    assert_true(isnan(m.accuracy) && isnan(m.ece) && isnan(m.nll_se));
    const float sure[2] = {1.0000001F, 0};
    crd_metrics_add(sums, sure, 2, 1);
    crd_metrics_finish(&m, sums);
    near(m.nll, 126 * log(2), 1e-6); /* not infinite */
    near(m.ece, 1, 1e-6);
    assert_true(m.accuracy == 0 && isnan(m.accuracy_se));
    /* A tie goes to the lowest class. */
    const float even[2] = {0.5F, 0.5F};
    crd_metrics_add(sums, even, 2, 0);
    crd_metrics_finish(&m, sums);
    assert_true(m.accuracy == 0.5);
}

/* As many images as are allowed, all as wrong as can be. */
static void sums_do_not_overflow(void **state)
{
    (void)state;
    int64_t sums[CRD_METRICS_N_SUMS] = {0};
    const float sure[2] = {1, 0};
    crd_metrics m;
    crd_metrics_add(sums, sure, 2, 1);
    for (int k = 0; k < CRD_METRICS_N_SUMS; k++) {
        assert_true(sums[k] < INT64_MAX / CRD_METRICS_MAX_IMAGES);
        sums[k] *= CRD_METRICS_MAX_IMAGES;
    }
    crd_metrics_finish(&m, sums);
    near(m.nll, 126 * log(2), 1e-6);
    near(m.nll_se, 0, 1e-4);
}

/* Any probabilities, and a label that the model is too sure of: the true class is uniform in a tenth of the cases. */
static int64_t any_image(float probs[C], uint64_t *state)
{
    double total = 0, cut = uniform(state), e[C];
    int64_t label = 0;
    for (int c = 0; c < C; c++)
        total += e[c] = pow(-log(uniform(state)), 3);
    for (int c = 0; c < C; c++)
        probs[c] = (float)(e[c] / total);
    if (uniform(state) < 0.1)
        return (int64_t)(mix(state) % C);
    while (label < C - 1 && (cut -= (double)probs[label]) > 0)
        label++;
    return label;
}

static void order_and_parts_do_not_matter(void **state)
{
    (void)state;
    enum { N = 500 };
    static float probs[N][C];
    int64_t labels[N], forward[CRD_METRICS_N_SUMS] = {0};
    int64_t parts[2][CRD_METRICS_N_SUMS] = {{0}};
    uint64_t random = 5;
    for (int i = 0; i < N; i++) {
        labels[i] = any_image(probs[i], &random);
        crd_metrics_add(forward, probs[i], C, labels[i]);
    }
    for (int i = N - 1; i >= 0; i--)
        crd_metrics_add(parts[i % 3 == 0], probs[i], C, labels[i]);
    for (int k = 0; k < CRD_METRICS_N_SUMS; k++)
        assert_int_equal(forward[k], parts[0][k] + parts[1][k]);

    /* The definition, in doubles. */
    crd_metrics m;
    double nll = 0, square = 0, gap[CRD_METRICS_N_BINS] = {0}, ece = 0;
    for (int i = 0; i < N; i++) {
        double l = -log((double)probs[i][labels[i]]);
        int top = 0;
        for (int c = 1; c < C; c++)
            top = probs[i][c] > probs[i][top] ? c : top;
        nll += l / N;
        square += l * l / N;
        gap[(int)floor((double)probs[i][top] * 15)] +=
            ((top == labels[i]) - (double)probs[i][top]) / N;
    }
    for (int b = 0; b < CRD_METRICS_N_BINS; b++)
        ece += fabs(gap[b]);
    crd_metrics_finish(&m, forward);
    near(m.nll, nll, 1e-8);
    near(m.nll_se, sqrt((square - nll * nll) / (N - 1)), 1e-8);
    near(m.ece, ece, 1e-8);
}

/* Repetitions scatter by the errors that are given. The ECE's is tested where the gaps are clear of zero. */
static void errors_are_those_of_repetitions(void **state)
{
    (void)state;
    enum { N = 2000, N_REPEATS = 400 };
    double sum[4] = {0}, square[4] = {0}, error[4] = {0};
    uint64_t random = 11;
    for (int r = 0; r < N_REPEATS; r++) {
        int64_t sums[CRD_METRICS_N_SUMS] = {0};
        crd_metrics m;
        for (int i = 0; i < N; i++) {
            float probs[C] = {0};
            double sure = 0.6 + 0.39 * uniform(&random);
            probs[0] = (float)sure;
            probs[1] = 1 - probs[0];
            crd_metrics_add(sums, probs, C, uniform(&random) < sure - 0.2 ? 0 : 1);
        }
        crd_metrics_finish(&m, sums);
        const double values[4] = {m.accuracy, m.nll, m.brier, m.ece};
        const double errors[4] = {m.accuracy_se, m.nll_se, m.brier_se, m.ece_se};
        for (int k = 0; k < 4; k++) {
            sum[k] += values[k] / N_REPEATS;
            square[k] += values[k] * values[k] / N_REPEATS;
            error[k] += errors[k] / N_REPEATS;
        }
    }
    /* A standard deviation from 400 repetitions is itself known to 3.5 %. */
    for (int k = 0; k < 4; k++)
        near(sqrt(square[k] - sum[k] * sum[k]) / error[k], 1, 0.14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_images_by_hand),
        cmocka_unit_test(edges_are_defined),
        cmocka_unit_test(sums_do_not_overflow),
        cmocka_unit_test(order_and_parts_do_not_matter),
        cmocka_unit_test(errors_are_those_of_repetitions),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
