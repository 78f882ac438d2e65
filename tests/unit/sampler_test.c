#include "bayes_nets.h"
#include "double_net.h"

#include "credence/rng.h"
#include "credence/sampler.h"
#include "kernels/kernels.h"

static void near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.9g differs from %.9g by more than %g", value, expected, tolerance);
}

static crd_sampler *make_sampler(const crd_model *model, const char *estimator, int64_t batch,
                                 int64_t draw_block)
{
    const crd_sampler_options options = {
        .estimator = estimator, .seed = 7, .batch = batch, .draw_block = draw_block};
    crd_sampler *sampler;
    assert_ok(crd_sampler_create(&sampler, model, &options));
    return sampler;
}

enum { PIXELS = 3 * 7 * 6, IMAGES = 4 };

static void all_near(const float *values, const float *expected, int64_t n, double tolerance)
{
    for (int64_t i = 0; i < n; i++)
        near((double)values[i], (double)expected[i], tolerance);
}

static void mean_mode_is_the_deterministic_network(void **state)
{
    (void)state;
    const crd_conversion conversion = moped(0.5);
    crd_posterior *posterior = make_posterior(make_cnn(), &conversion, "*");
    owned_model model = make_model(posterior);
    float images[IMAGES * PIXELS], logits[3][IMAGES * N_CLASSES], plain[IMAGES * N_CLASSES];
    fill_any(images, IMAGES * PIXELS, 3);
    run_plainly(plain, posterior->network, posterior->mu, images, IMAGES);
    crd_sampler_options options = {
        .estimator = "flipout", .mean = 1, .batch = IMAGES, .draw_block = 3};
    crd_sampler *sampler;
    assert_ok(crd_sampler_create(&sampler, &model.view, &options));
    assert_ok(crd_sampler_run(logits[0], sampler, images, IMAGES, 0, 0, 3));
    all_near(logits[0], plain, IMAGES * N_CLASSES, 1e-5); /* folding changes the rounding */
    assert_memory_equal(logits[1], logits[0], sizeof logits[0]);
    assert_memory_equal(logits[2], logits[0], sizeof logits[0]);
    /* Fewer images than planned, one at a time. */
    for (int64_t i = 0; i < IMAGES; i++) {
        assert_ok(crd_sampler_run(logits[1], sampler, images + i * PIXELS, 1, i, 0, 1));
        all_near(logits[1], plain + i * N_CLASSES, N_CLASSES, 1e-5);
    }
    crd_sampler_destroy(sampler);
    clear_model(&model);
    crd_posterior_destroy(posterior);
}

/* Wide enough for bf16, direct and by Winograd's algorithm. */
static crd_network *make_wide(void)
{
    const crd_shape shape = crd_shape_make(3, 3, 17, 15);
    crd_network *n;
    assert_ok(crd_network_create(&n, "wide", &shape));
    int64_t x = add_norm(n, "bn1", add_conv(n, "conv1", 0, 3, 32, 1, 1, 0), 32);
    x = add_conv(n, "conv2", add_op(n, "ReLU", "relu", NULL, x), 32, 48, 1, 1, 1);
    add_head(n, add_pool(n, x), 48, N_CLASSES);
    return n;
}

/* The same draws, their weights rounded: every estimator stays near fp32, draw by draw. */
static void bf16_rounds_the_same_draws(void **state)
{
    (void)state;
    enum { DRAWS = 3, N = DRAWS * IMAGES * N_CLASSES, WIDE_PIXELS = 3 * 17 * 15 };
    const crd_conversion conversion = moped(0.5);
    crd_posterior *posterior = make_posterior(make_wide(), &conversion, "*");
    owned_model model = make_model(posterior);
    float images[IMAGES * WIDE_PIXELS], logits[2][N], alone[N / DRAWS];
    fill_any(images, IMAGES * WIDE_PIXELS, 3);
    for (int e = 0; crd_estimator_names()[e] != NULL; e++) {
        double difference = 0, size = 0;
        for (int precision = CRD_FP32; precision <= CRD_BF16; precision++) {
            const crd_sampler_options options = {.estimator = crd_estimator_names()[e],
                                                 .precision = (crd_precision)precision,
                                                 .seed = 7,
                                                 .batch = IMAGES,
                                                 .draw_block = DRAWS};
            crd_sampler *sampler;
            assert_ok(crd_sampler_create(&sampler, &model.view, &options));
            if (precision == CRD_BF16) {
                assert_string_equal(crd_sampler_method(sampler, 1), "direct bf16");
                assert_string_equal(crd_sampler_method(sampler, 4), "winograd 4x4 bf16");
            }
            assert_ok(crd_sampler_run(logits[precision], sampler, images, IMAGES, 0, 5, DRAWS));
            assert_ok(crd_sampler_run(alone, sampler, images, IMAGES, 0, 7, 1));
            assert_memory_equal(alone, logits[precision] + 2 * N / DRAWS, sizeof alone);
            crd_sampler_destroy(sampler);
        }
        for (int i = 0; i < N; i++) {
            difference += pow((double)logits[CRD_BF16][i] - (double)logits[CRD_FP32][i], 2);
            size += pow((double)logits[CRD_FP32][i], 2);
        }
        near(sqrt(difference / size), 0.005, 0.0049);
    }
    clear_model(&model);
    crd_posterior_destroy(posterior);
}

