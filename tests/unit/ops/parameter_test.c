/* Ops without inputs: parameters that every image has, and the coordinates of relative
 * positions. */
#include <math.h>

#include "crd_test.h"
#include "credence/sampler.h"
#include "credence/zoo.h"
#include "op_check.h"

/* By extents: dim goes to the front. */
static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    (void)in;
    const int64_t *shape = payload;
    int dim = (int)attr_of(op, "dim", 0);
    int64_t n = shape[0] * shape[1] * shape[2];
    for (int64_t i = 0; i < n; i++) {
        const int64_t at[3] = {i / shape[2] / shape[1], i / shape[2] % shape[1], i % shape[2]};
        int64_t to = at[dim];
        for (int d = 0; d < 3; d++)
            to = d == dim ? to : to * shape[d] + at[d];
        for (int64_t image = 0; image < n_images; image++)
            out[image * n + to] = params[0][i];
    }
}

static void every_image_has_it(void **state)
{
    (void)state;
    static const int64_t shape[3] = {2, 3, 4};
    for (int dim = 0; dim < 4; dim++) {
        const attr_list attrs = ATTRS(CRD_ATTR("shape", 2, 3, 4), ONE("dim", dim % 3));
        const op_case c = {.kind = dim == 3 ? "Buffer" : "Parameter",
                           .attrs = &attrs,
                           .n_images = 1 + dim,
                           .reference = plain,
                           .payload = shape};
        op_check(&c);
    }
}

static crd_network *small_network(void)
{
    const crd_shape shape = crd_shape_make(3, 2, 1, 3);
    const attr_list token =
        ATTRS(CRD_ATTR("shape", 1, 1, 2), ONE("dim", 2), CRD_ATTR("mean", 3), CRD_ATTR("std", 0.5));
    const attr_list dim = ATTRS(ONE("dim", 3)), linear = linear_list(8, 2, 0);
    crd_network *n;
    int64_t inputs[2] = {0, 0}, index;
    assert_ok(crd_network_create(&n, "test", &shape));
    assert_ok(network_add(&inputs[0], n, "Parameter", "class_token", &token, NULL, 0));
    assert_ok(network_add(&index, n, "Concat", "cat", &dim, inputs, 2));
    assert_ok(network_add(&index, n, "Flatten", "flatten", NULL, &index, 1));
    assert_ok(network_add(&index, n, "Linear", "head", &linear, &index, 1));
    return n;
}

/* The name is the op's; JSON keeps the list; values to train from have mean and deviation. */
static void a_network_with_a_token(void **state)
{
    (void)state;
    crd_network *n = small_network(), *back;
    char *text, *text_back;
    crd_params weights;
    assert_string_equal(n->params.entries[0].name, "class_token");
    assert_ok(crd_network_to_json(&text, n));
    assert_non_null(strstr(text, "\"shape\":[1,1,2]"));
    assert_ok(crd_network_from_json(&back, text));
    assert_ok(crd_network_to_json(&text_back, back));
    assert_string_equal(text, text_back);
    assert_ok(crd_zoo_initial_weights(&weights, n, 7));
    const float *token = crd_params_view(&weights, 0);
    assert_true(fabsf(token[0] - 3) < 3 && token[0] != 3 && token[0] != token[1]);
    crd_params_clear(&weights);
    crd_network_text_free(text);
    crd_network_text_free(text_back);
    crd_network_destroy(back);
    crd_network_destroy(n);
}

static void coordinates_are_torchvisions(void **state)
{
    (void)state;
    /* ShiftedWindowAttentionV2's relative_coords_table for a window of 2 x 3. */
    static const double down[3] = {-1.0566416574, 0, 1.0566416574};
    static const double across[5] = {-1.0566416574, -0.7739760306, 0, 0.7739760306, 1.0566416574};
    const attr_list attrs = ATTRS(CRD_ATTR("window_size", 2, 3));
    const op_case c = {
        .kind = "RelativeCoords", .attrs = &attrs, .n_images = 2, .reference = plain};
    op_fixture f;
    op_fixture_init(&f, &c);
    const crd_op_args args = op_fixture_args(&f);
    f.op->kind->forward(f.op, &args);
    for (int i = 0; i < 2 * 2 * 15; i++) {
        double expected = i < 30 ? down[i % 15 / 5] : across[i % 5];
        assert_true(fabs((double)f.out_f[i] - expected) < 1e-6);
    }
    op_fixture_clear(&f);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 4, 2, 6);
    const attr_list dim = ATTRS(CRD_ATTR("shape", 3, 2), ONE("dim", 2));
    const attr_list many = ATTRS(CRD_ATTR("shape", 3, 2, 2, 2, 2), ONE("dim", 2));
    const attr_list fits = ATTRS(CRD_ATTR("shape", 3), ONE("dim", 0));
    const int64_t input = 0;
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_fails(network_add(NULL, network, "Parameter", "p", &dim, NULL, 0), CRD_ERR_INPUT,
                 "op 'p' (Parameter): dim is 2 of 2 extents");
    assert_fails(network_add(NULL, network, "Parameter", "p", &many, NULL, 0), CRD_ERR_INPUT,
                 "shape has 5 numbers, needed are 1 to 4");
    assert_fails(network_add(NULL, network, "Parameter", "p", &fits, &input, 1), CRD_ERR_INPUT,
                 "has 1 inputs, needed are 0");
    crd_network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_image_has_it),
        cmocka_unit_test(a_network_with_a_token),
        cmocka_unit_test(coordinates_are_torchvisions),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests_name("parameter", tests, NULL, NULL);
}
