/* AvgPool2d with and without the padding, against its formula and torch's values. */
#include <math.h>

#include "crd_test.h"
#include "op_check.h"

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    const pool2d_attrs a = pool2d_of(op);
    int64_t height = op->in->dims[1], width = op->in->dims[2];
    int64_t out_height = op->shape.dims[1], out_width = op->shape.dims[2];
    (void)params;
    (void)payload;
    for (int64_t i = 0; i < n_images * crd_shape_count(&op->shape); i++) {
        int64_t plane = i / (out_height * out_width);
        int64_t top = i / out_width % out_height * a.stride[0] - a.padding[0];
        int64_t left = i % out_width * a.stride[1] - a.padding[1];
        double sum = 0, n = 0;
        for (int64_t y = top; y < top + a.kernel_size[0]; y++)
            for (int64_t x = left; x < left + a.kernel_size[1]; x++) {
                int is_in = y >= 0 && y < height && x >= 0 && x < width;
                int is_near = y < height + a.padding[0] && x < width + a.padding[1];
                sum += is_in ? in[0][(plane * height + y) * width + x] : 0;
                n += attr_of(op, "count_include_pad", 0) > 0 ? is_near : is_in;
            }
        out[i] = sum / n;
    }
}

static attr_list list(pool2d_attrs a, int counts)
{
    return ATTRS(TWO("kernel_size", a.kernel_size), TWO("stride", a.stride),
                 TWO("padding", a.padding), ONE("ceil_mode", a.ceil_mode),
                 ONE("count_include_pad", counts));
}

static void padding_counts_or_not(void **state)
{
    (void)state;
    static const pool2d_attrs cases[] = {
        {{3, 3}, {1, 1}, {1, 1}, 0}, {{3, 2}, {2, 2}, {1, 0}, 1}, {{2, 4}, {3, 2}, {1, 2}, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int counts = 0; counts < 2; counts++) {
            const attr_list attrs = list(cases[i], counts);
            const op_case c = {.kind = "AvgPool2d",
                               .attrs = &attrs,
                               .shapes = {crd_shape_make(3, 2, 7, 6)},
                               .n_images = 1 + counts,
                               .reference = plain};
            op_check(&c);
        }
}

static void values_are_torchs(void **state)
{
    (void)state;
    static const double expected[2][4] = {{1, 2.5, 5.5, 7}, {0.25, 1.25, 2.75, 7}};
    for (int counts = 0; counts < 2; counts++) {
        const attr_list attrs = list((pool2d_attrs){{2, 2}, {2, 2}, {1, 1}, 0}, counts);
        const op_case c = {.kind = "AvgPool2d",
                           .attrs = &attrs,
                           .shapes = {crd_shape_make(3, 1, 3, 3)},
                           .n_images = 1,
                           .reference = plain};
        op_check_values(&c, &(op_values){.in = (const float[]){1, 2, 3, 4, 5, 6, 7, 8, 9},
                                         .out = expected[counts]});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(padding_counts_or_not),
        cmocka_unit_test(values_are_torchs),
    };
    return cmocka_run_group_tests_name("avg_pool", tests, NULL, NULL);
}