/* A convolution whose columns need several pieces: five images take less scratch than four. */
static void a_smaller_batch_fits_the_plan(void **state)
{
    (void)state;
    enum { CHANNELS = 512, BATCH = 5, SIZE = CHANNELS * 49 };
    const crd_shape shape = crd_shape_make(3, CHANNELS, 7, 7);
    const crd_conversion conversion = moped(0.5);
    crd_network *network;
    assert_ok(crd_network_create(&network, "wide", &shape));
    add_op(network, "Flatten", "flatten", NULL,
           add_pool(network, add_conv(network, "conv", 0, CHANNELS, 2, 1, 1, 1)));
    crd_posterior *posterior = make_posterior(network, &conversion, "*");
    owned_model model = make_model(posterior);
    const crd_sampler_options options = {
        .estimator = "flipout", .mean = 1, .batch = BATCH, .draw_block = 1};
    crd_sampler *sampler;
    assert_ok(crd_sampler_create(&sampler, &model.view, &options));
    float *images = calloc(BATCH * SIZE, sizeof *images), logits[BATCH * 2], plain[BATCH * 2];
    fill_any(images, BATCH * SIZE, 3);
    run_plainly(plain, network, posterior->mu, images, BATCH);
    for (int64_t n = 1; n <= BATCH; n++) {
        assert_ok(crd_sampler_run(logits, sampler, images, n, 0, 0, 1));
        all_near(logits, plain, n * 2, 1e-4);
    }
    free(images);
    crd_sampler_destroy(sampler);
    clear_model(&model);
    crd_posterior_destroy(posterior);
}

static int64_t add_linear(crd_network *network, const char *name, int64_t input, int64_t in,
                          int64_t out)
{
    const attr_list attrs = ATTRS(ONE("in_features", (double)in), ONE("out_features", (double)out));
    return add_op(network, "Linear", name, &attrs, input);
}

/* Draws whose inputs differ share a product, whose columns are more or fewer than the images that
 * were planned for: a draw's bits are those that it has alone. */
static void draws_of_linear_layers_share_a_product(void **state)
{
    (void)state;
    enum { IN = 300, MIDDLE = 37, OUT = 5, BATCH = 3, DRAWS = 40 };
    const crd_shape shape = crd_shape_make(3, IN / 3, 3, 1);
    const crd_conversion conversion = moped(0.5);
    crd_network *network;
    assert_ok(crd_network_create(&network, "linear", &shape));
    int64_t x = add_op(network, "Flatten", "flat", NULL, 0);
    x = add_linear(network, "first", x, IN, IN);
    x = add_op(network, "ReLU", "relu", NULL, add_linear(network, "second", x, IN, MIDDLE));
    add_linear(network, "third", x, MIDDLE, OUT);
    crd_posterior *posterior = make_posterior(network, &conversion, "*");
    owned_model model = make_model(posterior);
    float images[BATCH * IN], logits[DRAWS][BATCH * OUT], alone[BATCH * OUT];
    fill_any(images, BATCH * IN, 3);
    for (int e = 0; crd_estimator_names()[e] != NULL; e++) {
        crd_sampler *sampler = make_sampler(&model.view, crd_estimator_names()[e], BATCH, DRAWS);
        for (int64_t n = 1; n <= BATCH; n++) {
            assert_ok(crd_sampler_run(logits[0], sampler, images, n, 7, 11, DRAWS));
            for (int64_t d = 0; d < DRAWS; d++) {
                assert_ok(crd_sampler_run(alone, sampler, images, n, 7, 11 + d, 1));
                assert_memory_equal(alone, logits[0] + d * n * OUT,
                                    (size_t)(n * OUT) * sizeof *alone);
            }
        }
        crd_sampler_destroy(sampler);
    }
    clear_model(&model);
    crd_posterior_destroy(posterior);
}

