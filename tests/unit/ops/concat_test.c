/* Concat of one to four inputs, and of many in a network that is drawn. */
#include <math.h>

#include "crd_test.h"
#include "credence/sampler.h"
#include "op_check.h"

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    (void)params;
    (void)payload;
    for (int64_t i = 0; i < n_images; i++)
        for (int k = 0; k < op->n_inputs; k++)
            for (int64_t e = 0, n = crd_shape_count(&op->in[k]); e < n; e++)
                *out++ = in[k][i * n + e];
}

static void one_to_four_inputs(void **state)
{
    (void)state;
    for (int n_inputs = 1; n_inputs <= 4; n_inputs++)
        for (int64_t n = 1; n <= 3; n += 2) {
            op_case image = {.kind = "Concat", .n_images = n, .reference = plain};
            op_case vector = image;
            for (int k = 0; k < n_inputs; k++) {
                image.shapes[k] = crd_shape_make(3, 1 + k, 3, 4);
                vector.shapes[k] = crd_shape_make(1, 5 - k);
            }
            op_check(&image);
            op_check(&vector);
        }
}

/* Twenty branches, of which every other one is drawn, joined twice: each lands where it belongs, for
 * each draw. */
static void many_inputs_in_a_network(void **state)
{
    (void)state;
    enum { N = 20, DRAWS = 3 };
    const crd_shape shape = crd_shape_make(3, 2, 1, 1);
    const attr_list conv = conv2d_list((conv2d_attrs){2, 2, {1, 1}, {1, 1}, {0, 0}, {1, 1}, 1, 0});
    int64_t inputs[2 * N], input = 0, joined;
    crd_network *n;
    assert_ok(crd_network_create(&n, "test", &shape));
    for (int k = 0; k < N; k++) {
        char name[16];
        snprintf(name, sizeof name, "conv%d", k);
        assert_ok(network_add(&inputs[k], n, "Conv2d", name, &conv, &input, 1));
        inputs[2 * N - 1 - k] = inputs[k];
    }
    assert_ok(network_add(&joined, n, "Concat", "join", NULL, inputs, 2 * N));
    assert_int_equal(crd_network_n_outputs(n), 4 * N);
    float *mu = calloc((size_t)n->params.n_floats, 4),
          *sigma = calloc((size_t)n->params.n_floats, 4);
    float image[2] = {1, -2}, logits[DRAWS][4 * N];
    uint8_t bayesian[N];
    for (int k = 0; k < N; k++) {
        float *w = mu + n->params.entries[k].offset;
        w[0] = (float)k;
        w[3] = (float)(100 + k);
        bayesian[k] = k % 2 != 0;
        for (int e = 0; e < 4 && bayesian[k]; e++)
            sigma[n->params.entries[k].offset + e] = 1;
    }
    const crd_model model = {.network = n, .bayesian = bayesian, .mu = mu, .sigma = sigma};
    const crd_sampler_options options = {
        .estimator = "reparameterization", .seed = 4, .batch = 1, .draw_block = DRAWS};
    crd_sampler *sampler;
    assert_ok(crd_sampler_create(&sampler, &model, &options));
    assert_ok(crd_sampler_run(logits[0], sampler, image, 1, 0, 0, DRAWS));
    for (int d = 0; d < DRAWS; d++)
        for (int k = 0; k < N; k++) {
            const float *out = &logits[d][2 * k], *again = &logits[d][2 * (2 * N - 1 - k)];
            assert_true(out[0] == again[0] && out[1] == again[1]);
            assert_int_equal(out[0] == (float)k && out[1] == (float)(-2 * (100 + k)), !bayesian[k]);
        }
    crd_sampler_destroy(sampler);
    free(mu);
    free(sigma);
    crd_network_destroy(n);
}

static void other_extents_are_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 3, 2, 2);
    const attr_list size = adaptive_list(1, 1);
    int64_t inputs[2] = {0, 0};
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_ok(network_add(&inputs[1], network, "AdaptiveAvgPool2d", "pool", &size, inputs, 1));
    assert_fails(network_add(NULL, network, "Concat", "c", NULL, inputs, 2), CRD_ERR_INPUT,
                 "op 'c' (Concat): inputs have shapes (3, 2, 2) and (3, 1, 1)");
    assert_fails(network_add(NULL, network, "Concat", "c", NULL, inputs, 0), CRD_ERR_INPUT,
                 "has 0 inputs, needed are at least 1");
    crd_network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_to_four_inputs),
        cmocka_unit_test(many_inputs_in_a_network),
        cmocka_unit_test(other_extents_are_refused),
    };
    return cmocka_run_group_tests_name("concat", tests, NULL, NULL);
}
