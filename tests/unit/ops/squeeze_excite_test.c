/* A squeeze-and-excitation block as torchvision.ops.SqueezeExcitation has it, of operators that
 * exist: pool, fc1, ReLU, fc2, Sigmoid, Mul. Values of torch; the same network drawn by every
 * estimator; gradients. Source: Hu et al., "Squeeze-and-excitation networks", CVPR 2018. */
#include <math.h>

#include "bayes/gradient.h"
#include "crd_test.h"
#include "test_ops.h"

static attr_list pointwise(int64_t in, int64_t out)
{
    return conv2d_list((conv2d_attrs){in, out, {1, 1}, {1, 1}, {0, 0}, {1, 1}, 1, 1});
}

/* x (2, 2, 2) times its own scales; flattened to 8 outputs. */
static crd_network *make_block(void)
{
    const crd_shape shape = crd_shape_make(3, 2, 2, 2);
    const attr_list size = adaptive_list(1, 1), fc1 = pointwise(2, 1), fc2 = pointwise(1, 2);
    int64_t at = 0;
    crd_network *n;
    assert_ok(crd_network_create(&n, "block", &shape));
    assert_ok(network_add(&at, n, "AdaptiveAvgPool2d", "avgpool", &size, &at, 1));
    assert_ok(network_add(&at, n, "Conv2d", "fc1", &fc1, &at, 1));
    assert_ok(network_add(&at, n, "ReLU", "activation", NULL, &at, 1));
    assert_ok(network_add(&at, n, "Conv2d", "fc2", &fc2, &at, 1));
    assert_ok(network_add(&at, n, "Sigmoid", "scale_activation", NULL, &at, 1));
    const int64_t both[2] = {at, 0};
    assert_ok(network_add(&at, n, "Mul", "mul", NULL, both, 2));
    assert_ok(network_add(&at, n, "Flatten", "flatten", NULL, &at, 1));
    return n;
}

typedef struct block {
    crd_network *network;
    float *mu, *sigma;
    uint8_t bayesian[4];
} block;

static void set(block *b, const char *name, const float *values)
{
    const crd_params *params = &b->network->params;
    const crd_param *param = &params->entries[crd_params_find(params, name)];
    memcpy(b->mu + param->offset, values, (size_t)param->count * sizeof *values);
}

static void init(block *b, float sigma)
{
    b->network = make_block();
    int64_t n = b->network->params.n_floats;
    assert_int_equal(b->network->params.n_params, 4);
    b->mu = calloc((size_t)n, sizeof *b->mu);
    b->sigma = calloc((size_t)n, sizeof *b->sigma);
    for (int p = 0; p < 4; p++)
        b->bayesian[p] = 1;
    for (int64_t i = 0; i < n; i++)
        b->sigma[i] = sigma;
    set(b, "fc1.weight", (const float[]){0.5F, -0.25F});
    set(b, "fc1.bias", (const float[]){0.1F});
    set(b, "fc2.weight", (const float[]){1.5F, -2});
    set(b, "fc2.bias", (const float[]){0.2F, -0.1F});
}

static void clear(block *b)
{
    free(b->mu);
    free(b->sigma);
    crd_network_destroy(b->network);
}

static const float x[8] = {1, 2, 3, -1, 0.5F, -0.5F, 1.5F, 2.5F};

static void draw(float *logits, const block *b, const char *estimator, int64_t first, int64_t n)
{
    const crd_model model = {
        .network = b->network, .bayesian = b->bayesian, .mu = b->mu, .sigma = b->sigma};
    const crd_sampler_options options = {
        .estimator = estimator, .seed = 6, .batch = 1, .draw_block = n};
    crd_sampler *sampler;
    assert_ok(crd_sampler_create(&sampler, &model, &options));
    assert_ok(crd_sampler_run(logits, sampler, x, 1, 0, first, n));
    crd_sampler_destroy(sampler);
}

static void values_are_torchs(void **state)
{
    (void)state;
    static const double expected[8] = {0.713511467542637,  1.427022935085274, 2.1405344026279107,
                                       -0.713511467542637, 0.129612550408923, -0.129612550408923,
                                       0.388837651226769,  0.6480627520446149};
    block b;
    init(&b, 0);
    for (const char *const *e = crd_estimator_names(); *e != NULL; e++) {
        float logits[8];
        draw(logits, &b, *e, 0, 1);
        for (int i = 0; i < 8; i++)
            assert_true(fabs((double)logits[i] - expected[i]) < 1e-6);
    }
    clear(&b);
}

/* Draws together are what they are alone, and differ. */
static void draws_do_not_meet(void **state)
{
    (void)state;
    enum { N = 5 };
    block b;
    init(&b, 0.3F);
    for (const char *const *e = crd_estimator_names(); *e != NULL; e++) {
        float together[N][8], alone[8];
        draw(together[0], &b, *e, 0, N);
        for (int d = 0; d < N; d++) {
            draw(alone, &b, *e, d, 1);
            assert_memory_equal(alone, together[d], sizeof alone);
            if (d > 0)
                assert_memory_not_equal(together[d], together[0], sizeof alone);
        }
    }
    clear(&b);
}

static double loss_at(const block *b, const float *mu, float *grads)
{
    enum { N_FLOATS = 4 * 16 };
    static float rho[N_FLOATS];
    static int64_t sums[2 * N_FLOATS];
    const float values[8] = {1, 0, -1, 2, 0.5F, 1, 0, -2};
    const crd_gradient_options options = {
        .estimator = "reparameterization", .micro_batch = 1, .mean = 1};
    const crd_gradient_target target = {.sums = sums};
    const crd_loss *mse;
    crd_gradient *gradient;
    double loss;
    assert_int_equal(b->network->params.n_floats, N_FLOATS);
    assert_ok(crd_loss_find(&mse, "mse"));
    assert_ok(crd_gradient_create(&gradient, b->network, b->bayesian, &options));
    assert_ok(crd_gradient_set_parameters(gradient, mu, rho));
    assert_ok(crd_gradient_add(&loss, NULL, &target, gradient, mse, x, NULL, values, 1, 0, 0, 1));
    for (int i = 0; grads != NULL && i < N_FLOATS; i++)
        grads[i] = (float)ldexp((double)sums[i], -CRD_GRADIENT_BITS);
    crd_gradient_destroy(gradient);
    return loss;
}

static void gradients_are_differences(void **state)
{
    (void)state;
    block b;
    float grads[4 * 16];
    init(&b, 0);
    loss_at(&b, b.mu, grads);
    for (int p = 0; p < 4; p++)
        for (int64_t i = 0; i < b.network->params.entries[p].count; i++) {
            float *at = b.mu + b.network->params.entries[p].offset + i, value = *at;
            const float step = 1.0F / 256;
            *at = value + step;
            double above = loss_at(&b, b.mu, NULL);
            *at = value - step;
            double slope = (above - loss_at(&b, b.mu, NULL)) / (2 * (double)step);
            *at = value;
            assert_true(fabs(slope - (double)grads[at - b.mu]) < 2e-4);
            assert_true(fabs(slope) > 1e-3);
        }
    clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_torchs),
        cmocka_unit_test(draws_do_not_meet),
        cmocka_unit_test(gradients_are_differences),
    };
    return cmocka_run_group_tests_name("squeeze_excite", tests, NULL, NULL);
}
