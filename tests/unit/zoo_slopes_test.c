/* A network of each family of the zoo, and one of each layer with weights that none of them has: the
 * loss of one draw changes along its gradient as the gradient says, in each third of the
 * parameters, and in all together. */
#include "crd_test.h"

#include <math.h>

#include "base/alloc.h"
#include "bayes/gradient.h"
#include "credence/zoo.h"
#include "kernels/kernels.h"
#include "test_ops.h"
#include "walker.h"

enum { IMAGES = 2, DRAW = 3, N_PARTS = 4 };
enum { SIDE = 4 }; /* of images of the layers, which have no kinks */

typedef struct fixture {
    crd_network *network;
    crd_gradient *gradient;
    const crd_loss *loss;
    float *mu, *moved, *rho, *images;
    uint8_t *bayesian;
    int64_t *sums, n_floats;
    double step, tolerance; /* a short step where the units have kinks */
} fixture;

static void *zeros(int64_t n, size_t size)
{
    void *block;
    assert_ok(crd_alloc_zeroed(&block, n, size, "test"));
    return block;
}

/* The network becomes the fixture's. */
static void fixture_init(fixture *f, crd_network *network, int64_t size, const char *estimator)
{
    bool has_kinks = crd_network_input_shape(network)->dims[1] != SIDE;
    *f = (fixture){
        .network = network, .step = has_kinks ? 3e-5 : 1e-3, .tolerance = has_kinks ? 0.05 : 0.005};
    const crd_params *params = &f->network->params;
    f->n_floats = params->n_floats;
    assert_ok(walker_make_params(&f->mu, f->network));
    f->moved = zeros(f->n_floats, sizeof(float));
    f->rho = zeros(f->n_floats, sizeof(float));
    f->images = zeros(IMAGES * 3 * size * size, sizeof(float));
    f->bayesian = zeros(params->n_params, 1);
    f->sums = zeros(2 * f->n_floats, sizeof *f->sums);
    walker_fill(f->images, IMAGES * 3 * size * size, "images", 1, 0);
    for (int64_t p = 0; p < params->n_params; p++)
        f->bayesian[p] = crd_network_param_may_be_random(f->network, p) != 0;
    for (int64_t i = 0; i < f->n_floats; i++)
        f->rho[i] = -7; /* sigma 1e-3 */
    const crd_gradient_options options = {.estimator = estimator, .seed = 5, .micro_batch = IMAGES};
    assert_ok(crd_gradient_create(&f->gradient, f->network, f->bayesian, &options));
    assert_ok(crd_loss_find(&f->loss, "cross-entropy"));
}

static void fixture_clear(fixture *f)
{
    crd_gradient_destroy(f->gradient);
    crd_network_destroy(f->network);
    crd_free(f->mu);
    crd_free(f->moved);
    crd_free(f->rho);
    crd_free(f->images);
    crd_free(f->bayesian);
    crd_free(f->sums);
}

static double loss_at(fixture *f, const float *mu, int64_t *sums)
{
    const int64_t labels[IMAGES] = {1, 3};
    const crd_gradient_target target = {.sums = sums};
    double loss;
    assert_ok(crd_gradient_set_parameters(f->gradient, mu, f->rho));
    assert_ok(crd_gradient_add(&loss, NULL, &target, f->gradient, f->loss, f->images, labels, NULL,
                               IMAGES, 0, DRAW, 1));
    return loss;
}

/* Of parameters [first, end): the change of the loss from one side of mu to the other along the
 * gradient, over the one that the gradient tells; of what float32 makes of the two sides. */
static double slope(fixture *f, const float *gradient, int64_t *unused, int64_t first, int64_t end)
{
    double square = 0, told = 0, losses[2];
    for (int64_t i = first; i < end; i++)
        square += (double)gradient[i] * (double)gradient[i];
    for (int side = 0; side < 2; side++) {
        double t = (side == 0 ? 1 : -1) * f->step / square;
        memcpy(f->moved, f->mu, (size_t)f->n_floats * sizeof *f->mu);
        for (int64_t i = first; i < end; i++) {
            f->moved[i] = (float)((double)f->mu[i] + t * (double)gradient[i]);
            told += (side == 0 ? 1 : -1) * ((double)f->moved[i] - (double)f->mu[i]) *
                    (double)gradient[i];
        }
        losses[side] = loss_at(f, f->moved, unused);
    }
    return (losses[0] - losses[1]) / told;
}

/* The slopes of one network, which becomes the fixture's. */
static void check(const char *name, crd_network *network, int64_t size, const char *estimator)
{
    fixture f;
    fixture_init(&f, network, size, estimator);
    const crd_params *params = &f.network->params;
    float *gradient = zeros(f.n_floats, sizeof *gradient);
    int64_t *unused = zeros(2 * f.n_floats, sizeof *unused);
    loss_at(&f, f.mu, f.sums);
    for (int64_t p = 0; p < params->n_params; p++)
        for (int64_t i = 0; i < params->entries[p].count; i++) {
            int64_t at = params->entries[p].offset + i;
            gradient[at] = crd_network_param_is_trained(f.network, p)
                               ? (float)((double)f.sums[at] * 0x1p-44)
                               : 0;
        }
    for (int part = 0; part < N_PARTS; part++) {
        int64_t n = params->n_params, last = N_PARTS - 1;
        int64_t first = part == last ? 0 : params->entries[part * n / last].offset;
        int64_t end = part >= last - 1 ? f.n_floats : params->entries[(part + 1) * n / last].offset;
        double found = slope(&f, gradient, unused, first, end);
        print_message("%-20s %s part %d: %.4f\n", name, estimator, part, found);
        assert_true(fabs(found - 1) < f.tolerance);
    }
    crd_free(gradient);
    crd_free(unused);
    fixture_clear(&f);
}

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
        check(cases[k].arch, network, cases[k].size, k % 2 == 0 ? "reparameterization" : "flipout");
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
    static const char *const estimators[] = {"reparameterization", "flipout", "flipout-pixel",
                                             "local-reparameterization"};
    const attr_list one = ATTRS(ONE("in_channels", 3), ONE("out_channels", 4),
                                ONE("kernel_size", 3), ONE("stride", 2), ONE("padding", 1));
    const attr_list two = ATTRS(ONE("in_channels", 3), ONE("out_channels", 4),
                                CRD_ATTR("kernel_size", 1, 3), CRD_ATTR("stride", 1, 2));
    const attr_list three =
        ATTRS(ONE("in_channels", 3), ONE("out_channels", 4), CRD_ATTR("kernel_size", 2, 1, 3),
              CRD_ATTR("stride", 1, 2, 1), CRD_ATTR("padding", 1, 0, 1));
    const attr_list cell = ATTRS(ONE("input_size", 3), ONE("hidden_size", 4));
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
        {"GRU", &cell, false},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (size_t e = 0; e < sizeof estimators / sizeof *estimators; e++)
            check(cases[k].kind, around(cases[k].kind, cases[k].attrs, cases[k].is_volume), SIDE,
                  estimators[e]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(layers_follow_their_gradients),
                                       cmocka_unit_test(losses_follow_their_gradients)};
    if (crd_gemm_init() != CRD_OK)
        return 1;
    return cmocka_run_group_tests_name("zoo_slopes", tests, NULL, NULL);
}
