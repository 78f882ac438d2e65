/* Room bayes against bayesian-torch 0.5.0: the network "tiny" of make_bayes.py. */
#include "tiny.h"

#include "credence/sampler.h"

enum { N_IMAGES = 2, N_LOGITS = N_IMAGES * N_CLASSES };

/* bayesian-torch computes in float32; rho and KL are compared to its rounding. */
static const double float_tolerance = 1e-6;
static const double logits_tolerance = 1e-4;

static void names_and_shapes_are_those_of_the_state_dict(void **state)
{
    const golden *g = *state;
    const crd_conversion conversion = moped(0.5);
    crd_posterior *p = convert_tiny(g, 0, &conversion);
    const crd_params *params = &p->network->params;
    char name[LINE_SIZE];
    int64_t n_names = 0, n_counters = 0;
    for (int64_t i = 0; i < params->n_params; i++)
        for (int k = 0; k < (p->bayesian[i] ? 2 : 1); k++) {
            bayesian_torch_name(name, p, i, "mr"[k]);
            int64_t found = crd_params_find(&g->params, name);
            if (found < 0 ||
                !crd_shape_equal(&g->params.entries[found].shape, &params->entries[i].shape))
                fail_msg("%s is not in bayesian-torch's state dict, or of another shape", name);
            n_names++;
        }
    for (int64_t i = 0; i < g->params.n_params; i++)
        n_counters += strstr(g->params.entries[i].name, ".num_batches_tracked") != NULL;
    assert_int_equal(n_names, g->params.n_params - n_counters);
    crd_posterior_destroy(p);
}

static void rho_of_moped_is_bayesian_torchs(void **state)
{
    const golden *g = *state;
    const crd_conversion conversion = moped(0.5);
    crd_posterior *p = convert_tiny(g, 0, &conversion);
    char name[LINE_SIZE];
    for (int64_t i = 0; i < p->network->params.n_params; i++) {
        if (!p->bayesian[i])
            continue;
        const crd_param *param = &p->network->params.entries[i];
        bayesian_torch_name(name, p, i, 'r');
        const float *expected = tensor_of(g, "moped/rho/", name);
        for (int64_t k = 0; k < param->count; k++)
            near(name, (double)p->rho[param->offset + k], (double)expected[k],
                 float_tolerance * fmax(1, fabs((double)expected[k])));
    }
    crd_posterior_destroy(p);
}

static void kl_is_bayesian_torchs(void **state)
{
    const golden *g = *state;
    const char *keys[] = {"moped", "plain"};
    for (int is_plain = 0; is_plain < 2; is_plain++) {
        for (int other_prior = 0; other_prior < 2; other_prior++) {
            crd_conversion conversion = moped(0.5);
            conversion.prior_mu = other_prior ? 0.1 : 0;
            conversion.prior_sigma = other_prior ? 0.5 : 1;
            crd_posterior *p = convert_tiny(g, is_plain, &conversion);
            char name[LINE_SIZE];
            double sum, mean;
            crd_posterior_kl(&sum, &mean, p);
            const char *suffix = other_prior ? "_prior_0.1_0.5" : "";
            snprintf(name, sizeof name, "%s/kl_sum%s", keys[is_plain], suffix);
            near(name, sum, value_of(g, name), float_tolerance * fabs(sum));
            snprintf(name, sizeof name, "%s/kl_mean%s", keys[is_plain], suffix);
            near(name, mean, value_of(g, name), float_tolerance * fabs(mean));
            crd_posterior_destroy(p);
        }
    }
    crd_conversion conversion = moped(0.5);
    conversion.moped_prior = 1;
    crd_posterior *p = convert_tiny(g, 0, &conversion);
    double mean;
    crd_posterior_kl(NULL, &mean, p);
    near("prior at mean", mean, value_of(g, "moped/kl_mean_prior_at_mean"), float_tolerance * mean);
    crd_posterior_destroy(p);
}

/* Largest absolute value: logits are compared relative to it. */
static double scale_of(const float *values)
{
    double scale = 0;
    for (int i = 0; i < N_LOGITS; i++)
        scale = fmax(scale, fabs((double)values[i]));
    return scale;
}

static void logits_of_a_given_eps_are_bayesian_torchs(void **state)
{
    const golden *g = *state;
    for (int kind = 0; kind < 3; kind++) { /* mean, moped, plain */
        const crd_conversion conversion = moped(0.5);
        crd_posterior *p = convert_tiny(g, kind == 2, &conversion);
        owned_model model = make_model(p);
        float *eps = calloc((size_t)p->network->params.n_floats, sizeof *eps);
        for (int64_t i = 0; i < p->network->params.n_params; i++) {
            char name[LINE_SIZE];
            if (!p->bayesian[i])
                continue;
            bayesian_torch_name(name, p, i, 'm');
            char *leaf = strrchr(name, '.');
            *leaf = '\0'; /* module/eps_leaf; the leaf begins with mu_ */
            char path[LINE_SIZE + 32];
            snprintf(path, sizeof path, "%s/eps_%s", name, leaf + strlen(".mu_"));
            memcpy(eps + p->network->params.entries[i].offset, tensor_of(g, "eps/", path),
                   (size_t)p->network->params.entries[i].count * sizeof *eps);
        }
        model.view.eps = eps;
        const crd_sampler_options options = {.estimator = "reparameterization",
                                             .mean = kind == 0,
                                             .batch = N_IMAGES,
                                             .draw_block = 1};
        crd_sampler *sampler;
        float logits[N_LOGITS];
        const char *names[] = {"logits/mean", "moped/logits/reparameterization",
                               "plain/logits/reparameterization"};
        const float *expected = tensor_of(g, "", names[kind]);
        assert_ok(crd_sampler_create(&sampler, &model.view, &options));
        assert_ok(crd_sampler_run(logits, sampler, tensor_of(g, "", "images"), N_IMAGES, 0, 0, 1));
        for (int i = 0; i < N_LOGITS; i++)
            near(names[kind], (double)logits[i], (double)expected[i],
                 logits_tolerance * scale_of(expected));
        crd_sampler_destroy(sampler);
        free(eps);
        clear_model(&model);
        crd_posterior_destroy(p);
    }
}