static void imported_eps_gives_the_unfolded_network_of_that_draw(void **state)
{
    (void)state;
    const crd_conversion conversion = moped(0.5);
    crd_posterior *posterior = make_posterior(make_cnn(), &conversion, "*");
    int64_t n = posterior->network->params.n_floats;
    owned_model model = make_model(posterior);
    float *eps = calloc((size_t)n, sizeof *eps), *drawn = calloc((size_t)n, sizeof *drawn);
    fill_any(eps, n, 5);
    for (int64_t t = 0; t < posterior->network->params.n_params; t++) {
        const crd_param *p = &posterior->network->params.entries[t];
        for (int64_t i = p->offset; i < p->offset + p->count; i++) {
            double sigma = posterior->bayesian[t] ? crd_sigma_of_rho((double)posterior->rho[i]) : 0;
            drawn[i] = (float)((double)posterior->mu[i] + sigma * (double)eps[i]);
        }
    }
    float images[IMAGES * PIXELS], logits[IMAGES * N_CLASSES], plain[IMAGES * N_CLASSES];
    fill_any(images, IMAGES * PIXELS, 3);
    run_plainly(plain, posterior->network, drawn, images, IMAGES);
    model.view.eps = eps;
    crd_sampler *sampler = make_sampler(&model.view, "reparameterization", IMAGES, 2);
    assert_ok(crd_sampler_run(logits, sampler, images, IMAGES, 0, 4, 1));
    all_near(logits, plain, IMAGES * N_CLASSES, 1e-5);
    crd_sampler_destroy(sampler);

    const crd_sampler_options local = {
        .estimator = "local-reparameterization", .batch = 1, .draw_block = 1};
    assert_fails(crd_sampler_create(&sampler, &model.view, &local), CRD_ERR_USAGE,
                 "local-reparameterization does not draw one eps a weight");
    free(eps);
    free(drawn);
    clear_model(&model);
    crd_posterior_destroy(posterior);
}

static void a_draw_is_the_same_in_every_block_and_nothing_is_allocated(void **state)
{
    (void)state;
    enum { DRAWS = 8, SIZE = IMAGES * N_CLASSES };
    const crd_conversion conversion = moped(0.5);
    for (int whole = 0; whole < 2; whole++) {
        crd_posterior *posterior =
            make_posterior(make_cnn(), &conversion, whole ? "*" : "*conv[23]");
        owned_model model = make_model(posterior);
        float images[IMAGES * PIXELS], block[DRAWS][SIZE], parts[DRAWS][SIZE];
        fill_any(images, IMAGES * PIXELS, 3);
        for (const char *const *name = crd_estimator_names(); *name != NULL; name++) {
            crd_sampler *sampler = make_sampler(&model.view, *name, IMAGES, DRAWS);
            crd_sampler *small = make_sampler(&model.view, *name, IMAGES + 1, 3);
            int64_t allocations = crd_alloc_count();
            assert_ok(crd_sampler_run(block[0], sampler, images, IMAGES, 20, 100, DRAWS));
            assert_ok(crd_sampler_run(parts[0], sampler, images, IMAGES, 20, 100, 1));
            assert_ok(crd_sampler_run(parts[1], small, images, IMAGES, 20, 101, 3));
            assert_ok(crd_sampler_run(parts[4], small, images, IMAGES, 20, 104, 2));
            assert_ok(crd_sampler_run(parts[6], sampler, images, IMAGES, 20, 106, 2));
            assert_int_equal(crd_alloc_count(), allocations);
            assert_memory_equal(block, parts, sizeof block);
            for (int d = 1; d < DRAWS; d++)
                assert_memory_not_equal(block[d], block[0], sizeof block[0]);
            /* An image keeps its signs and noise wherever it stands in the batch. */
            float *alone = (float *)parts; /* [DRAWS][N_CLASSES] */
            assert_ok(crd_sampler_run(alone, sampler, images + PIXELS, 1, 21, 100, DRAWS));
            for (int d = 0; d < DRAWS; d++)
                all_near(alone + d * N_CLASSES, block[d] + N_CLASSES, N_CLASSES, 1e-5);
            crd_sampler_times times = crd_sampler_get_times(sampler);
            assert_true(times.draw_s > 0 && times.weighted_s > 0 && times.rest_s > 0);
            crd_sampler_destroy(sampler);
            crd_sampler_destroy(small);
        }
        clear_model(&model);
        crd_posterior_destroy(posterior);
    }
}

