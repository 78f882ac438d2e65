/* Activations and their derivatives against torch's, on every instruction set; and that all of these
 * give the same bits. */
#include "../unit/crd_test.h"

#include <math.h>

#include "kernels/variants.h"

static const char *const names[CRD_N_ACTIVATIONS] = {[CRD_NO_ACTIVATION] = "identity",
                                                     [CRD_RELU] = "relu",
                                                     [CRD_CLAMP] = "clamp",
                                                     [CRD_LEAKY_RELU] = "leaky_relu",
                                                     [CRD_ELU] = "elu",
                                                     [CRD_SIGMOID] = "sigmoid",
                                                     [CRD_TANH] = "tanh",
                                                     [CRD_SILU] = "silu",
                                                     [CRD_GELU] = "gelu",
                                                     [CRD_GELU_TANH] = "gelu_tanh",
                                                     [CRD_HARDSIGMOID] = "hardsigmoid",
                                                     [CRD_HARDSWISH] = "hardswish"};

/* Error bound of activation_body.h. */
static void check_near(const char *what, const char *name, double x, double value, double expected)
{
    if (!(fabs(value - expected) <= 4e-7 * fmax(1, fabs(x))))
        fail_msg("%s of %s at %.9g: %.9g, torch has %.9g", what, name, x, value, expected);
}

static void check_line(const char *line, int *n_seen)
{
    char name[32];
    double a, b, x, value, slope;
    crd_activation f = {CRD_NO_ACTIVATION, 0, 0};
    assert_int_equal(sscanf(line, "%31s %lf %lf %lf %lf %lf", name, &a, &b, &x, &value, &slope), 6);
    while (f.kind < CRD_N_ACTIVATIONS && strcmp(names[f.kind], name) != 0)
        f.kind++;
    assert_true(f.kind < CRD_N_ACTIVATIONS);
    f.a = (float)a;
    f.b = (float)b;
    n_seen[f.kind]++;
    for (int table = 0; table < crd_n_variants; table++) {
        const crd_elementwise_kernels *k = crd_variants[table].table->elementwise;
        float in = (float)x, out = NAN, din = 0.5F, dout = 2;
        if (!crd_variants[table].runs_here())
            continue;
        k->activate(&out, &in, 1, &f);
        check_near("value", name, x, (double)out, value);
        k->activate_backward(&din, &dout, &in, 1, &f, 1);
        check_near("derivative", name, x, ((double)din - 0.5) / 2, slope);
        k->activate_backward(&din, &dout, &in, 1, &f, 0);
        check_near("derivative", name, x, (double)din / 2, slope);
    }
}

static void activations_are_torchs(void **state)
{
    (void)state;
    char line[256];
    int n_seen[CRD_N_ACTIVATIONS] = {0};
    FILE *file = fopen(CRD_TEST_DIR "/golden/activations.txt", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        check_line(line, n_seen);
    fclose(file);
    for (int kind = CRD_RELU; kind < CRD_N_ACTIVATIONS; kind++)
        assert_true(n_seen[kind] > 30);
}

/* Every third float of those that matter, and all lengths up to some registers. */
static void all_sets_give_the_same_bits(void **state)
{
    (void)state;
    enum { N = 1 << 15 };
    static float x[N], dout[N], out[2][N], din[2][N];
    for (int i = 0; i < N; i++) {
        x[i] = (float)((i % 2 ? 1 : -1) * exp2((double)i * 16 / N - 10));
        dout[i] = (float)(i % 17) - 8;
    }
    x[0] = INFINITY;
    x[1] = -INFINITY;
    x[2] = 0;
    x[3] = -0.0F;
    for (int table = 0; table < crd_n_variants; table++) {
        const crd_elementwise_kernels *k = crd_variants[table].table->elementwise;
        if (!crd_variants[table].runs_here())
            continue;
        for (int kind = CRD_NO_ACTIVATION; kind < CRD_N_ACTIVATIONS; kind++)
            for (int64_t n = N; n > 0; n = n > 70 ? 70 : n - 1) {
                const crd_activation f = {(crd_activation_kind)kind, 0.25F, 3};
                int64_t first = n == N ? 0 : 4; /* numbers: NaN's bits are nobody's promise */
                const crd_elementwise_kernels *ref = crd_kernels_ref.elementwise;
                memcpy(out[0], x, sizeof x);
                memcpy(out[1], x, sizeof x);
                memcpy(din[0], dout, sizeof dout);
                memcpy(din[1], dout, sizeof dout);
                ref->activate(out[0] + first, x + first, n - first, &f);
                k->activate(out[1] + first, out[1] + first, n - first, &f);
                ref->activate_backward(din[0], dout, x, n, &f, n % 2 != 0);
                k->activate_backward(din[1], din[1], x, n, &f, n % 2 != 0);
                for (int64_t i = 0; i < N; i++) {
                    assert_true(memcmp(&out[0][i], &out[1][i], sizeof(float)) == 0 ||
                                (isnan(out[0][i]) && isnan(out[1][i])));
                    assert_true(memcmp(&din[0][i], &din[1][i], sizeof(float)) == 0 ||
                                (isnan(din[0][i]) && isnan(din[1][i])));
                }
            }
    }
}

/* A broken weight must not vanish. */
static void nan_stays(void **state)
{
    (void)state;
    for (int table = 0; table < crd_n_variants; table++)
        for (int kind = CRD_NO_ACTIVATION; kind < CRD_N_ACTIVATIONS; kind++) {
            const crd_activation f = {(crd_activation_kind)kind, 0.25F, 3};
            float x = NAN, out = 0;
            if (!crd_variants[table].runs_here())
                continue;
            crd_variants[table].table->elementwise->activate(&out, &x, 1, &f);
            assert_true(isnan(out));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_are_torchs),
        cmocka_unit_test(all_sets_give_the_same_bits),
        cmocka_unit_test(nan_stays),
    };
    return cmocka_run_group_tests_name("activations_golden", tests, NULL, NULL);
}
