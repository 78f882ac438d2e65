/* A network of each family of the zoo, and one of each layer with weights that none of them has: the
 * loss of one draw changes along its gradient as the gradient says, in each third of the
 * parameters, and in all together. */
#include "crd_test.h"

#include "credence/zoo.h"
#include "kernels/kernels.h"
#include "slopes.h"
#include "test_ops.h"

enum { SIDE = 4 }; /* of images of the layers, which have no kinks */

static void losses_follow_their_gradients(void **state)
{
    (void)state;
    static const struct {
        const char *arch;
        int64_t size;
    } cases[] = {
        {"squeezenet1_1", 65},      {"densenet121", 65},
        {"googlenet", 65},          {"mobilenet_v2", 65},
        {"mobilenet_v3_small", 65}, {"mnasnet0_5", 65},
        {"shufflenet_v2_x0_5", 65}, {"efficientnet_b0", 65},
        {"efficientnet_lite0", 65}, {"regnet_y_400mf", 65},
        {"convnext_tiny", 65},      {"cifar_resnet20_frn", 17},
        {"inception_v3", 75},       {"lenet", 28},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        crd_network *network;
        assert_ok(crd_zoo_build(&network, cases[k].arch, 3, cases[k].size, 5));
        slopes_check(cases[k].arch, network, k % 2 == 0 ? "reparameterization" : "flipout", true);
    }
}

/* A layer between two of others, on an image of 4 x 4 pixels taken as a sequence or a volume. */
static crd_network *around(const char *kind, const attr_list *attrs, bool is_volume)
{
    const crd_shape image = crd_shape_make(3, 3, SIDE, SIDE);
    const attr_list mix =
        ATTRS(ONE("in_channels", 3), ONE("out_channels", 3), CRD_ATTR("kernel_size", 1, 1),
              CRD_ATTR("stride", 1, 1), CRD_ATTR("padding", 0, 0), CRD_ATTR("dilation", 1, 1));
    const attr_list volume = ATTRS(CRD_ATTR("shape", 3, 2, 2, 4));
    const attr_list sequence = ATTRS(CRD_ATTR("shape", 3, 1, 16));
    crd_network *network;
    int64_t at = 0;
    assert_ok(crd_network_create(&network, "test", &image));
    assert_ok(network_add(&at, network, "Conv2d", "first", &mix, &at, 1));
    assert_ok(network_add(&at, network, "Reshape", "r", is_volume ? &volume : &sequence, &at, 1));
    assert_ok(network_add(&at, network, kind, "layer", attrs, &at, 1));
    assert_ok(network_add(&at, network, "Flatten", "flat", NULL, &at, 1));
    const attr_list head =
        ATTRS(ONE("in_features", crd_shape_count(crd_network_op_shape(network, at))),
              ONE("out_features", 5));
    assert_ok(network_add(&at, network, "Linear", "head", &head, &at, 1));
    return network;
}

static void layers_follow_their_gradients(void **state)
{
    (void)state;
    static const char *const estimators[] = {"reparameterization",
                                             "flipout",
                                             "flipout-pixel",
                                             "local-reparameterization",
                                             "local-reparameterization-linear",
                                             "reparameterization-step"};
    const attr_list one = ATTRS(ONE("in_channels", 3), ONE("out_channels", 4),
                                ONE("kernel_size", 3), ONE("stride", 2), ONE("padding", 1));
    const attr_list two = ATTRS(ONE("in_channels", 3), ONE("out_channels", 4),
                                CRD_ATTR("kernel_size", 1, 3), CRD_ATTR("stride", 1, 2));
    const attr_list three =
        ATTRS(ONE("in_channels", 3), ONE("out_channels", 4), CRD_ATTR("kernel_size", 2, 1, 3),
              CRD_ATTR("stride", 1, 2, 1), CRD_ATTR("padding", 1, 0, 1));
    const attr_list cell = ATTRS(ONE("input_size", 3), ONE("hidden_size", 4));
    const attr_list cells = ATTRS(ONE("input_size", 3), ONE("hidden_size", 4), ONE("num_layers", 2),
                                  ONE("bidirectional", 1));
    const struct {
        const char *kind;
        const attr_list *attrs;
        bool is_volume;
    } cases[] = {
        {"Conv1d", &one, false},
        {"Conv3d", &three, true},
        {"ConvTranspose1d", &one, false},
        {"ConvTranspose2d", &two, false},
        {"ConvTranspose3d", &three, true},
        {"LSTM", &cell, false},
        {"LSTM", &cells, false},
        {"GRU", &cell, false},
        {"RNN", &cells, false},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (size_t e = 0; e < sizeof estimators / sizeof *estimators; e++)
            slopes_check(cases[k].kind, around(cases[k].kind, cases[k].attrs, cases[k].is_volume),
                         estimators[e], false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(layers_follow_their_gradients),
                                       cmocka_unit_test(losses_follow_their_gradients)};
    if (crd_gemm_init() != CRD_OK)
        return 1;
    return cmocka_run_group_tests_name("zoo_slopes", tests, NULL, NULL);
}