/* Draw 2k is what it is without pairs. In a linear layer draws 2k and 2k + 1 lie on both sides of the
 * mean network; a deeper network only repeats the first half of this. */
static void antithetic_draws_mirror_each_other(void **state)
{
    (void)state;
    enum { DRAWS = 6, IN = 3, OUT = 2, BATCH = 2 };
    const crd_shape shape = crd_shape_make(3, IN, 1, 1);
    const crd_conversion conversion = moped(0.5);
    const float linear_images[BATCH * IN] = {1, -0.5F, 2, 0.5F, 1, 1.5F};
    float cnn_images[BATCH * PIXELS];
    fill_any(cnn_images, BATCH * PIXELS, 3);
    for (int is_deep = 0; is_deep < 2; is_deep++) {
        crd_network *network = is_deep ? make_cnn() : NULL;
        if (!is_deep) {
            assert_ok(crd_network_create(&network, "linear", &shape));
            add_head(network, 0, IN, OUT);
        }
        const float *images = is_deep ? cnn_images : linear_images;
        int64_t n = BATCH * crd_network_n_outputs(network);
        crd_posterior *posterior = make_posterior(network, &conversion, "*");
        owned_model model = make_model(posterior);
        for (const char *const *name = crd_estimator_names(); *name != NULL; name++) {
            float plain[DRAWS * BATCH * N_CLASSES], paired[DRAWS * BATCH * N_CLASSES];
            float mean[BATCH * N_CLASSES];
            crd_sampler_options options = {
                .estimator = *name, .seed = 7, .batch = BATCH, .draw_block = DRAWS};
            crd_sampler *sampler = make_sampler(&model.view, *name, BATCH, DRAWS);
            assert_ok(crd_sampler_run(plain, sampler, images, BATCH, 5, 10, DRAWS));
            crd_sampler_destroy(sampler);
            options.antithetic = 1;
            assert_ok(crd_sampler_create(&sampler, &model.view, &options));
            assert_ok(crd_sampler_run(paired, sampler, images, BATCH, 5, 10, DRAWS));
            crd_sampler_destroy(sampler);
            options.mean = 1;
            assert_ok(crd_sampler_create(&sampler, &model.view, &options));
            assert_ok(crd_sampler_run(mean, sampler, images, BATCH, 5, 0, 1));
            crd_sampler_destroy(sampler);
            for (int64_t d = 0; d < DRAWS; d += 2) {
                const float *first = paired + d * n, *second = first + n;
                assert_memory_equal(first, plain + d * n, (size_t)n * sizeof *first);
                assert_memory_not_equal(second, plain + (d + 1) * n, (size_t)n * sizeof *first);
                for (int64_t i = 0; i < n && !is_deep; i++)
                    near(((double)first[i] + (double)second[i]) / 2, (double)mean[i], 1e-5);
            }
        }
        clear_model(&model);
        crd_posterior_destroy(posterior);
    }
}

/* Mean, variance and fourth central moment of draws[n]. */
typedef struct moments {
    double mean, variance, fourth;
} moments;

static moments moments_of(const double *draws, int64_t n)
{
    moments m = {0};
    for (int64_t i = 0; i < n; i++)
        m.mean += draws[i] / (double)n;
    for (int64_t i = 0; i < n; i++) {
        double square = (draws[i] - m.mean) * (draws[i] - m.mean);
        m.variance += square / (double)(n - 1);
        m.fourth += square * square / (double)n;
    }
    return m;
}

/* The expected mean and variance within 4 standard errors. */
static void moments_near(const double *draws, int64_t n, double mean, double variance)
{
    moments m = moments_of(draws, n);
    near(m.mean, mean, 4 * sqrt(variance / (double)n) + 1e-6);
    near(m.variance, variance, 4 * sqrt((m.fourth - m.variance * m.variance) / (double)n));
}

/* A linear layer's output has mean mu x + mu_b and variance sigma^2 x^2 + sigma_b^2. Two images of
 * a draw have covariance sigma^2 x x' + sigma_b^2 where they share the network, else none. */
