/* Do the printed errors hold what they promise? A linear layer of two classes has normal logits, whose difference is normal too,
 * so the true predictive probability of an image is E sigmoid(N(m, s^2)): known to double precision by quadrature. Many
 * predictions of the same images with other seeds count how often the intervals hold it. */
#include "crd_test.h"

#include <math.h>
#include <stdlib.h>

#include "../unit/test_ops.h"
#include "credence/comm.h"
#include "credence/predict.h"

enum { REPEATS = 400, IMAGES = 12, FEATURES = 3, CLASSES = 2 };

static float images[IMAGES][FEATURES];

typedef struct network {
    crd_posterior *posterior;
    crd_model model;
    float *mu, *sigma;
    double truth[IMAGES]; /* probability of class 1 */
} network;

static crd_posterior *make_posterior(void)
{
    crd_network *net;
    crd_posterior *posterior;
    crd_shape input = crd_shape_make(3, FEATURES, 1, 1);
    attr_list linear = linear_list(FEATURES, CLASSES, 1);
    int64_t last = 0;
    assert_int_equal(crd_network_create(&net, "linear", &input), CRD_OK);
    assert_int_equal(network_add(&last, net, "Flatten", "flatten", NULL, &last, 1), CRD_OK);
    assert_int_equal(network_add(&last, net, "Linear", "fc", &linear, &last, 1), CRD_OK);
    assert_int_equal(crd_posterior_create(&posterior, net), CRD_OK);
    for (int64_t p = 0; p < net->params.n_params; p++) {
        const crd_param *param = &net->params.entries[p];
        posterior->bayesian[p] = 1;
        for (int64_t i = 0; i < param->count; i++) {
            posterior->mu[param->offset + i] = (float)sin(1.0 + (double)(7 * p + i));
            posterior->rho[param->offset + i] = -0.5f - 0.1f * (float)i;
        }
    }
    return posterior;
}

/* E sigmoid(m + s z), z standard normal: the trapezoidal rule converges faster than any power of the step. */
static double mean_sigmoid(double m, double s)
{
    const double step = 1.0 / 64, end = 12;
    double sum = 0;
    for (double z = -end; z <= end; z += step)
        sum += exp(-z * z / 2) / (1 + exp(-(m + s * z)));
    return sum * step / sqrt(2 * acos(-1.0));
}

static int make(void **state)
{
    network *n = calloc(1, sizeof *n);
    n->posterior = make_posterior();
    const crd_params *params = &n->posterior->network->params;
    n->mu = calloc((size_t)params->n_floats, sizeof *n->mu);
    n->sigma = calloc((size_t)params->n_floats, sizeof *n->sigma);
    assert_int_equal(crd_model_fill(n->mu, n->sigma, n->posterior), CRD_OK);
    n->model = (crd_model){.network = n->posterior->network,
                           .bayesian = n->posterior->bayesian,
                           .mu = n->mu,
                           .sigma = n->sigma};
    const float *mu = n->mu + params->entries[0].offset, *bias = n->mu + params->entries[1].offset;
    const float *sd = n->sigma + params->entries[0].offset,
                *bias_sd = n->sigma + params->entries[1].offset;
    for (int i = 0; i < IMAGES; i++) {
        double m = (double)bias[1] - (double)bias[0];
        double variance = pow((double)bias_sd[0], 2) + pow((double)bias_sd[1], 2);
        for (int k = 0; k < FEATURES; k++) {
            images[i][k] = (float)(1.5 * sin(2.0 + 5 * i + k));
            m += (double)images[i][k] * ((double)mu[FEATURES + k] - (double)mu[k]);
            variance += pow((double)images[i][k], 2) *
                        (pow((double)sd[k], 2) + pow((double)sd[FEATURES + k], 2));
        }
        n->truth[i] = mean_sigmoid(m, sqrt(variance));
    }
    *state = n;
    return 0;
}

static int release(void **state)
{
    network *n = *state;
    crd_posterior_destroy(n->posterior);
    free(n->sigma);
    free(n->mu);
    free(n);
    return 0;
}

static crd_status load(float *tensors, int8_t *skipped, int64_t first, int64_t n, void *payload)
{
    (void)payload;
    (void)skipped;
    memcpy(tensors, images[first], (size_t)n * sizeof images[0]);
    return CRD_OK;
}

