/* Last-layer Laplace approximations against laplace-torch: the file of make_laplace.py. The
 * covariance is that of what the sampler draws: with unit vectors as noise, outputs are its square
 * root. */
#include "../unit/bayes_nets.h"

#include "bayes/laplace_layer.h"

enum { D = 6, K = 3, N = 50, INPUTS = D + 1, OUTPUTS = INPUTS * K, LINE_SIZE = 1 << 14 };

static double number(char **rest)
{
    const char *word = strtok_r(NULL, " \n", rest);
    assert_non_null(word);
    return strtod(word, NULL);
}

/* The next line, which must be of that name. */
static char *next_line(char line[LINE_SIZE], FILE *file, const char *name)
{
    char *rest;
    assert_non_null(fgets(line, LINE_SIZE, file));
    assert_string_equal(strtok_r(line, " \n", &rest), name);
    return rest;
}

static void near(const char *what, double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance * fmax(1, fabs(expected))))
        fail_msg("%s: %.12g differs from %.12g", what, value, expected);
}

/* Weights, features and labels of the script. */
static crd_posterior *make_layer(int bias)
{
    const crd_shape shape = crd_shape_make(3, D, 1, 1);
    const attr_list attrs = linear_list(D, K, bias);
    crd_network *network;
    crd_posterior *posterior;
    assert_ok(crd_network_create(&network, "tiny", &shape));
    add_op(network, "Linear", "fc", &attrs, add_op(network, "Flatten", "flatten", NULL, 0));
    assert_ok(crd_posterior_create(&posterior, network));
    float *weight = posterior->mu + network->params.entries[0].offset;
    fill_any(weight, K * D, 1);
    for (int i = 0; i < K * D; i++)
        weight[i] *= 2;
    if (bias)
        fill_any(posterior->mu + network->params.entries[1].offset, K, 2);
    return posterior;
}

/* In batches [at, at + step) of all images, `backwards` or not. */
static void add_all(crd_curvature *curvature, int64_t step, int backwards)
{
    float features[N * D];
    int64_t labels[N], n_batches = (N + step - 1) / step;
    fill_any(features, N * D, 3);
    for (int i = 0; i < N * D; i++)
        features[i] *= 2;
    for (int i = 0; i < N; i++)
        labels[i] = i * 7 % 5 % K;
    for (int64_t b = 0; b < n_batches; b++) {
        int64_t at = (backwards ? n_batches - 1 - b : b) * step;
        int64_t n = N - at < step ? N - at : step;
        assert_ok(crd_curvature_add(curvature, features + at * D, labels + at, n, at));
    }
}

/* Outputs of the 7 inputs with this noise, of the network's offsets. */
static void run(float out[OUTPUTS], const crd_posterior *posterior, const float *mu,
                const float *sigma, const float *eps)
{
    const crd_model model = {.network = posterior->network,
                             .bayesian = posterior->bayesian,
                             .mu = mu,
                             .sigma = sigma,
                             .eps = eps};
    const crd_sampler_options options = {
        .estimator = "reparameterization", .batch = INPUTS, .draw_block = 1};
    crd_sampler *sampler;
    float images[INPUTS * D] = {0};
    for (int i = 0; i < D; i++)
        images[i * D + i] = 1;
    assert_ok(crd_sampler_create(&sampler, &model, &options));
    assert_ok(crd_sampler_run(out, sampler, images, INPUTS, 0, 0, 1));
    crd_sampler_destroy(sampler);
}

/* Softmax of the means, each divided by sqrt(1 + pi / 8 variance): what the draws' means and
 * variances make of it. */
static void check_probit(const float mean[OUTPUTS], const double *covariance, char *rest)
{
    for (int input = 0; input < INPUTS; input++) {
        double probs[K], sum = 0;
        for (int k = 0; k < K; k++) {
            int i = input * K + k;
            double variance = covariance[i * OUTPUTS + i];
            probs[k] = exp((double)mean[i] / sqrt(1 + acos(-1) / 8 * variance));
            sum += probs[k];
        }
        for (int k = 0; k < K; k++)
            near("probit", probs[k] / sum, number(&rest), 3e-6);
    }
}

