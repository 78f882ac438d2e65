/* Dropout that stays on in prediction: MC dropout. Its draws are those of a mask by hand, the same for any
 * block of draws; without it, and for the mean, prediction keeps everything. */
#include <math.h>

#include "crd_test.h"
#include "credence/rng.h"
#include "credence/sampler.h"
#include "test_ops.h"

enum { PIXELS = 70, IMAGES = 2, SEED = 9, FIRST_IMAGE = 3, DROPOUT = 1 };

/* Dropout of the input, then Flatten and a Linear layer that copies. */
static crd_network *make_network(int in_prediction)
{
    const crd_shape shape = crd_shape_make(3, 1, 7, 10);
    const attr_list drop = ATTRS(CRD_ATTR("p", 0.4), CRD_ATTR("in_prediction", in_prediction));
    const attr_list linear = linear_list(PIXELS, PIXELS, 0);
    int64_t at = 0;
    crd_network *n;
    assert_ok(crd_network_create(&n, "mc", &shape));
    assert_ok(network_add(&at, n, "Dropout", "drop", &drop, &at, 1));
    assert_int_equal(at, DROPOUT);
    assert_ok(network_add(&at, n, "Flatten", "flatten", NULL, &at, 1));
    assert_ok(network_add(&at, n, "Linear", "fc", &linear, &at, 1));
    return n;
}

static void run(float *logits, const crd_network *network, int mean, int64_t first, int64_t n,
                int64_t block)
{
    float *mu = calloc((size_t)network->params.n_floats, sizeof *mu);
    float images[IMAGES * PIXELS];
    const uint8_t bayesian[1] = {0};
    for (int i = 0; i < PIXELS; i++)
        mu[i * PIXELS + i] = 1;
    for (int i = 0; i < IMAGES * PIXELS; i++)
        images[i] = (float)(i + 1);
    const crd_model model = {.network = network, .bayesian = bayesian, .mu = mu, .sigma = mu};
    const crd_sampler_options options = {.estimator = "local-reparameterization",
                                         .mean = mean,
                                         .seed = SEED,
                                         .batch = IMAGES,
                                         .draw_block = block};
    crd_sampler *sampler;
    assert_ok(crd_sampler_create(&sampler, &model, &options));
    for (int64_t d = 0; d < n; d += block)
        assert_ok(crd_sampler_run(logits + d * IMAGES * PIXELS, sampler, images, IMAGES,
                                  FIRST_IMAGE, first + d, block));
    crd_sampler_destroy(sampler);
    free(mu);
}

/* Whether an element is kept, by the documented address of its random number. */
static int is_kept(int64_t draw, int64_t image, int64_t element)
{
    const uint32_t key[2] = {SEED, 0};
    const uint32_t counter[4] = {(uint32_t)(element / 64 * 16 + element % 16), (uint32_t)draw,
                                 (uint32_t)(FIRST_IMAGE + image),
                                 DROPOUT << 8 | CRD_PURPOSE_DROPOUT};
    uint32_t words[4];
    crd_philox4x32(words, counter, key);
    return (double)words[element / 16 % 4] * 0x1p-32 >= 0.4;
}

static void draws_are_masked(void **state)
{
    (void)state;
    enum { DRAWS = 6, FIRST = 2 };
    static float logits[DRAWS][IMAGES][PIXELS], again[DRAWS][IMAGES][PIXELS];
    crd_network *network = make_network(1);
    assert_true(crd_network_is_stochastic(network));
    assert_int_equal(crd_op_is_stochastic(&network->ops[DROPOUT]), 1);
    assert_int_equal(crd_op_is_stochastic(&network->ops[DROPOUT + 1]), 0);
    run(logits[0][0], network, 0, FIRST, DRAWS, DRAWS);
    for (int64_t d = 0; d < DRAWS; d++)
        for (int64_t i = 0; i < IMAGES; i++)
            for (int64_t e = 0; e < PIXELS; e++) {
                double expected = is_kept(FIRST + d, i, e) ? (double)(i * PIXELS + e + 1) / 0.6 : 0;
                assert_true(fabs((double)logits[d][i][e] - expected) < 1e-3);
            }
    for (int64_t block = 1; block <= 3; block++) {
        run(again[0][0], network, 0, FIRST, DRAWS, block);
        assert_memory_equal(again, logits, sizeof logits);
    }
    crd_network_destroy(network);
}

static void otherwise_all_is_kept(void **state)
{
    (void)state;
    for (int in_prediction = 0; in_prediction < 2; in_prediction++) {
        float logits[IMAGES][PIXELS];
        crd_network *network = make_network(in_prediction);
        run(logits[0], network, in_prediction, 0, 1, 1);
        assert_int_equal(crd_network_is_stochastic(network), in_prediction);
        for (int i = 0; i < IMAGES * PIXELS; i++)
            assert_true(logits[i / PIXELS][i % PIXELS] == (float)(i + 1));
        crd_network_destroy(network);
    }
}

/* It can be switched on in a network that has it, and is part of its JSON. */
static void it_can_be_switched_on(void **state)
{
    (void)state;
    const crd_attr on = CRD_ATTR("in_prediction", 1);
    crd_network *network = make_network(0), *back;
    char *text;
    assert_ok(crd_network_set_attr(network, DROPOUT, &on));
    assert_ok(crd_network_to_json(&text, network));
    assert_ok(crd_network_from_json(&back, text));
    assert_true(crd_network_is_stochastic(network) && crd_network_is_stochastic(back));
    crd_network_text_free(text);
    crd_network_destroy(network);
    crd_network_destroy(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_are_masked),
        cmocka_unit_test(otherwise_all_is_kept),
        cmocka_unit_test(it_can_be_switched_on),
    };
    return cmocka_run_group_tests_name("dropout", tests, NULL, NULL);
}