/* Mean, sd and its standard error over draws; correlation of the images' logits of a class. */
static void compare_statistics(const golden *g, const char *estimator, const double *draws,
                               int64_t n_draws)
{
    char name[LINE_SIZE];
    double mean[N_LOGITS] = {0}, sd[N_LOGITS] = {0}, fourth[N_LOGITS] = {0};
    double product[N_CLASSES] = {0}, n = (double)n_draws;
    for (int64_t i = 0; i < n_draws * N_LOGITS; i++)
        mean[i % N_LOGITS] += draws[i] / n;
    for (int64_t i = 0; i < n_draws * N_LOGITS; i++) {
        double square = pow(draws[i] - mean[i % N_LOGITS], 2);
        sd[i % N_LOGITS] += square / (n - 1);
        fourth[i % N_LOGITS] += square * square / n;
        if (i % N_LOGITS < N_CLASSES)
            product[i % N_LOGITS] += (draws[i] - mean[i % N_LOGITS]) *
                                     (draws[i + N_CLASSES] - mean[i % N_LOGITS + N_CLASSES]) / n;
    }
    const char *keys[] = {"mean", "mean_se", "sd", "sd_se", "correlation"};
    const float *expected[5];
    for (int k = 0; k < 5; k++) {
        snprintf(name, sizeof name, "%s/%s", estimator, keys[k]);
        expected[k] = tensor_of(g, "moped/statistics/", name);
    }
    for (int i = 0; i < N_LOGITS; i++) {
        double variance = sd[i];
        sd[i] = sqrt(variance);
        double sd_se = sqrt((fourth[i] - variance * variance) / (4 * variance * n));
        near(estimator, mean[i], (double)expected[0][i],
             4 * hypot(sd[i] / sqrt(n), (double)expected[1][i]));
        near(estimator, sd[i], (double)expected[2][i], 4 * hypot(sd_se, (double)expected[3][i]));
    }
    for (int c = 0; c < N_CLASSES; c++)
        near(estimator, product[c] / (sd[c] * sd[c + N_CLASSES]), (double)expected[4][c],
             4 * sqrt(1 / n + 1 / value_of(g, "n_draws")));
}

static void moments_of_the_logits_are_bayesian_torchs(void **state)
{
    enum { DRAWS = 10000, BLOCK = 50 };
    const golden *g = *state;
    const crd_conversion conversion = moped(0.5);
    crd_posterior *p = convert_tiny(g, 0, &conversion);
    owned_model model = make_model(p);
    double *draws = calloc((size_t)DRAWS * N_LOGITS, sizeof *draws);
    for (const char *const *name = crd_estimator_names(); *name != NULL; name++) {
        const crd_sampler_options options = {
            .estimator = *name, .seed = 1, .batch = N_IMAGES, .draw_block = BLOCK};
        crd_sampler *sampler;
        assert_ok(crd_sampler_create(&sampler, &model.view, &options));
        for (int64_t d = 0; d < DRAWS; d += BLOCK) {
            float logits[BLOCK * N_LOGITS];
            assert_ok(crd_sampler_run(logits, sampler, tensor_of(g, "", "images"), N_IMAGES, 0, d,
                                      BLOCK));
            for (int64_t i = 0; i < BLOCK * N_LOGITS; i++)
                draws[d * N_LOGITS + i] = (double)logits[i];
        }
        /* No layer here has steps; independent images of a last layer bayesian-torch has not. */
        bool has_steps = strcmp(*name, "reparameterization-step") == 0;
        if (strcmp(*name, "local-reparameterization-linear") != 0)
            compare_statistics(g, has_steps ? "reparameterization" : *name, draws, DRAWS);
        crd_sampler_destroy(sampler);
    }
    free(draws);
    clear_model(&model);
    crd_posterior_destroy(p);
}

int main(void)
{
    static golden g;
    read_golden(&g, "bayes/tiny");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(names_and_shapes_are_those_of_the_state_dict, &g),
        cmocka_unit_test_prestate(rho_of_moped_is_bayesian_torchs, &g),
        cmocka_unit_test_prestate(kl_is_bayesian_torchs, &g),
        cmocka_unit_test_prestate(logits_of_a_given_eps_are_bayesian_torchs, &g),
        cmocka_unit_test_prestate(moments_of_the_logits_are_bayesian_torchs, &g),
    };
    int n_failed = cmocka_run_group_tests_name("golden_bayes", tests, NULL, NULL);
    clear_golden(&g);
    return n_failed;
}
