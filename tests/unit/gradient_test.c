/* Gradients of whole networks in every estimator against central differences of a forward pass in
 * double; and what crd_gradient_add promises. */
#include "bayes_nets.h"

#include "bayes/gradient.h"
#include "credence/zoo.h"
#include "double_net.h"
#include "walker.h"

enum { MAX_IMAGES = 4, MAX_LOGITS = MAX_IMAGES * 10 };

static const double unit = 1.0 / (double)(INT64_C(1) << CRD_GRADIENT_BITS);

/* A problem: a network, its values, images and targets. */
typedef struct problem {
    crd_posterior *posterior;
    double *mu, *rho;
    float *images;
    int64_t labels[MAX_IMAGES];
    float values[MAX_LOGITS];
    int64_t n_images, n_outputs;
    const char *loss;
    crd_gradient_options options;
} problem;

static void *zeros(int64_t n, size_t size)
{
    return calloc((size_t)n + 1, size);
}

static void init(problem *p, crd_posterior *posterior, int64_t n_images, const char *estimator,
                 int batch_norm_train)
{
    const crd_network *network = posterior->network;
    int64_t n_floats = network->params.n_floats;
    int64_t n_pixels = crd_shape_count(crd_network_input_shape(network));
    *p = (problem){.posterior = posterior,
                   .n_images = n_images,
                   .n_outputs = crd_network_n_outputs(network),
                   .loss = "cross-entropy",
                   .options = {.estimator = estimator == NULL ? "flipout" : estimator,
                               .mean = estimator == NULL,
                               .seed = 17,
                               .micro_batch = n_images,
                               .batch_norm_train = batch_norm_train}};
    p->mu = zeros(n_floats, sizeof(double));
    p->rho = zeros(n_floats, sizeof(double));
    p->images = zeros(n_images * n_pixels, sizeof(float));
    for (int64_t i = 0; i < n_floats; i++) {
        p->mu[i] = (double)posterior->mu[i];
        p->rho[i] = (double)posterior->rho[i];
    }
    fill_any(p->images, n_images * n_pixels, 3);
    fill_any(p->values, n_images * p->n_outputs, 4);
    for (int64_t i = 0; i < n_images; i++)
        p->labels[i] = (3 * i + 1) % p->n_outputs;
}

static void clear(problem *p)
{
    crd_posterior_destroy(p->posterior);
    free(p->mu);
    free(p->rho);
    free(p->images);
}

enum { FIRST_IMAGE = 6, DRAW = 5 };

static crd_gradient *make_gradient(const problem *p)
{
    crd_gradient *gradient;
    assert_ok(
        crd_gradient_create(&gradient, p->posterior->network, p->posterior->bayesian, &p->options));
    assert_ok(crd_gradient_set_parameters(gradient, p->posterior->mu, p->posterior->rho));
    return gradient;
}

static crd_status add(double *loss, int64_t *sums, crd_gradient *gradient, const problem *p,
                      int64_t first, int64_t n, double weight)
{
    const crd_loss *data_term;
    int64_t n_pixels = crd_shape_count(crd_network_input_shape(p->posterior->network));
    assert_ok(crd_loss_find(&data_term, p->loss));
    const crd_gradient_target target = {.sums = sums, .adds = 1};
    return crd_gradient_add(loss, NULL, &target, gradient, data_term, p->images + first * n_pixels,
                            p->labels + first, p->values + first * p->n_outputs, n,
                            FIRST_IMAGE + first, DRAW, weight);
}

