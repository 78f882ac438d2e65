/* SWAG's draws against their formula in double, on every address; and what a collection keeps. How
 * they come about in training, and the authors' arithmetic: tests/cli/swag_test.py. */
#include "bayes_nets.h"

#include "bayes/collection.h"
#include "kernels/kernels.h"
#include "weights/family.h"

enum { RANK = 3, N_DRAWS = 4 };

/* cmocka of Debian 12 has none for doubles. */
static void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.17g is not %.17g within %g", a, b, tolerance);
}

/* A norm that is drawn reads the images themselves, which all draws share. */
static crd_network *make_norm_first(void)
{
    const crd_shape shape = crd_shape_make(3, 3, 7, 6);
    crd_network *n;
    assert_ok(crd_network_create(&n, "norm_first", &shape));
    int64_t x = add_conv(n, "conv", add_norm(n, "bn", 0, 3), 3, 6, 1, 1, 1);
    add_head(n, add_pool(n, x), 6, N_CLASSES);
    return n;
}

/* A posterior with any numbers. */
static crd_posterior *make_swag(crd_network *network)
{
    crd_posterior *p;
    assert_ok(crd_posterior_create_ensemble(&p, network, &crd_family_swag, 1));
    assert_ok(crd_posterior_set_rank(p, RANK));
    crd_posterior_set_trained(p);
    int64_t n = p->network->params.n_floats;
    fill_any(p->mu, n, 1);
    fill_any(p->variance, n, 2);
    fill_any(p->deviations, RANK * n, 3);
    for (int64_t i = 0; i < n; i++) {
        p->variance[i] = p->variance[i] * p->variance[i];
        p->mu[i] = 1 + 0.5F * p->mu[i]; /* running variances are positive */
    }
    assert_ok(crd_posterior_check(p));
    return p;
}

static owned_model make_swag_model(float **deviations, const crd_posterior *p)
{
    owned_model model = make_model(p);
    assert_ok(crd_alloc_zeroed((void **)deviations, RANK * p->network->params.n_floats,
                               sizeof(float), "deviations"));
    memcpy(*deviations, p->deviations,
           (size_t)(RANK * p->network->params.n_floats) * sizeof(float));
    crd_model_make_deviations(*deviations, p);
    model.view.family = p->family;
    model.view.n_components = 1;
    model.view.deviations = *deviations;
    model.view.rank = RANK;
    return model;
}

static float *drawn(const crd_model *model, int64_t param, int64_t draw)
{
    int64_t n = model->network->params.entries[param].count;
    float *out = calloc((size_t)n, sizeof *out);
    const crd_stream stream = {.seed = 7,
                               .draw = (uint32_t)draw,
                               .tensor = (uint32_t)param,
                               .purpose = CRD_PURPOSE_WEIGHT};
    const crd_weights_request request = {.param = param, .n = n, .stream = &stream, .with_mu = 1};
    const float *values = model->family->fill(out, model, &request);
    if (values != out)
        memcpy(out, values, (size_t)n * sizeof *out);
    return out;
}

/* The normals of the deviations are one address a draw; those of elements one a tensor. */
static void draws_are_what_the_formula_says(void **state)
{
    (void)state;
    float *deviations, eps[4096], z[RANK];
    crd_posterior *p = make_swag(make_cnn());
    owned_model model = make_swag_model(&deviations, p);
    const crd_params *params = &p->network->params;
    for (int64_t draw = 0; draw < N_DRAWS; draw++)
        for (int64_t k = 0; k < params->n_params; k++) {
            const crd_param *param = &params->entries[k];
            float *out = drawn(&model.view, k, draw);
            assert_true(param->count <= 4096);
            crd_normal_fill(eps, param->count, 0,
                            &(crd_stream){.seed = 7,
                                          .draw = (uint32_t)draw,
                                          .tensor = (uint32_t)k,
                                          .purpose = CRD_PURPOSE_WEIGHT});
            crd_normal_fill(
                z, RANK, 0,
                &(crd_stream){.seed = 7, .draw = (uint32_t)draw, .purpose = CRD_PURPOSE_LOW_RANK});
            for (int64_t i = 0; i < param->count; i++) {
                int64_t at = param->offset + i;
                double w = (double)p->mu[at];
                if (p->bayesian[k]) {
                    w += sqrt((double)p->variance[at] / 2) * (double)eps[i];
                    for (int r = 0; r < RANK; r++)
                        w += (double)p->deviations[r * params->n_floats + at] * (double)z[r] /
                             sqrt(2.0 * (RANK - 1));
                }
                assert_near((double)out[i], w, 1e-6);
            }
            free(out);
        }
    crd_free(deviations);
    clear_model(&model);
    crd_posterior_destroy(p);
}

