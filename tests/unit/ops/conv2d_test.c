/* Conv2d with other padding below and to the right than above and to the left, and depthwise,
 * against its formula and torch's values. */
#include <math.h>

#include "crd_test.h"
#include "op_check.h"

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    const conv2d_attrs a = conv2d_of(op);
    const crd_shape *s = &op->shape;
    int64_t n_in = a.in_channels / a.groups, height = op->in->dims[1], width = op->in->dims[2];
    (void)payload;
    for (int64_t i = 0; i < n_images * crd_shape_count(s); i++) {
        int64_t x = i % s->dims[2], y = i / s->dims[2] % s->dims[1];
        int64_t o = i / (s->dims[1] * s->dims[2]) % s->dims[0], image = i / crd_shape_count(s);
        out[i] = params[1] == NULL ? 0 : params[1][o];
        for (int64_t k = 0; k < n_in * a.kernel_size[0] * a.kernel_size[1]; k++) {
            int64_t kx = k % a.kernel_size[1], ky = k / a.kernel_size[1] % a.kernel_size[0];
            int64_t c = k / (a.kernel_size[0] * a.kernel_size[1]);
            int64_t in_y = y * a.stride[0] - a.padding[0] + ky * a.dilation[0];
            int64_t in_x = x * a.stride[1] - a.padding[1] + kx * a.dilation[1];
            int64_t channel = image * a.in_channels + o / (a.out_channels / a.groups) * n_in + c;
            if (in_y >= 0 && in_y < height && in_x >= 0 && in_x < width)
                out[i] += params[0][o * n_in * a.kernel_size[0] * a.kernel_size[1] + k] *
                          in[0][(channel * height + in_y) * width + in_x];
        }
    }
}

static void check(conv2d_attrs a, const int64_t *padding_end, int64_t height, int64_t width,
                  int64_t n_images)
{
    attr_list attrs = conv2d_list(a);
    if (padding_end != NULL)
        attrs.list[8] = (crd_attr)TWO("padding_end", padding_end);
    const op_case c = {.kind = "Conv2d",
                       .attrs = &attrs,
                       .shapes = {crd_shape_make(3, a.in_channels, height, width)},
                       .n_images = n_images,
                       .reference = plain};
    op_check(&c);
}

static void padding_may_be_uneven(void **state)
{
    (void)state;
    static const int64_t ends[][2] = {{0, 1}, {2, 0}, {3, 2}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        for (int64_t stride = 1; stride <= 2; stride++)
            for (int64_t groups = 1; groups <= 4; groups *= 2)
                check((conv2d_attrs){4, 4, {3, 3}, {stride, stride}, {1, 0}, {1, 1}, groups, 1},
                      ends[i], 6, 7, 1 + stride);
}

/* torch's Conv1d. */
static void plain_of_a_sequence(double *out, const crd_graph_op *op, const double *const *in,
                                const double *const *params, int64_t n_images, const void *payload)
{
    int64_t groups = (int64_t)attr_of(op, "groups", 0), k = (int64_t)attr_of(op, "kernel_size", 0);
    int64_t n_in = op->in->dims[0] / groups, length = op->in->dims[2];
    int64_t n_out = op->shape.dims[0], out_length = op->shape.dims[2];
    (void)payload;
    for (int64_t i = 0; i < n_images * n_out * out_length; i++) {
        int64_t x = i % out_length, o = i / out_length % n_out, image = i / out_length / n_out;
        out[i] = params[1] == NULL ? 0 : params[1][o];
        for (int64_t t = 0; t < n_in * k; t++) {
            int64_t at = x * (int64_t)attr_of(op, "stride", 0) -
                         (int64_t)attr_of(op, "padding", 0) +
                         t % k * (int64_t)attr_of(op, "dilation", 0);
            int64_t channel = image * op->in->dims[0] + o / (n_out / groups) * n_in + t / k;
            if (at >= 0 && at < length)
                out[i] += params[0][o * n_in * k + t] * in[0][channel * length + at];
        }
    }
}

static void sequences(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        const attr_list attrs =
            ATTRS(ONE("in_channels", 4), ONE("out_channels", 8), ONE("kernel_size", 1 + i % 4),
                  ONE("stride", 1 + i % 2), ONE("padding", i % 3), ONE("dilation", 1 + i / 4),
                  ONE("groups", 1 << i % 3), ONE("bias", i % 2), ONE("padding_end", i % 3 + 1));
        op_check(&(op_case){.kind = "Conv1d",
                            .attrs = &attrs,
                            .shapes = {crd_shape_make(3, 4, 1, 9)},
                            .n_images = 1 + i % 3,
                            .reference = plain_of_a_sequence});
    }
}