/* The loss in double. */
static double loss_at(const problem *p)
{
    double logits[MAX_LOGITS], sum = 0;
    const double_pass pass = {.network = p->posterior->network,
                              .bayesian = p->posterior->bayesian,
                              .estimator = p->options.mean ? NULL : p->options.estimator,
                              .eps = p->options.eps,
                              .seed = p->options.seed,
                              .draw = DRAW,
                              .first_image = FIRST_IMAGE,
                              .n_images = p->n_images,
                              .is_training = 1,
                              .batch_norm_train = p->options.batch_norm_train};
    double_run(logits, &pass, p->mu, p->rho, p->images);
    for (int64_t i = 0; i < p->n_images; i++) {
        const double *row = logits + i * p->n_outputs;
        double total = 0;
        for (int64_t c = 0; c < p->n_outputs; c++) {
            total += exp(row[c]);
            if (strcmp(p->loss, "mse") == 0)
                sum +=
                    pow(row[c] - (double)p->values[i * p->n_outputs + c], 2) / (double)p->n_outputs;
        }
        if (strcmp(p->loss, "cross-entropy") == 0)
            sum += log(total) - row[p->labels[i]];
    }
    return sum / (double)p->n_images;
}

static int is_trained(const crd_param *param)
{
    return strstr(param->name, "running_") == NULL;
}

/* All elements of one block, tensor by tensor, against central differences at `values`. */
static void compare_block(const problem *p, const char *what, double *values, const int64_t *sums)
{
    const double step = 1e-5;
    const crd_params *params = &p->posterior->network->params;
    for (int64_t t = 0; t < params->n_params; t++) {
        const crd_param *param = &params->entries[t];
        double error = 0, norm = 0;
        for (int64_t i = param->offset; is_trained(param) && i < param->offset + param->count;
             i++) {
            double value = values[i];
            values[i] = value + step;
            double above = loss_at(p);
            values[i] = value - step;
            double expected = (above - loss_at(p)) / (2 * step);
            values[i] = value;
            error += pow((double)sums[i] * unit - expected, 2);
            norm += expected * expected;
        }
        if (!(sqrt(error) <= 1e-4 * sqrt(norm) + 1e-6))
            fail_msg("%s, %s of %s: error %g of a gradient of norm %g", p->options.estimator, what,
                     param->name, sqrt(error), sqrt(norm));
    }
}

static void check(problem *p)
{
    double loss;
    int64_t n_floats = p->posterior->network->params.n_floats;
    crd_gradient *gradient = make_gradient(p);
    assert_int_equal(crd_gradient_n_sums(gradient), 2 * n_floats);
    int64_t *sums = zeros(2 * n_floats, sizeof *sums);
    assert_ok(add(&loss, sums, gradient, p, 0, p->n_images, 1));
    assert_true(fabs(loss - loss_at(p)) < 1e-5 * fabs(loss));
    compare_block(p, "mu", p->mu, sums);
    compare_block(p, "rho", p->rho, sums + n_floats);
    free(sums);
    crd_gradient_destroy(gradient);
}

/* (3, 9, 8): the kinds that make_cnn has not, a dilated and a fixed convolution, one input used three
 * times, and a branch that nobody reads. */
static crd_network *make_other(void)
{
    const crd_shape shape = crd_shape_make(3, 3, 9, 8);
    const attr_list dilated = conv2d_list((conv2d_attrs){.in_channels = 3,
                                                         .out_channels = 4,
                                                         .kernel_size = {3, 3},
                                                         .stride = {1, 1},
                                                         .padding = {2, 2},
                                                         .dilation = {2, 2},
                                                         .groups = 1,
                                                         .bias = 1});
    const attr_list max =
        pool2d_list((pool2d_attrs){.kernel_size = {3, 3}, .stride = {2, 2}, .padding = {1, 1}});
    const attr_list avg =
        pool2d_list((pool2d_attrs){.kernel_size = {2, 2}, .stride = {1, 1}, .padding = {0, 0}});
    const attr_list drop = ATTRS(CRD_ATTR("p", 0.3));
    const attr_list pad = pad_shortcut_list(2, 1, 1);
    crd_network *n;
    assert_ok(crd_network_create(&n, "other", &shape));
    int64_t x = add_op(n, "ReLU", "relu", NULL, add_op(n, "Conv2d", "dilated", &dilated, 0));
    x = add_op(n, "Dropout", "dropout", &drop, add_op(n, "MaxPool2d", "max", &max, x));
    add_norm(n, "dead.bn", add_conv(n, "dead.conv", x, 4, 2, 1, 1, 1), 2);
    const int64_t branches[2] = {add_norm(n, "bn", add_conv(n, "conv", x, 4, 6, 2, 1, 0), 6),
                                 add_op(n, "PadShortcut", "pad", &pad, x)};
    int64_t sum;
    assert_ok(network_add(&sum, n, "Add", "add", NULL, branches, 2));
    const int64_t twice[2] = {sum, sum};
    assert_ok(network_add(&sum, n, "Add", "twice", NULL, twice, 2));
    x = add_op(n, "AvgPool2d", "avg", &avg, add_conv(n, "fixed", sum, 6, 6, 1, 3, 1));
    add_head(n, x, 6 * 2 * 1, N_CLASSES);
    return n;
}

