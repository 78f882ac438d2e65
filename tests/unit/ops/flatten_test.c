/* Flatten as a view of images of one pixel: nothing is copied, and what else reads the pixels sees them
 * untouched. */
#include "crd_test.h"
#include "graph/passes/fuse_epilogue.h"
#include "test_ops.h"

static crd_network *make_network(int64_t pixels, int is_read_twice)
{
    const crd_shape shape = crd_shape_make(3, 4, 1, pixels);
    const attr_list conv = conv2d_list((conv2d_attrs){4, 6, {1, 1}, {1, 1}, {0, 0}, {1, 1}, 1, 0});
    int64_t made = 0, at;
    crd_network *n;
    assert_ok(crd_network_create(&n, "test", &shape));
    assert_ok(network_add(&made, n, "Conv2d", "conv", &conv, &made, 1));
    assert_ok(network_add(&at, n, "Flatten", "flatten", NULL, &made, 1));
    if (is_read_twice)
        assert_ok(network_add(NULL, n, "SiLU", "other", NULL, &made, 1));
    assert_ok(network_add(&at, n, "ReLU", "relu", NULL, &at, 1));
    return n;
}

static void one_pixel_is_a_view(void **state)
{
    (void)state;
    enum { CONV = 1, FLATTEN = 2 };
    const uint8_t random[5] = {0};
    for (int64_t pixels = 1; pixels <= 2; pixels++)
        for (int twice = 0; twice < 2; twice++) {
            crd_network *n = make_network(pixels, twice);
            crd_fusion fusion;
            int64_t relu = n->n_ops - 1;
            assert_ok(crd_fusion_init(&fusion, n, random, NULL, 1));
            assert_int_equal(fusion.into[FLATTEN], pixels == 1 ? CONV : FLATTEN);
            /* The activation may not reach what the other reader sees. */
            assert_int_equal(fusion.into[relu], pixels == 1 && !twice ? CONV : relu);
            assert_int_equal(fusion.activation[CONV].kind,
                             pixels == 1 && !twice ? CRD_RELU : CRD_NO_ACTIVATION);
            crd_fusion_clear(&fusion);
            crd_network_destroy(n);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_pixel_is_a_view),
    };
    return cmocka_run_group_tests_name("flatten", tests, NULL, NULL);
}