static void a_linear_layer_has_its_closed_form(void **state)
{
    (void)state;
    enum { DRAWS = 20000, BLOCK = 100, IN = 3, OUT = 2 };
    const crd_shape shape = crd_shape_make(3, IN, 1, 1);
    const crd_conversion conversion = moped(0.5);
    crd_network *network;
    assert_ok(crd_network_create(&network, "linear", &shape));
    add_head(network, 0, IN, OUT);
    crd_posterior *posterior = make_posterior(network, &conversion, "*");
    owned_model model = make_model(posterior);
    const float images[2][IN] = {{1, -0.5F, 2}, {0.5F, 1, 1.5F}};
    const float *w = model.mu, *b = model.mu + network->params.entries[1].offset;
    const float *s = model.sigma, *sb = model.sigma + network->params.entries[1].offset;
    double *logits = calloc((size_t)DRAWS * 5, sizeof *logits); /* [image][class][draw], product */
    for (const char *const *name = crd_estimator_names(); *name != NULL; name++) {
        crd_sampler *sampler = make_sampler(&model.view, *name, 2, BLOCK);
        for (int64_t d = 0; d < DRAWS; d += BLOCK) {
            float block[BLOCK * 2 * OUT];
            assert_ok(crd_sampler_run(block, sampler, images[0], 2, 0, d, BLOCK));
            for (int64_t i = 0; i < BLOCK * 2 * OUT; i++)
                logits[i % (2 * OUT) * DRAWS + d + i / (2 * OUT)] = (double)block[i];
        }
        for (int k = 0; k < OUT; k++) {
            double mean[2] = {(double)b[k], (double)b[k]};
            double variance[2] = {pow((double)sb[k], 2), pow((double)sb[k], 2)};
            double covariance = pow((double)sb[k], 2);
            for (int i = 0; i < IN; i++) {
                double sigma2 = pow((double)s[k * IN + i], 2);
                covariance += sigma2 * (double)images[0][i] * (double)images[1][i];
                for (int n = 0; n < 2; n++) {
                    mean[n] += (double)w[k * IN + i] * (double)images[n][i];
                    variance[n] += sigma2 * pow((double)images[n][i], 2);
                }
            }
            if (!shares_weights(*name))
                covariance = 0;
            double *product = logits + (size_t)4 * DRAWS;
            for (int64_t d = 0; d < DRAWS; d++)
                product[d] =
                    (logits[k * DRAWS + d] - mean[0]) * (logits[(OUT + k) * DRAWS + d] - mean[1]);
            moments_near(logits + (size_t)k * DRAWS, DRAWS, mean[0], variance[0]);
            moments_near(logits + (size_t)(OUT + k) * DRAWS, DRAWS, mean[1], variance[1]);
            moments m = moments_of(product, DRAWS);
            near(m.mean, covariance, 4 * sqrt(m.variance / DRAWS));
        }
        crd_sampler_destroy(sampler);
    }
    free(logits);
    clear_model(&model);
    crd_posterior_destroy(posterior);
}

/* x of channel c at (row, column), 0 outside. */
static double pixel(const float *image, int64_t side, int64_t c, int64_t row, int64_t column)
{
    if (row < 0 || row >= side || column < 0 || column >= side)
        return 0;
    return (double)image[(c * side + row) * side + column];
}

/* A 3x3 convolution with pooling over all pixels is linear in the kernel: the variance is sigma^2
 * times the squared mean of the pixels a weight meets. Where pixels are drawn independently it is
 * the mean over pixels of their variances, divided by their number. */