static crd_posterior *make_cnn_posterior(void)
{
    const crd_conversion conversion = moped(0.5);
    return make_posterior(make_cnn(), &conversion, "*");
}

static crd_posterior *make_other_posterior(void)
{
    const crd_conversion conversion = moped(0.5);
    crd_posterior *p = make_posterior(make_other(), &conversion, "[dcf][eioc]*");
    p->bayesian[crd_params_find(&p->network->params, "fixed.weight")] = 0;
    p->bayesian[crd_params_find(&p->network->params, "fixed.bias")] = 0;
    p->bayesian[crd_params_find(&p->network->params, "dilated.bias")] = 0; /* its weight only */
    return p;
}

static void every_estimator_in_both_modes_of_batch_norm(void **state)
{
    (void)state;
    for (const char *const *name = crd_estimator_names(); *name != NULL; name++)
        for (int train = 0; train < 2; train++) {
            problem p;
            init(&p, make_cnn_posterior(), 4, *name, train);
            check(&p);
            clear(&p);
            init(&p, make_other_posterior(), 3, *name, train);
            p.loss = "mse";
            check(&p);
            clear(&p);
        }
}

static void the_deterministic_twin(void **state)
{
    (void)state;
    for (int train = 0; train < 2; train++) {
        problem p;
        init(&p, make_other_posterior(), 2, NULL, train);
        check(&p);
        clear(&p);
        init(&p, make_cnn_posterior(), 1, NULL, train);
        p.loss = "mse";
        check(&p);
        clear(&p);
    }
}

static void imported_eps(void **state)
{
    (void)state;
    const char *names[] = {"reparameterization", "flipout"};
    for (int k = 0; k < 2; k++) {
        problem p;
        init(&p, make_cnn_posterior(), 2, names[k], 0);
        int64_t n_floats = p.posterior->network->params.n_floats;
        float *eps = zeros(n_floats, sizeof *eps);
        fill_any(eps, n_floats, 9);
        p.options.eps = eps;
        check(&p);
        clear(&p);
        free(eps);
    }
}

