/* Predictive distributions of regression against sums done by hand. */
#include <math.h>

#include "crd_test.h"
#include "credence/regression.h"

static void near(double value, double expected)
{
    assert_true(fabs(value - expected) <= 1e-12 * fmax(1, fabs(expected)));
}

static double density(double y, double mean, double variance)
{
    return exp(-(y - mean) * (y - mean) / (2 * variance)) / sqrt(2 * acos(-1.0) * variance);
}

static void three_draws_by_hand(void **state)
{
    (void)state;
    crd_regression *r;
    const float log_variances[3] = {0, 0.5F, -1}, means[3] = {1, 2, 4.5F};
    const float targets[2] = {3, -100};
    double total = 0, variance = 0;
    assert_ok(crd_regression_create(&r, 2, 2, 1));
    for (int d = 0; d < 3; d++) {
        const float row[4] = {means[d], 0.25F, log_variances[d], 0};
        crd_regression_add(r, 1, row, targets);
        total += density(3, (double)means[d], exp((double)log_variances[d])) / 3;
        variance += exp((double)log_variances[d]) / 3;
    }
    crd_regression_value v = crd_regression_get(r, 1, 0);
    near(v.mean, 2.5);
    near(v.epistemic_sd, sqrt((1.5 * 1.5 + 0.5 * 0.5 + 2 * 2) / 2));
    near(v.mcse, v.epistemic_sd / sqrt(3));
    near(v.aleatoric_sd, sqrt(variance));
    near(v.nll, -log(total));
    v = crd_regression_get(r, 1, 1); /* a density too small for a double */
    near(v.nll, 0.5 * (log(2 * acos(-1.0)) + 100.25 * 100.25));
    near(v.epistemic_sd, 0);
    crd_regression_destroy(r);
}

static void without_noise_or_targets(void **state)
{
    (void)state;
    crd_regression *r;
    const float row[3] = {1, -2, 3};
    assert_ok(crd_regression_create(&r, 1, 3, 0));
    crd_regression_add(r, 0, row, NULL);
    crd_regression_value v = crd_regression_get(r, 0, 1);
    near(v.mean, -2);
    assert_true(isnan(v.mcse) && isnan(v.epistemic_sd) && isnan(v.aleatoric_sd) && isnan(v.nll));
    crd_regression_destroy(r);
    crd_regression_destroy(NULL);
}

/* As the loss has it: a network that promises less noise than 1e-6 is not believed. */
static void variance_has_a_floor(void **state)
{
    (void)state;
    crd_regression *r;
    const float row[2] = {0, -500}, target = 0;
    assert_ok(crd_regression_create(&r, 1, 1, 1));
    crd_regression_add(r, 0, row, &target);
    crd_regression_value v = crd_regression_get(r, 0, 0);
    near(v.aleatoric_sd, 1e-3);
    near(v.nll, -log(density(0, 0, 1e-6)));
    crd_regression_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_draws_by_hand),
        cmocka_unit_test(without_noise_or_targets),
        cmocka_unit_test(variance_has_a_floor),
    };
    return cmocka_run_group_tests_name("regression", tests, NULL, NULL);
}