static void pooling_keeps_or_loses_the_variance_of_a_shared_kernel(void **state)
{
    (void)state;
    enum { DRAWS = 4000, BLOCK = 50, SIDE = 16, IN = 2, N_PIXELS = SIDE * SIDE };
    const crd_shape shape = crd_shape_make(3, IN, SIDE, SIDE);
    const crd_conversion conversion = moped(0.5);
    crd_network *network;
    assert_ok(crd_network_create(&network, "pooled", &shape));
    add_op(network, "Flatten", "flatten", NULL,
           add_pool(network, add_conv(network, "conv", 0, IN, 1, 1, 1, 1)));
    crd_posterior *posterior = make_posterior(network, &conversion, "*");
    owned_model model = make_model(posterior);
    float image[IN * N_PIXELS];
    fill_any(image, IN * N_PIXELS, 11);
    for (int i = 0; i < IN * N_PIXELS; i++)
        image[i] += 0.5F;

    double mean = (double)model.mu[network->params.entries[1].offset];
    double sigma2_bias = pow((double)model.sigma[network->params.entries[1].offset], 2);
    double shared = sigma2_bias, independent = sigma2_bias / N_PIXELS;
    for (int64_t k = 0; k < IN * 9; k++) {
        double sum = 0, squares = 0;
        for (int64_t p = 0; p < N_PIXELS; p++) {
            double x = pixel(image, SIDE, k / 9, p / SIDE + k % 9 / 3 - 1, p % SIDE + k % 3 - 1);
            sum += x / N_PIXELS;
            squares += x * x / N_PIXELS;
        }
        double sigma2 = pow((double)model.sigma[k], 2);
        mean += (double)model.mu[k] * sum;
        shared += sigma2 * sum * sum;
        independent += sigma2 * squares / N_PIXELS;
    }
    assert_true(shared > 25 * independent); /* the deviation more than 5 times too small */

    double draws[DRAWS];
    for (const char *const *name = crd_estimator_names(); *name != NULL; name++) {
        crd_sampler *sampler = make_sampler(&model.view, *name, 1, BLOCK);
        for (int64_t d = 0; d < DRAWS; d += BLOCK) {
            float logits[BLOCK];
            assert_ok(crd_sampler_run(logits, sampler, image, 1, 0, d, BLOCK));
            for (int64_t i = 0; i < BLOCK; i++)
                draws[d + i] = (double)logits[i];
        }
        int is_shared = shares_weights(*name) || strcmp(*name, "flipout") == 0 ||
                        strcmp(*name, "local-reparameterization-linear") == 0;
        moments_near(draws, DRAWS, mean, is_shared ? shared : independent);
        crd_sampler_destroy(sampler);
    }
    clear_model(&model);
    crd_posterior_destroy(posterior);
}

/* The formula of flipout with the documented streams, against one layer. */
static void flipout_is_its_formula(void **state)
{
    (void)state;
    enum { SIDE = 5, IN = 3, OUT = 4, N_PIXELS = SIDE * SIDE, N = 2 };
    const crd_shape shape = crd_shape_make(3, IN, SIDE, SIDE);
    const crd_conversion conversion = moped(0.5);
    crd_network *network;
    assert_ok(crd_network_create(&network, "one", &shape));
    add_op(network, "Flatten", "flatten", NULL, add_conv(network, "conv", 0, IN, OUT, 1, 1, 1));
    crd_posterior *posterior = make_posterior(network, &conversion, "*");
    owned_model model = make_model(posterior);
    const int64_t bias = network->params.entries[1].offset;
    float images[N][IN * N_PIXELS], logits[N][OUT * N_PIXELS], eps[2][OUT * IN * 9];
    fill_any(images[0], N * IN * N_PIXELS, 2);
    for (uint32_t tensor = 0; tensor < 2; tensor++) {
        const crd_stream stream = {
            .seed = 7, .draw = 9, .tensor = tensor, .purpose = CRD_PURPOSE_WEIGHT};
        crd_normal_fill(eps[tensor], OUT * IN * 9, 0, &stream);
    }
    for (int per_pixel = 0; per_pixel < 2; per_pixel++) {
        int64_t step = per_pixel ? N_PIXELS : 1;
        crd_sampler *sampler =
            make_sampler(&model.view, per_pixel ? "flipout-pixel" : "flipout", N, 1);
        assert_ok(crd_sampler_run(logits[0], sampler, images[0], N, 30, 9, 1));
        for (uint32_t n = 0; n < N; n++) {
            float s_in[IN * N_PIXELS], s_out[OUT * N_PIXELS];
            crd_stream stream = {.seed = 7, .draw = 9, .image = 30 + n};
            stream.purpose = CRD_PURPOSE_SIGN_IN;
            crd_kernels_get()->sign_fill(s_in, IN * step, &stream);
            stream.purpose = CRD_PURPOSE_SIGN_OUT;
            crd_kernels_get()->sign_fill(s_out, OUT * step, &stream);
            for (int64_t o = 0; o < OUT * N_PIXELS; o++) {
                int64_t k = o / N_PIXELS, row = o % N_PIXELS / SIDE, column = o % SIDE;
                double mean = (double)model.mu[bias + k];
                double noise = (double)model.sigma[bias + k] * (double)eps[1][k];
                for (int64_t i = 0; i < IN * 9; i++) {
                    int64_t r = row + i % 9 / 3 - 1, c = column + i % 3 - 1;
                    double x = pixel(images[n], SIDE, i / 9, r, c);
                    if (x == 0)
                        continue;
                    double sign =
                        (double)(per_pixel ? s_in[i / 9 * N_PIXELS + r * SIDE + c] : s_in[i / 9]);
                    mean += (double)model.mu[k * IN * 9 + i] * x;
                    noise += (double)model.sigma[k * IN * 9 + i] * (double)eps[0][k * IN * 9 + i] *
                             x * sign;
                }
                near((double)logits[n][o], mean + noise * (double)(per_pixel ? s_out[o] : s_out[k]),
                     1e-5);
            }
        }
        crd_sampler_destroy(sampler);
    }
    clear_model(&model);
    crd_posterior_destroy(posterior);
}