/* ResNet18 as in the zoo, along directions that are half gradient, half random. */
static void resnet18_whole(void **state)
{
    (void)state;
    const struct {
        const char *estimator;
        int train;
    } cases[] = {{"reparameterization", 0}, {"flipout", 1}, {"local-reparameterization", 1}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        crd_network *network;
        crd_posterior *posterior;
        float *mu;
        problem p;
        double loss, length = 0, random_length = 0, expected, along = 0;
        const double step = 1e-6;
        assert_ok(crd_zoo_build(&network, "resnet18", 3, 64, 10));
        assert_ok(crd_posterior_create(&posterior, network));
        assert_ok(walker_make_params(&mu, network));
        int64_t n = network->params.n_floats;
        memcpy(posterior->mu, mu, (size_t)n * sizeof *mu);
        crd_free(mu);
        for (int64_t t = 0; t < network->params.n_params; t++) {
            const crd_param *param = &network->params.entries[t];
            posterior->bayesian[t] = param->shape.n_dims > 1;
            for (int64_t i = param->offset; i < param->offset + param->count; i++)
                posterior->rho[i] =
                    (float)crd_rho_of_sigma(0.2 * fabs((double)posterior->mu[i]) + 1e-3);
        }
        init(&p, posterior, 2, cases[k].estimator, cases[k].train);
        crd_gradient *gradient = make_gradient(&p);
        int64_t *sums = zeros(2 * n, sizeof *sums);
        double *direction = zeros(2 * n, sizeof *direction);
        assert_ok(add(&loss, sums, gradient, &p, 0, 2, 1));
        assert_true(fabs(loss - loss_at(&p)) < 1e-3 * loss);
        float *random = zeros(2 * n, sizeof *random);
        fill_any(random, 2 * n, 8);
        for (int block = 0; block < 2; block++)
            for (int64_t t = 0; t < network->params.n_params; t++) {
                const crd_param *param = &network->params.entries[t];
                for (int64_t i = block * n + param->offset;
                     is_trained(param) && i < block * n + param->offset + param->count; i++) {
                    direction[i] = (double)sums[i] * unit;
                    length += direction[i] * direction[i];
                    random_length += (double)random[i] * (double)random[i];
                }
            }
        for (int64_t i = 0; i < 2 * n; i++)
            if (direction[i] != 0) {
                direction[i] =
                    direction[i] / sqrt(length) + (double)random[i] / sqrt(random_length);
                along += direction[i] * (double)sums[i] * unit;
            }
        for (int64_t i = 0; i < 2 * n; i++)
            *(i < n ? &p.mu[i] : &p.rho[i - n]) += step * direction[i];
        expected = loss_at(&p);
        for (int64_t i = 0; i < 2 * n; i++)
            *(i < n ? &p.mu[i] : &p.rho[i - n]) -= 2 * step * direction[i];
        expected = (expected - loss_at(&p)) / (2 * step);
        if (!(fabs(along - expected) < 1e-3 * fabs(expected)))
            fail_msg("%s: %g along a direction, by differences %g", p.options.estimator, along,
                     expected);
        free(random);
        free(direction);
        free(sums);
        crd_gradient_destroy(gradient);
        clear(&p);
    }
}

static void sums_do_not_know_the_order(void **state)
{
    (void)state;
    const double weights[3] = {0.5, 0.3, 0.2};
    const int64_t firsts[3] = {0, 2, 3}, counts[3] = {2, 1, 1};
    const int orders[3][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}};
    problem p;
    init(&p, make_cnn_posterior(), 4, "flipout", 1);
    int64_t n_sums = 2 * p.posterior->network->params.n_floats;
    int64_t *sums[3];
    for (int k = 0; k < 3; k++) {
        p.options.micro_batch = 4 - k; /* nor how much is planned for */
        crd_gradient *gradient = make_gradient(&p);
        sums[k] = zeros(n_sums, sizeof **sums);
        int64_t n_allocations = crd_alloc_count();
        for (int i = 0; i < 3; i++) {
            double loss;
            int which = orders[k][i];
            assert_ok(
                add(&loss, sums[k], gradient, &p, firsts[which], counts[which], weights[which]));
        }
        assert_int_equal(crd_alloc_count(), n_allocations);
        crd_gradient_destroy(gradient);
    }
    for (int k = 1; k < 3; k++)
        assert_memory_equal(sums[k], sums[0], (size_t)n_sums * sizeof **sums);
    for (int k = 0; k < 3; k++)
        free(sums[k]);
    clear(&p);
}

/* What a caller of `ready` sees. */
typedef struct seen {
    const int64_t *sums;
    int64_t n_floats, last_first;
    int64_t *copy;
    int *n_times;
} seen;

static void watch(int64_t first, int64_t n, void *payload)
{
    seen *s = payload;
    assert_true(first < s->last_first); /* layers lie in the table in the order of the graph */
    s->last_first = first;
    for (int64_t i = first; i < first + n; i++) {
        s->n_times[i]++;
        s->copy[i] = s->sums[i];
        s->copy[s->n_floats + i] = s->sums[s->n_floats + i];
    }
}

