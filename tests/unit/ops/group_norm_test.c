/* GroupNorm of one, some and as many groups as channels, against its formula and torch's values. */
#include "op_golden.h"

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    int64_t channels = op->shape.dims[0], pixels = crd_shape_count(&op->shape) / channels;
    int64_t groups = (int64_t)attr_of(op, "num_groups", 0), n = channels / groups * pixels;
    (void)payload;
    for (int64_t k = 0; k < n_images * groups; k++) {
        const double *x = in[0] + k * n;
        double mean = 0, variance = 0;
        for (int64_t i = 0; i < n; i++)
            mean += x[i] / (double)n;
        for (int64_t i = 0; i < n; i++)
            variance += (x[i] - mean) * (x[i] - mean) / (double)n;
        for (int64_t i = 0; i < n; i++) {
            int64_t c = (k % groups * n + i) / pixels;
            out[k * n + i] = (x[i] - mean) / sqrt(variance + attr_of(op, "eps", 0)) * params[0][c] +
                             params[1][c];
        }
    }
}

static void groups_of_channels(void **state)
{
    (void)state;
    for (int groups = 1; groups <= 6; groups++)
        for (int64_t n = 1; n <= 3 && 6 % groups == 0; n += 2) {
            const attr_list attrs =
                ATTRS(ONE("num_groups", groups), ONE("num_channels", 6), CRD_ATTR("eps", 1e-2));
            op_check(&(op_case){.kind = "GroupNorm",
                                .attrs = &attrs,
                                .shapes = {crd_shape_make(3, 6, 3, 2)},
                                .n_images = n,
                                .reference = plain});
        }
}

/* torch.nn.GroupNorm(2, 4, eps=1e-3) in float64, torch 2.15. */
static void values_are_torchs(void **state)
{
    (void)state;
    static const double x[8] = {1, 2, 4, -3, 0.5, 0.25, -1, 2};
    static const double dout[8] = {1, -1, 2, 0.5, 0.25, 3, -1, 1};
    static const double weight[4] = {1, 0.5, 2, -1}, bias[4] = {0, 0.1, 0.2, 0.3};
    static const double y[8] = {0.0,
                                0.39220210204417516,
                                0.6883031530662628,
                                -0.6844042040883503,
                                0.3171905399551683,
                                -0.1515716198655055,
                                1.6476912094844374,
                                -1.1648817494396058};
    static const double dx[8] = {0.26963894515537046, -0.5298476347999302, 0.2243918175545196,
                                 0.03581687209004021, -1.0020053506623583, 3.943540371628422,
                                 -1.7982714052614721, -1.1432636157045921};
    static const double dweight[4] = {-0.39220210204417516, 1.5688084081767006, -0.5127086123038622,
                                      2.8125729589240427};
    const attr_list attrs =
        ATTRS(ONE("num_groups", 2), ONE("num_channels", 4), CRD_ATTR("eps", 1e-3));
    op_golden_check("GroupNorm", &attrs, crd_shape_make(3, 4, 1, 2),
                    &(op_golden){x, {weight, bias}, dout, y, dx, {dweight, NULL}});
}

static void channels_that_groups_do_not_divide_are_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 6, 2, 2);
    const attr_list attrs = ATTRS(ONE("num_groups", 4), ONE("num_channels", 6));
    const int64_t input = 0;
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_fails(network_add(NULL, network, "GroupNorm", "n", &attrs, &input, 1), CRD_ERR_INPUT,
                 "op 'n' (GroupNorm): 6 channels in 4 groups, but its input has 6 channels");
    crd_network_destroy(network);
}

OP_TESTS("group_norm", cmocka_unit_test(groups_of_channels), cmocka_unit_test(values_are_torchs),
         cmocka_unit_test(channels_that_groups_do_not_divide_are_refused))
