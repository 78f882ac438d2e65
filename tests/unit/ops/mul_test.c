/* Mul with every way to broadcast, against its formula. */
#include <math.h>

#include "crd_test.h"
#include "op_check.h"

static int64_t at(const crd_shape *shape, int64_t image, int64_t c, int64_t y, int64_t x)
{
    int64_t channels = shape->dims[0], height = shape->n_dims == 3 ? shape->dims[1] : 1;
    int64_t width = shape->n_dims == 3 ? shape->dims[2] : 1;
    c = channels == 1 ? 0 : c;
    y = height == 1 ? 0 : y;
    x = width == 1 ? 0 : x;
    return ((image * channels + c) * height + y) * width + x;
}

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    int64_t height = op->shape.n_dims == 3 ? op->shape.dims[1] : 1;
    int64_t width = op->shape.n_dims == 3 ? op->shape.dims[2] : 1;
    (void)params;
    (void)payload;
    for (int64_t image = 0; image < n_images; image++)
        for (int64_t c = 0; c < op->shape.dims[0]; c++)
            for (int64_t y = 0; y < height; y++)
                for (int64_t x = 0; x < width; x++)
                    *out++ = in[0][at(&op->in[0], image, c, y, x)] *
                             in[1][at(&op->in[1], image, c, y, x)];
}

static void every_way_to_broadcast(void **state)
{
    (void)state;
    const crd_shape image = crd_shape_make(3, 3, 4, 5);
    const crd_shape others[] = {image,
                                crd_shape_make(3, 3, 1, 1),
                                crd_shape_make(1, 3),
                                crd_shape_make(3, 1, 4, 5),
                                crd_shape_make(3, 1, 1, 1),
                                crd_shape_make(3, 3, 4, 1),
                                crd_shape_make(3, 1, 1, 5)};
    for (size_t k = 0; k < sizeof others / sizeof *others; k++)
        for (int64_t n = 1; n <= 3; n += 2) {
            op_case c = {
                .kind = "Mul", .shapes = {image, others[k]}, .n_images = n, .reference = plain};
            op_check(&c);
        }
    /* The narrow one first; both broadcast; vectors. */
    const crd_shape pairs[][2] = {{crd_shape_make(3, 3, 4, 1), crd_shape_make(3, 1, 1, 5)},
                                  {crd_shape_make(3, 2, 1, 1), crd_shape_make(3, 2, 3, 2)},
                                  {crd_shape_make(1, 6), crd_shape_make(1, 6)},
                                  {crd_shape_make(1, 6), crd_shape_make(1, 1)}};
    for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
        op_case c = {
            .kind = "Mul", .shapes = {pairs[k][0], pairs[k][1]}, .n_images = 2, .reference = plain};
        op_check(&c);
    }
}

static void shapes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 3, 2, 2);
    const attr_list size = adaptive_list(3, 2);
    int64_t inputs[2] = {0, 0};
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_ok(network_add(&inputs[1], network, "AdaptiveAvgPool2d", "pool", &size, inputs, 1));
    assert_fails(network_add(NULL, network, "Mul", "m", NULL, inputs, 2), CRD_ERR_INPUT,
                 "op 'm' (Mul): inputs have shapes (3, 2, 2) and (3, 3, 2), which cannot");
    crd_network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_broadcast),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests_name("mul", tests, NULL, NULL);
}
