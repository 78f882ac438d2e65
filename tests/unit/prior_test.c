/* Priors and the gradient of the KL. */
#include "bayes_nets.h"

#include "bayes/prior.h"
#include "kernels/kernels.h"

static void near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.17g differs from %.17g by more than %g", value, expected, tolerance);
}

/* conv (2 -> 4 channels in 2 groups, 3x3, bias) and fc: fan_in 9 and 4. mu and rho are any numbers. */
static crd_posterior *small_posterior(const crd_conversion *conversion)
{
    crd_network *network;
    crd_posterior *posterior;
    crd_shape input = crd_shape_make(3, 2, 4, 4);
    assert_ok(crd_network_create(&network, "small", &input));
    int64_t at = add_conv(network, "conv", 0, 2, 4, 1, 2, 1);
    at = add_norm(network, "norm", at, 4);
    at = add_pool(network, at);
    at = add_op(network, "Flatten", "flatten", NULL, at);
    attr_list linear = linear_list(4, 3, 1);
    add_op(network, "Linear", "fc", &linear, at);
    assert_ok(crd_posterior_create(&posterior, network));
    posterior->conversion = *conversion;
    fill_any(posterior->mu, network->params.n_floats, 1);
    fill_any(posterior->rho, network->params.n_floats, 2);
    for (int64_t p = 0; p < network->params.n_params; p++) {
        posterior->bayesian[p] = strncmp(network->params.entries[p].name, "norm", 4) != 0;
        for (int64_t i = 0; i < network->params.entries[p].count; i++) {
            posterior->mu[network->params.entries[p].offset + i] *= 0.3F;
            posterior->rho[network->params.entries[p].offset + i] -= 3;
        }
    }
    return posterior;
}

static void kl_gradient(float *dmu, float *drho, const crd_posterior *p, int64_t first, int64_t n,
                        crd_kl_reduction reduction, double weight)
{
    float sigma[256], slope[256];
    crd_kernels_get()->param->scales(sigma, slope, p->rho, p->network->params.n_floats);
    crd_posterior_kl_gradient(dmu, drho, p, sigma, slope, first, n, reduction, weight);
}

static crd_conversion mixture(double pi, double sigma, double sigma2)
{
    crd_conversion c = crd_conversion_defaults();
    c.prior_kind = CRD_PRIOR_MIXTURE;
    c.prior_pi = pi;
    c.prior_sigma = sigma;
    c.prior_sigma2 = sigma2;
    return c;
}

/* E[log p] by brute force: many nodes over twelve standard deviations, in the plain form of the mixture. */
static double direct_cross_entropy(const crd_conversion *c, double distance, double sigma)
{
    const double pi = 3.14159265358979323846, range = 12;
    const int n = 400000;
    double sum = 0;
    for (int i = 0; i <= n; i++) {
        double z = range * (2.0 * i / n - 1), x = distance + sigma * z;
        double first = x / c->prior_sigma, second = x / c->prior_sigma2;
        double wide = log(c->prior_pi) - log(c->prior_sigma) - 0.5 * first * first;
        double narrow = log1p(-c->prior_pi) - log(c->prior_sigma2) - 0.5 * second * second;
        double top = fmax(wide, narrow), log_p = top + log1p(exp(-fabs(wide - narrow)));
        sum -= log_p * exp(-0.5 * z * z) / sqrt(2 * pi) * 2 * range / n;
    }
    return sum;
}

