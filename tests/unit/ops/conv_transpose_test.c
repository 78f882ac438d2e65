/* ConvTranspose1d and ConvTranspose3d against their definition: every input element adds its kernel
 * to the output; strides, paddings, dilations, groups; and torch's values. */
#include "op_golden.h"

enum { AXES = 3 };

/* Of the last n axes; the others have `rest`. */
static void take(int64_t out[AXES], const crd_graph_op *op, const char *name, int n, int64_t rest)
{
    for (int i = 0; i < AXES; i++)
        out[i] = i < AXES - n ? rest : (int64_t)attr_of(op, name, i - (AXES - n));
}

static int64_t extent(const crd_shape *shape, int i)
{
    return shape->n_dims == 4 ? shape->dims[1 + i] : (i == 2 ? shape->dims[2] : 1);
}

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    int n = *(const int *)payload;
    int64_t k[AXES], stride[AXES], padding[AXES], dilation[AXES];
    int64_t groups = (int64_t)attr_of(op, "groups", 0);
    take(k, op, "kernel_size", n, 1);
    take(stride, op, "stride", n, 1);
    take(padding, op, "padding", n, 0);
    take(dilation, op, "dilation", n, 1);
    const crd_shape *from = op->in, *to = &op->shape;
    int64_t n_from = crd_shape_count(from) / from->dims[0];
    int64_t n_to = crd_shape_count(to) / to->dims[0];
    int64_t window = k[0] * k[1] * k[2], n_out = to->dims[0] / groups;
    for (int64_t i = 0; i < n_images * crd_shape_count(to); i++)
        out[i] = params[1] == NULL ? 0 : params[1][i / n_to % to->dims[0]];
    for (int64_t i = 0; i < n_images * crd_shape_count(from); i++) {
        int64_t p = i % n_from, c = i / n_from % from->dims[0], image = i / crd_shape_count(from);
        const int64_t at[AXES] = {p / (extent(from, 1) * extent(from, 2)),
                                  p / extent(from, 2) % extent(from, 1), p % extent(from, 2)};
        for (int64_t w = 0; w < n_out * window; w++) {
            const int64_t tap[AXES] = {w / (k[1] * k[2]) % k[0], w / k[2] % k[1], w % k[2]};
            int64_t place = 0;
            bool is_in = true;
            for (int a = 0; a < AXES; a++) {
                int64_t q = at[a] * stride[a] - padding[a] + tap[a] * dilation[a];
                is_in = is_in && q >= 0 && q < extent(to, a);
                place = place * extent(to, a) + q;
            }
            int64_t channel = c / (from->dims[0] / groups) * n_out + w / window;
            if (is_in)
                out[(image * to->dims[0] + channel) * n_to + place] +=
                    in[0][i] * params[0][c * n_out * window + w];
        }
    }
}

#define THREE(key, values)                                                                         \
    CRD_ATTR(key, (double)(values)[0], (double)(values)[1], (double)(values)[2])

static void windows_of_volumes(void **state)
{
    (void)state;
    static const int n_axes = 3;
    static const double windows[][16] = {
        /* kernel, stride, padding, output padding, dilation, groups */
        {1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1},
        {2, 3, 1, 1, 2, 1, 1, 0, 0, 0, 1, 0, 1, 1, 1, 2},
        {2, 2, 2, 2, 1, 2, 0, 1, 1, 1, 0, -1, 1, 2, 1, 1},
        {3, 1, 2, 1, 1, 1, 2, 0, 1, 0, 0, 0, 1, 1, 2, 4},
    };
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
        for (int64_t n = 1; n <= 3; n += 2) {
            const double *w = windows[i];
            const attr_list attrs = ATTRS(
                ONE("in_channels", 4), ONE("out_channels", 8), THREE("kernel_size", w),
                THREE("stride", w + 3), THREE("padding", w + 6), THREE("output_padding", w + 9),
                THREE("dilation", w + 12), ONE("groups", w[15]), ONE("bias", n > 1));
            op_check(&(op_case){.kind = "ConvTranspose3d",
                                .attrs = &attrs,
                                .shapes = {crd_shape_make(4, 4, 3, 2, 3)},
                                .n_images = n,
                                .reference = plain,
                                .payload = &n_axes});
        }
}

static void windows_of_sequences(void **state)
{
    (void)state;
    static const int n_axes = 1;
    static const double windows[][6] = {
        {1, 1, 0, 0, 1, 1}, {3, 2, 1, 1, 1, 2}, {4, 3, 0, -1, 2, 1}, {2, 1, 1, 0, 3, 4}};
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
        for (int64_t n = 1; n <= 3; n += 2) {
            const double *w = windows[i];
            const attr_list attrs =
                ATTRS(ONE("in_channels", 4), ONE("out_channels", 4), ONE("kernel_size", w[0]),
                      ONE("stride", w[1]), ONE("padding", w[2]), ONE("output_padding", w[3]),
                      ONE("dilation", w[4]), ONE("groups", w[5]), ONE("bias", n > 1));
            op_check(&(op_case){.kind = "ConvTranspose1d",
                                .attrs = &attrs,
                                .shapes = {crd_shape_make(3, 4, 1, 7)},
                                .n_images = n,
                                .reference = plain,
                                .payload = &n_axes});
        }
}

