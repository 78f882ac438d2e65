/* Room optim: what torch's golden values do not show. */
#include "crd_test.h"

#include <math.h>

#include "credence/optim.h"

enum { N = 61 };

static void fill(float *out, int n, int salt)
{
    for (int i = 0; i < n; i++)
        out[i] = sinf((float)(i * 7 + salt));
}

static void defaults_are_torchs(void **state)
{
    (void)state;
    crd_optimizer_options o;
    for (const char *const *name = crd_optimizer_names(); *name != NULL; name++) {
        assert_ok(crd_optimizer_defaults(&o, *name));
        assert_string_equal(o.name, *name);
        assert_true(o.lr == (crd_optimizer_is_variational(&o) ? 0.1 : 1e-3));
        if (crd_optimizer_is_variational(&o))
            o.ess = 10;
        assert_ok(crd_optimizer_check(&o));
    }
    assert_string_equal(o.name, "ivon");
    assert_true(o.weight_decay == 1e-4 && o.beta2 == 0.99999 && o.hess_init == 1);
    assert_int_equal(crd_optimizer_n_states(&o), 1);
    assert_ok(crd_optimizer_defaults(&o, "adamw"));
    assert_true(o.weight_decay == 1e-2 && o.eps == 1e-8);
    assert_int_equal(crd_optimizer_n_states(&o), 2);
    assert_ok(crd_optimizer_defaults(&o, "sgd"));
    assert_int_equal(crd_optimizer_n_states(&o), 0);
    o.momentum = 0.5;
    assert_int_equal(crd_optimizer_n_states(&o), 1);
    assert_fails(crd_optimizer_defaults(&o, "lion"), CRD_ERR_USAGE,
                 "'lion' is not one of sgd, adam, adamw, ivon");
}

static void bad_options_are_named(void **state)
{
    (void)state;
    crd_optimizer_options good, o;
    assert_ok(crd_optimizer_defaults(&good, "adam"));
    double *values[] = {&o.lr,    &o.weight_decay, &o.momentum, &o.dampening,
                        &o.beta1, &o.beta2,        &o.eps};
    const char *keys[] = {"lr", "weight_decay", "momentum", "dampening", "beta1", "beta2", "eps"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        o = good;
        *values[i] = NAN;
        assert_fails(crd_optimizer_check(&o), CRD_ERR_USAGE, keys[i]);
        *values[i] = strcmp(keys[i], "dampening") == 0 ? INFINITY : -1e-3;
        assert_fails(crd_optimizer_check(&o), CRD_ERR_USAGE, keys[i]);
    }
    o = good;
    o.beta2 = 1;
    assert_fails(crd_optimizer_check(&o), CRD_ERR_USAGE, "beta2: 1 is not in [0, 1)");
    o = good;
    o.nesterov = 1;
    assert_fails(crd_optimizer_check(&o), CRD_ERR_USAGE, "nesterov");
    o.momentum = 0.9;
    o.dampening = 0.1;
    assert_fails(crd_optimizer_check(&o), CRD_ERR_USAGE, "nesterov");
}

/* Ranks update pieces of the vectors: the bits must not depend on where they are cut. */
static void pieces_give_the_same_bits(void **state)
{
    (void)state;
    for (const char *const *name = crd_optimizer_names(); *name != NULL; name++) {
        float whole[3][N] = {{0}}, cut[3][N] = {{0}}, gradient[N];
        float *states[2] = {whole[1], whole[2]};
        crd_optimizer_options o;
        assert_ok(crd_optimizer_defaults(&o, *name));
        o.momentum = 0.9;
        o.weight_decay = 0.1;
        fill(whole[0], N, 1);
        fill(cut[0], N, 1);
        for (int step = 1; step <= 3; step++) {
            fill(gradient, N, 100 + step);
            crd_optimizer_step(whole[0], gradient, states, N, step, 0.1, &o);
            const int edges[] = {0, 1, 6, 37, 37, N};
            for (int piece = 0; piece < 5; piece++) {
                int first = edges[piece], n = edges[piece + 1] - first;
                float *parts[2] = {cut[1] + first, cut[2] + first};
                crd_optimizer_step(cut[0] + first, gradient + first, parts, n, step, 0.1, &o);
            }
        }
        assert_memory_equal(whole, cut, sizeof whole);
    }
}

static void adam_finds_a_minimum(void **state)
{
    (void)state;
    float x = 5, first = 0, second = 0, *states[2] = {&first, &second};
    crd_optimizer_options o;
    crd_schedule s = {.name = "cosine", .t_max = 400, .warmup = 20};
    assert_ok(crd_optimizer_defaults(&o, "adam"));
    for (int step = 1; step <= 400; step++) {
        float gradient = 2 * (x - 2);
        crd_optimizer_step(&x, &gradient, states, 1, step, crd_schedule_lr(&s, 0.1, step), &o);
    }
    assert_true(fabsf(x - 2) < 1e-2F);
}