/* Stands in for an op's kind and counts its calls. */
static const crd_op *counted;
static int64_t n_calls;

static void count_call(const crd_graph_op *op, const crd_op_args *args)
{
    n_calls++;
    counted->forward(op, args);
}

static int64_t calls_of(crd_posterior *posterior, const char *name, int64_t n_draws)
{
    crd_graph_op *op = NULL;
    for (int64_t i = 0; i < posterior->network->n_ops; i++)
        if (strcmp(posterior->network->ops[i].name, name) == 0)
            op = &posterior->network->ops[i];
    assert_non_null(op);
    crd_op counting = *op->kind;
    counting.forward = count_call;
    counted = op->kind;
    n_calls = 0;
    owned_model model = make_model(posterior);
    crd_sampler *sampler = make_sampler(&model.view, "reparameterization", IMAGES, n_draws);
    float images[IMAGES * PIXELS], *logits = calloc((size_t)(n_draws * IMAGES * N_CLASSES), 4);
    fill_any(images, IMAGES * PIXELS, 3);
    op->kind = &counting;
    assert_ok(crd_sampler_run(logits, sampler, images, IMAGES, 0, 0, n_draws));
    op->kind = counted;
    free(logits);
    crd_sampler_destroy(sampler);
    clear_model(&model);
    return n_calls;
}

static void layers_before_the_first_random_one_run_once(void **state)
{
    (void)state;
    const crd_conversion conversion = moped(0.5);
    crd_posterior *last = make_posterior(make_cnn(), &conversion, "fc");
    assert_int_equal(calls_of(last, "conv1", 6), 1);
    assert_int_equal(calls_of(last, "avgpool", 6), 1);
    assert_int_equal(calls_of(last, "fc", 6), 6);
    crd_posterior_destroy(last);
    crd_posterior *middle = make_posterior(make_cnn(), &conversion, "layer*");
    assert_int_equal(calls_of(middle, "conv1", 6), 1);
    assert_int_equal(calls_of(middle, "layer.conv2", 6), 6);
    assert_int_equal(calls_of(middle, "conv3", 6), 6); /* fixed weights, random input */
    crd_posterior_destroy(middle);
    crd_posterior *none = make_posterior(make_cnn(), &conversion, "fc");
    memset(none->bayesian, 0, (size_t)none->network->params.n_params);
    assert_int_equal(calls_of(none, "fc", 6), 1);
    crd_posterior_destroy(none);
}

/* Of x86-64 and AArch64; elsewhere they may stay. And only within a pass. */
static void subnormals_count_as_zero(void **state)
{
    (void)state;
#if defined __x86_64__ || defined __aarch64__
    const crd_conversion conversion = moped(0.5);
    crd_posterior *posterior = make_posterior(make_cnn(), &conversion, "fc");
    owned_model model = make_model(posterior);
    const crd_params *params = &posterior->network->params;
    const crd_param *weight = &params->entries[crd_params_find(params, "fc.weight")];
    const crd_param *bias = &params->entries[crd_params_find(params, "fc.bias")];
    float images[PIXELS], logits[N_CLASSES];
    fill_any(images, PIXELS, 3);
    volatile float tiny = 0x1p-130F;
    for (int64_t i = 0; i < weight->count; i++)
        model.mu[weight->offset + i] = model.sigma[weight->offset + i] = 0;
    for (int64_t i = 0; i < bias->count; i++) {
        model.mu[bias->offset + i] = tiny;
        model.sigma[bias->offset + i] = 0;
    }
    crd_sampler *sampler = make_sampler(&model.view, "reparameterization", 1, 1);
    assert_ok(crd_sampler_run(logits, sampler, images, 1, 0, 0, 1));
    for (int k = 0; k < N_CLASSES; k++)
        assert_true(logits[k] == 0);
    assert_true(tiny / 2 > 0);
    crd_sampler_destroy(sampler);
    clear_model(&model);
    crd_posterior_destroy(posterior);
#endif
}

