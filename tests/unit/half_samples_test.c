/* Balanced half-samples against what is known: the error of a mean is that of the groups' scatter,
 * and of what is not smooth the scatter of repetitions. */
#include "crd_test.h"

#include <math.h>

#include "stats/class_scores.h"
#include "stats/group_error.h"

enum { MOST = 512 };

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
    if (!(fabs(value - expected) <= tolerance * fabs(expected)))
        fail_msg("%.12g differs from %.12g by more than %g of it", value, expected, tolerance);
}

/* Gaps of a mean over groups with these sums and numbers of draws; returns those with draws. */
static int64_t gaps_of(double *rows, const double *sums, const int64_t *draws, int64_t n_groups)
{
    double all = 0, n = 0;
    int64_t n_filled = 0;
    for (int64_t g = 0; g < n_groups; g++) {
        all += sums[g];
        n += (double)draws[g];
        n_filled += draws[g] > 0;
    }
    for (int64_t g = 0; g < n_groups; g++)
        rows[g] = (sums[g] - (double)draws[g] * all / n) / n;
    crd_half_sample_gaps(rows, 1, n_groups);
    return n_filled;
}

static void error_of_a_mean_is_that_of_its_groups(void **state)
{
    (void)state;
    uint64_t random = 1;
    const int64_t n_groups[] = {2, 3, 5, 8, 32, 200, 256};
    for (size_t k = 0; k < sizeof n_groups / sizeof *n_groups; k++) {
        double sums[256], rows[MOST];
        int64_t draws[256], n = n_groups[k], n_samples = crd_half_samples(n);
        assert_true(n_samples >= 2 * n && n_samples < 4 * n && n_samples <= MOST);
        for (int64_t g = 0; g < n; g++) {
            draws[g] = g % 7 == 6 && n > 7 ? 0 : 3; /* some are empty */
            sums[g] = (double)draws[g] * uniform(&random);
        }
        int64_t n_filled = gaps_of(rows, sums, draws, n);
        assert_true(rows[0] == 0 && rows[1] == 0);
        near(crd_half_sample_error(rows, n_samples, n_filled), crd_group_error(sums, draws, n, 1),
             1e-12);
    }
    const double one[2] = {0.5, 0.5};
    assert_true(isnan(crd_half_sample_error(one, 2, 1)));
}

/* Probabilities stay probabilities: no group's weight becomes negative, whatever the sizes. */
static void samples_are_within_the_groups(void **state)
{
    (void)state;
    for (int64_t n = 2; n <= 33; n++)
        for (int64_t alone = 0; alone < n; alone++) {
            double sums[33] = {0}, rows[MOST];
            int64_t draws[33], all = 0;
            for (int64_t g = 0; g < n; g++)
                all += draws[g] = 1 + (g * 5 + alone) % 4;
            sums[alone] = (double)draws[alone]; /* 1 in this group, 0 in all others */
            gaps_of(rows, sums, draws, n);
            for (int64_t r = 0; r < crd_half_samples(n); r++) {
                double p = sums[alone] / (double)all + rows[r];
                assert_true(p >= 0 && p <= 1);
            }
        }
}

/* 400 images of two classes whose probabilities scatter about 1/2, all by the same draws and by
 * draws of their own: the share that names class 0 is a sum of steps. Repetitions scatter by
 * the error. */
static void error_of_a_share_is_its_scatter(void **state)
{
    (void)state;
    enum { N_IMAGES = 400, N_GROUPS = 32, N_REPEATS = 300 };
    uint64_t random = 5;
    double mean = 0, square = 0, variance = 0;
    for (int k = 0; k < N_REPEATS; k++) {
        crd_image_scores scores;
        double common[N_GROUPS];
        assert_ok(crd_image_scores_init(&scores, 1, N_IMAGES, crd_half_samples(N_GROUPS)));
        scores.n_groups = N_GROUPS;
        for (int g = 0; g < N_GROUPS; g++)
            common[g] = uniform(&random) - 0.5;
        for (int64_t i = 0; i < N_IMAGES; i++) {
            double sums[N_GROUPS], rows[2 * N_GROUPS], p = 0, own;
            int64_t draws[N_GROUPS];
            for (int g = 0; g < N_GROUPS; g++) {
                draws[g] = 1;
                sums[g] = 0.5 + 0.3 * common[g] + 0.2 * (uniform(&random) - 0.5) +
                          0.3 * ((double)i / N_IMAGES - 0.5);
                p += sums[g] / N_GROUPS;
            }
            gaps_of(rows, sums, draws, N_GROUPS);
            for (int64_t r = 0; r < scores.n_samples; r++) {
                own = p + rows[r] > 0.5;
                crd_image_scores_put(&scores, i, r, &own);
            }
        }
        crd_mc_estimate e = crd_image_scores_mean(&scores, 0, 0);
        mean += e.value / N_REPEATS;
        square += e.value * e.value / N_REPEATS;
        variance += e.mcse * e.mcse / N_REPEATS;
        crd_image_scores_clear(&scores);
    }
    near(sqrt(variance), sqrt((square - mean * mean) * N_REPEATS / (N_REPEATS - 1)), 0.15);
}

static void pairs_by_hand(void **state)
{
    (void)state;
    const double p[3] = {0.5, 0.25, 0.25}, q[3] = {0, 1, 0}, zero[3] = {1, 0, 0};
    double scores[CRD_N_PAIR_SCORES], own[CRD_N_CLASS_SCORES];
    crd_pair_scores_of(scores, p, q, 3);
    assert_true(scores[CRD_PAIR_AGREEMENT] == 0 && scores[CRD_PAIR_TOTAL_VARIATION] == 0.75);
    near(scores[CRD_PAIR_KL], log(4), 1e-15);
    crd_pair_scores_of(scores, zero, q, 3);
    near(scores[CRD_PAIR_KL], 126 * log(2), 1e-12); /* not infinite */
    crd_class_scores_of(own, p, 3, 1);
    assert_true(own[CRD_CLASS_CORRECT] == 0 && own[CRD_CLASS_CONFIDENCE] == 0.5);
    near(own[CRD_CLASS_NLL], log(4), 1e-15);
    near(own[CRD_CLASS_BRIER], 0.25 + 0.5625 + 0.0625, 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_of_a_mean_is_that_of_its_groups),
        cmocka_unit_test(samples_are_within_the_groups),
        cmocka_unit_test(error_of_a_share_is_its_scatter),
        cmocka_unit_test(pairs_by_hand),
    };
    return cmocka_run_group_tests_name("half_samples", tests, NULL, NULL);
}
