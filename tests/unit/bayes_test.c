#include "bayes_nets.h"

#include "credence/posterior.h"
#include "credence/rng.h"

static void near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.17g differs from %.17g by more than %g", value, expected, tolerance);
}

static void rho_and_sigma_are_right_at_the_extremes(void **state)
{
    (void)state;
    const double rhos[] = {-1e4, -745, -104, -103.5, -46, -37, -9,  -3,  -1e-9,
                           0,    1e-9, 1,    20,     88,  89,  710, 1e4, 3e38};
    for (size_t i = 0; i < sizeof rhos / sizeof *rhos; i++) {
        long double r = (long double)rhos[i];
        long double expected = r > 0 ? r + log1pl(expl(-r)) : log1pl(expl(r));
        near(crd_sigma_of_rho(rhos[i]), (double)expected, 4e-16 * (double)expected + 1e-320);
    }
    const double sigmas[] = {1e-300, 1e-30, 1e-20, 1e-7, 0.04, 0.5, 0.6931, 1,
                             1.0001, 30,    88.8,  100,  700,  900, 1e5,    1e300};
    for (size_t i = 0; i < sizeof sigmas / sizeof *sigmas; i++) {
        long double s = (long double)sigmas[i];
        long double expected = s < 1000 ? logl(expm1l(s) + 1e-20L) : s;
        near(crd_rho_of_sigma(sigmas[i]), (double)expected,
             1e-15 * fmax(1, fabs((double)expected)));
    }
    near(crd_rho_of_sigma(0), log(1e-20), 0);
    near(crd_sigma_of_rho(crd_rho_of_sigma(1e-7)), 1e-7, 1e-20);
}

/* The textbook formula in long double. */
static void kl_directly(long double *sum, long double *mean, const crd_posterior *p)
{
    *sum = *mean = 0;
    long double sp = (long double)p->conversion.prior_sigma;
    for (int64_t t = 0; t < p->network->params.n_params; t++) {
        const crd_param *param = &p->network->params.entries[t];
        long double tensor = 0;
        for (int64_t i = param->offset; p->bayesian[t] && i < param->offset + param->count; i++) {
            long double sq = log1pl(expl((long double)p->rho[i]));
            long double mp = p->prior_mu == NULL ? (long double)p->conversion.prior_mu
                                                 : (long double)p->prior_mu[i];
            long double distance = (long double)p->mu[i] - mp;
            tensor += logl(sp / sq) + (sq * sq + distance * distance) / (2 * sp * sp) - 0.5L;
        }
        *sum += tensor;
        *mean += tensor / (long double)param->count;
    }
}

static void kl_equals_formula_and_closed_form(void **state)
{
    (void)state;
    crd_conversion conversions[] = {moped(0.5), crd_conversion_defaults(), moped(0.2)};
    conversions[1].prior_mu = 0.1;
    conversions[1].prior_sigma = 0.5;
    conversions[2].moped_prior = 1;
    for (size_t i = 0; i < sizeof conversions / sizeof *conversions; i++) {
        crd_posterior *p = make_posterior(make_cnn(), &conversions[i], "*");
        double sum, mean;
        long double direct_sum, direct_mean;
        crd_posterior_kl(&sum, &mean, p);
        kl_directly(&direct_sum, &direct_mean, p);
        near(sum, (double)direct_sum, 1e-11 * fabs(sum));
        near(mean, (double)direct_mean, 1e-11 * fabs(mean));
        assert_true(sum > mean && mean > 0);
        crd_posterior_destroy(p);
    }

    /* Posterior equal to the prior: 0. Mean off by 2 prior sigma: 2 an element. */
    crd_conversion conversion = crd_conversion_defaults();
    conversion.prior_sigma = 0.25;
    crd_posterior *p = make_posterior(make_cnn(), &conversion, "fc");
    for (int64_t i = 0; i < p->network->params.n_floats; i++) {
        p->mu[i] = 0;
        p->rho[i] = (float)crd_rho_of_sigma(0.25);
    }
    double sum, mean;
    crd_posterior_kl(&sum, NULL, p);
    near(sum, 0, 1e-11);
    for (int64_t i = 0; i < p->network->params.n_floats; i++)
        p->mu[i] = 0.5F;
    crd_posterior_kl(&sum, &mean, p);
    near(sum, 2 * (6 * N_CLASSES + N_CLASSES), 1e-6);
    near(mean, 2 + 2, 1e-6);

    /* rho so low that sigma is no float any more: log sigma is rho. */
    const crd_param *bias =
        &p->network->params.entries[crd_params_find(&p->network->params, "fc.bias")];
    for (int64_t i = 0; i < p->network->params.n_floats; i++)
        p->rho[i] = -2000;
    crd_posterior_kl(NULL, &mean, p);
    near(mean, 2 * (log(0.25) + 2000 + 0.5 * (4 - 1)), 1e-9);
    assert_int_equal(bias->count, N_CLASSES);
    crd_posterior_destroy(p);
}

