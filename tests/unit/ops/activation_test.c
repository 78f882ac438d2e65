/* Activations as operators, against their formulas; and that a convolution's epilogue gives the bits that
 * the operator by itself gives. */
#include <math.h>

#include "crd_test.h"
#include "credence/sampler.h"
#include "op_check.h"

typedef double formula(double x);

static double relu6(double x)
{
    return fmin(fmax(x, 0), 6);
}

static double leaky(double x)
{
    return x < 0 ? 0.125 * x : x;
}

static double elu(double x)
{
    return x < 0 ? 1.5 * expm1(x) : x;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double silu(double x)
{
    return x * sigmoid(x);
}

static double hardsigmoid(double x)
{
    return relu6(x + 3) / 6;
}

static double hardswish(double x)
{
    return x * hardsigmoid(x);
}

static const struct {
    const char *kind, *attr;
    double value;
    formula *f;
} cases[] = {
    {"ReLU6", NULL, 0, relu6},
    {"LeakyReLU", "negative_slope", 0.125, leaky},
    {"ELU", "alpha", 1.5, elu},
    {"Sigmoid", NULL, 0, sigmoid},
    {"Tanh", NULL, 0, tanh},
    {"SiLU", NULL, 0, silu},
    {"Hardsigmoid", NULL, 0, hardsigmoid},
    {"Hardswish", NULL, 0, hardswish},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    (void)params;
    formula *const *f = payload;
    for (int64_t i = 0; i < n_images * crd_shape_count(&op->shape); i++)
        out[i] = (*f)(in[0][i]);
}

static attr_list attrs_of_case(int i)
{
    return cases[i].attr == NULL ? (attr_list){{CRD_ATTR_END}}
                                 : ATTRS(CRD_ATTR(cases[i].attr, cases[i].value));
}

static void they_are_their_formulas(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        const attr_list attrs = attrs_of_case(i);
        const op_case c = {.kind = cases[i].kind,
                           .attrs = &attrs,
                           .shapes = {crd_shape_make(3, 3, 5, 4)},
                           .n_images = 2,
                           .reference = plain,
                           .payload = &cases[i].f};
        op_check(&c);
    }
}

/* logits of conv -> activation -> linear; `read_twice` keeps the activation out of the convolution. */
static void predict(float *logits, int i, int read_twice, int64_t bias)
{
    enum { IN = 2 * 6 * 5 };
    const crd_shape shape = crd_shape_make(3, 2, 6, 5);
    const attr_list attrs = attrs_of_case(i), linear = linear_list(20 * 30, 3, 1);
    const attr_list conv =
        conv2d_list((conv2d_attrs){2, 20, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, bias});
    crd_network *n;
    int64_t x = 0, made;
    assert_ok(crd_network_create(&n, "test", &shape));
    assert_ok(network_add(&made, n, "Conv2d", "conv", &conv, &x, 1));
    assert_ok(network_add(&x, n, cases[i].kind, "f", &attrs, &made, 1));
    if (read_twice)
        assert_ok(network_add(NULL, n, "ReLU", "unread", NULL, &made, 1));
    assert_ok(network_add(&x, n, "Flatten", "flatten", NULL, &x, 1));
    assert_ok(network_add(&x, n, "Linear", "fc", &linear, &x, 1));
    float *mu = calloc((size_t)n->params.n_floats, 4),
          *sigma = calloc((size_t)n->params.n_floats, 4);
    uint8_t bayesian[4] = {1, 1, 1, 1};
    float images[2 * IN];
    for (int64_t k = 0; k < n->params.n_floats; k++) {
        mu[k] = (float)sin((double)(3 * k));
        sigma[k] = 0.1F;
    }
    for (int k = 0; k < 2 * IN; k++)
        images[k] = (float)cos((double)(5 * k)) * 3;
    const crd_model model = {.network = n, .bayesian = bayesian, .mu = mu, .sigma = sigma};
    const crd_sampler_options options = {
        .estimator = "reparameterization", .seed = 4, .batch = 2, .draw_block = 3};
    crd_sampler *sampler;
    assert_ok(crd_sampler_create(&sampler, &model, &options));
    assert_ok(crd_sampler_run(logits, sampler, images, 2, 0, 0, 3));
    crd_sampler_destroy(sampler);
    free(mu);
    free(sigma);
    crd_network_destroy(n);
}

static void an_epilogue_gives_the_same_bits(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++)
        for (int64_t bias = 0; bias < 2; bias++) {
            float fused[2 * 3 * 3], apart[2 * 3 * 3];
            predict(fused, i, 0, bias);
            predict(apart, i, 1, bias);
            assert_memory_equal(fused, apart, sizeof fused);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_their_formulas),
        cmocka_unit_test(an_epilogue_gives_the_same_bits),
    };
    return cmocka_run_group_tests_name("activation", tests, NULL, NULL);
}