/* Of one prediction: shares of the images whose intervals hold the truth. */
typedef struct shares {
    const network *n;
    double usual, anytime; /* 1.96 standard errors; probs_half_width */
    double draws;
    int n_images;
} shares;

static crd_status take(const crd_summary *summary, int64_t first, void *payload)
{
    const crd_class_rows rows = crd_class_rows_view(summary), *s = &rows;
    shares *found = payload;
    for (int64_t i = 0; i < s->n_images; i++) {
        int64_t at = i * s->n_classes + 1;
        double miss = fabs((double)s->probs_mean[at] - found->n->truth[first + i]);
        found->usual += miss <= 1.959964 * (double)s->probs_mcse[at] ? 1.0 / IMAGES : 0;
        found->anytime += miss <= (double)s->probs_half_width[at] ? 1.0 / IMAGES : 0;
        found->draws += (double)s->n_draws[i] / IMAGES;
        found->n_images++;
    }
    return CRD_OK;
}

/* Over the repeats, which are independent of each other as the images of one are not. */
typedef struct coverage {
    double usual, usual_error, anytime, draws;
} coverage;

static coverage measure(const network *n, crd_predict_options options)
{
    coverage c = {0};
    double squares = 0;
    crd_comm *comm;
    assert_int_equal(crd_comm_create_self(&comm), CRD_OK);
    crd_predict_source source = {.load = load};
    for (int r = 0; r < REPEATS; r++) {
        shares found = {.n = n};
        crd_predict_sink sink = {.summary = take, .payload = &found};
        crd_predict_report report;
        options.sampler.seed = 1000 + (uint64_t)r;
        assert_int_equal(crd_predict(&report, comm, &n->model, &options, &source, &sink), CRD_OK);
        assert_int_equal(found.n_images, IMAGES);
        c.usual += found.usual / REPEATS;
        c.anytime += found.anytime / REPEATS;
        c.draws += found.draws / REPEATS;
        squares += found.usual * found.usual / REPEATS;
    }
    c.usual_error = sqrt((squares - c.usual * c.usual) / (REPEATS - 1));
    crd_comm_destroy(comm);
    return c;
}

static const crd_predict_options base = {
    .sampler = {.estimator = "reparameterization", .batch = 8, .draw_block = 8},
    .n_draws = 1024,
    .confidence = 0.95,
    .n_top = 2,
    .n_images = IMAGES};

/* 0.005 for 1,024 draws of a skewed distribution not being a normal mean. */
static void assert_nominal(const char *what, coverage c)
{
    print_message("%s: 95 %% intervals hold in %.2f +- %.2f %%, bounds in %.2f %%, %.0f draws\n",
                  what, 100 * c.usual, 100 * c.usual_error, 100 * c.anytime, c.draws);
    assert_true(fabs(c.usual - 0.95) < 4 * c.usual_error + 0.005);
    assert_true(c.usual_error < 0.008); /* else the test could see nothing */
    assert_true(c.anytime >= 0.95);
}

static void usual_intervals_hold_for_fixed_draws(void **state)
{
    crd_predict_options options = base;
    for (const char *const *name = crd_estimator_names(); *name != NULL; name++) {
        options.sampler.estimator = *name;
        assert_nominal(*name, measure(*state, options));
    }
}

static void errors_of_antithetic_pairs_hold(void **state)
{
    crd_predict_options options = base;
    options.sampler.antithetic = 1;
    assert_nominal("antithetic", measure(*state, options));
}

/* Who stops when the standard error looks small stops too early now and then; the bounds hold all the same. */
static void bounds_hold_under_stopping(void **state)
{
    crd_predict_options options = base;
    options.n_draws = 4096;
    options.min_draws = 32;
    options.until_mcse = 0.01;
    coverage c = measure(*state, options);
    print_message("stopped at an error of 0.01: 95 %% intervals hold in %.2f +- %.2f %%, bounds "
                  "in %.2f %%, %.0f draws\n",
                  100 * c.usual, 100 * c.usual_error, 100 * c.anytime, c.draws);
    assert_true(c.draws > 32 && c.draws < 1024);
    assert_true(c.anytime >= 0.95);
    assert_true(c.usual > 0.85 && c.usual < 0.97);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usual_intervals_hold_for_fixed_draws),
        cmocka_unit_test(errors_of_antithetic_pairs_hold),
        cmocka_unit_test(bounds_hold_under_stopping),
    };
    return cmocka_run_group_tests_name("coverage", tests, make, release);
}
