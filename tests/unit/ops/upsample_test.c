/* Upsample against torch's interpolate, and its gradient against differences. */
#include "op_golden.h"

/* Weights of a linear map, found by trying each input pixel alone in the plain version below. */
static double place(const crd_graph_op *op, int d, int64_t at)
{
    double n = (double)op->in->dims[1 + d], m = (double)op->shape.dims[1 + d];
    return attr_of(op, "mode", 0) == 0 ? floor((double)at * n / m)
                                       : ((double)at + 0.5) * n / m - 0.5;
}

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    int64_t height = op->in->dims[1], width = op->in->dims[2];
    int64_t out_height = op->shape.dims[1], out_width = op->shape.dims[2];
    (void)params;
    (void)payload;
    for (int64_t i = 0; i < n_images * crd_shape_count(&op->shape); i++) {
        const double *plane = in[0] + i / (out_height * out_width) * height * width;
        double y = place(op, 0, i / out_width % out_height), x = place(op, 1, i % out_width);
        out[i] = 0;
        for (int64_t k = 0; k < height * width; k++) {
            double inside_y = fmin(fmax(y, 0), (double)(height - 1));
            double inside_x = fmin(fmax(x, 0), (double)(width - 1));
            double share = fmax(0, 1 - fabs(inside_y - (double)(k / width))) *
                           fmax(0, 1 - fabs(inside_x - (double)(k % width)));
            out[i] += share * plane[k];
        }
    }
}

static void both_modes(void **state)
{
    (void)state;
    static const char *const modes[] = {"nearest", "bilinear"};
    static const double sizes[][2] = {{6, 10}, {2, 3}, {3, 5}, {7, 4}};
    for (int mode = 0; mode < 2; mode++)
        for (int s = 0; s < 4; s++) {
            const attr_list attrs =
                ATTRS(TWO("size", sizes[s]), CRD_ATTR_WORD("mode", modes[mode]),
                      CRD_ATTR_WORD("coordinates", mode == 0 ? "asymmetric" : "half_pixel"));
            op_check(&(op_case){.kind = "Upsample",
                                .attrs = &attrs,
                                .shapes = {crd_shape_make(3, 2, 3, 5)},
                                .n_images = 3,
                                .reference = plain});
        }
}

/* torch.nn.functional.interpolate to (3, 5) in float64, torch 2.15. */
static void values_are_torchs(void **state)
{
    (void)state;
    static const double x[4] = {1, 2, 3, 5};
    static const double linear[15] = {1.0,  1.1,  1.5,  1.9000000000000001, 2.0, 1.9999999999999998,
                                      2.15, 2.75, 3.35, 3.4999999999999996, 3.0, 3.2,
                                      4.0,  4.8,  5.0};
    static const double corners[15] = {1.0,   1.25, 1.5, 1.75, 2.0, 2.0, 2.375, 2.75,
                                       3.125, 3.5,  3.0, 3.5,  4.0, 4.5, 5.0};
    static const double nearest[15] = {1.0, 1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0,
                                       2.0, 2.0, 3.0, 3.0, 3.0, 5.0, 5.0};
    const attr_list lists[] = {
        ATTRS(CRD_ATTR("size", 3, 5), CRD_ATTR_WORD("mode", "bilinear"),
              CRD_ATTR_WORD("coordinates", "half_pixel")),
        ATTRS(CRD_ATTR("size", 3, 5), CRD_ATTR_WORD("mode", "bilinear"),
              CRD_ATTR_WORD("coordinates", "align_corners")),
        ATTRS(CRD_ATTR("size", 3, 5), CRD_ATTR_WORD("mode", "nearest")),
    };
    const double *const values[] = {linear, corners, nearest};
    for (int i = 0; i < 3; i++)
        op_golden_check("Upsample", &lists[i], crd_shape_make(3, 1, 2, 2),
                        &(op_golden){.x = x, .y = values[i]});
}

OP_TESTS("upsample", cmocka_unit_test(both_modes), cmocka_unit_test(values_are_torchs))
