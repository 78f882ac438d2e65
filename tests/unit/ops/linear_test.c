/* Linear over the channels of every position of an image. */
#include <math.h>

#include "crd_test.h"
#include "op_check.h"

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    int64_t n_in = op->in->dims[0], n_out = op->shape.dims[0];
    int64_t n = crd_shape_count(&op->shape) / n_out;
    (void)payload;
    for (int64_t image = 0; image < n_images; image++)
        for (int64_t o = 0; o < n_out; o++)
            for (int64_t i = 0; i < n; i++) {
                double sum = params[1] == NULL ? 0 : params[1][o];
                for (int64_t c = 0; c < n_in; c++)
                    sum += params[0][o * n_in + c] * in[0][(image * n_in + c) * n + i];
                out[(image * n_out + o) * n + i] = sum;
            }
}

static void every_position_of_an_image(void **state)
{
    (void)state;
    for (int64_t n_images = 1; n_images <= 3; n_images++) {
        const attr_list attrs = linear_list(4, 3, n_images % 2);
        const op_case c = {.kind = "Linear",
                           .attrs = &attrs,
                           .shapes = {crd_shape_make(3, 4, 3, 5)},
                           .n_images = n_images,
                           .reference = plain};
        op_check(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_position_of_an_image),
    };
    return cmocka_run_group_tests_name("linear", tests, NULL, NULL);
}
