/* The memory plan, over the whole zoo: nothing that is still needed is overwritten. */
#include "crd_test.h"

#include "base/alloc.h"
#include "credence/zoo.h"
#include "test_ops.h"
#include "walker.h"

typedef struct fixture {
    crd_network *network;
    uint8_t *random, *skip;
    crd_plan plan;
} fixture;

/* Takes the network over. */
static void fixture_init_network(fixture *f, crd_network *network)
{
    f->network = network;
    assert_ok(crd_alloc_zeroed((void **)&f->random, f->network->n_ops, 1, "flags"));
    assert_ok(crd_alloc_zeroed((void **)&f->skip, f->network->n_ops, 1, "flags"));
}

static void fixture_init(fixture *f, const char *arch, int64_t image_size)
{
    crd_network *network;
    /* Transformers take images of their own size only. */
    if (crd_zoo_build(&network, arch, 0, image_size, 0) != CRD_OK)
        assert_ok(crd_zoo_build(&network, arch, 0, 0, 0));
    fixture_init_network(f, network);
}

static void fixture_clear(fixture *f)
{
    crd_free(f->random);
    crd_free(f->skip);
    crd_network_destroy(f->network);
}

/* As the engine has it: every weighted layer from `first` on is drawn, batch norm folded. */
static void choose_random(fixture *f, int64_t first)
{
    for (int64_t i = 0; i < f->network->n_ops; i++)
        f->random[i] = i >= first && crd_op_may_be_random(&f->network->ops[i]);
}

static void choose_skip(fixture *f)
{
    for (int64_t i = 0; i < f->network->n_ops; i++)
        f->skip[i] = crd_network_fold_target(f->network, i) >= 0;
}

/* One copy of a node's output is written to floats [begin, end) of the arena. */
typedef struct written {
    int64_t op, begin, end;
} written;

/* The pass so far: all that was written, in its order. */
typedef struct simulation {
    const fixture *f;
    const uint8_t *influenced;
    written *log;
    int64_t n_log;
    int64_t *latest;     /* [op][draw] in the log; that of draw 0 where all draws share it */
    int64_t *stands_for; /* [op] whose output its place holds */
} simulation;

static int64_t *latest(const simulation *s, int64_t op, int64_t draw)
{
    return &s->latest[op * s->f->plan.n_draws + (s->influenced[op] ? draw : 0)];
}

/* Nothing was written over it since. */
static void find_whole(const simulation *s, int64_t reader, int64_t input, int64_t draw)
{
    int64_t at = *latest(s, s->stands_for[input], draw);
    const written *own = &s->log[at];
    assert_int_equal(own->op, s->stands_for[input]);
    for (int64_t k = at + 1; k < s->n_log; k++)
        if (s->log[k].begin < own->end && own->begin < s->log[k].end)
            fail_msg("%s: op %d finds input %d of draw %d overwritten by %d", s->f->network->arch,
                     (int)reader, (int)input, (int)draw, (int)s->log[k].op);
}

/* Within a op no write may meet a read, but element upon element in place. */
static void find_apart(const simulation *s, int64_t i, int64_t input)
{
    const crd_plan *plan = &s->f->plan;
    const crd_graph_op *op = &s->f->network->ops[i];
    int64_t first = plan->offsets[i], floats = plan->floats[i] * plan->n_copies[i];
    int64_t in_first = plan->offsets[input],
            in_floats = plan->floats[input] * plan->n_copies[input];
    int is_in_place = input == op->inputs[0] && crd_op_can_run_in_place(op) && first == in_first &&
                      floats == in_floats;
    assert_true(first + floats <= plan->arena_floats);
    if (!is_in_place && first < in_first + in_floats && in_first < first + floats)
        fail_msg("%s: op %d lies on its input %d", s->f->network->arch, (int)i, (int)input);
}

/* A op for one draw. */
static void visit(simulation *s, int64_t i, int64_t draw)
{
    const crd_graph_op *op = &s->f->network->ops[i];
    for (int k = 0; k < op->n_inputs; k++)
        find_whole(s, i, op->inputs[k], draw);
    s->stands_for[i] = i;
    if (s->f->skip[i]) {
        assert_int_equal(s->f->plan.offsets[i], s->f->plan.offsets[op->inputs[0]]);
        s->stands_for[i] = s->stands_for[op->inputs[0]];
        return;
    }
    for (int k = 0; k < op->n_inputs; k++)
        find_apart(s, i, op->inputs[k]);
    const crd_plan *plan = &s->f->plan;
    int64_t begin = plan->offsets[i] + (plan->n_copies[i] == 1 ? 0 : draw * plan->floats[i]);
    assert_int_equal(plan->offsets[i] % (CRD_ALIGNMENT / (int64_t)sizeof(float)), 0);
    *latest(s, i, draw) = s->n_log;
    s->log[s->n_log++] = (written){i, begin, begin + plan->floats[i]};
}

