/* ChannelShuffle, against its formula and torch's values. */
#include <math.h>

#include "crd_test.h"
#include "op_check.h"

/* A (groups, channels of a group) matrix, transposed. */
static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    int64_t groups = (int64_t)attr_of(op, "groups", 0), size = op->shape.dims[0] / groups;
    int64_t plane = op->shape.dims[1] * op->shape.dims[2];
    (void)params;
    (void)payload;
    for (int64_t image = 0; image < n_images; image++)
        for (int64_t g = 0; g < groups; g++)
            for (int64_t c = 0; c < size; c++)
                for (int64_t i = 0; i < plane; i++)
                    out[((image * size + c) * groups + g) * plane + i] =
                        in[0][((image * groups + g) * size + c) * plane + i];
}

static void channels_by_turns(void **state)
{
    (void)state;
    const crd_shape shapes[] = {crd_shape_make(3, 4, 3, 4), crd_shape_make(3, 6, 1, 1),
                                crd_shape_make(3, 2, 2, 1)};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int64_t n_images = 1; n_images <= 3; n_images++) {
            const attr_list attrs = ATTRS(CRD_ATTR("groups", 2));
            const op_case c = {.kind = "ChannelShuffle",
                               .attrs = &attrs,
                               .shapes = {shapes[s]},
                               .n_images = n_images,
                               .reference = plain};
            op_check(&c);
        }
}

static void values_are_torchs(void **state)
{
    (void)state;
    const attr_list attrs = ATTRS(CRD_ATTR("groups", 3));
    const op_case c = {.kind = "ChannelShuffle",
                       .attrs = &attrs,
                       .shapes = {crd_shape_make(3, 6, 1, 1)},
                       .n_images = 1,
                       .reference = plain};
    op_check_values(&c, &(op_values){.in = (const float[]){0, 1, 2, 3, 4, 5},
                                     .out = (const double[]){0, 2, 4, 1, 3, 5}});
}

static void groups_of_unequal_size_are_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 3, 2, 2);
    const attr_list attrs = ATTRS(CRD_ATTR("groups", 2));
    const int64_t input = 0;
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_fails(network_add(NULL, network, "ChannelShuffle", "n", &attrs, &input, 1),
                 CRD_ERR_INPUT,
                 "op 'n' (ChannelShuffle): groups is 2, which does not divide 3 channels");
    crd_network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_by_turns),
        cmocka_unit_test(values_are_torchs),
        cmocka_unit_test(groups_of_unequal_size_are_refused),
    };
    return cmocka_run_group_tests_name("channel_shuffle", tests, NULL, NULL);
}
