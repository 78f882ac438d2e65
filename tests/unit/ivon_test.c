/* Training by IVON where the posterior is known: Bayesian linear regression; and what its step
 * promises. Against ivon-opt itself: tests/golden/ivon_golden_test.c. */
#include "bayes_nets.h"

#include "credence/train.h"

enum { IN = 4, IMAGES = 64, EPOCHS = 8000 };

/* y = w x + noise; orthogonal columns are signs, the others hang together. */
typedef struct regression {
    float x[IMAGES][IN], y[IMAGES];
} regression;

static void make_regression(regression *r, int is_orthogonal)
{
    static const double w[IN] = {1, -0.5, 0.25, 0};
    uint32_t seed = 7;
    for (int64_t i = 0; i < IMAGES; i++) {
        double y = 0.7 * (double)any_value(&seed);
        for (int k = 0; k < IN; k++) {
            float own = any_value(&seed);
            r->x[i][k] = is_orthogonal ? (i >> k & 1 ? 1.0F : -1.0F)
                         : k == 0      ? own
                                       : 0.5F * r->x[i][k - 1] + own;
            y += w[k] * (double)r->x[i][k];
        }
        r->y[i] = (float)y;
    }
}

/* With the mean of (y - w x)^2 as data term: precision[IN][IN] = 2 X'X + n delta, and mean its
 * solution of 2 X'y. */
static void solve(double mean[IN], double precision[IN][IN], const regression *r, double delta)
{
    double a[IN][IN + 1] = {{0}};
    for (int k = 0; k < IN; k++) {
        for (int64_t i = 0; i < IMAGES; i++) {
            for (int l = 0; l < IN; l++)
                a[k][l] += 2 * (double)r->x[i][k] * (double)r->x[i][l];
            a[k][IN] += 2 * (double)r->x[i][k] * (double)r->y[i];
        }
        a[k][k] += IMAGES * delta;
        memcpy(precision[k], a[k], sizeof precision[k]);
    }
    for (int k = 0; k < IN; k++)
        for (int row = 0; row < IN; row++) {
            double factor = a[row][k] / a[k][k];
            for (int l = k; row != k && l <= IN; l++)
                a[row][l] -= factor * a[k][l];
        }
    for (int k = 0; k < IN; k++)
        mean[k] = a[k][IN] / a[k][k];
}

static crd_status load(float *images, int64_t *labels, float *values, int64_t epoch, int64_t first,
                       int64_t n, void *payload)
{
    const regression *r = payload;
    (void)epoch;
    for (int64_t i = 0; i < n; i++) {
        memcpy(images + i * IN, r->x[first + i], sizeof r->x[0]);
        values[i] = r->y[first + i];
        labels[i] = -1;
    }
    return CRD_OK;
}

static crd_posterior *make_linear(void)
{
    crd_network *network;
    crd_posterior *posterior;
    const crd_shape shape = crd_shape_make(3, IN, 1, 1);
    const attr_list linear = linear_list(IN, 1, 0);
    assert_ok(crd_network_create(&network, "linear", &shape));
    add_op(network, "Linear", "fc", &linear, add_op(network, "Flatten", "flatten", NULL, 0));
    assert_ok(crd_posterior_create(&posterior, network));
    posterior->conversion = crd_conversion_defaults();
    posterior->bayesian[0] = 1;
    return posterior;
}

/* The best normal distribution without correlations has the true mean, and the variances 1 /
 * precision[k][k]; the ELBO's temperature divides the precision. */
static void regression_is_found(int is_orthogonal, const char *estimator, double temperature)
{
    const double delta = 0.2;
    regression r;
    double mean[IN], precision[IN][IN];
    crd_comm *comm;
    crd_train_state state;
    crd_train_report report;
    crd_posterior *posterior = make_linear();
    const crd_train_hooks hooks = {.load = load, .payload = &r};
    crd_train_options options = {
        .gradient = {.estimator = estimator, .seed = 5, .micro_batch = IMAGES},
        .n_images = IMAGES,
        .batch_size = IMAGES,
        .n_draws = 4,
        .n_epochs = EPOCHS,
        .schedule = {.name = "cosine", .t_max = EPOCHS},
        .local_steps = 1,
    };
    make_regression(&r, is_orthogonal);
    solve(mean, precision, &r, delta);
    assert_ok(crd_loss_find(&options.loss, "mse"));
    assert_ok(crd_optimizer_defaults(&options.optimizer, "ivon"));
    options.optimizer.ess = IMAGES / temperature;
    options.optimizer.weight_decay = delta;
    options.optimizer.beta2 = 0.9995;
    assert_ok(crd_comm_create_self(&comm));
    assert_ok(crd_train_state_init(&state, posterior, 1, EPOCHS));
    assert_ok(crd_train(&report, comm, &state, &options, &hooks));
    assert_true(fabs(state.history[EPOCHS - 1].temperature - temperature) < 1e-9);
    for (int k = 0; k < IN; k++) {
        double sigma = crd_sigma_of_rho((double)posterior->rho[k]);
        double truth = sqrt(temperature / precision[k][k]);
        if (fabs((double)posterior->mu[k] - mean[k]) > 0.05 * truth)
            fail_msg("mean %d: %g, the truth is %g +- %g", k, (double)posterior->mu[k], mean[k],
                     truth);
        if (fabs(sigma * sigma / (truth * truth) - 1) > 0.05)
            fail_msg("variance %d: %g, the truth is %g", k, sigma * sigma, truth * truth);
    }
    crd_train_state_clear(&state);
    crd_posterior_destroy(posterior);
    crd_comm_destroy(comm);
}

