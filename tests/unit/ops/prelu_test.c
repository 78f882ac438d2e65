/* PReLU with one slope and one a channel, against its formula and torch's values. */
#include "op_golden.h"

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    int64_t channels = op->shape.dims[0], pixels = crd_shape_count(&op->shape) / channels;
    (void)payload;
    for (int64_t i = 0; i < n_images * channels * pixels; i++) {
        int64_t c = attr_of(op, "num_parameters", 0) > 1 ? i / pixels % channels : 0;
        out[i] = in[0][i] < 0 ? params[0][c] * in[0][i] : in[0][i];
    }
}

static void one_slope_or_one_a_channel(void **state)
{
    (void)state;
    for (int n = 1; n <= 3; n += 2) {
        const attr_list attrs = ATTRS(ONE("num_parameters", n));
        op_check(&(op_case){.kind = "PReLU",
                            .attrs = &attrs,
                            .shapes = {crd_shape_make(3, 3, 4, 5)},
                            .n_images = 2,
                            .reference = plain});
    }
}

/* torch.nn.PReLU(2) in float64, torch 2.15. */
static void values_are_torchs(void **state)
{
    (void)state;
    static const double x[4] = {-1, 2, -3, 4}, slope[2] = {0.25, -0.5}, dout[4] = {1, 2, 3, 4};
    static const double y[4] = {-0.25, 2, 1.5, 4}, dx[4] = {0.25, 2, -1.5, 4};
    static const double dslope[2] = {-1, -9};
    const attr_list attrs = ATTRS(ONE("num_parameters", 2));
    op_golden_check("PReLU", &attrs, crd_shape_make(3, 2, 1, 2),
                    &(op_golden){x, {slope, NULL}, dout, y, dx, {dslope, NULL}});
}

OP_TESTS("prelu", cmocka_unit_test(one_slope_or_one_a_channel), cmocka_unit_test(values_are_torchs))