/* The sums of what was taken, by the offsets of the blocks, and how often. */
typedef struct taken {
    const crd_network *network;
    int64_t *sums;
    int *n_times;
} taken;

static void take(int64_t param, int64_t first, int64_t n, float *dmu, float *drho, void *payload)
{
    taken *t = payload;
    int64_t at = t->network->params.entries[param].offset + first;
    const float *blocks[2] = {dmu, drho};
    assert_true(n > 0);
    for (int64_t block = 0; block < 2; block++)
        for (int64_t i = 0; blocks[block] != NULL && i < n; i++) {
            int64_t place = block * t->network->params.n_floats + at + i;
            t->sums[place] = (int64_t)ldexpf(blocks[block][i], CRD_GRADIENT_BITS);
            t->n_times[place]++;
        }
}

/* Sums are overwritten, and the same if they are taken piece by piece: once for whatever is in a block. */
static void sums_are_the_same_wherever_they_go(void **state)
{
    (void)state;
    for (int k = 0; crd_estimator_names()[k] != NULL; k++) {
        const crd_loss *data_term;
        problem p;
        double loss;
        init(&p, make_other_posterior(), 3, crd_estimator_names()[k], 1);
        int64_t n = p.posterior->network->params.n_floats;
        int64_t *sums = zeros(2 * n, sizeof *sums), *old = zeros(2 * n, sizeof *old);
        taken t = {p.posterior->network, zeros(2 * n, sizeof *sums), zeros(2 * n, sizeof(int))};
        crd_gradient *gradient = make_gradient(&p);
        crd_gradient_target targets[3] = {
            {.sums = old, .adds = 1}, {.sums = sums}, {.take = take, .payload = &t}};
        for (int64_t i = 0; i < 2 * n; i++)
            sums[i] = 12345;
        assert_ok(crd_loss_find(&data_term, "cross-entropy"));
        for (int i = 0; i < 3; i++)
            assert_ok(crd_gradient_add(&loss, NULL, &targets[i], gradient, data_term, p.images,
                                       p.labels, NULL, 3, FIRST_IMAGE, DRAW, 1));
        assert_fails(crd_gradient_add(&loss, NULL, &targets[2], gradient, data_term, p.images,
                                      p.labels, NULL, 3, FIRST_IMAGE, DRAW, 0.5),
                     CRD_ERR_USAGE, "weight: 0.5");
        for (int64_t i = 0; i < 2 * n; i++) {
            assert_true(t.n_times[i] == (sums[i] != 12345));
            assert_true(t.sums[i] == (sums[i] != 12345 ? sums[i] : 0) && t.sums[i] == old[i]);
        }
        crd_gradient_destroy(gradient);
        free(t.n_times);
        free(t.sums);
        free(old);
        free(sums);
        clear(&p);
    }
}

