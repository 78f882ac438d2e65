/* StochasticDepth: whole images go, by the documented address of their random number. */
#include <math.h>

#include "crd_test.h"
#include "credence/rng.h"
#include "op_check.h"

enum { SEED = 11, DRAW = 3, FIRST_IMAGE = 5, OP = 1 };

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    int64_t n = crd_shape_count(&op->shape);
    double p = attr_of(op, "p", 0);
    (void)params;
    (void)payload;
    for (int64_t image = 0; image < n_images; image++) {
        const uint32_t key[2] = {SEED, 0};
        const uint32_t counter[4] = {0, DRAW, (uint32_t)(FIRST_IMAGE + image),
                                     OP << 8 | CRD_PURPOSE_DROPOUT};
        uint32_t words[4];
        crd_philox4x32(words, counter, key);
        double factor = (double)words[0] < p * 0x1p32 ? 0 : 1 / (1 - p);
        for (int64_t i = 0; i < n; i++)
            out[image * n + i] = in[0][image * n + i] * factor;
    }
}

static void whole_images_are_kept_or_not(void **state)
{
    (void)state;
    static const double p[] = {0, 0.25, 0.6};
    for (size_t i = 0; i < sizeof p / sizeof *p; i++) {
        const attr_list attrs = ATTRS(CRD_ATTR("p", p[i]));
        const op_case c = {.kind = "StochasticDepth",
                           .attrs = &attrs,
                           .shapes = {crd_shape_make(3, 3, 4, 5)},
                           .n_images = 6,
                           .reference = plain,
                           .random = {SEED, DRAW, FIRST_IMAGE, OP}};
        op_check(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_images_are_kept_or_not),
    };
    return cmocka_run_group_tests_name("stochastic_depth", tests, NULL, NULL);
}