/* (i a mod m) - m / 2, times s: as the torch values were made. */
static void fill(double *out, int n, int a, int m, double s)
{
    for (int i = 0; i < n; i++)
        out[i] = (i * a % m - m / 2) * s;
}

/* torch.nn.ConvTranspose1d(2, 2, 3, stride=2, padding=1, output_padding=1) and
 * ConvTranspose3d(1, 2, 2, stride=(1, 2, 1), padding=(0, 1, 0), output_padding=(0, 1, 0)) in
 * float64, torch 2.15. */
static void values_are_torchs(void **state)
{
    (void)state;
    double x[8], weight[16], bias[2], dout[54];
    fill(x, 8, 7, 11, 0.5);
    fill(weight, 16, 5, 7, 0.25);
    fill(bias, 2, 5, 7, 0.25);
    fill(dout, 54, 3, 10, 0.1);
    static const double y1[12] = {-3.875, -0.375, -0.625, 0.625, -0.125, -1.5,
                                  -2.625, 1.25,   1.0,    1.625, 0.5,    -0.875};
    static const double dx1[6] = {-0.125, 0.375, -0.975, -0.175, 0.375, 0.225};
    static const double dw1[12] = {-0.6, 1.65,  0.9,  -0.6, -0.35, 1.4,
                                   -0.7, -0.75, -0.3, -0.5, 1.45,  -0.6};
    static const double db1[2] = {-0.5, -0.7};
    const attr_list one =
        ATTRS(ONE("in_channels", 2), ONE("out_channels", 2), ONE("kernel_size", 3),
              ONE("stride", 2), ONE("padding", 1), ONE("output_padding", 1));
    op_golden_check("ConvTranspose1d", &one, crd_shape_make(3, 2, 1, 3),
                    &(op_golden){x, {weight, bias}, dout, y1, dx1, {dw1, db1}});
    static const double y3[54] = {
        -0.75, 0.5,   -1.25, 0.0,    -3.125, 0.5,    -0.75,  -0.25,  -2.0,   -0.125, 0.625,
        -0.75, -3.0,  1.875, -0.125, -0.5,   -1.625, -2.625, -0.875, -0.75,  0.375,  0.75,
        -0.25, -0.75, -1.25, -2.25,  -0.75,  1.75,   -1.875, 1.25,   0.0,    1.75,   0.5,
        1.0,   -1.5,  2.375, 2.125,  -0.375, -0.125, 1.25,   1.375,  -0.125, 0.25,   -0.375,
        1.75,  0.125, 1.875, -0.25,  1.0,    0.0,    0.5,    -1.0,   1.5,    0.5};
    static const double dx3[8] = {0.125, 0.675, -0.675, 0.25, -0.175, 0.125, 0.4, -0.675};
    static const double dw3[16] = {-0.95, 1.1,   0.6, 1.4, 0.5,   -0.95, -1.2, 0.6,
                                   0.4,   -0.55, 0.7, 1.5, -1.65, 0.4,   -1.1, 0.7};
    static const double db3[2] = {-1.2, -1.5};
    const attr_list three =
        ATTRS(ONE("in_channels", 1), ONE("out_channels", 2), CRD_ATTR("kernel_size", 2, 2, 2),
              CRD_ATTR("stride", 1, 2, 1), CRD_ATTR("padding", 0, 1, 0),
              CRD_ATTR("output_padding", 0, 1, 0));
    op_golden_check("ConvTranspose3d", &three, crd_shape_make(4, 1, 2, 2, 2),
                    &(op_golden){x, {weight, bias}, dout, y3, dx3, {dw3, db3}});
}

static void an_output_of_nothing_is_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 1, 1, 2);
    const attr_list attrs = ATTRS(ONE("in_channels", 1), ONE("out_channels", 1),
                                  ONE("kernel_size", 1), ONE("padding", 1));
    const attr_list volume =
        ATTRS(ONE("in_channels", 1), ONE("out_channels", 1), CRD_ATTR("kernel_size", 1, 1, 1));
    const int64_t input = 0;
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_fails(network_add(NULL, network, "ConvTranspose1d", "n", &attrs, &input, 1),
                 CRD_ERR_INPUT, "its output would have an extent of 0");
    assert_fails(network_add(NULL, network, "ConvTranspose3d", "n", &volume, &input, 1),
                 CRD_ERR_INPUT,
                 "its input has shape (1, 1, 2); needed is (1, depth, height, width)");
    crd_network_destroy(network);
}

OP_TESTS("conv_transpose", cmocka_unit_test(windows_of_volumes),
         cmocka_unit_test(windows_of_sequences), cmocka_unit_test(values_are_torchs),
         cmocka_unit_test(an_output_of_nothing_is_refused))