static int64_t param(const crd_posterior *posterior, const char *name)
{
    int64_t index = crd_params_find(&posterior->network->params, name);
    assert_true(index >= 0);
    return index;
}

static const float *mu_of(const crd_posterior *posterior, const char *name)
{
    return posterior->mu + posterior->network->params.entries[param(posterior, name)].offset;
}

static const float *rho_of(const crd_posterior *posterior, const char *name)
{
    return posterior->rho + posterior->network->params.entries[param(posterior, name)].offset;
}

static void moped_puts_mu_at_the_weight_and_sigma_beside_it(void **state)
{
    (void)state;
    crd_network *network = make_cnn();
    crd_params weights;
    make_weights(&weights, network);
    float *w = crd_params_view(&weights, crd_params_find(&weights, "conv1.weight"));
    w[0] = 0;
    w[1] = -1e-30F;
    w[2] = -300; /* sigma 150: bayesian-torch's float32 expm1 is infinite */
    crd_conversion conversion = moped(0.5);
    const char *all = "*";
    crd_posterior *p;
    assert_ok(crd_posterior_convert(&p, network, &weights, &conversion, &all, 1));
    const float *mu = mu_of(p, "conv1.weight"), *rho = rho_of(p, "conv1.weight");
    for (int i = 0; i < 4 * 27; i++) {
        assert_true(mu[i] == w[i]);
        if (i > 2)
            near(rho[i], log(expm1(0.5 * fabs((double)w[i])) + 1e-20),
                 1e-6 * fmax(1, fabs((double)rho[i])));
    }
    near(rho[0], -46.0517018598809, 4e-6);
    near(rho[1], -46.0517018598809, 4e-6);
    near(rho[2], 150, 1e-5);
    near(rho_of(p, "fc.bias")[0], log(expm1(0.5 * fabs((double)mu_of(p, "fc.bias")[0]))), 1e-5);
    assert_true(p->bayesian[param(p, "conv1.weight")] && p->bayesian[param(p, "fc.bias")]);
    assert_false(p->bayesian[param(p, "bn1.weight")]);
    assert_true(rho_of(p, "bn1.weight")[0] == 0);
    assert_null(p->prior_mu);
    assert_int_equal(p->n_classes, N_CLASSES);
    crd_posterior_destroy(p);

    conversion.sigma_min = 0.01;
    conversion.moped_prior = 1;
    assert_ok(crd_posterior_convert(&p, make_cnn(), &weights, &conversion, &all, 1));
    near(crd_sigma_of_rho((double)rho_of(p, "conv1.weight")[0]), 0.01, 1e-8);
    int64_t offset = p->network->params.entries[param(p, "conv1.weight")].offset;
    assert_memory_equal(p->prior_mu + offset, w, 4 * 27 * sizeof *w);
    p->mu[offset] = 7; /* a copy, not bayesian-torch's alias */
    assert_true(p->prior_mu[offset] == 0);
    crd_posterior_destroy(p);
    crd_params_clear(&weights);
}