static void ready_comes_once_for_each_element_with_its_final_sum(void **state)
{
    (void)state;
    const crd_loss *data_term;
    problem p;
    double loss;
    float logits[MAX_LOGITS], again[MAX_LOGITS];
    init(&p, make_other_posterior(), 3, "local-reparameterization", 1);
    int64_t n = p.posterior->network->params.n_floats;
    int64_t *sums = zeros(2 * n, sizeof *sums);
    seen s = {sums, n, n, zeros(2 * n, sizeof *sums), zeros(n, sizeof(int))};
    crd_gradient *gradient = make_gradient(&p);
    assert_ok(crd_loss_find(&data_term, "cross-entropy"));
    crd_gradient_target target = {.sums = sums, .ready = watch, .payload = &s};
    assert_ok(crd_gradient_add(&loss, logits, &target, gradient, data_term, p.images, p.labels,
                               NULL, 3, 0, 0, 1));
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(s.n_times[i], 1);
    assert_memory_equal(s.copy, sums, (size_t)(2 * n) * sizeof *sums);
    /* The dead branch adds nothing. */
    const crd_params *params = &p.posterior->network->params;
    const crd_param *dead = &params->entries[crd_params_find(params, "dead.conv.weight")];
    for (int64_t i = dead->offset; i < dead->offset + dead->count; i++)
        assert_true(sums[i] == 0 && sums[n + i] == 0);
    /* The logits are those the loss was taken of. */
    double value;
    crd_loss_eval(&value, NULL, data_term, logits, p.labels, NULL, 3, N_CLASSES);
    assert_true(value == loss);
    target.ready = NULL;
    target.adds = 1;
    assert_ok(crd_gradient_add(&loss, again, &target, gradient, data_term, p.images, p.labels, NULL,
                               3, 0, 0, 1));
    assert_memory_equal(again, logits, sizeof(float) * 3 * N_CLASSES);
    for (int64_t i = 0; i < 2 * n; i++)
        assert_true(sums[i] == 2 * s.copy[i]);
    crd_gradient_destroy(gradient);
    free(s.copy);
    free(s.n_times);
    free(sums);
    clear(&p);
}

static void batch_statistics_come_with_the_gradient(void **state)
{
    (void)state;
    problem p;
    double loss;
    init(&p, make_cnn_posterior(), 4, NULL, 1);
    const crd_network *network = p.posterior->network;
    int64_t *sums = zeros(2 * network->params.n_floats, sizeof *sums);
    crd_gradient *gradient = make_gradient(&p);
    assert_ok(add(&loss, sums, gradient, &p, 0, 4, 0.25));
    assert_string_equal(network->ops[1].name, "conv1"); /* its output is what bn1 sees */
    const double_pass pass = {.network = network, .n_images = 4};
    int64_t channels = 4, pixels = 7 * 6, n = 4 * pixels;
    double *in = zeros(4 * 3 * pixels, sizeof *in), *out = zeros(channels * n, sizeof *out);
    const double *ins[1] = {in}, *params[CRD_OP_MAX_PARAMS] = {p.mu};
    for (int64_t i = 0; i < 4 * 3 * pixels; i++)
        in[i] = (double)p.images[i];
    assert_int_equal(network->params.entries[network->ops[1].params[0]].offset, 0);
    double_layer(out, &pass, 1, ins, params);
    const crd_param *mean_slot =
        &network->params.entries[crd_params_find(&network->params, "bn1.running_mean")];
    const crd_param *var_slot =
        &network->params.entries[crd_params_find(&network->params, "bn1.running_var")];
    for (int64_t c = 0; c < channels; c++) {
        double mean = 0, var = 0;
        for (int64_t i = 0; i < n; i++)
            mean += out[(i / pixels * channels + c) * pixels + i % pixels] / (double)n;
        for (int64_t i = 0; i < n; i++)
            var += pow(out[(i / pixels * channels + c) * pixels + i % pixels] - mean, 2) /
                   (double)(n - 1);
        assert_true(fabs((double)sums[mean_slot->offset + c] * unit - 0.25 * mean) < 1e-6);
        assert_true(fabs((double)sums[var_slot->offset + c] * unit - 0.25 * var) < 1e-5);
    }
    free(in);
    free(out);
    free(sums);
    crd_gradient_destroy(gradient);
    clear(&p);
}