static void walk(simulation *s, int is_repeated)
{
    const crd_plan *plan = &s->f->plan;
    int64_t n = s->f->network->n_ops;
    for (int64_t d = 0; d < plan->n_draws; d++)
        for (int64_t i = 1; i < plan->n_front; i++)
            if (s->influenced[i] || (d == 0 && !is_repeated))
                visit(s, i, d);
    for (int64_t i = plan->n_front > 0 ? plan->n_front : 1; i < n; i++)
        for (int64_t d = 0; d < (s->influenced[i] ? plan->n_draws : 1); d++)
            if (s->influenced[i] || !is_repeated)
                visit(s, i, d);
    for (int64_t d = 0; d < plan->n_draws; d++)
        find_whole(s, n, n - 1, d);
}

/* Writes in the order of a pass, and of one more for the same images if the plan keeps what is fixed; checks
 * that each op finds its inputs whole. */
static void check_by_simulation(const fixture *f, const uint8_t *influenced, int keeps_fixed)
{
    int64_t n = f->network->n_ops, n_draws = f->plan.n_draws;
    simulation s = {.f = f, .influenced = influenced};
    assert_ok(crd_alloc_zeroed((void **)&s.log, 2 * n * n_draws, sizeof *s.log, "log"));
    assert_ok(crd_alloc_zeroed((void **)&s.latest, n * n_draws, sizeof *s.latest, "log"));
    assert_ok(crd_alloc_zeroed((void **)&s.stands_for, n, sizeof *s.stands_for, "ops"));
    visit(&s, 0, 0);
    walk(&s, 0);
    if (keeps_fixed && influenced[n - 1])
        walk(&s, 1);
    crd_free(s.stands_for);
    crd_free(s.latest);
    crd_free(s.log);
}

/* The plan with the front [0, at), or as near before it as can be cut; checked. */
static void plan_and_check(fixture *f, int64_t at, int keeps_fixed, int64_t n_images,
                           int64_t n_draws)
{
    crd_fusion fusion;
    assert_ok(crd_fusion_init(&fusion, f->network, f->random, f->skip, 0));
    while (at > 0 && !crd_fusion_can_cut(&fusion, f->network, at))
        at--;
    assert_ok(crd_plan_init(&f->plan, f->network, &fusion, keeps_fixed, at, n_images, n_draws));

    check_by_simulation(f, fusion.influenced, keeps_fixed);
    crd_fusion_clear(&fusion);
}

static void no_live_buffer_is_overwritten(void **state)
{
    (void)state;
    static const int64_t sizes[][2] = {{1, 1}, {1, 3}, {3, 1}, {2, 5}};
    const crd_arch *arch;
    for (int64_t a = 0; (arch = crd_zoo_get(a)) != NULL; a++) {
        fixture f;
        /* Whole patches, and whole windows of MaxViT. */
        int has_patches = strstr(arch->name, "vit_") != NULL;
        fixture_init(&f, arch->name, arch->image_size > 64 && !has_patches ? 97 : 0);
        for (int folded = 0; folded <= 1; folded++) {
            if (folded)
                choose_skip(&f);
            /* All layers drawn, about the later half, only the last, none. */
            for (int64_t part = 0; part <= 3; part++) {
                int64_t n = f.network->n_ops;
                choose_random(&f, (int64_t[]){0, n / 2, n - 1, n}[part]);
                for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
                    for (int64_t third = 0; third <= 3; third++)
                        for (int keeps = 0; keeps <= 1; keeps++) {
                            plan_and_check(&f, third * n / 3, keeps, sizes[k][0], sizes[k][1]);
                            crd_plan_clear(&f.plan);
                        }
                }
            }
        }
        fixture_clear(&f);
    }
}

/* Branches that the zoo does not have: an input read again behind an in-place kind, x + x, a sum of
 * a fixed and a drawn branch in either order, an output nobody reads. */