/* kernel, stride, padding, dilation, channels out of one in */
static void depthwise(void **state)
{
    (void)state;
    static const int64_t cases[][6] = {
        {3, 1, 1, 1, 1, 4}, {3, 2, 1, 1, 1, 5}, {5, 1, 2, 1, 1, 3}, {5, 2, 2, 1, 1, 2},
        {7, 1, 3, 1, 1, 4}, {3, 1, 2, 2, 1, 3}, {3, 1, 1, 1, 2, 3}, {3, 3, 0, 1, 1, 3},
        {1, 1, 0, 1, 1, 3}, {4, 2, 1, 1, 1, 3}, {3, 1, 5, 1, 1, 2}, {2, 1, 0, 3, 1, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int64_t *k = cases[i];
        for (int64_t n_images = 1; n_images <= 3; n_images += 2)
            check((conv2d_attrs){k[5],
                                 k[5] * k[4],
                                 {k[0], k[0]},
                                 {k[1], k[1]},
                                 {k[2], k[2]},
                                 {k[3], k[3]},
                                 k[5],
                                 n_images == 1},
                  NULL, 9, 8, n_images);
    }
    /* Rows and columns differ. */
    check((conv2d_attrs){3, 3, {1, 5}, {2, 1}, {0, 2}, {1, 1}, 3, 1}, NULL, 7, 11, 2);
    check((conv2d_attrs){3, 3, {5, 2}, {1, 2}, {2, 0}, {1, 2}, 3, 0}, NULL, 8, 9, 2);
}

/* Longer rows than registers, and rests of every length. */
static void depthwise_of_wide_rows(void **state)
{
    (void)state;
    for (int64_t width = 13; width <= 40; width += 9)
        for (int64_t stride = 1; stride <= 2; stride++)
            check((conv2d_attrs){2, 2, {3, 3}, {stride, stride}, {1, 1}, {1, 1}, 2, 1}, NULL, 4,
                  width, 1);
}

/* conv2d(pad(1..16 in rows of 4, (0, 1, 0, 1)), kernel, stride=2) */
static void values_are_torchs(void **state)
{
    (void)state;
    const attr_list attrs = ATTRS(CRD_ATTR("in_channels", 1), CRD_ATTR("out_channels", 1),
                                  CRD_ATTR("kernel_size", 3, 3), CRD_ATTR("stride", 2, 2),
                                  CRD_ATTR("bias", 0), CRD_ATTR("padding_end", 1, 1));
    const op_case c = {.kind = "Conv2d",
                       .attrs = &attrs,
                       .shapes = {crd_shape_make(3, 1, 4, 4)},
                       .n_images = 1,
                       .reference = plain};
    const float in[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    op_check_values(&c, &(op_values){.in = in,
                                     .params = {(const float[]){1, 2, 0, 0, -1, 1, 3, 0, 1}},
                                     .out = (const double[]){44, 36, 30, 19}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(padding_may_be_uneven),
        cmocka_unit_test(sequences),
        cmocka_unit_test(depthwise),
        cmocka_unit_test(depthwise_of_wide_rows),
        cmocka_unit_test(values_are_torchs),
    };
    return cmocka_run_group_tests_name("conv2d", tests, NULL, NULL);
}