/* Far out sigma is 0 or rho itself; no gradient may become a NaN there. */
static void extreme_rho_is_safe(void **state)
{
    (void)state;
    for (const char *const *name = crd_estimator_names(); *name != NULL; name++) {
        problem p;
        double loss;
        init(&p, make_cnn_posterior(), 2, *name, 0);
        int64_t n = p.posterior->network->params.n_floats;
        int64_t *sums = zeros(2 * n, sizeof *sums);
        const float extremes[] = {-1e4F, -200, -104, -90, 20, 90};
        enum { N_EXTREMES = sizeof extremes / sizeof *extremes };
        for (int64_t i = 0; i < N_EXTREMES; i++) {
            p.posterior->rho[i] = extremes[i];
            p.rho[i] = (double)extremes[i];
        }
        crd_gradient *gradient = make_gradient(&p);
        assert_ok(add(&loss, sums, gradient, &p, 0, 2, 1));
        assert_true(sums[n] == 0 && sums[n + 1] == 0);
        for (int64_t i = 4; i < N_EXTREMES; i++) {
            p.rho[i] += 1e-3;
            double above = loss_at(&p);
            p.rho[i] -= 2e-3;
            double expected = (above - loss_at(&p)) / 2e-3;
            p.rho[i] += 1e-3;
            assert_true(fabs((double)sums[n + i] * unit - expected) < 1e-3 * fabs(expected) + 1e-6);
        }
        crd_gradient_destroy(gradient);
        free(sums);
        clear(&p);
    }
}

static void calibration_adds_its_term(void **state)
{
    (void)state;
    problem p;
    double plain, with, more;
    float logits[MAX_LOGITS], more_grad[MAX_LOGITS];
    const crd_loss *data_term;
    init(&p, make_cnn_posterior(), 4, "reparameterization", 0);
    int64_t n = p.posterior->network->params.n_floats;
    int64_t *sums[2] = {zeros(2 * n, sizeof **sums), zeros(2 * n, sizeof **sums)};
    crd_gradient *gradient = make_gradient(&p);
    assert_ok(add(&plain, sums[0], gradient, &p, 0, 4, 1));
    assert_ok(crd_gradient_set_calibration(gradient, "avuc", 3, 1, 0.5));
    assert_ok(crd_loss_find(&data_term, "cross-entropy"));
    const crd_gradient_target target = {.sums = sums[1], .adds = 1};
    assert_ok(crd_gradient_add(&with, logits, &target, gradient, data_term, p.images, p.labels,
                               NULL, 4, FIRST_IMAGE, DRAW, 1));
    assert_ok(crd_calibration_loss_eval(&more, more_grad, "avuc", logits, p.labels, NULL, 4,
                                        N_CLASSES, 3, 1, 0.5));
    assert_true(more > 0 && fabs(with - plain - more) < 1e-12);
    /* The head's bias sees the gradient of the logits itself, but for eps, which mu does not feel. */
    const crd_params *params = &p.posterior->network->params;
    const crd_param *bias = &params->entries[crd_params_find(params, "fc.bias")];
    for (int64_t c = 0; c < N_CLASSES; c++) {
        double expected = 0;
        for (int64_t i = 0; i < 4; i++)
            expected += (double)more_grad[i * N_CLASSES + c];
        double difference = (double)(sums[1][bias->offset + c] - sums[0][bias->offset + c]) * unit;
        assert_true(fabs(difference - expected) < 1e-6);
    }
    assert_ok(crd_gradient_set_calibration(gradient, NULL, 0, 0, 0));
    assert_ok(add(&with, sums[1], gradient, &p, 0, 4, 1));
    assert_true(with == plain);
    assert_ok(crd_gradient_set_calibration(gradient, "nonsense", 1, 1, 1));
    assert_fails(add(&with, sums[1], gradient, &p, 0, 4, 1), CRD_ERR_USAGE, "nonsense");
    crd_gradient_destroy(gradient);
    free(sums[0]);
    free(sums[1]);
    clear(&p);
}