static void without_moped_values_come_from_the_seed(void **state)
{
    (void)state;
    crd_conversion conversion = crd_conversion_defaults();
    conversion.posterior_mu_init = 0.25;
    conversion.posterior_rho_init = -4;
    conversion.seed = 9;
    crd_posterior *a = make_posterior(make_cnn(), &conversion, "*");
    crd_posterior *b = make_posterior(make_cnn(), &conversion, "*");
    conversion.seed = 10;
    crd_posterior *c = make_posterior(make_cnn(), &conversion, "*");
    size_t bytes = (size_t)a->network->params.n_floats * sizeof(float);
    assert_memory_equal(a->mu, b->mu, bytes);
    assert_memory_equal(a->rho, b->rho, bytes);
    assert_true(mu_of(a, "conv1.weight")[0] != mu_of(c, "conv1.weight")[0]);
    assert_true(mu_of(a, "bn1.weight")[0] == mu_of(c, "bn1.weight")[0]);

    const int64_t index = param(a, "conv3.weight"), n = 6 * 4 * 9;
    float eps[6 * 4 * 9];
    crd_stream stream = {.seed = 9, .tensor = (uint32_t)index, .purpose = CRD_PURPOSE_INITIAL_MU};
    crd_normal_fill(eps, n, 0, &stream);
    for (int64_t i = 0; i < n; i++)
        near(mu_of(a, "conv3.weight")[i], 0.25 + 0.1 * (double)eps[i], 1e-7);
    stream.purpose = CRD_PURPOSE_INITIAL_RHO;
    crd_normal_fill(eps, n, 0, &stream);
    for (int64_t i = 0; i < n; i++)
        near(rho_of(a, "conv3.weight")[i], -4 + 0.1 * (double)eps[i], 3e-7);
    crd_posterior_destroy(a);
    crd_posterior_destroy(b);
    crd_posterior_destroy(c);
}

