/* Narrow of images and of vectors. */
#include <math.h>

#include "crd_test.h"
#include "op_check.h"

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    int64_t n = crd_shape_count(&op->shape), n_in = crd_shape_count(op->in);
    int64_t first = (int64_t)attr_of(op, "start", 0) * (n_in / op->in->dims[0]);
    (void)params;
    (void)payload;
    for (int64_t i = 0; i < n_images * n; i++)
        out[i] = in[0][i / n * n_in + first + i % n];
}

static void a_part_of_the_features(void **state)
{
    (void)state;
    const crd_shape shapes[] = {crd_shape_make(1, 7), crd_shape_make(3, 5, 3, 4)};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int64_t n_images = 1; n_images <= 3; n_images++) {
            const attr_list attrs = ATTRS(CRD_ATTR("start", 1), CRD_ATTR("length", 3));
            const op_case c = {.kind = "Narrow",
                               .attrs = &attrs,
                               .shapes = {shapes[s]},
                               .n_images = n_images,
                               .reference = plain};
            op_check(&c);
        }
}

static void a_part_beyond_the_end_is_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 3, 2, 2);
    const attr_list attrs = ATTRS(CRD_ATTR("start", 1), CRD_ATTR("length", 3));
    const int64_t input = 0;
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_fails(network_add(NULL, network, "Narrow", "n", &attrs, &input, 1), CRD_ERR_INPUT,
                 "op 'n' (Narrow): features [1, 4), but its input has 3");
    crd_network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_of_the_features),
        cmocka_unit_test(a_part_beyond_the_end_is_refused),
    };
    return cmocka_run_group_tests_name("narrow", tests, NULL, NULL);
}
