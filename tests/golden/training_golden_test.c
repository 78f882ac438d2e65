/* Losses, optimizers and schedules against torch: the files of make_training.py. */
#include "../unit/crd_test.h"

#include <math.h>

#include "credence/loss.h"
#include "credence/optim.h"

enum { N = 37, N_STEPS = 100, N_KEPT = 3, N_EPOCHS = 40, LINE_SIZE = 8192 };
enum { ROWS = 8, WIDTH = 6, SIZE = ROWS * WIDTH };

static FILE *open_golden(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/golden/training/%s", CRD_TEST_DIR, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    return file;
}

/* Next word of a line that strtok_r has begun; `rest` is its state. */
static double number(char **rest)
{
    const char *word = strtok_r(NULL, " \n", rest);
    assert_non_null(word);
    return strtod(word, NULL);
}

/* Distance in units of the last place of a float. */
static double ulps(float value, float expected)
{
    float next = nextafterf(fabsf(expected), INFINITY);
    return fabs((double)value - (double)expected) / ((double)next - fabs((double)expected));
}

static crd_optimizer_options parse_options(char *line)
{
    char *rest, *name = strtok_r(line, " \n", &rest);
    crd_optimizer_options o;
    assert_ok(crd_optimizer_defaults(&o, name));
    o.lr = number(&rest);
    o.momentum = number(&rest);
    o.dampening = number(&rest);
    o.nesterov = (int)number(&rest);
    o.beta1 = number(&rest);
    o.beta2 = number(&rest);
    o.eps = number(&rest);
    o.weight_decay = number(&rest);
    assert_ok(crd_optimizer_check(&o));
    return o;
}

static void optimizers_equal_torch(void **state)
{
    (void)state;
    static const int kept[N_KEPT] = {1, 10, 100};
    static float start[N], gradients[N_STEPS][N], expected[N_KEPT][N];
    char line[LINE_SIZE];
    int n_runs = 0;
    FILE *text = open_golden("optim.txt"), *raw = open_golden("optim.bin");
    assert_int_equal(fread(start, sizeof start, 1, raw), 1);
    assert_int_equal(fread(gradients, sizeof gradients, 1, raw), 1);
    for (; fgets(line, sizeof line, text) != NULL; n_runs++) {
        crd_optimizer_options o = parse_options(line);
        float params[N], first[N] = {0}, second[N] = {0}, *states[2] = {first, second};
        double worst = 0;
        int k = 0;
        assert_int_equal(fread(expected, sizeof expected, 1, raw), 1);
        memcpy(params, start, sizeof params);
        for (int step = 1; step <= N_STEPS; step++) {
            crd_optimizer_step(params, gradients[step - 1], states, N, step, o.lr, &o);
            if (step != kept[k])
                continue;
            for (int i = 0; i < N; i++)
                worst = fmax(worst, ulps(params[i], expected[k][i]));
            k++;
        }
        if (worst > 0)
            fail_msg("run %d, %s: differs by up to %g ulp", n_runs, o.name, worst);
    }
    assert_int_equal(n_runs, 12);
    assert_int_equal(fgetc(raw), EOF);
    fclose(raw);
    fclose(text);
}

static void rates_equal_torch(void **state)
{
    (void)state;
    char line[LINE_SIZE];
    int n = 0;
    FILE *text = open_golden("rates.txt");
    for (; fgets(line, sizeof line, text) != NULL; n++) {
        char *rest, *name = strtok_r(line, " \n", &rest), *next;
        crd_schedule s = {.gamma = number(&rest), .step_size = (int64_t)number(&rest)};
        snprintf(s.name, sizeof s.name, "%s", name);
        for (char *m = strtok_r(NULL, " \n", &rest); *m != '-' && *m != '\0';
             m = *next == ',' ? next + 1 : next)
            s.milestones[s.n_milestones++] = strtoll(m, &next, 10);
        s.t_max = (int64_t)number(&rest);
        s.lr_min = number(&rest);
        s.warmup = (int64_t)number(&rest);
        assert_ok(crd_schedule_check(&s));
        for (int64_t epoch = 0; epoch < N_EPOCHS; epoch++) {
            double rate = crd_schedule_lr(&s, 0.05, epoch), expected = number(&rest);
            /* torch multiplies from epoch to epoch; 1e-12 of the base is its rounding. */
            if (fabs(rate - expected) > 0.05 * 1e-12)
                fail_msg("%s, epoch %d: %.17g, torch has %.17g", name, (int)epoch, rate, expected);
        }
    }
    assert_int_equal(n, 8);
    fclose(text);
}

static void read_row(double *out, FILE *text, const char *name, int n)
{
    char line[LINE_SIZE], *rest;
    assert_non_null(fgets(line, sizeof line, text));
    assert_string_equal(strtok_r(line, " \n", &rest), name);
    for (int i = 0; i < n; i++)
        out[i] = number(&rest);
}

static void losses_equal_torch(void **state)
{
    (void)state;
    double inputs[SIZE];
    float logits[SIZE], values[SIZE], half[SIZE / 2], gradient[SIZE];
    int64_t labels[ROWS];
    char line[LINE_SIZE];
    int n = 0;
    FILE *text = open_golden("losses.txt");
    read_row(inputs, text, "logits", SIZE);
    for (int i = 0; i < SIZE; i++)
        logits[i] = (float)inputs[i];
    read_row(inputs, text, "labels", ROWS);
    for (int i = 0; i < ROWS; i++)
        labels[i] = (int64_t)inputs[i];
    read_row(inputs, text, "values", SIZE);
    for (int i = 0; i < SIZE; i++)
        values[i] = (float)inputs[i];
    for (int i = 0; i < SIZE / 2; i++)
        half[i] = values[i / (WIDTH / 2) * WIDTH + i % (WIDTH / 2)];
    for (; fgets(line, sizeof line, text) != NULL; n++) {
        char *rest, *name = strtok_r(line, " \n", &rest);
        int with_labels = strcmp(strtok_r(NULL, " \n", &rest), "labels") == 0;
        double beta = number(&rest), uncertainty = number(&rest), error = number(&rest), value;
        const crd_loss *loss;
        if (crd_loss_find(&loss, name) == CRD_OK) {
            int64_t n_values;
            assert_ok(crd_loss_n_values(&n_values, loss, WIDTH));
            crd_loss_eval(&value, gradient, loss, logits, labels, n_values == WIDTH ? values : half,
                          ROWS, WIDTH);
        } else {
            assert_ok(crd_calibration_loss_eval(&value, gradient, name, logits,
                                                with_labels ? labels : NULL, half, ROWS, WIDTH,
                                                beta, uncertainty, error));
        }
        double expected = number(&rest);
        if (fabs(value - expected) > 1e-12 * fmax(1, fabs(expected)))
            fail_msg("%s: %.15g, torch has %.15g", name, value, expected);
        for (int i = 0; i < SIZE; i++) {
            expected = number(&rest);
            /* A float's rounding. */
            if (fabs((double)gradient[i] - expected) > 1e-12 + 6e-8 * fabs(expected))
                fail_msg("%s: gradient %d: %.9g, torch has %.9g", name, i, (double)gradient[i],
                         expected);
        }
    }
    assert_int_equal(n, 10);
    fclose(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(optimizers_equal_torch),
        cmocka_unit_test(rates_equal_torch),
        cmocka_unit_test(losses_equal_torch),
    };
    return cmocka_run_group_tests_name("training_golden", tests, NULL, NULL);
}