/* cmocka of Debian 12 has none for doubles. */
static void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.17g is not %.17g within %g", a, b, tolerance);
}

/* Values of torch's CosineAnnealingWarmRestarts(T_0 4, eta_min 0.01) at 0.5, and of
 * cyclic_learning_rate of the authors of fast geometric ensembles, (cycle 4, 0.05, 0.0001). */
static void cycles_go_from_step_to_step(void **state)
{
    (void)state;
    const crd_schedule cosine = {.name = "cosine-restarts", .cycle = 4, .lr_min = 0.01};
    const crd_schedule triangular = {.name = "triangular", .cycle = 4, .lr_min = 0.0001};
    crd_schedule late = cosine;
    late.warmup = 2;
    const struct {
        int64_t epoch;
        double done, cosine, triangular;
    } known[] = {{0, 0, 0.5, 0.05},     {1, 0.25, 0.39111470708980256, 0.018812500000000003},
                 {2, 0, 0.255, 0.0001}, {3, 0.75, 0.014707606301208546, 0.0437625},
                 {4, 0, 0.5, 0.05},     {6, 0.5, 0.16124255907055302, 0.012575000000000001}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        int64_t e = known[i].epoch;
        double done = known[i].done;
        assert_near(crd_schedule_lr_at(&cosine, 0.5, e, done), known[i].cosine, 1e-12);
        assert_near(crd_schedule_lr_at(&triangular, 0.05, e, done), known[i].triangular, 1e-12);
        assert_near(crd_schedule_lr_at(&late, 0.5, e + 2, done), known[i].cosine, 1e-12);
    }
    assert_near(crd_schedule_lr_at(&late, 0.5, 0, 0.5), 0.25, 1e-12);
    assert_near(crd_schedule_lr(&cosine, 0.5, 5), crd_schedule_lr_at(&cosine, 0.5, 5, 0), 0);
}

static void bad_schedules_are_named(void **state)
{
    (void)state;
    for (const char *const *name = crd_schedule_names(); *name != NULL; name++) {
        crd_schedule s = {.gamma = 0.5, .step_size = 2, .n_milestones = 1, .t_max = 5, .cycle = 3};
        snprintf(s.name, sizeof s.name, "%s", *name);
        assert_ok(crd_schedule_check(&s));
        assert_true(crd_schedule_lr(&s, 3, 0) <= 3);
    }
    const struct {
        crd_schedule schedule;
        const char *key;
    } bad[] = {
        {{.name = "linear"}, "constant, exponential, step, multistep, cosine"},
        {{.name = "constant", .warmup = -1}, "warmup"},
        {{.name = "cosine-restarts"}, "cycle"},
        {{.name = "triangular", .cycle = 2, .lr_min = -1}, "lr_min"},
        {{.name = "exponential"}, "gamma"},
        {{.name = "exponential", .gamma = NAN}, "gamma"},
        {{.name = "step", .gamma = 0.1}, "step_size"},
        {{.name = "step", .step_size = 3}, "gamma"},
        {{.name = "multistep", .gamma = 0.1}, "milestones"},
        {{.name = "multistep", .gamma = 0.1, .n_milestones = 17}, "1 to 16"},
        {{.name = "multistep", .gamma = 0.1, .n_milestones = 2, .milestones = {5, 4}}, "epoch 4"},
        {{.name = "cosine"}, "t_max"},
        {{.name = "cosine", .t_max = 4, .lr_min = -1}, "lr_min"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(crd_schedule_check(&bad[i].schedule), CRD_ERR_USAGE, bad[i].key);
}

static void clipping_only_shrinks(void **state)
{
    (void)state;
    assert_true(crd_clip_factor(0.5, 1) == 1);
    assert_true(crd_clip_factor(0, 1) == 1);
    assert_true(fabs(crd_clip_factor(4, 1) - 1 / (4 + 1e-6)) < 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_torchs),         cmocka_unit_test(bad_options_are_named),
        cmocka_unit_test(pieces_give_the_same_bits),   cmocka_unit_test(adam_finds_a_minimum),
        cmocka_unit_test(cycles_go_from_step_to_step), cmocka_unit_test(bad_schedules_are_named),
        cmocka_unit_test(clipping_only_shrinks),
    };
    return cmocka_run_group_tests_name("optim", tests, NULL, NULL);
}