static void globs_choose_layers(void **state)
{
    (void)state;
    crd_conversion conversion = moped(0.5);
    const struct {
        const char *glob, *bayesian, *fixed;
    } cases[] = {{"fc", "fc.weight", "conv1.weight"},
                 {"layer*", "layer.conv2.bias", "conv3.weight"},
                 {"*conv2", "layer.conv2.weight", "fc.weight"},
                 {"conv[13]", "conv3.bias", "layer.conv2.weight"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        crd_posterior *p = make_posterior(make_cnn(), &conversion, cases[i].glob);
        assert_true(p->bayesian[param(p, cases[i].bayesian)]);
        assert_false(p->bayesian[param(p, cases[i].fixed)]);
        crd_posterior_destroy(p);
    }
    crd_network *network = make_cnn();
    crd_params weights;
    make_weights(&weights, network);
    const char *globs[] = {"fc", "bn1"};
    crd_posterior *p;
    assert_fails(crd_posterior_convert(&p, network, &weights, &conversion, globs, 2), CRD_ERR_USAGE,
                 "'bn1' matches no convolution or linear layer of network cnn");
    assert_null(p);
    assert_ok(crd_posterior_convert(&p, make_cnn(), &weights, &conversion, NULL, 0));
    for (int64_t i = 0; i < p->network->params.n_params; i++)
        assert_false(p->bayesian[i]);
    crd_posterior_destroy(p);
    crd_params_clear(&weights);
}

/* dnn_to_bnn takes linear layers, and leaves the packed projection of attention; who names it gets
 * it. */
static void packed_projections_are_bayesian_by_name(void **state)
{
    (void)state;
    static const char *const globs[] = {"*"};
    const crd_shape shape = crd_shape_make(3, 4, 1, 3);
    const crd_conversion conversion = crd_conversion_defaults();
    for (int by_name = 0; by_name < 2; by_name++) {
        const attr_list in = linear_list(4, 12, 1), out = linear_list(4, 4, 1);
        const attr_list heads = ATTRS(ONE("num_heads", 2));
        crd_network *network;
        crd_params weights;
        crd_posterior *p;
        int64_t x = 0;
        assert_ok(crd_network_create(&network, "attention", &shape));
        assert_ok(network_add(&x, network, "InProjection", "self_attention", &in, &x, 1));
        assert_ok(network_add(&x, network, "Attention", "self_attention.core", &heads, &x, 1));
        assert_ok(network_add(&x, network, "Linear", "self_attention.out_proj", &out, &x, 1));
        make_weights(&weights, network);
        assert_ok(
            crd_posterior_convert(&p, network, &weights, &conversion, globs, by_name ? 1 : -1));
        assert_int_equal(p->bayesian[param(p, "self_attention.in_proj_weight")], by_name);
        assert_int_equal(p->bayesian[param(p, "self_attention.in_proj_bias")], by_name);
        assert_int_equal(p->bayesian[param(p, "self_attention.out_proj.weight")], 1);
        crd_posterior_destroy(p);
        crd_params_clear(&weights);
    }
}

/* The weights with tensor `name` renamed (rename NULL: left out) and reshaped (shape NULL: not). */
static void change_weights(crd_params *out, const crd_params *weights, const char *name,
                           const char *rename, const crd_shape *shape)
{
    crd_params_init(out);
    for (int64_t i = 0; i < weights->n_params; i++) {
        const crd_param *entry = &weights->entries[i];
        int is_it = strcmp(entry->name, name) == 0;
        if (is_it && rename == NULL)
            continue;
        assert_ok(crd_params_add(NULL, out, is_it ? rename : entry->name,
                                 is_it && shape != NULL ? shape : &entry->shape));
    }
    assert_ok(crd_params_allocate(out));
}

static void wrong_weights_are_named(void **state)
{
    (void)state;
    crd_network *network = make_cnn();
    crd_params weights;
    make_weights(&weights, network);
    crd_network_destroy(network);
    crd_conversion conversion = moped(0.5);
    const char *all = "*";
    const crd_shape misshaped = crd_shape_make(4, 4, 3, 3, 1);
    const crd_shape ten_classes = crd_shape_make(2, 10, 6);
    const struct {
        const char *name, *rename;
        const crd_shape *shape;
        const char *message;
    } cases[] = {
        {"bn1.weight", NULL, NULL, "no tensor bn1.weight; network cnn needs it with shape (4)"},
        {"conv1.weight", "conv1.weight", &misshaped,
         "conv1.weight has shape (4, 3, 3, 1); network cnn needs (4, 3, 3, 3)"},
        {"fc.weight", "fc.weight", &ten_classes,
         "fc.weight has shape (10, 6); network cnn needs (5, 6) (another number of classes)"},
    };
    crd_posterior *p;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        crd_params changed;
        change_weights(&changed, &weights, cases[i].name, cases[i].rename, cases[i].shape);
        for (int64_t k = 0; k < changed.n_floats; k++)
            changed.data[k] = 1;
        assert_fails(crd_posterior_convert(&p, make_cnn(), &changed, &conversion, &all, 1),
                     CRD_ERR_INPUT, cases[i].message);
        assert_null(p);
        crd_params_clear(&changed);
    }

    crd_params more;
    const crd_shape one = crd_shape_make(1, 1);
    change_weights(&more, &weights, "", NULL, NULL);
    crd_free(more.data);
    more.data = NULL;
    assert_ok(crd_params_add(NULL, &more, "aux.bias", &one));
    assert_ok(crd_params_allocate(&more));
    for (int64_t k = 0; k < more.n_floats; k++)
        more.data[k] = 1;
    assert_fails(crd_posterior_convert(&p, make_cnn(), &more, &conversion, &all, 1), CRD_ERR_INPUT,
                 "network cnn has no tensor aux.bias");
    crd_params_clear(&more);

    crd_params_view(&weights, crd_params_find(&weights, "conv3.weight"))[7] = NAN;
    conversion.moped_enable = 0; /* it would not even be used */
    assert_fails(crd_posterior_convert(&p, make_cnn(), &weights, &conversion, &all, 1),
                 CRD_ERR_INPUT, "conv3.weight: element 7 is nan");
    crd_params_clear(&weights);
}

