/* Conv3d against its definition: strides, paddings, dilations, groups; and torch's values. */
#include "op_golden.h"

static void three_of(int64_t out[3], const crd_graph_op *op, const char *name)
{
    for (int i = 0; i < 3; i++)
        out[i] = (int64_t)attr_of(op, name, i);
}

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    int64_t k[3], stride[3], padding[3], dilation[3], at[3], groups;
    (void)payload;
    three_of(k, op, "kernel_size");
    three_of(stride, op, "stride");
    three_of(padding, op, "padding");
    three_of(dilation, op, "dilation");
    groups = (int64_t)attr_of(op, "groups", 0);
    const int64_t *from = op->in->dims, *to = op->shape.dims;
    int64_t n_in = from[0] / groups, n_out = to[0] / groups, window = k[0] * k[1] * k[2];
    for (int64_t o = 0; o < n_images * crd_shape_count(&op->shape); o++) {
        int64_t x = o % to[3], y = o / to[3] % to[2], z = o / (to[3] * to[2]) % to[1];
        int64_t c = o / (to[3] * to[2] * to[1]) % to[0], image = o / crd_shape_count(&op->shape);
        const int64_t place[3] = {z, y, x};
        out[o] = params[1] == NULL ? 0 : params[1][c];
        for (int64_t i = 0; i < n_in * window; i++) {
            const int64_t tap[3] = {i / (k[1] * k[2]) % k[0], i / k[2] % k[1], i % k[2]};
            bool is_inside = true;
            for (int axis = 0; axis < 3; axis++) {
                at[axis] = place[axis] * stride[axis] - padding[axis] + tap[axis] * dilation[axis];
                is_inside = is_inside && at[axis] >= 0 && at[axis] < from[1 + axis];
            }
            int64_t channel = image * from[0] + c / n_out * n_in + i / window;
            if (is_inside)
                out[o] += params[0][c * n_in * window + i] *
                          in[0][((channel * from[1] + at[0]) * from[2] + at[1]) * from[3] + at[2]];
        }
    }
}

#define THREE(key, values)                                                                         \
    CRD_ATTR(key, (double)(values)[0], (double)(values)[1], (double)(values)[2])

static void windows_of_all_kinds(void **state)
{
    (void)state;
    static const double windows[][13] = {
        /* kernel, stride, padding, dilation, groups */
        {1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1},
        {2, 3, 1, 1, 2, 1, 1, 0, 0, 1, 1, 1, 2},
        {2, 2, 2, 2, 1, 2, 0, 1, 1, 1, 2, 1, 1},
        {3, 1, 2, 1, 1, 1, 2, 0, 1, 1, 1, 2, 4},
    };
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
        for (int64_t n = 1; n <= 3; n += 2) {
            const double *w = windows[i];
            const attr_list attrs =
                ATTRS(ONE("in_channels", 4), ONE("out_channels", 4), THREE("kernel_size", w),
                      THREE("stride", w + 3), THREE("padding", w + 6), THREE("dilation", w + 9),
                      ONE("groups", w[12]), ONE("bias", n > 1));
            op_check(&(op_case){.kind = "Conv3d",
                                .attrs = &attrs,
                                .shapes = {crd_shape_make(4, 4, 3, 3, 4)},
                                .n_images = n,
                                .reference = plain});
        }
}

/* torch.nn.Conv3d(1, 1, 2, padding=1, stride=(2, 1, 1)) in float64, torch 2.15. */
static void values_are_torchs(void **state)
{
    (void)state;
    static const double y[18] = {-3.5, -5.5, -1.75, -3.5, -4.5, -1.0, -0.5, -0.5, 0.25,
                                 0.5,  0.5,  0.25,  0.5,  -0.5, -1.0, -0.5, -2.5, -1.75};
    static const double dx[8] = {0.325,
                                 0.5750000000000001,
                                 1.075,
                                 1.3250000000000002,
                                 -1.8250000000000002,
                                 -1.9749999999999996,
                                 -2.2750000000000004,
                                 -2.4250000000000003};
    static const double dw[8] = {9.700000000000001,
                                 9.100000000000001,
                                 7.899999999999999,
                                 7.300000000000001,
                                 -5.3,
                                 -4.300000000000001,
                                 -2.3,
                                 -1.3};
    static const double db[1] = {15.299999999999999};
    static const double bias[1] = {0.5};
    double x[8], weight[8], dout[18];
    for (int i = 0; i < 18; i++) {
        if (i < 8) {
            x[i] = i - 4;
            weight[i] = (i - 3) / 4.0;
        }
        dout[i] = i / 10.0;
    }
    const attr_list attrs =
        ATTRS(ONE("in_channels", 1), ONE("out_channels", 1), CRD_ATTR("kernel_size", 2, 2, 2),
              CRD_ATTR("padding", 1, 1, 1), CRD_ATTR("stride", 2, 1, 1));
    op_golden_check("Conv3d", &attrs, crd_shape_make(4, 1, 2, 2, 2),
                    &(op_golden){x, {weight, bias}, dout, y, dx, {dw, db}});
}

static void an_image_is_no_volume(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 2, 4, 4);
    const attr_list attrs =
        ATTRS(ONE("in_channels", 2), ONE("out_channels", 1), CRD_ATTR("kernel_size", 2, 2, 2));
    const int64_t input = 0;
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_fails(network_add(NULL, network, "Conv3d", "n", &attrs, &input, 1), CRD_ERR_INPUT,
                 "op 'n' (Conv3d): its input has shape (2, 4, 4); needed is (2, depth, height, "
                 "width)");
    crd_network_destroy(network);
}

OP_TESTS("conv3d", cmocka_unit_test(windows_of_all_kinds), cmocka_unit_test(values_are_torchs),
         cmocka_unit_test(an_image_is_no_volume))
