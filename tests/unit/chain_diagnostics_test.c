/* Convergence diagnostics against ArviZ (the file of golden/make_chain_diagnostics.py), and the
 * quantiles they need against known values. */
#include "crd_test.h"

#include <math.h>

#include "credence/chain_diagnostics.h"
#include "stats/quantile.h"

enum { MAX_DRAWS = 2048, N_PROBABILITIES = 4 };

/* The next number of the file; strtod reads "nan" and "inf" too. */
static double number(FILE *file)
{
    char word[64];
    assert_int_equal(fscanf(file, "%63s", word), 1);
    return strtod(word, NULL);
}

static void equals(const char *name, const char *figure, double value, double expected)
{
    if (isnan(expected) ? isnan(value) : value == expected)
        return;
    if (!(fabs(value - expected) <= 1e-6 * fmax(1, fabs(expected))) || isinf(expected))
        fail_msg("%s: %s is %.12g, not %.12g", name, figure, value, expected);
}

static void one_case(FILE *file, const char *name, int64_t n_chains, int64_t n_draws)
{
    static double draws[MAX_DRAWS];
    crd_chain_diagnostics d;
    crd_estimate quantile;
    assert_true(n_chains * n_draws <= MAX_DRAWS);
    for (int64_t i = 0; i < n_chains * n_draws; i++)
        draws[i] = number(file);
    assert_ok(crd_chain_diagnose(&d, draws, n_chains, n_draws));
    equals(name, "rhat", d.rhat, number(file));
    equals(name, "ess_bulk", d.ess_bulk, number(file));
    equals(name, "ess_tail", d.ess_tail, number(file));
    equals(name, "ess_mean", d.ess_mean, number(file));
    equals(name, "mean", d.mean.value, number(file));
    equals(name, "mcse_mean", d.mean.se, number(file));
    equals(name, "sd", d.sd, number(file));
    for (int i = 0; i < N_PROBABILITIES; i++) {
        double p = number(file);
        assert_ok(crd_chain_quantile(&quantile, draws, n_chains, n_draws, p));
        double expected = number(file), se = number(file);
        /* Which ArviZ gives also where there are no diagnostics. */
        equals(name, "quantile", quantile.value, isnan(se) ? NAN : expected);
        equals(name, "mcse of a quantile", quantile.se, se);
    }
}

static void figures_equal_those_of_arviz(void **state)
{
    (void)state;
    char path[1024], name[64];
    int n = 0, n_chains, n_draws;
    snprintf(path, sizeof path, "%s/golden/chain_diagnostics.txt", CRD_TEST_DIR);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (; fscanf(file, " case %63s %d %d", name, &n_chains, &n_draws) == 3; n++)
        one_case(file, name, n_chains, n_draws);
    assert_int_equal(n, 24);
    fclose(file);
}

static void near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance * fabs(expected)))
        fail_msg("%.17g differs from %.17g by more than %g of it", value, expected, tolerance);
}

static void quantiles_of_the_normal_are_known_values(void **state)
{
    (void)state;
    assert_true(crd_normal_quantile(0.5) == 0);
    near(crd_normal_quantile(0.975), 1.959963984540054, 1e-14);
    near(crd_normal_quantile(0.025), -1.959963984540054, 1e-14);
    near(crd_normal_quantile(0.8413447460685429), 1, 1e-14);
    near(crd_normal_quantile(1e-12), -7.034483825301131, 1e-14);
    near(crd_normal_quantile(0.501), 0.002506630899571981, 1e-12);
}

/* P(Beta(a, b) < x) = P(Binomial(a + b - 1, x) >= a) for whole a, b. */
static double binomial_tail(int a, int b, double x)
{
    double sum = 0;
    for (int k = a; k <= a + b - 1; k++)
        sum += exp(lgamma(a + b) - lgamma(k + 1) - lgamma(a + b - k) + k * log(x) +
                   (a + b - 1 - k) * log1p(-x));
    return sum;
}

static void beta_function_is_the_binomial_one(void **state)
{
    (void)state;
    const int shapes[][2] = {{1, 1}, {1, 7}, {6, 2}, {40, 3}, {300, 500}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (double p = 0.01; p < 1; p += 0.14) {
            const int a = shapes[s][0], b = shapes[s][1];
            double x = crd_beta_quantile(p, a, b);
            near(crd_beta_below(x, a, b), p, 1e-11);
            near(binomial_tail(a, b, x), p, 1e-11);
        }
    near(crd_beta_quantile(0.3, 1, 1), 0.3, 1e-14);
    /* Symmetric, and large: close to a normal of sd 1 / sqrt(4 (2 a + 1)). */
    near(crd_beta_quantile(0.5, 2e5, 2e5), 0.5, 1e-12);
    near(crd_beta_quantile(0.8413447460685429, 2e5, 2e5) - 0.5, 0.5 / sqrt(4e5 + 1), 1e-4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_equal_those_of_arviz),
        cmocka_unit_test(quantiles_of_the_normal_are_known_values),
        cmocka_unit_test(beta_function_is_the_binomial_one),
    };
    return cmocka_run_group_tests_name("chain_diagnostics", tests, NULL, NULL);
}