static void check_sampler(crd_network *network)
{
    enum { N_IMAGES = 2, PIXELS = 3 * 7 * 6 };
    float *deviations, images[N_IMAGES * PIXELS], logits[N_DRAWS * N_IMAGES * N_CLASSES],
        plain[N_IMAGES * N_CLASSES];
    crd_posterior *p = make_swag(network);
    owned_model model = make_swag_model(&deviations, p);
    const crd_params *params = &p->network->params;
    float *values = calloc((size_t)params->n_floats, sizeof *values);
    fill_any(images, N_IMAGES * PIXELS, 5);
    const crd_sampler_options options = {
        .estimator = "reparameterization", .seed = 7, .batch = N_IMAGES, .draw_block = N_DRAWS};
    crd_sampler *sampler;
    assert_ok(crd_sampler_create(&sampler, &model.view, &options));
    assert_ok(crd_sampler_run(logits, sampler, images, N_IMAGES, 0, 0, N_DRAWS));
    for (int64_t draw = 0; draw < N_DRAWS; draw++) {
        for (int64_t k = 0; k < params->n_params; k++) {
            float *out = drawn(&model.view, k, draw);
            memcpy(values + params->entries[k].offset, out,
                   (size_t)params->entries[k].count * sizeof *out);
            free(out);
        }
        run_plainly(plain, p->network, values, images, N_IMAGES);
        for (int64_t i = 0; i < N_IMAGES * N_CLASSES; i++)
            assert_near((double)logits[draw * N_IMAGES * N_CLASSES + i], (double)plain[i],
                        1e-4 * (1 + fabs((double)plain[i])));
    }
    crd_sampler_destroy(sampler);
    free(values);
    crd_free(deviations);
    clear_model(&model);
    crd_posterior_destroy(p);
}

/* A block of draws in lockstep is the networks one by one, norms and all. */
static void sampler_runs_the_drawn_networks(void **state)
{
    (void)state;
    check_sampler(make_cnn());
    check_sampler(make_norm_first());
}

static void collection_keeps_the_last_deviations_in_order(void **state)
{
    (void)state;
    enum { N_NETWORKS = 5, N_FLOATS = 3 };
    crd_collection *c;
    const crd_collect_options options = {.kind = CRD_COLLECT_SWAG, .every = 1, .rank = 2};
    /* Far from zero, where a mean of squares in float would lose the variance. */
    const double networks[N_NETWORKS] = {1000, 1001, 1002, 1004, 1008};
    double mean = 0, squares = 0, deviations[N_NETWORKS];
    assert_ok(crd_collection_create(&c, &options, N_FLOATS));
    for (int n = 0; n < N_NETWORKS; n++) {
        const float values[N_FLOATS] = {(float)networks[n], -(float)networks[n], 3};
        assert_int_equal(crd_collection_n_rows(c), n < 2 ? n : 2);
        assert_ok(crd_collection_add(c, values, n));
        mean = (mean * n + networks[n]) / (n + 1);
        deviations[n] = networks[n] - mean;
    }
    for (int n = 0; n < N_NETWORKS; n++)
        squares += (networks[n] - mean) * (networks[n] - mean);
    assert_near(c->mean[0], mean, 1e-9);
    assert_near(c->mean[1], -mean, 1e-9);
    assert_near(c->squares[1], squares, 1e-9);
    assert_true(c->mean[2] == 3 && c->squares[2] == 0);
    for (int k = 0; k < 2; k++) /* the oldest of the two that are kept first */
        assert_near((double)c->rows[(c->n + k) % 2 * N_FLOATS], deviations[N_NETWORKS - 2 + k],
                    1e-6);
    crd_collection_destroy(c);
}

static void collection_is_due(void **state)
{
    (void)state;
    const crd_collect_options epochs = {.kind = CRD_COLLECT_SWAG, .start = 2, .every = 2};
    const crd_collect_options steps = {.kind = CRD_COLLECT_SWAG, .start = 1, .steps = 3};
    const crd_collect_options middle = {.kind = CRD_COLLECT_MEMBERS, .every = 4, .phase = 2};
    const crd_collect_options none = {.kind = CRD_COLLECT_NOTHING};
    int64_t n[3] = {0, 0, 0};
    for (int64_t step = 1; step <= 10 * 5; step++) { /* 10 epochs of 5 steps */
        assert_int_equal(crd_collect_is_due(&epochs, step, 5), step > 10 && step % 10 == 0);
        assert_int_equal(crd_collect_is_due(&steps, step, 5), step > 5 && (step - 5) % 3 == 0);
        assert_int_equal(crd_collect_is_due(&middle, step, 5), step % 20 == 10);
        assert_int_equal(crd_collect_is_due(&none, step, 5), 0);
        n[0] += crd_collect_is_due(&epochs, step, 5);
        n[1] += crd_collect_is_due(&steps, step, 5);
        n[2] += crd_collect_is_due(&middle, step, 5);
    }
    assert_int_equal(crd_collect_count(&epochs, 10, 5), n[0]);
    assert_int_equal(crd_collect_count(&steps, 10, 5), n[1]);
    assert_int_equal(crd_collect_count(&middle, 10, 5), n[2]);
    assert_int_equal(crd_collect_count(&epochs, 1, 5), 0);
    assert_fails(crd_collect_check(&epochs, 5, 5), CRD_ERR_USAGE, "1 networks");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_are_what_the_formula_says),
        cmocka_unit_test(sampler_runs_the_drawn_networks),
        cmocka_unit_test(collection_keeps_the_last_deviations_in_order),
        cmocka_unit_test(collection_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