static void wrong_keys_are_named(void **state)
{
    (void)state;
    crd_network *network = make_cnn();
    crd_params weights;
    make_weights(&weights, network);
    crd_network_destroy(network);
    crd_conversion cases[8];
    for (int i = 0; i < 8; i++)
        cases[i] = moped(0.5);
    cases[0].prior_sigma = 0;
    cases[1].prior_mu = NAN;
    cases[2].moped_delta = -1;
    cases[3].sigma_min = -1;
    cases[4].posterior_mu_init = INFINITY;
    cases[5].posterior_rho_init = NAN;
    cases[6].moped_enable = 0;
    cases[6].moped_prior = 1;
    snprintf(cases[7].type, sizeof cases[7].type, "Dropout");
    const char *keys[8] = {
        "prior_sigma: 0",     "prior_mu: nan",
        "moped_delta: -1",    "sigma_min: -1",
        "posterior_mu_init",  "posterior_rho_init",
        "needs moped_enable", "type: 'Dropout' is not one of reparameterization, flipout"};
    const char *all = "*";
    crd_posterior *p;
    for (int i = 0; i < 8; i++)
        assert_fails(crd_posterior_convert(&p, make_cnn(), &weights, &cases[i], &all, 1),
                     CRD_ERR_USAGE, keys[i]);
    crd_params_clear(&weights);
}

static void names_are_those_of_bayesian_torch(void **state)
{
    (void)state;
    crd_conversion conversion = moped(0.5);
    crd_posterior *p = make_posterior(make_cnn(), &conversion, "[!c]*");
    const struct {
        const char *name;
        char which;
        const char *module, *leaf;
    } cases[] = {
        {"layer.conv2.weight", 'm', "layer.conv2", "mu_kernel"},
        {"layer.conv2.weight", 'r', "layer.conv2", "rho_kernel"},
        {"layer.conv2.bias", 'r', "layer.conv2", "rho_bias"},
        {"fc.weight", 'm', "fc", "mu_weight"},
        {"fc.bias", 'm', "fc", "mu_bias"},
        {"conv1.weight", 'm', "conv1", "weight"}, /* fixed */
        {"layer.bn2.running_var", 'm', "layer.bn2", "running_var"},
    };
    char module[64], leaf[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_ok(crd_posterior_param_name(module, sizeof module, leaf, sizeof leaf, p,
                                           param(p, cases[i].name), cases[i].which));
        assert_string_equal(module, cases[i].module);
        assert_string_equal(leaf, cases[i].leaf);
    }
    assert_fails(
        crd_posterior_param_name(module, 3, leaf, sizeof leaf, p, param(p, "layer.bn2.bias"), 'm'),
        CRD_ERR_INTERNAL, "too long");
    assert_fails(crd_posterior_param_name(module, sizeof module, leaf, sizeof leaf, p, 999, 'm'),
                 CRD_ERR_INTERNAL, "999");
    assert_fails(crd_posterior_param_name(module, sizeof module, leaf, sizeof leaf, p,
                                          param(p, "fc.bias"), 'x'),
                 CRD_ERR_INTERNAL, "'x'");
    crd_posterior_destroy(p);
}

/* A posterior written as bayesian-torch would write it. */
static void to_state_dict(crd_params *out, const crd_posterior *posterior)
{
    char module[64], leaf[32], name[100];
    const crd_params *params = &posterior->network->params;
    crd_params_init(out);
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < params->n_params; i++)
            for (int k = 0; k < (posterior->bayesian[i] ? 2 : 1); k++) {
                assert_ok(crd_posterior_param_name(module, sizeof module, leaf, sizeof leaf,
                                                   posterior, i, "mr"[k]));
                snprintf(name, sizeof name, "%s.%s", module, leaf);
                if (pass == 0)
                    assert_ok(crd_params_add(NULL, out, name, &params->entries[i].shape));
                else
                    memcpy(crd_params_view(out, crd_params_find(out, name)),
                           (k == 0 ? posterior->mu : posterior->rho) + params->entries[i].offset,
                           (size_t)params->entries[i].count * sizeof(float));
            }
        if (pass == 0)
            assert_ok(crd_params_allocate(out));
    }
}

