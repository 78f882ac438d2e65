/* LayerScale, and that the layer before it takes it over. */
#include <math.h>

#include "crd_test.h"
#include "credence/sampler.h"
#include "op_check.h"

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    int64_t n = crd_shape_count(&op->shape), plane = op->shape.dims[1] * op->shape.dims[2];
    (void)payload;
    for (int64_t i = 0; i < n_images * n; i++)
        out[i] = in[0][i] * params[0][i % n / plane];
}

static void a_factor_a_channel(void **state)
{
    (void)state;
    const crd_shape shapes[] = {crd_shape_make(3, 5, 3, 4), crd_shape_make(3, 3, 1, 1)};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int64_t n_images = 1; n_images <= 3; n_images++) {
            const op_case c = {.kind = "LayerScale",
                               .shapes = {shapes[s]},
                               .n_images = n_images,
                               .reference = plain};
            op_check(&c);
        }
}

/* Linear layers with and without a bias: the same outputs, and nothing is left of the norm. */
static void the_layer_before_takes_it_over(void **state)
{
    (void)state;
    for (int bias = 0; bias < 2; bias++) {
        const crd_shape shape = crd_shape_make(3, 2, 1, 2);
        const attr_list linear = linear_list(2, 2, bias);
        int64_t at = 0;
        crd_network *n;
        assert_ok(crd_network_create(&n, "scaled", &shape));
        assert_ok(network_add(&at, n, "Linear", "fc", &linear, &at, 1));
        assert_ok(network_add(&at, n, "LayerScale", "scale", NULL, &at, 1));
        assert_int_equal(crd_network_fold_target(n, at), at - 1);
        uint8_t bayesian[3] = {1};
        float mu[64] = {0}, rho[64] = {0}, folded[64], sigma[64];
        const int64_t scale = n->params.entries[n->ops[at].params[0]].offset;
        memcpy(mu, (const float[]){1, 2, 3, 4}, 4 * sizeof *mu);
        if (bias)
            memcpy(mu + n->params.entries[1].offset, (const float[]){5, 6}, 2 * sizeof *mu);
        memcpy(mu + scale, (const float[]){0.5F, -2}, 2 * sizeof *mu);
        const crd_posterior p = {.network = n,
                                 .family = crd_family_find("normal"),
                                 .n_components = 1,
                                 .bayesian = bayesian,
                                 .mu = mu,
                                 .rho = rho};
        assert_ok(crd_model_fill(folded, sigma, &p));
        assert_memory_equal(folded, ((const float[]){0.5F, 1, -6, -8}), 4 * sizeof *mu);
        for (int i = 0; i < 4; i++) /* log(1 + exp(0)) times the factor */
            assert_true(fabs((double)sigma[i] - log(2) * (i < 2 ? 0.5 : -2)) < 1e-6);
        int64_t shifts = bias ? n->params.entries[1].offset : scale;
        assert_true(folded[shifts] == (bias ? 2.5F : 0) && folded[shifts + 1] == (bias ? -12 : 0));
        crd_network_destroy(n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_factor_a_channel),
        cmocka_unit_test(the_layer_before_takes_it_over),
    };
    return cmocka_run_group_tests_name("layer_scale", tests, NULL, NULL);
}