static void unusual_branches_are_planned(void **state)
{
    (void)state;
    fixture f;
    crd_network *network;
    crd_shape input = crd_shape_make(3, 4, 5, 5);
    attr_list conv = conv2d_list((conv2d_attrs){4, 4, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, 0});
    int64_t c, r, drawn, sum, x;
    assert_ok(crd_network_create(&network, "branches", &input));
    assert_ok(network_add(&c, network, "Conv2d", "c", &conv, (int64_t[]){0}, 1));
    assert_ok(network_add(&r, network, "ReLU", "r", NULL, &c, 1));
    assert_ok(network_add(NULL, network, "ReLU", "unread", NULL, &r, 1));
    assert_ok(network_add(&drawn, network, "Conv2d", "drawn", &conv, &c, 1));
    assert_ok(network_add(&sum, network, "Add", "sum", NULL, (int64_t[]){r, drawn}, 2));
    assert_ok(network_add(&x, network, "Add", "again", NULL, (int64_t[]){sum, c}, 2));
    assert_ok(network_add(&x, network, "Add", "twice", NULL, (int64_t[]){x, x}, 2));
    assert_ok(network_add(&x, network, "Add", "last", NULL, (int64_t[]){c, x}, 2));
    fixture_init_network(&f, network);
    for (int is_drawn = 0; is_drawn <= 1; is_drawn++) {
        f.random[drawn] = (uint8_t)is_drawn;
        for (int64_t at = 1; at <= network->n_ops; at++)
            for (int keeps = 0; keeps <= 1; keeps++) {
                plan_and_check(&f, at, keeps, 2, 3);
                crd_plan_clear(&f.plan);
            }
        plan_and_check(&f, 0, 0, 2, 3);
        assert_int_equal(f.plan.n_copies[sum], is_drawn ? 3 : 1);
        /* In place only where the fixed branch has as many copies as the sum. */
        assert_int_equal(f.plan.offsets[sum] == f.plan.offsets[r], !is_drawn);
        crd_plan_clear(&f.plan);
    }
    fixture_clear(&f);
}

static void draws_multiply_only_what_they_reach(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, "lenet", 0);
    int64_t last = f.network->n_ops - 1;
    choose_random(&f, last);
    assert_ok(plan_plainly(&f.plan, f.network, f.random, 4, 10));
    for (int64_t i = 0; i < last; i++)
        assert_int_equal(f.plan.n_copies[i], 1);
    assert_int_equal(f.plan.n_copies[last], 10);
    assert_int_equal(f.plan.floats[last], 4 * 10);
    crd_plan_clear(&f.plan);
    choose_random(&f, 1);
    assert_ok(plan_plainly(&f.plan, f.network, f.random, 4, 10));
    assert_int_equal(f.plan.n_copies[0], 1);
    for (int64_t i = 1; i <= last; i++)
        assert_int_equal(f.plan.n_copies[i], 10);
    crd_plan_clear(&f.plan);
    fixture_clear(&f);
}

/* Draws one after the other through the first two stages, together behind them. */
static void a_front_saves_memory(void **state)
{
    (void)state;
    fixture f;
    int64_t with[2] = {0, 0};
    fixture_init(&f, "resnet18", 0);
    choose_random(&f, 0);
    choose_skip(&f);
    for (int64_t i = 0; i < f.network->n_ops; i++)
        if (strcmp(f.network->ops[i].name, "layer3.0.conv1") == 0)
            for (int k = 0; k < 2; k++) {
                plan_and_check(&f, k == 0 ? 0 : i, 0, 8, 8);
                with[k] = f.plan.arena_floats;
                crd_plan_clear(&f.plan);
            }
    print_message("resnet18, 8 images, 8 draws: arena %.1f MB, with a front %.1f MB\n",
                  4e-6 * (double)with[0], 4e-6 * (double)with[1]);
    assert_true(with[1] > 0 && 4 * with[0] < 300 * 1000000 && 3 * with[1] < with[0]);
    fixture_clear(&f);
}

static void impossible_batches_are_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, "lenet", 0);
    choose_random(&f, 0);
    assert_fails(plan_plainly(&f.plan, f.network, f.random, 0, 1), CRD_ERR_USAGE, "0 images");
    assert_fails(plan_plainly(&f.plan, f.network, f.random, 1, -1), CRD_ERR_USAGE, "-1 draws");
    assert_fails(plan_plainly(&f.plan, f.network, f.random, INT64_MAX, 1), CRD_ERR_USAGE,
                 "too large");
    assert_fails(plan_plainly(&f.plan, f.network, f.random, 1 << 20, INT64_MAX / 2), CRD_ERR_USAGE,
                 "too large");
    assert_null(f.plan.offsets);
    fixture_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_live_buffer_is_overwritten),
        cmocka_unit_test(unusual_branches_are_planned),
        cmocka_unit_test(draws_multiply_only_what_they_reach),
        cmocka_unit_test(a_front_saves_memory),
        cmocka_unit_test(impossible_batches_are_refused),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
