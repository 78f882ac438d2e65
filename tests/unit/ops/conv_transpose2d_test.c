/* ConvTranspose2d against its definition: every input pixel adds its kernel to the output; strides,
 * paddings, dilations, groups; and torch's values. */
#include "op_golden.h"

static int64_t number(const crd_graph_op *op, const char *name, int i)
{
    return (int64_t)attr_of(op, name, i);
}

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    const crd_shape *from = op->in, *to = &op->shape;
    int64_t stride[2], padding[2], dilation[2];
    attrs_of(stride, op, "stride");
    attrs_of(padding, op, "padding");
    attrs_of(dilation, op, "dilation");
    int64_t groups = number(op, "groups", 0), ky = number(op, "kernel_size", 0);
    int64_t kx = number(op, "kernel_size", 1), n_out = to->dims[0] / groups;
    (void)payload;
    for (int64_t i = 0; i < n_images * crd_shape_count(to); i++)
        out[i] = params[1] == NULL ? 0 : params[1][i / (to->dims[1] * to->dims[2]) % to->dims[0]];
    for (int64_t i = 0; i < n_images * crd_shape_count(from); i++) {
        int64_t x = i % from->dims[2], y = i / from->dims[2] % from->dims[1];
        int64_t c = i / (from->dims[1] * from->dims[2]) % from->dims[0];
        int64_t image = i / crd_shape_count(from), group = c / (from->dims[0] / groups);
        for (int64_t k = 0; k < n_out * ky * kx; k++) {
            int64_t o = k / (ky * kx), dy = k / kx % ky, dx = k % kx;
            int64_t oy = y * stride[0] - padding[0] + dy * dilation[0];
            int64_t ox = x * stride[1] - padding[1] + dx * dilation[1];
            if (oy >= 0 && ox >= 0 && oy < to->dims[1] && ox < to->dims[2])
                out[((image * to->dims[0] + group * n_out + o) * to->dims[1] + oy) * to->dims[2] +
                    ox] += in[0][i] * params[0][c * n_out * ky * kx + k];
        }
    }
}

static void windows_of_all_kinds(void **state)
{
    (void)state;
    static const double windows[][11] = {
        /* kernel, stride, padding, output padding, dilation, groups */
        {3, 3, 1, 1, 0, 0, 0, 0, 1, 1, 1},  {3, 2, 2, 2, 1, 0, 1, 0, 1, 1, 2},
        {2, 4, 2, 3, 0, 1, 0, 1, 1, 1, 1},  {3, 3, 1, 2, 1, 2, 0, 0, 2, 1, 1},
        {3, 3, 2, 2, 1, 1, -1, 1, 2, 2, 2}, {1, 1, 2, 2, 0, 0, 1, 1, 1, 1, 4},
        {4, 4, 2, 2, 1, 1, 0, 0, 1, 1, 1},
    };
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
        for (int64_t n = 1; n <= 3; n += 2) {
            const double *w = windows[i];
            const attr_list attrs =
                ATTRS(ONE("in_channels", 4), ONE("out_channels", 8), TWO("kernel_size", w),
                      TWO("stride", w + 2), TWO("padding", w + 4), TWO("output_padding", w + 6),
                      TWO("dilation", w + 8), ONE("groups", w[10]), ONE("bias", n > 1));
            op_check(&(op_case){.kind = "ConvTranspose2d",
                                .attrs = &attrs,
                                .shapes = {crd_shape_make(3, 4, 3, 5)},
                                .n_images = n,
                                .reference = plain});
        }
}

/* torch.nn.ConvTranspose2d(2, 2, 2, stride=2, output_padding=1) in float64, torch 2.15. */
static void values_are_torchs(void **state)
{
    (void)state;
    static const double y[50] = {-1.5, 0.0,  -3.5, -1.5, 0.5,  1.5,  3.0,  0.5,  2.5,  0.5,
                                 -5.5, -3.0, -7.5, -4.5, 0.5,  -0.5, 2.0,  -1.5, 1.5,  0.5,
                                 0.5,  0.5,  0.5,  0.5,  0.5,  3.0,  4.5,  3.0,  5.0,  -1.0,
                                 6.0,  7.5,  7.0,  9.0,  -1.0, 3.0,  5.5,  3.0,  6.0,  -1.0,
                                 8.0,  10.5, 9.0,  12.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0};
    static const double dx[8] = {-8.4,
                                 -10.2,
                                 -17.4,
                                 -19.200000000000003,
                                 16.400000000000002,
                                 17.8,
                                 23.400000000000002,
                                 24.799999999999997};
    static const double dweight[16] = {8.2,
                                       9.2,
                                       13.200000000000001,
                                       14.2,
                                       33.2,
                                       34.2,
                                       38.2,
                                       39.2,
                                       17.8,
                                       20.400000000000002,
                                       30.8,
                                       33.400000000000006,
                                       82.80000000000001,
                                       85.39999999999999,
                                       95.80000000000001,
                                       98.39999999999999};
    static const double dbias[2] = {30.0, 92.49999999999999}, bias[2] = {0.5, -1};
    double x[8], weight[16], dout[50];
    for (int i = 0; i < 50; i++) {
        if (i < 8)
            x[i] = i + 1;
        if (i < 16)
            weight[i] = (i - 8) / 4.0;
        dout[i] = i / 10.0;
    }
    const attr_list attrs =
        ATTRS(ONE("in_channels", 2), ONE("out_channels", 2), CRD_ATTR("kernel_size", 2, 2),
              CRD_ATTR("stride", 2, 2), CRD_ATTR("output_padding", 1, 1));
    op_golden_check("ConvTranspose2d", &attrs, crd_shape_make(3, 2, 2, 2),
                    &(op_golden){x, {weight, bias}, dout, y, dx, {dweight, dbias}});
}

OP_TESTS("conv_transpose2d", cmocka_unit_test(windows_of_all_kinds),
         cmocka_unit_test(values_are_torchs))