static void check_draws(const crd_posterior *posterior, FILE *file, char line[LINE_SIZE])
{
    const crd_params *params = &posterior->network->params;
    float *mu = NULL, *sigma = NULL, *eps = NULL, mean[OUTPUTS], moved[OUTPUTS];
    double covariance[OUTPUTS * OUTPUTS] = {0};
    assert_ok(crd_alloc_zeroed((void **)&mu, params->n_floats, sizeof *mu, "mu"));
    assert_ok(crd_alloc_zeroed((void **)&sigma, params->n_floats, sizeof *sigma, "sigma"));
    assert_ok(crd_alloc_zeroed((void **)&eps, params->n_floats, sizeof *eps, "eps"));
    assert_ok(crd_model_fill(mu, sigma, posterior));
    run(mean, posterior, mu, sigma, eps);
    char *rest = next_line(line, file, "mean");
    for (int i = 0; i < OUTPUTS; i++)
        near("mean", (double)mean[i], number(&rest), 3e-6);
    for (int64_t p = 0; p < params->n_params; p++)
        for (int64_t i = 0; posterior->bayesian[p] && i < params->entries[p].count; i++) {
            float *one = eps + params->entries[p].offset + i;
            *one = 1;
            run(moved, posterior, mu, sigma, eps);
            *one = 0;
            for (int a = 0; a < OUTPUTS; a++)
                for (int b = 0; b < OUTPUTS; b++)
                    covariance[a * OUTPUTS + b] +=
                        ((double)moved[a] - (double)mean[a]) * ((double)moved[b] - (double)mean[b]);
        }
    rest = next_line(line, file, "covariance");
    for (int i = 0; i < OUTPUTS * OUTPUTS; i++)
        near("covariance", covariance[i], number(&rest), 3e-6);
    check_probit(mean, covariance, next_line(line, file, "probit"));
    crd_free(mu);
    crd_free(sigma);
    crd_free(eps);
}

static void check_case(FILE *file, char line[LINE_SIZE], crd_hessian hessian, int bias)
{
    enum { BATCH = 32 };
    crd_posterior *posterior = make_layer(bias), *made;
    crd_head head;
    crd_curvature *curvature, *other;
    crd_ggn ggn;
    crd_spectrum spectrum;
    crd_laplace laplace = {.n_images = N, .hessian = hessian, .is_optimized = true};
    int64_t n;
    double precision;
    assert_ok(crd_head_find(&head, posterior->network, posterior->mu, "tiny"));
    assert_ok(crd_curvature_create(&curvature, hessian, &head, N, BATCH));
    assert_ok(crd_curvature_create(&other, hessian, &head, N, BATCH));
    /* Sums have no order. */
    add_all(curvature, BATCH, 0);
    add_all(other, BATCH, 1);
    int64_t *sums = crd_curvature_sums(curvature, &n);
    assert_memory_equal(sums, crd_curvature_sums(other, &n), (size_t)n * sizeof *sums);
    assert_ok(crd_curvature_read(&ggn, curvature));
    laplace.log_likelihood = ggn.log_likelihood;
    char *rest = next_line(line, file, "likelihood");
    near("likelihood", ggn.log_likelihood, number(&rest), 1e-9);
    assert_ok(crd_spectrum_make(&spectrum, &ggn, &head));
    for (int i = 0; i < 3; i++) {
        rest = next_line(line, file, "evidence");
        crd_laplace_evaluate(&laplace, &spectrum, number(&rest));
        near("evidence", laplace.log_marginal_likelihood, number(&rest), 1e-9);
    }
    assert_ok(crd_laplace_optimize(&precision, &spectrum));
    rest = next_line(line, file, "best");
    near("best precision", precision, number(&rest), 1e-6);
    crd_laplace_evaluate(&laplace, &spectrum, precision);
    near("best evidence", laplace.log_marginal_likelihood, number(&rest), 1e-9);
    assert_ok(crd_laplace_posterior(&made, posterior, &spectrum, &laplace));
    assert_ok(crd_posterior_check(made));
    check_draws(made, file, line);
    crd_posterior_destroy(made);
    crd_spectrum_clear(&spectrum);
    crd_ggn_clear(&ggn);
    crd_curvature_destroy(other);
    crd_curvature_destroy(curvature);
    crd_posterior_destroy(posterior);
}

static void posteriors_equal_laplace_torch(void **state)
{
    (void)state;
    char line[LINE_SIZE], *rest;
    FILE *file = fopen(CRD_TEST_DIR "/golden/laplace.txt", "r");
    int n_cases = 0;
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        assert_string_equal(strtok_r(line, " \n", &rest), "case");
        const char *name = strtok_r(NULL, " \n", &rest);
        int hessian = 0;
        while (strcmp(crd_hessian_names()[hessian], name) != 0)
            hessian++;
        check_case(file, line, (crd_hessian)hessian, (int)number(&rest));
        n_cases++;
    }
    assert_int_equal(n_cases, 6);
    fclose(file);
}

static void large_features_are_refused(void **state)
{
    (void)state;
    crd_posterior *posterior = make_layer(1);
    crd_head head;
    crd_curvature *curvature;
    float features[2 * D] = {[D + 2] = -1024};
    const int64_t labels[2] = {0, 1};
    assert_ok(crd_head_find(&head, posterior->network, posterior->mu, "tiny"));
    assert_ok(crd_curvature_create(&curvature, CRD_HESSIAN_KRON, &head, 2, 2));
    assert_int_equal(crd_curvature_add(curvature, features, labels, 2, 7), CRD_ERR_NUMERIC);
    assert_string_equal(crd_status_message(), "image 8: feature 2 of the last layer is -1024; "
                                              "allowed are values below 1024");
    crd_curvature_destroy(curvature);
    crd_posterior_destroy(posterior);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(posteriors_equal_laplace_torch),
                                       cmocka_unit_test(large_features_are_refused)};
    return cmocka_run_group_tests_name("laplace_golden", tests, NULL, NULL);
}
