/** Values of torch for one op on one image: output, gradients at input and parameters. */
#ifndef CRD_TESTS_UNIT_OP_GOLDEN_H
#define CRD_TESTS_UNIT_OP_GOLDEN_H

#include <math.h>

#include "crd_test.h"
#include "op_check.h"

typedef struct op_golden {
    const double *x, *params[4], *dout; /**< dout NULL: ones */
    const double *y, *dx, *dparams[4];  /**< NULL: not compared */
} op_golden;

static inline void expect_near(const float *got, const double *wanted, int64_t n)
{
    for (int64_t i = 0; wanted != NULL && i < n; i++)
        if (!(fabs((double)got[i] - wanted[i]) < 2e-6 * (1 + fabs(wanted[i]))))
            fail_msg("element %d is %.9g, torch has %.9g", (int)i, (double)got[i], wanted[i]);
}

static inline void op_golden_check(const char *kind, const attr_list *attrs, crd_shape shape,
                                   const op_golden *g)
{
    const op_case c = {.kind = kind, .attrs = attrs, .shapes = {shape}, .n_images = 1};
    op_fixture f;
    op_fixture_init(&f, &c);
    for (int64_t i = 0; i < f.n_in[0]; i++)
        f.in_f[0][i] = (float)g->x[i];
    for (int64_t i = 0; i < f.n_out; i++)
        f.dout_f[i] = g->dout == NULL ? 1 : (float)g->dout[i];
    float din[64], dparams[4][64], *dins[1] = {din};
    for (int slot = 0; slot < 4 && g->params[slot] != NULL; slot++)
        for (int64_t i = 0; i < op_fixture_count(&f, slot); i++)
            op_fixture_param(&f, f.params_f, slot)[i] = (float)g->params[slot][i];
    const bool adds = false;
    const crd_op_args args = op_fixture_args(&f);
    crd_op_grads grads = {.dout = f.dout_f, .din = dins, .adds = &adds};
    for (int slot = 0; slot < 4; slot++)
        grads.dparams[slot] = g->dparams[slot] == NULL ? NULL : dparams[slot];
    f.op->kind->forward(f.op, &args);
    expect_near(f.out_f, g->y, f.n_out);
    f.op->kind->backward(f.op, &args, &grads);
    expect_near(din, g->dx, f.n_in[0]);
    for (int slot = 0; slot < 4; slot++)
        expect_near(dparams[slot], g->dparams[slot], op_fixture_count(&f, slot));
    op_fixture_clear(&f);
}

/** A cmocka program of these tests. */
#define OP_TESTS(name, ...)                                                                        \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                           \
        return cmocka_run_group_tests_name(name, tests, NULL, NULL);                               \
    }

#endif
