/* Data terms: gradients against central differences, and the edges torch does not agree with itself about. */
#include "crd_test.h"

#include <math.h>

#include "credence/loss.h"

enum { N = 6, WIDTH = 4, SIZE = N * WIDTH };

static const float logits[SIZE] = {0.31F,  -1.2F, 0.8F,  0.05F, 2.4F,  -0.7F, -0.2F, 0.6F,
                                   -0.15F, 0.9F,  1.1F,  -2.0F, 0.45F, 0.4F,  -0.3F, 0.2F,
                                   3.5F,   -2.5F, -1.0F, 0.0F,  -0.6F, 1.7F,  0.25F, -0.9F};
static const float values[SIZE] = {0.5F,  -1.0F, 0.25F, 0.75F, 2.0F, -0.5F, 0.1F,  0.3F,
                                   -0.2F, 1.5F,  1.0F,  -1.0F, 0.4F, 0.6F,  -0.1F, 0.35F,
                                   3.0F,  -2.0F, -1.5F, 0.05F, 0.7F, 1.2F,  0.2F,  -0.8F};
static const int64_t labels[N] = {2, 0, 1, 3, 0, 2};

/* One of them by name; thresholds in the middle of these rows' errors and uncertainties. */
static double evaluate(float *dlogits, const char *name, const float *at, int with_labels)
{
    double value = NAN;
    const crd_loss *loss;
    if (crd_loss_find(&loss, name) != CRD_OK) {
        double threshold = strcmp(name, "eac") == 0 ? 0.45 : 1.03;
        assert_ok(crd_calibration_loss_eval(&value, dlogits, name, at, with_labels ? labels : NULL,
                                            with_labels ? NULL : values, N, WIDTH, 1.5, threshold,
                                            0.47));
    } else {
        crd_loss_eval(&value, dlogits, loss, at, labels, values, N, WIDTH);
    }
    return value;
}

static void check_gradient(const char *name, int with_labels)
{
    float gradient[SIZE], at[SIZE];
    double value = evaluate(gradient, name, logits, with_labels), norm = 0;
    assert_true(isfinite(value));
    /* Without a gradient the value is the same. */
    assert_true(evaluate(NULL, name, logits, with_labels) == value);
    memcpy(at, logits, sizeof at);
    for (int i = 0; i < SIZE; i++) {
        at[i] = logits[i] + 1e-3F;
        double above = evaluate(NULL, name, at, with_labels), step = (double)at[i];
        at[i] = logits[i] - 1e-3F;
        double below = evaluate(NULL, name, at, with_labels);
        step -= (double)at[i];
        at[i] = logits[i];
        double expected = (above - below) / step;
        norm += expected * expected;
        if (fabs((double)gradient[i] - expected) > 2e-6 * (1 + fabs(expected)))
            fail_msg("%s: element %d: gradient %.9g, difference %.9g", name, i, (double)gradient[i],
                     expected);
    }
    assert_true(norm > 1e-4);
}

static void gradients_are_those_of_the_value(void **state)
{
    (void)state;
    for (const char *const *name = crd_loss_names(); *name != NULL; name++)
        check_gradient(*name, 1);
    for (const char *const *name = crd_calibration_loss_names(); *name != NULL; name++)
        check_gradient(*name, 1);
    check_gradient("eau", 0);
    check_gradient("eac", 0);
}

static void large_logits_stay_finite(void **state)
{
    (void)state;
    const float far[4] = {3e4F, -3e4F, 0, 2.9e4F};
    const int64_t label = 1;
    float gradient[4];
    double value;
    const crd_loss *loss;
    assert_ok(crd_loss_find(&loss, "cross-entropy"));
    crd_loss_eval(&value, gradient, loss, far, &label, NULL, 1, 4);
    assert_true(value == 6e4);
    assert_true(gradient[0] == 1 && gradient[1] == -1 && gradient[2] == 0);
    /* One row: bayesian-torch gives a constant without a gradient here. */
    assert_ok(
        crd_calibration_loss_eval(&value, gradient, "avuc", logits, labels, NULL, 1, 4, 1, 9, 0));
    assert_true(isfinite(value) && gradient[2] != 0);
}

static void variance_has_torchs_floor(void **state)
{
    (void)state;
    const float outputs[2] = {1, -30}, target = 1.001F;
    float gradient[2];
    double value, distance = (double)target - 1;
    const crd_loss *loss;
    assert_ok(crd_loss_find(&loss, "gaussian-nll"));
    crd_loss_eval(&value, gradient, loss, outputs, NULL, &target, 1, 2);
    double expected = 0.5 * (log(2 * 3.14159265358979324) + log(1e-6) + distance * distance / 1e-6);
    assert_true(fabs(value - expected) < 1e-9);
    assert_true(fabs((double)gradient[0] + distance / 1e-6) < 1e-3);
}

static void misuse_is_named(void **state)
{
    (void)state;
    const crd_loss *loss;
    int64_t n;
    double value;
    assert_fails(crd_loss_find(&loss, "hinge"), CRD_ERR_USAGE,
                 "'hinge' is not one of cross-entropy, mse, mse-distill, gaussian-nll");
    assert_null(loss);
    assert_ok(crd_loss_find(&loss, "gaussian-nll"));
    assert_int_equal(crd_loss_target(loss), CRD_TARGET_VALUES);
    assert_fails(crd_loss_n_values(&n, loss, 5), CRD_ERR_USAGE, "5 outputs");
    assert_ok(crd_loss_n_values(&n, loss, 6));
    assert_int_equal(n, 3);
    assert_ok(crd_calibration_loss_check("eau", loss));
    assert_fails(crd_calibration_loss_check("avuc", loss), CRD_ERR_USAGE, "cross-entropy only");
    assert_fails(crd_calibration_loss_check("ece", loss), CRD_ERR_USAGE, "avuc, eau, eac");
    assert_ok(crd_loss_find(&loss, "mse"));
    assert_fails(crd_calibration_loss_check("eac", loss), CRD_ERR_USAGE, "gaussian-nll");
    assert_ok(crd_loss_n_values(&n, loss, 5));
    assert_int_equal(n, 5);
    assert_ok(crd_loss_find(&loss, "cross-entropy"));
    assert_ok(crd_calibration_loss_check("avuc", loss));
    assert_ok(crd_loss_n_values(&n, loss, 5));
    assert_int_equal(n, 0);
    assert_fails(
        crd_calibration_loss_eval(&value, NULL, "avuc", logits, NULL, values, N, WIDTH, 1, 1, 1),
        CRD_ERR_USAGE, "needs labels");
}

static void a_loss_says_what_the_outputs_are(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        crd_output_kind outputs;
    } rows[] = {{"cross-entropy", CRD_OUTPUT_LOGITS},
                {"mse", CRD_OUTPUT_MEANS},
                {"mse-distill", CRD_OUTPUT_LOGITS},
                {"gaussian-nll", CRD_OUTPUT_NORMALS}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const crd_loss *loss;
        assert_ok(crd_loss_find(&loss, rows[i].name));
        assert_int_equal(crd_loss_outputs(loss), rows[i].outputs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loss_says_what_the_outputs_are),
        cmocka_unit_test(gradients_are_those_of_the_value),
        cmocka_unit_test(large_logits_stay_finite),
        cmocka_unit_test(variance_has_torchs_floor),
        cmocka_unit_test(misuse_is_named),
    };
    return cmocka_run_group_tests_name("loss", tests, NULL, NULL);
}
