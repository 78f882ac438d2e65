#include "crd_test.h"

#include <math.h>

#include "credence/cost_model.h"

static void an_error_falls_with_the_root_of_the_draws(void **state)
{
    (void)state;
    const crd_stopping_rule rule = {.min_draws = 32, .max_draws = 1000, .block = 8};
    assert_int_equal(crd_cost_model_stop(&rule, 32, 0.009, 0.01), 32);
    /* 32 (0.02 / 0.01)^2 = 128; looks at 120 and 152 */
    assert_int_equal(crd_cost_model_stop(&rule, 32, 0.02, 0.01), 152);
    assert_int_equal(crd_cost_model_stop(&rule, 32, 1, 0.01), 1000);
    assert_int_equal(crd_cost_model_stop(&rule, 32, 0, 0.01), 32);
}

static void all_images_alike_share_out_evenly(void **state)
{
    (void)state;
    const int64_t stops[] = {100, 100, 100};
    const crd_cost_model f = {.n_images = 21,
                              .batch = 4,
                              .rule = {100, 100, 8},
                              .stops = stops,
                              .n_sample = 3,
                              .unit_s = 2,
                              .start_s = 10,
                              .image_s = 0.5,
                              .node_ranks = 1};
    /* 6 batches, 13 blocks */
    assert_true(fabs(crd_cost_model_units(&f) - 78) < 1e-9);
    assert_true(fabs(crd_cost_model_seconds(&f, 1, 80) - (10 + 10.5 + 2 * 78)) < 1e-9);
    assert_true(fabs(crd_cost_model_seconds(&f, 7, 80) - (10 + 10.5 + 2 * 12)) < 1e-9);
    assert_true(fabs(crd_cost_model_seconds(&f, 1000, 80) - (10 + 10.5 + 2)) < 1e-9);
}

/* Half of the images stop at the first look: of batches of two a quarter stops there. */
static void a_batch_waits_for_its_last_image(void **state)
{
    (void)state;
    const int64_t stops[] = {8, 16};
    const crd_cost_model f = {.n_images = 80,
                              .batch = 2,
                              .rule = {8, 16, 8},
                              .stops = stops,
                              .n_sample = 2,
                              .unit_s = 1,
                              .node_ranks = 1};
    assert_true(fabs(crd_cost_model_units(&f) - (40 + 30)) < 1e-9);
    assert_true(fabs(crd_cost_model_seconds(&f, 20, 80) - (2 + 2)) < 1e-9);
}

/* 6 windows of two batches, 3 blocks: 6 units each, and the next 4 images are read before. */
static void ranks_wait_for_windows_and_for_images(void **state)
{
    (void)state;
    const int64_t stops[] = {24};
    crd_cost_model f = {.n_images = 24,
                        .batch = 2,
                        .rule = {24, 24, 8},
                        .stops = stops,
                        .n_sample = 1,
                        .unit_s = 1,
                        .image_s = 0.1,
                        .node_ranks = 4};
    /* 24 images are read by one rank of a node, by 4, by 3 of 6. */
    assert_true(fabs(crd_cost_model_seconds(&f, 1, 4) - (2.4 + 36)) < 1e-9);
    assert_true(fabs(crd_cost_model_seconds(&f, 4, 4) - (0.6 + 6 * 2)) < 1e-9);
    f.node_ranks = 3;
    assert_true(fabs(crd_cost_model_seconds(&f, 6, 4) - (0.8 + 6)) < 1e-9);
    /* A window of 10, one of 10, one of 4. */
    f.image_s = 0;
    assert_true(fabs(crd_cost_model_seconds(&f, 4, 10) - (4 + 4 + 2)) < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_falls_with_the_root_of_the_draws),
        cmocka_unit_test(all_images_alike_share_out_evenly),
        cmocka_unit_test(a_batch_waits_for_its_last_image),
        cmocka_unit_test(ranks_wait_for_windows_and_for_images),
    };
    return cmocka_run_group_tests_name("forecast", tests, NULL, NULL);
}
