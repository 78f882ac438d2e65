/* LayerNorm of vectors and of the channels of images, against its formula and torch's values. */
#include <math.h>

#include "crd_test.h"
#include "op_check.h"

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    int64_t features = op->shape.dims[0], positions = crd_shape_count(&op->shape) / features;
    (void)payload;
    for (int64_t k = 0; k < n_images * positions; k++) {
        const double *x = in[0] + k / positions * features * positions + k % positions;
        double *y = out + (x - in[0]), mean = 0, variance = 0;
        for (int64_t c = 0; c < features; c++)
            mean += x[c * positions] / (double)features;
        for (int64_t c = 0; c < features; c++)
            variance += pow(x[c * positions] - mean, 2) / (double)features;
        for (int64_t c = 0; c < features; c++) {
            double xhat = (x[c * positions] - mean) / sqrt(variance + attr_of(op, "eps", 0));
            y[c * positions] = params[0] == NULL ? xhat : xhat * params[0][c] + params[1][c];
        }
    }
}

static void features_of_every_position(void **state)
{
    (void)state;
    const crd_shape shapes[] = {crd_shape_make(1, 7), crd_shape_make(3, 5, 3, 4),
                                crd_shape_make(3, 3, 1, 1)};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int affine = 0; affine < 2; affine++) {
            const attr_list attrs = ATTRS(ONE("normalized_shape", shapes[s].dims[0]),
                                          CRD_ATTR("eps", 1e-3), ONE("elementwise_affine", affine));
            const op_case c = {.kind = "LayerNorm",
                               .attrs = &attrs,
                               .shapes = {shapes[s]},
                               .n_images = 1 + 2 * affine,
                               .reference = plain};
            op_check(&c);
        }
}

/* torch.nn.functional.layer_norm(x, (4,), w, b) in double, and its gradients for dout. */
static void values_are_torchs(void **state)
{
    (void)state;
    static const float x[8] = {1, 2, 4, -3, 0.5F, 0.25F, -1, 2};
    static const float dout[8] = {1, -1, 2, 0.5F, 0.25F, 3, -1, 1};
    static const float weight[4] = {1, 0.5F, 2, -1}, bias[4] = {0, 0.1F, 0.2F, 0.3F};
    static const double y[8] = {0,
                                0.29611598427979263,
                                2.553391811357512,
                                1.868927874238341,
                                0.05862078032576691,
                                0.012068829511349535,
                                -2.4965558949852804,
                                -1.165519508144174};
    static const double dx[8] = {0,
                                 -0.7920065462705572,
                                 0.5657201253852175,
                                 0.22628642088533985,
                                 0.514090260972742,
                                 1.7404929153247244,
                                 -1.2723355437350115,
                                 -0.9822476325624547};
    static const double dweight[4] = {0.014655195081441724, -0.919818991491488, 3.701669758850152,
                                      0.6810555710250036};
    const attr_list attrs = ATTRS(CRD_ATTR("normalized_shape", 4));
    const op_case c = {.kind = "LayerNorm",
                       .attrs = &attrs,
                       .shapes = {crd_shape_make(1, 4)},
                       .n_images = 2,
                       .reference = plain};
    op_fixture f;
    op_fixture_init(&f, &c);
    for (int i = 0; i < 8; i++) {
        int64_t at = op_fixture_place(i, f.op->in, 2);
        f.in_f[0][at] = x[i];
        f.dout_f[at] = dout[i];
    }
    memcpy(op_fixture_param(&f, f.params_f, 0), weight, sizeof weight);
    memcpy(op_fixture_param(&f, f.params_f, 1), bias, sizeof bias);
    float din[8], dw[4], *dins[1] = {din};
    const bool adds = false;
    const crd_op_args args = op_fixture_args(&f);
    const crd_op_grads grads = {.dout = f.dout_f, .din = dins, .adds = &adds, .dparams = {dw}};
    f.op->kind->forward(f.op, &args);
    f.op->kind->backward(f.op, &args, &grads);
    for (int i = 0; i < 8; i++) {
        int64_t at = op_fixture_place(i, f.op->in, 2);
        assert_true(fabs((double)f.out_f[at] - y[i]) < 1e-6);
        assert_true(fabs((double)din[at] - dx[i]) < 1e-6);
    }
    for (int i = 0; i < 4; i++)
        assert_true(fabs((double)dw[i] - dweight[i]) < 1e-6);
    op_fixture_clear(&f);
}

static void another_number_of_features_is_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 3, 2, 2);
    const attr_list attrs = ATTRS(CRD_ATTR("normalized_shape", 4));
    const int64_t input = 0;
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_fails(network_add(NULL, network, "LayerNorm", "n", &attrs, &input, 1), CRD_ERR_INPUT,
                 "op 'n' (LayerNorm): normalized_shape is 4, but its input has 3 features");
    crd_network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_of_every_position),
        cmocka_unit_test(values_are_torchs),
        cmocka_unit_test(another_number_of_features_is_refused),
    };
    return cmocka_run_group_tests_name("layer_norm", tests, NULL, NULL);
}
