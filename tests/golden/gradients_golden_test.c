/* Gradients against torch's autograd through bayesian-torch 0.5.0: make_gradients.py. */
#include "tiny.h"

#include "bayes/gradient.h"

enum { N_IMAGES = 2, STRIDE = 7, SEED = 17, DRAW = 3 };

static const double unit = 1.0 / (double)(INT64_C(1) << CRD_GRADIENT_BITS);
static const int64_t labels[N_IMAGES] = {1, 4};

/* Both compute in float32. */
static const double tolerance = 1e-4;

typedef struct goldens {
    golden tiny, gradients;
} goldens;

/* The first element is the norm, the others every 7th element. */
static void compare(const char *name, const int64_t *sums, int64_t n, const float *expected)
{
    double norm = 0;
    for (int64_t i = 0; i < n; i++)
        norm += (double)sums[i] * unit * (double)sums[i] * unit;
    /* A bias before batch norm in training has no gradient but rounding. */
    near(name, sqrt(norm), (double)expected[0], tolerance * (double)expected[0] + 1e-6);
    for (int64_t i = 0; i < n; i += STRIDE)
        near(name, (double)sums[i] * unit, (double)expected[1 + i / STRIDE],
             tolerance * (double)expected[0] + 1e-6);
}

/* eps of the draw by the network's offsets. */
static float *read_eps(const goldens *g, const crd_posterior *p)
{
    float *eps = calloc((size_t)p->network->params.n_floats, sizeof *eps);
    for (int64_t i = 0; i < p->network->params.n_params; i++) {
        char module[LINE_SIZE / 2], leaf[32], path[LINE_SIZE];
        const crd_param *param = &p->network->params.entries[i];
        if (!p->bayesian[i])
            continue;
        assert_ok(crd_posterior_param_name(module, sizeof module, leaf, sizeof leaf, p, i, 'm'));
        snprintf(path, sizeof path, "%s/eps_%s", module, leaf + strlen("mu_"));
        memcpy(eps + param->offset, tensor_of(&g->tiny, "eps/", path),
               (size_t)param->count * sizeof *eps);
    }
    return eps;
}

static void compare_case(const goldens *g, const char *estimator, const char *loss_name,
                         const char *mode)
{
    const crd_conversion conversion = moped(0.5);
    const crd_loss *data_term;
    crd_gradient *gradient;
    double loss;
    char prefix[LINE_SIZE], name[LINE_SIZE], full_name[2 * LINE_SIZE];
    int is_train = strcmp(mode, "train") == 0;
    crd_posterior *p = convert_tiny(&g->tiny, 0, &conversion);
    int64_t n_floats = p->network->params.n_floats;
    int64_t *sums = calloc((size_t)(2 * n_floats), sizeof *sums);
    float *eps = read_eps(g, p);
    const crd_gradient_options options = {.estimator = estimator,
                                          .seed = SEED,
                                          .micro_batch = N_IMAGES,
                                          .batch_norm_train = is_train,
                                          .eps = eps};
    assert_ok(crd_gradient_create(&gradient, p->network, p->bayesian, &options));
    assert_ok(crd_gradient_set_parameters(gradient, p->mu, p->rho));
    assert_ok(crd_loss_find(&data_term, loss_name));
    const crd_gradient_target target = {.sums = sums};
    assert_ok(crd_gradient_add(&loss, NULL, &target, gradient, data_term,
                               tensor_of(&g->tiny, "", "images"), labels,
                               tensor_of(&g->gradients, "", "targets"), N_IMAGES, 0, DRAW, 1));
    snprintf(prefix, sizeof prefix, "%s/%s/%s/", estimator, loss_name, mode);
    snprintf(name, sizeof name, "%s/%s/%s/loss", estimator, loss_name, mode);
    near(name, loss, value_of(&g->gradients, name), 1e-5 * loss);
    for (int64_t i = 0; i < p->network->params.n_params; i++) {
        const crd_param *param = &p->network->params.entries[i];
        int is_statistic = strstr(param->name, ".running_") != NULL;
        if (is_statistic && !is_train)
            continue;
        for (int k = 0; k < (p->bayesian[i] ? 2 : 1); k++) {
            const int64_t *values = sums + k * n_floats + param->offset;
            bayesian_torch_name(name, p, i, "mr"[k]);
            snprintf(full_name, sizeof full_name, "%s%s", prefix, name);
            const float *expected = tensor_of(&g->gradients, prefix, name);
            if (!is_statistic)
                compare(full_name, values, param->count, expected);
            for (int64_t c = 0; is_statistic && c < param->count; c++)
                near(full_name, (double)values[c] * unit, (double)expected[c], tolerance);
        }
    }
    free(eps);
    free(sums);
    crd_gradient_destroy(gradient);
    crd_posterior_destroy(p);
}

static void reparameterization(void **state)
{
    compare_case(*state, "reparameterization", "cross-entropy", "eval");
    compare_case(*state, "reparameterization", "cross-entropy", "train");
    compare_case(*state, "reparameterization", "mse", "eval");
    compare_case(*state, "reparameterization", "mse", "train");
}

static void flipout_with_the_same_signs(void **state)
{
    compare_case(*state, "flipout", "cross-entropy", "eval");
    compare_case(*state, "flipout-pixel", "cross-entropy", "eval");
}

int main(void)
{
    static goldens g;
    read_golden(&g.tiny, "bayes/tiny");
    read_golden(&g.gradients, "bayes/gradients");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(reparameterization, &g),
        cmocka_unit_test_prestate(flipout_with_the_same_signs, &g),
    };
    int n_failed = cmocka_run_group_tests_name("golden_gradients", tests, NULL, NULL);
    clear_golden(&g.tiny);
    clear_golden(&g.gradients);
    return n_failed;
}