static void mixture_equals_brute_force(void **state)
{
    (void)state;
    const crd_conversion priors[] = {
        mixture(0.5, 1, exp(-6)),  mixture(0.25, 1, exp(-8)), mixture(0.75, exp(-2), exp(-7)),
        mixture(0.5, 0.1, 0.3),    mixture(0.3, 0.2, 0.2),    mixture(0.999, 1, 0.9),
        mixture(1e-9, exp(-3), 1),
    };
    for (size_t i = 0; i < sizeof priors / sizeof *priors; i++) {
        crd_posterior *posterior = small_posterior(&priors[i]);
        crd_prior prior = crd_prior_of(posterior, 0);
        double narrow = fmin(priors[i].prior_sigma, priors[i].prior_sigma2);
        for (double sigma = narrow / 8; sigma < 2; sigma *= 9)
            for (double distance = 0; distance < 1.5; distance = 4 * distance + narrow / 3) {
                crd_cross_entropy found = crd_prior_cross_entropy(&prior, distance, sigma);
                double expected = direct_cross_entropy(&priors[i], distance, sigma);
                near(found.value, expected, 1e-6 + 1e-9 * fabs(expected));
            }
        crd_posterior_destroy(posterior);
    }
}

/* Where both components are one, and where a weight has no width. */
static void mixture_has_its_limits(void **state)
{
    (void)state;
    crd_conversion c = mixture(0.3, 0.2, 0.2), normal = crd_conversion_defaults();
    normal.prior_sigma = 0.2;
    crd_posterior *posterior = small_posterior(&c);
    double of_mixture, of_normal;
    crd_posterior_kl(&of_mixture, NULL, posterior);
    posterior->conversion = normal;
    crd_posterior_kl(&of_normal, NULL, posterior);
    near(of_mixture, of_normal, 1e-9 * of_normal);
    posterior->conversion = mixture(0.5, 1, 0.01);
    crd_prior prior = crd_prior_of(posterior, 0);
    for (double sigma = 0; sigma < 1e-8; sigma = sigma * 1e4 + 1e-300) {
        crd_cross_entropy at = crd_prior_cross_entropy(&prior, 0.02, sigma);
        double wide = exp(-0.5 * 0.02 * 0.02), narrow = 100 * exp(-2);
        near(at.value, -log(0.5 * wide + 0.5 * narrow), 1e-9);
        near(at.dmu, (0.02 * wide + 200 * narrow) / (wide + narrow), 1e-6);
        assert_true(fabs(at.dsigma) < 1e-3);
    }
    crd_posterior_destroy(posterior);
}

static void gradient_is_that_of_the_kl(void **state)
{
    (void)state;
    crd_conversion cases[] = {crd_conversion_defaults(), mixture(0.25, 0.5, 0.02),
                              mixture(0.5, 0.01, 1)};
    cases[0].prior_mu = 0.1;
    cases[0].prior_sigma = 0.2;
    cases[1].prior_scale = CRD_PRIOR_SCALE_HE;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        crd_posterior *p = small_posterior(&cases[k]);
        int64_t n = p->network->params.n_floats;
        float *means = NULL;
        if (k == 2) {
            assert_ok(crd_alloc_zeroed((void **)&means, n, sizeof *means, "means"));
            fill_any(means, n, 3);
            p->prior_mu = means;
        }
        for (int reduction = CRD_KL_SUM; reduction <= CRD_KL_MEAN; reduction++) {
            float gradient[2][256] = {{0}};
            double direct[2];
            float *blocks[2] = {p->mu, p->rho};
            assert_true(n <= 256);
            kl_gradient(gradient[0], gradient[1], p, 0, n, (crd_kl_reduction)reduction, 3);
            for (int64_t i = 0; i < 2 * n; i++) {
                float *at = &blocks[i / n][i % n], middle = *at;
                double above[2], below[2], step;
                *at = middle + 1e-4F;
                step = (double)*at;
                crd_posterior_kl(&above[0], &above[1], p);
                *at = middle - 1e-4F;
                step -= (double)*at;
                crd_posterior_kl(&below[0], &below[1], p);
                *at = middle;
                for (int r = 0; r < 2; r++)
                    direct[r] = 3 * (above[r] - below[r]) / step;
                near((double)gradient[i / n][i % n], direct[reduction],
                     2e-4 * (1e-2 + fabs(direct[reduction])));
            }
        }
        crd_posterior_destroy(p);
    }
}

