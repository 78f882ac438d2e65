/* FilterResponseNorm2d, against its formula and values of torch's arithmetic. */
#include <math.h>

#include "crd_test.h"
#include "op_check.h"

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    int64_t n_channels = op->shape.dims[0], plane = op->shape.dims[1] * op->shape.dims[2];
    (void)payload;
    for (int64_t k = 0; k < n_images * n_channels; k++) {
        const double *x = in[0] + k * plane, eps = attr_of(op, "eps", 0);
        double square = 0;
        for (int64_t i = 0; i < plane; i++)
            square += x[i] * x[i] / (double)plane;
        for (int64_t i = 0; i < plane; i++)
            out[k * plane + i] = fmax(params[0][k % n_channels] * x[i] / sqrt(square + eps) +
                                          params[1][k % n_channels],
                                      params[2][k % n_channels]);
    }
}

static void every_channel_of_every_image(void **state)
{
    (void)state;
    for (int64_t n_images = 1; n_images <= 3; n_images++) {
        const attr_list attrs = ATTRS(CRD_ATTR("num_features", 4), CRD_ATTR("eps", 1e-2));
        const op_case c = {.kind = "FilterResponseNorm2d",
                           .attrs = &attrs,
                           .shapes = {crd_shape_make(3, 4, 3, 5)},
                           .n_images = n_images,
                           .reference = plain};
        op_check(&c);
    }
}

/* max(w x rsqrt(mean(x^2) + 1e-6) + b, tau) in double, and its gradient for dout. */
static void values_are_torchs(void **state)
{
    (void)state;
    const attr_list attrs = ATTRS(CRD_ATTR("num_features", 2));
    const op_case c = {.kind = "FilterResponseNorm2d",
                       .attrs = &attrs,
                       .shapes = {crd_shape_make(3, 2, 2, 2)},
                       .n_images = 1,
                       .reference = plain};
    op_check_values(
        &c, &(op_values){.in = (const float[]){1, 2, -1, 0.5F, 0.25F, -2, 3, 1.5F},
                         .dout = (const float[]){1, -1, 2, 0.5F, 0.25F, 3, -1, 1},
                         .params = {(const float[]){1.5F, -0.5F}, (const float[]){0.1F, 0.2F},
                                    (const float[]){0, -0.25F}},
                         .out = (const double[]){1.2999996160001843, 2.4999992320003686, 0,
                                                 0.6999998080000921, 0.13611235184451465,
                                                 0.7111011852438831, -0.25, -0.1833258889329123},
                         .din = (const double[]){1.3439994777602948, -0.911999892479963,
                                                 -0.1439998617601106, 0.6719997388801474,
                                                 -0.08240202298862608, -0.618536779200699,
                                                 -0.2221724979976884, -0.3666368416207857}});
}

static void another_number_of_channels_is_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 3, 2, 2);
    const attr_list attrs = ATTRS(CRD_ATTR("num_features", 4));
    const int64_t input = 0;
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_fails(network_add(NULL, network, "FilterResponseNorm2d", "n", &attrs, &input, 1),
                 CRD_ERR_INPUT,
                 "op 'n' (FilterResponseNorm2d): num_features is 4, but its input has 3 channels");
    crd_network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_channel_of_every_image),
        cmocka_unit_test(values_are_torchs),
        cmocka_unit_test(another_number_of_channels_is_refused),
    };
    return cmocka_run_group_tests_name("filter_response_norm", tests, NULL, NULL);
}
