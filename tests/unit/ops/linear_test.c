/* Linear of vectors and of tokens, and the products of attention, which are the same under other
 * names. */
#include <math.h>

#include "crd_test.h"
#include "kernels/kernels.h"
#include "op_check.h"

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    (void)payload;
    int64_t n_in = op->in->dims[0], n_out = op->shape.dims[0];
    int64_t positions = crd_shape_count(&op->shape) / n_out;
    int keys = strcmp(op->kind->name, "QkvProjection") == 0;
    for (int64_t i = 0; i < n_images; i++)
        for (int64_t o = 0; o < n_out; o++)
            for (int64_t p = 0; p < positions; p++) {
                double sum = params[1] == NULL || (keys && o / (n_out / 3) == 1) ? 0 : params[1][o];
                for (int64_t c = 0; c < n_in; c++)
                    sum += params[0][o * n_in + c] * in[0][(i * n_in + c) * positions + p];
                *out++ = sum;
            }
}

static void vectors_and_tokens(void **state)
{
    (void)state;
    static const char *const kinds[] = {"Linear", "InProjection", "QkvProjection"};
    const crd_shape shapes[] = {crd_shape_make(1, 5), crd_shape_make(3, 7, 3, 5),
                                crd_shape_make(3, 33, 1, 4)};
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (int bias = 0; bias < 2; bias++) {
                const attr_list attrs = linear_list(shapes[s].dims[0], s == 1 ? 48 : 6, bias);
                const op_case c = {.kind = kinds[kind],
                                   .attrs = &attrs,
                                   .shapes = {shapes[s]},
                                   .n_images = 1 + 2 * bias,
                                   .reference = plain};
                op_check(&c);
            }
}

static void parameters_have_torchs_names(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 4, 1, 3);
    const attr_list attrs = linear_list(4, 12, 1);
    const int64_t input = 0;
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_ok(network_add(NULL, network, "InProjection", "self_attention", &attrs, &input, 1));
    assert_ok(network_add(NULL, network, "QkvProjection", "attn.qkv", &attrs, &input, 1));
    assert_string_equal(network->params.entries[0].name, "self_attention.in_proj_weight");
    assert_string_equal(network->params.entries[1].name, "self_attention.in_proj_bias");
    assert_string_equal(network->params.entries[2].name, "attn.qkv.weight");
    assert_int_equal(crd_network_op_may_be_random(network, 1), 1);
    assert_int_equal(crd_network_op_macs(network, 1), 3 * 4 * 12);
    crd_network_destroy(network);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 4, 2, 2);
    const attr_list other = linear_list(3, 6, 1), no_thirds = linear_list(4, 8, 1);
    const int64_t input = 0;
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_fails(network_add(NULL, network, "Linear", "l", &other, &input, 1), CRD_ERR_INPUT,
                 "op 'l' (Linear): in_features is 3, but its input has shape (4, 2, 2)");
    assert_fails(network_add(NULL, network, "QkvProjection", "l", &no_thirds, &input, 1),
                 CRD_ERR_INPUT, "out_features is 8, needed is a multiple of 3");
    crd_network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_and_tokens),
        cmocka_unit_test(parameters_have_torchs_names),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    if (crd_gemm_init() != CRD_OK)
        return 1;
    return cmocka_run_group_tests_name("linear", tests, NULL, NULL);
}