static void faults_are_named(void **state)
{
    (void)state;
    problem p;
    double loss;
    init(&p, make_cnn_posterior(), 2, "reparameterization", 0);
    const crd_network *network = p.posterior->network;
    const uint8_t *bayesian = p.posterior->bayesian;
    int64_t n = network->params.n_floats;
    int64_t *sums = zeros(2 * n, sizeof *sums);
    crd_gradient *gradient;
    crd_gradient_options bad = p.options;
    bad.estimator = "vadam";
    assert_fails(crd_gradient_create(&gradient, network, bayesian, &bad), CRD_ERR_USAGE,
                 "estimator: 'vadam' is not one of reparameterization");
    assert_null(gradient);
    bad = p.options;
    bad.micro_batch = 0;
    assert_fails(crd_gradient_create(&gradient, network, bayesian, &bad), CRD_ERR_USAGE,
                 "micro_batch: 0 is not a positive number");
    bad = p.options;
    bad.micro_batch = INT64_MAX / 2;
    assert_fails(crd_gradient_create(&gradient, network, bayesian, &bad), CRD_ERR_USAGE,
                 "is too large");
    bad = p.options;
    bad.estimator = "local-reparameterization";
    bad.eps = p.posterior->mu;
    assert_fails(crd_gradient_create(&gradient, network, bayesian, &bad), CRD_ERR_USAGE,
                 "eps cannot be imported");

    assert_ok(crd_gradient_create(&gradient, network, bayesian, &p.options));
    assert_fails(add(&loss, sums, gradient, &p, 0, 2, 1), CRD_ERR_USAGE, "no parameters are set");
    float kept = p.posterior->rho[3];
    p.posterior->rho[3] = NAN;
    assert_fails(crd_gradient_set_parameters(gradient, p.posterior->mu, p.posterior->rho),
                 CRD_ERR_NUMERIC, "conv1.weight: element 3 has mu");
    assert_fails(add(&loss, sums, gradient, &p, 0, 2, 1), CRD_ERR_USAGE, "no parameters are set");
    p.posterior->rho[3] = kept;
    assert_ok(crd_gradient_set_parameters(gradient, p.posterior->mu, p.posterior->rho));
    assert_fails(add(&loss, sums, gradient, &p, 0, 3, 1), CRD_ERR_USAGE, "from 1 to 2 are planned");
    assert_fails(add(&loss, sums, gradient, &p, 0, 2, 0), CRD_ERR_USAGE, "weight: 0");
    assert_fails(add(&loss, sums, gradient, &p, 0, 2, NAN), CRD_ERR_USAGE, "weight: ");

    p.loss = "mse";
    p.values[0] = 1e7F;
    assert_fails(add(&loss, sums, gradient, &p, 0, 2, 1), CRD_ERR_NUMERIC,
                 "gradient of fc.weight: element ");
    p.values[0] = NAN;
    assert_fails(add(&loss, sums, gradient, &p, 0, 2, 1), CRD_ERR_NUMERIC,
                 "loss is nan in draw 5 of 2 images from number 6");
    crd_gradient_destroy(gradient);
    clear(&p);

    const crd_shape shape = crd_shape_make(3, 3, 1, 1);
    const crd_conversion conversion = moped(0.5);
    crd_network *small;
    assert_ok(crd_network_create(&small, "small", &shape));
    add_head(small, add_norm(small, "bn", 0, 3), 3, N_CLASSES);
    init(&p, make_posterior(small, &conversion, "*"), 2, "flipout", 1);
    gradient = make_gradient(&p);
    assert_fails(add(&loss, sums, gradient, &p, 0, 1, 1), CRD_ERR_USAGE,
                 "op 'bn': batch norm in training needs more than one value a channel");
    assert_ok(add(&loss, sums, gradient, &p, 0, 2, 1));
    crd_gradient_destroy(gradient);
    free(sums);
    clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_estimator_in_both_modes_of_batch_norm),
        cmocka_unit_test(the_deterministic_twin),
        cmocka_unit_test(imported_eps),
        cmocka_unit_test(resnet18_whole),
        cmocka_unit_test(sums_do_not_know_the_order),
        cmocka_unit_test(sums_are_the_same_wherever_they_go),
        cmocka_unit_test(ready_comes_once_for_each_element_with_its_final_sum),
        cmocka_unit_test(batch_statistics_come_with_the_gradient),
        cmocka_unit_test(extreme_rho_is_safe),
        cmocka_unit_test(calibration_adds_its_term),
        cmocka_unit_test(faults_are_named),
    };
    return cmocka_run_group_tests_name("gradient", tests, NULL, NULL);
}