static void ranges_add_up_to_the_same_bits(void **state)
{
    (void)state;
    crd_conversion c = mixture(0.25, 0.5, 0.02);
    crd_posterior *p = small_posterior(&c);
    int64_t n = p->network->params.n_floats;
    float whole[2][256] = {{0}}, cut[2][256] = {{0}};
    kl_gradient(whole[0], whole[1], p, 0, n, CRD_KL_MEAN, 0.5);
    for (int64_t first = 0, size = 1; first < n; first += size, size = size * 2 + 1) {
        size = size < n - first ? size : n - first;
        kl_gradient(cut[0] + first, cut[1] + first, p, first, size, CRD_KL_MEAN, 0.5);
    }
    assert_memory_equal(whole, cut, sizeof whole);
    /* Batch norm has no prior. */
    int64_t norm = crd_params_find(&p->network->params, "norm.weight");
    assert_true(whole[0][p->network->params.entries[norm].offset] == 0);
    assert_true(whole[0][0] != 0);
    /* The posterior that underflows still has a finite gradient: that of -log sigma = -rho. */
    p->conversion = crd_conversion_defaults();
    p->rho[0] = -2000;
    cut[1][0] = 0;
    kl_gradient(cut[0], cut[1], p, 0, 1, CRD_KL_SUM, 1);
    assert_true(cut[1][0] == -1);
    crd_posterior_destroy(p);
}

static void sigma_goes_with_the_layer(void **state)
{
    (void)state;
    crd_conversion c = crd_conversion_defaults();
    c.prior_sigma = 0.5;
    const char *names[] = {"conv.weight", "conv.bias", "fc.weight", "fc.bias"};
    const double fan_in[] = {9, 9, 4, 4};
    for (int scale = CRD_PRIOR_SCALE_FIXED; scale <= CRD_PRIOR_SCALE_HE; scale++) {
        c.prior_scale = (crd_prior_scale)scale;
        crd_posterior *p = small_posterior(&c);
        for (int i = 0; i < 4; i++) {
            double gain = scale == CRD_PRIOR_SCALE_HE ? 2 : 1;
            double expected = scale == CRD_PRIOR_SCALE_FIXED ? 0.5 : 0.5 * sqrt(gain / fan_in[i]);
            near(crd_posterior_prior_sigma(p, crd_params_find(&p->network->params, names[i])),
                 expected, 1e-15);
        }
        crd_posterior_destroy(p);
    }
    assert_string_equal(crd_prior_scale_names()[CRD_PRIOR_SCALE_FAN_IN], "fan-in");
    assert_null(crd_prior_scale_names()[CRD_PRIOR_SCALE_HE + 1]);
    assert_string_equal(crd_prior_kind_names()[CRD_PRIOR_MIXTURE], "mixture");
    assert_null(crd_prior_kind_names()[CRD_PRIOR_MIXTURE + 1]);
}

static void bad_mixtures_are_named(void **state)
{
    (void)state;
    const struct {
        crd_conversion conversion;
        const char *key;
    } bad[] = {
        {mixture(0, 1, 0.1), "prior_pi: 0"},
        {mixture(1, 1, 0.1), "prior_pi: 1"},
        {mixture(NAN, 1, 0.1), "prior_pi: nan"},
        {mixture(0.5, 1, 0), "prior_sigma2: 0"},
        {mixture(0.5, 1, INFINITY), "prior_sigma2: inf"},
        {mixture(0.5, -1, 1), "prior_sigma: -1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        crd_posterior *p = small_posterior(&bad[i].conversion);
        assert_fails(crd_posterior_check(p), CRD_ERR_INPUT, bad[i].key);
        crd_posterior_destroy(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mixture_equals_brute_force),
        cmocka_unit_test(mixture_has_its_limits),
        cmocka_unit_test(gradient_is_that_of_the_kl),
        cmocka_unit_test(ranges_add_up_to_the_same_bits),
        cmocka_unit_test(sigma_goes_with_the_layer),
        cmocka_unit_test(bad_mixtures_are_named),
    };
    return cmocka_run_group_tests_name("prior", tests, NULL, NULL);
}