static void mean_and_variance_become_the_true_ones(void **state)
{
    (void)state;
    regression_is_found(1, "reparameterization", 1);
    regression_is_found(0, "reparameterization", 1);
    regression_is_found(1, "reparameterization", 0.1);
    regression_is_found(1, "local-reparameterization", 1);
    regression_is_found(0, "flipout", 1);
}

static void hessian_plus_delta_stays_positive(void **state)
{
    (void)state;
    crd_optimizer_options o;
    assert_ok(crd_optimizer_defaults(&o, "ivon"));
    o.ess = 100;
    for (double beta2 = 0.1; beta2 < 1; beta2 += 0.1)
        for (double slope = -1e4; slope < 0; slope /= 3) {
            float mu = 0, sigma, momentum = 0, hess = 0.01F, dmu = 0, dsigma = (float)slope;
            const crd_ivon_block block = {&mu, &sigma, &momentum, &hess, &dmu, &dsigma};
            crd_ivon_sigma(&sigma, &hess, 1, &o);
            o.beta2 = beta2;
            assert_true(crd_ivon_step(&block, 1, 1, 0.1, &o));
            assert_true((double)hess + o.weight_decay > 0 && sigma > 0);
            if (slope > -1e-4)
                break;
        }
    float mu = 0, sigma = 1, momentum = 0, hess = 1, dmu = 0, dsigma = NAN;
    const crd_ivon_block block = {&mu, &sigma, &momentum, &hess, &dmu, &dsigma};
    assert_false(crd_ivon_step(&block, 1, 1, 0.1, &o));
}

static void a_parameter_without_posterior_keeps_its_hessian(void **state)
{
    (void)state;
    crd_optimizer_options o;
    assert_ok(crd_optimizer_defaults(&o, "ivon"));
    o.ess = 100;
    float values[2] = {2, 2}, grads[2] = {0.5F, -3}, momentum[2] = {0}, *states[2] = {momentum};
    assert_true(crd_optimizer_step(values, grads, states, 2, 1, 0.1, &o));
    for (int i = 0; i < 2; i++)
        assert_true(fabs((double)values[i] - (2 - 0.1 * ((double)grads[i] + 2e-4))) < 1e-6);
}

static void what_has_no_meaning_is_refused(void **state)
{
    (void)state;
    crd_comm *comm;
    crd_train_state training;
    crd_train_report report;
    crd_posterior *posterior = make_linear();
    const crd_train_hooks hooks = {.load = load};
    crd_train_options good = {
        .gradient = {.estimator = "reparameterization", .micro_batch = 1},
        .n_images = 1,
        .batch_size = 1,
        .n_draws = 1,
        .n_epochs = 1,
        .schedule = {.name = "constant"},
        .local_steps = 1,
    };
    assert_ok(crd_loss_find(&good.loss, "mse"));
    assert_ok(crd_optimizer_defaults(&good.optimizer, "ivon"));
    assert_fails(crd_optimizer_check(&good.optimizer), CRD_ERR_USAGE, "ess: 0");
    good.optimizer.ess = 1;
    assert_ok(crd_comm_create_self(&comm));
    assert_ok(crd_train_state_init(&training, posterior, 1, 1));
    for (int k = 0; k < 6; k++) {
        crd_train_options o = good;
        o.gradient.mean = k == 0;
        o.local_steps = k == 1 ? 2 : 1;
        o.clip_norm = k == 2;
        o.kl = k == 3 ? CRD_KL_MEAN : CRD_KL_SUM;
        if (k == 4)
            o.optimizer.weight_decay = 0;
        if (k == 5)
            o.optimizer.clip_radius = 0;
        assert_fails(crd_train(&report, comm, &training, &o, &hooks), CRD_ERR_USAGE,
                     k == 4   ? "weight_decay: 0 leaves ivon without a prior"
                     : k == 5 ? "clip_radius: 0"
                              : "ivon: makes draws");
    }
    crd_train_state_clear(&training);
    crd_posterior_destroy(posterior);
    crd_comm_destroy(comm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_and_variance_become_the_true_ones),
        cmocka_unit_test(hessian_plus_delta_stays_positive),
        cmocka_unit_test(a_parameter_without_posterior_keeps_its_hessian),
        cmocka_unit_test(what_has_no_meaning_is_refused),
    };
    return cmocka_run_group_tests_name("ivon", tests, NULL, NULL);
}