static void faults_are_named(void **state)
{
    (void)state;
    const crd_conversion conversion = moped(0.5);
    crd_posterior *posterior = make_posterior(make_cnn(), &conversion, "*");
    owned_model model = make_model(posterior);
    crd_sampler_options options = {.estimator = "laplace", .batch = 2, .draw_block = 2};
    crd_sampler *sampler;
    assert_fails(crd_sampler_create(&sampler, &model.view, &options), CRD_ERR_USAGE,
                 "estimator: 'laplace' is not one of reparameterization, flipout, flipout-pixel, "
                 "local-reparameterization");
    assert_null(sampler);
    options.estimator = "flipout";
    options.batch = 0;
    assert_fails(crd_sampler_create(&sampler, &model.view, &options), CRD_ERR_USAGE, "batch: 0");
    options.batch = 2;
    options.draw_block = -1;
    assert_fails(crd_sampler_create(&sampler, &model.view, &options), CRD_ERR_USAGE,
                 "draw_block: -1");

    float images[2 * PIXELS], logits[2 * 2 * N_CLASSES];
    fill_any(images, 2 * PIXELS, 3);
    sampler = make_sampler(&model.view, "reparameterization", 2, 2);
    assert_fails(crd_sampler_run(logits, sampler, images, 3, 0, 0, 1), CRD_ERR_USAGE, "images: 3");
    assert_fails(crd_sampler_run(logits, sampler, images, 1, 0, 0, 0), CRD_ERR_USAGE, "draws: 0");
    assert_fails(crd_sampler_run(logits, sampler, images, 1, 0, -1, 1), CRD_ERR_USAGE, "-1");
    assert_fails(crd_sampler_run(logits, sampler, images, 1, INT64_C(1) << 32, 0, 1), CRD_ERR_USAGE,
                 "4294967296");
    images[PIXELS + 5] = INFINITY;
    assert_fails(crd_sampler_run(logits, sampler, images, 2, 40, 17, 2), CRD_ERR_NUMERIC,
                 "draw 17, image 41: logit");
    /* A bias so wide that it overflows in about one draw of four: found in the second draw. */
    images[PIXELS + 5] = 0;
    int64_t bias = crd_params_find(&posterior->network->params, "fc.bias"), draw = 0;
    model.sigma[posterior->network->params.entries[bias].offset] = 3e38F;
    while (crd_sampler_run(logits, sampler, images, 2, 40, draw, 1) != CRD_OK ||
           crd_sampler_run(logits, sampler, images, 2, 40, draw + 1, 1) == CRD_OK)
        draw++;
    char message[64];
    snprintf(message, sizeof message, "draw %lld, image 40: logit 0", (long long)draw + 1);
    assert_fails(crd_sampler_run(logits, sampler, images, 2, 40, draw, 2), CRD_ERR_NUMERIC,
                 message);
    crd_sampler_destroy(sampler);

    int64_t index = crd_params_find(&posterior->network->params, "bn1.running_var");
    posterior->mu[posterior->network->params.entries[index].offset + 1] = -1;
    assert_fails(crd_model_fill(model.mu, model.sigma, posterior), CRD_ERR_INPUT,
                 "bn1: running_var -1");
    clear_model(&model);
    crd_posterior_destroy(posterior);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_mode_is_the_deterministic_network),
        cmocka_unit_test(bf16_rounds_the_same_draws),
        cmocka_unit_test(antithetic_draws_mirror_each_other),
        cmocka_unit_test(a_smaller_batch_fits_the_plan),
        cmocka_unit_test(imported_eps_gives_the_unfolded_network_of_that_draw),
        cmocka_unit_test(a_draw_is_the_same_in_every_block_and_nothing_is_allocated),
        cmocka_unit_test(a_linear_layer_has_its_closed_form),
        cmocka_unit_test(pooling_keeps_or_loses_the_variance_of_a_shared_kernel),
        cmocka_unit_test(flipout_is_its_formula),
        cmocka_unit_test(layers_before_the_first_random_one_run_once),
        cmocka_unit_test(draws_of_linear_layers_share_a_product),
        cmocka_unit_test(subnormals_count_as_zero),
        cmocka_unit_test(faults_are_named),
    };
    return cmocka_run_group_tests_name("sampler", tests, NULL, NULL);
}