static void a_bayesian_state_dict_is_taken_as_it_is(void **state)
{
    (void)state;
    crd_conversion conversion = moped(0.3);
    crd_posterior *p = make_posterior(make_cnn(), &conversion, "[!c]*"), *q;
    crd_params weights, changed;
    to_state_dict(&weights, p);
    const char *all = "*";
    assert_ok(crd_posterior_convert(&q, make_cnn(), &weights, &conversion, &all, 1));
    size_t n = (size_t)p->network->params.n_floats;
    assert_memory_equal(p->mu, q->mu, n * sizeof(float));
    assert_memory_equal(p->rho, q->rho, n * sizeof(float));
    assert_memory_equal(p->bayesian, q->bayesian, (size_t)p->network->params.n_params);
    crd_posterior_destroy(q);

    change_weights(&changed, &weights, "fc.rho_bias", NULL, NULL);
    memset(changed.data, 0, (size_t)changed.n_floats * sizeof(float));
    assert_fails(crd_posterior_convert(&q, make_cnn(), &changed, &conversion, &all, 1),
                 CRD_ERR_INPUT, "no tensor fc.rho_bias");
    crd_params_clear(&changed);
    crd_params_view(&weights, crd_params_find(&weights, "fc.rho_bias"))[1] = -INFINITY;
    assert_fails(crd_posterior_convert(&q, make_cnn(), &weights, &conversion, &all, 1),
                 CRD_ERR_INPUT, "fc.rho_bias: element 1 is -inf");
    conversion.moped_prior = 1;
    assert_fails(crd_posterior_convert(&q, make_cnn(), &weights, &conversion, &all, 1),
                 CRD_ERR_USAGE, "moped_prior");
    crd_params_clear(&weights);
    crd_posterior_destroy(p);
}

static void unusable_values_are_named(void **state)
{
    (void)state;
    crd_conversion conversion = moped(0.5);
    conversion.moped_prior = 1;
    crd_posterior *p = make_posterior(make_cnn(), &conversion, "*");
    const crd_param *entries = p->network->params.entries;
    float *mu = p->mu + entries[param(p, "conv1.weight")].offset + 3;
    float *rho = p->rho + entries[param(p, "fc.weight")].offset + 2;
    float *var = p->mu + entries[param(p, "bn1.running_var")].offset + 1;
    float *prior = p->prior_mu + entries[param(p, "fc.bias")].offset;
    const struct {
        float *where, value;
        const char *message;
    } cases[] = {{mu, NAN, "conv1.mu_kernel: element 3 is nan"},
                 {rho, -INFINITY, "fc.rho_weight: element 2 is -inf"},
                 {rho, NAN, "fc.rho_weight: element 2 is nan"},
                 {var, -0.5F, "bn1.running_var: element 1 is -0.5; it must not be negative"},
                 {prior, INFINITY, "fc.mu_bias: element 0 is inf; the prior's mean"}};
    assert_ok(crd_posterior_check(p));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float kept = *cases[i].where;
        *cases[i].where = cases[i].value;
        assert_fails(crd_posterior_check(p), CRD_ERR_INPUT, cases[i].message);
        *cases[i].where = kept;
    }
    p->conversion.prior_sigma = -1;
    assert_fails(crd_posterior_check(p), CRD_ERR_INPUT, "prior_sigma: -1");
    crd_posterior_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rho_and_sigma_are_right_at_the_extremes),
        cmocka_unit_test(kl_equals_formula_and_closed_form),
        cmocka_unit_test(moped_puts_mu_at_the_weight_and_sigma_beside_it),
        cmocka_unit_test(without_moped_values_come_from_the_seed),
        cmocka_unit_test(globs_choose_layers),
        cmocka_unit_test(packed_projections_are_bayesian_by_name),
        cmocka_unit_test(wrong_weights_are_named),
        cmocka_unit_test(wrong_keys_are_named),
        cmocka_unit_test(names_are_those_of_bayesian_torch),
        cmocka_unit_test(a_bayesian_state_dict_is_taken_as_it_is),
        cmocka_unit_test(unusable_values_are_named),
    };
    return cmocka_run_group_tests_name("bayes", tests, NULL, NULL);
}
