/* The memory plan, over the whole zoo: nothing that is still needed is overwritten. */
#include "crd_test.h"

#include "base/alloc.h"
#include "credence/zoo.h"
#include "nn/layer.h"
#include "nn/plan.h"

typedef struct fixture {
    crd_network *network;
    uint8_t *random, *skip;
    crd_plan plan;
} fixture;

/* Takes the network over. */
static void fixture_init_network(fixture *f, crd_network *network)
{
    f->network = network;
    assert_ok(crd_alloc_zeroed((void **)&f->random, f->network->n_nodes, 1, "flags"));
    assert_ok(crd_alloc_zeroed((void **)&f->skip, f->network->n_nodes, 1, "flags"));
}

static void fixture_init(fixture *f, const char *arch, int64_t image_size)
{
    crd_network *network;
    assert_ok(crd_zoo_build(&network, arch, 0, image_size, 0));
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
    for (int64_t i = 0; i < f->network->n_nodes; i++)
        f->random[i] = i >= first && f->network->nodes[i].layer->is_weighted;
}

static void choose_skip(fixture *f)
{
    for (int64_t i = 0; i < f->network->n_nodes; i++)
        f->skip[i] = crd_network_fold_target(f->network, i) >= 0;
}

/* Writes every float's owner node as the pass would, and checks that each node finds its inputs
 * whole. `owner` stands for the arena in units of one alignment. */
static void check_by_simulation(const fixture *f)
{
    enum { UNIT = 16 };
    const crd_plan *plan = &f->plan;
    int64_t n_units = plan->arena_floats / UNIT, n = f->network->n_nodes;
    int64_t *owner, *stands_for;
    assert_ok(crd_alloc_zeroed((void **)&owner, n_units, sizeof *owner, "owner"));
    assert_ok(crd_alloc_zeroed((void **)&stands_for, n, sizeof *stands_for, "nodes"));
    for (int64_t i = 0; i <= n; i++) {
        /* After the last node its own output is read. */
        int64_t own[] = {n - 1};
        const int64_t *inputs = i < n ? f->network->nodes[i].inputs : own;
        int n_inputs = i < n ? f->network->nodes[i].n_inputs : 1;
        for (int k = 0; k < n_inputs; k++) {
            int64_t in = inputs[k], floats = plan->floats[in] * plan->n_copies[in];
            for (int64_t u = 0; u * UNIT < floats; u++)
                if (owner[plan->offsets[in] / UNIT + u] != stands_for[in])
                    fail_msg("%s: node %d finds input %d overwritten by %d", f->network->arch,
                             (int)i, (int)in, (int)owner[plan->offsets[in] / UNIT + u]);
        }
        if (i == n)
            break;
        const crd_node *node = &f->network->nodes[i];
        int64_t first = plan->offsets[i], floats = plan->floats[i] * plan->n_copies[i];
        assert_true(first % UNIT == 0 && first + floats <= plan->arena_floats);
        if (f->skip[i]) {
            assert_int_equal(first, plan->offsets[node->inputs[0]]);
            stands_for[i] = stands_for[node->inputs[0]];
            continue;
        }
        /* Within a node no write may meet a read, but element upon element in place. */
        for (int k = 0; k < n_inputs; k++) {
            int64_t in = inputs[k], in_floats = plan->floats[in] * plan->n_copies[in];
            int is_in_place = in == inputs[0] && node->layer->in_place &&
                              first == plan->offsets[in] && floats == in_floats;
            if (!is_in_place && first < plan->offsets[in] + in_floats &&
                plan->offsets[in] < first + floats)
                fail_msg("%s: node %d lies on its input %d", f->network->arch, (int)i, (int)in);
        }
        stands_for[i] = i;
        for (int64_t u = 0; u * UNIT < floats; u++)
            owner[first / UNIT + u] = i;
    }
    crd_free(stands_for);
    crd_free(owner);
}

static void no_live_buffer_is_overwritten(void **state)
{
    (void)state;
    static const int64_t sizes[][2] = {{1, 1}, {1, 3}, {3, 1}, {2, 5}};
    const crd_arch *arch;
    for (int64_t a = 0; (arch = crd_zoo_get(a)) != NULL; a++) {
        fixture f;
        fixture_init(&f, arch->name, arch->image_size > 64 ? 33 : 0);
        for (int folded = 0; folded <= 1; folded++) {
            if (folded)
                choose_skip(&f);
            /* All layers drawn, about the later half, only the last, none. */
            for (int64_t part = 0; part <= 3; part++) {
                int64_t n = f.network->n_nodes;
                choose_random(&f, (int64_t[]){0, n / 2, n - 1, n}[part]);
                for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
                    assert_ok(crd_plan_init(&f.plan, f.network, f.random, f.skip, sizes[k][0],
                                            sizes[k][1]));
                    check_by_simulation(&f);
                    crd_plan_clear(&f.plan);
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
    crd_attrs conv = {.conv2d = {4, 4, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, 0}};
    int64_t c, r, drawn, sum, x;
    assert_ok(crd_network_create(&network, "branches", &input));
    assert_ok(crd_network_add(&c, network, "Conv2d", "c", &conv, (int64_t[]){0}, 1));
    assert_ok(crd_network_add(&r, network, "ReLU", "r", NULL, &c, 1));
    assert_ok(crd_network_add(NULL, network, "ReLU", "unread", NULL, &r, 1));
    assert_ok(crd_network_add(&drawn, network, "Conv2d", "drawn", &conv, &c, 1));
    assert_ok(crd_network_add(&sum, network, "Add", "sum", NULL, (int64_t[]){r, drawn}, 2));
    assert_ok(crd_network_add(&x, network, "Add", "again", NULL, (int64_t[]){sum, c}, 2));
    assert_ok(crd_network_add(&x, network, "Add", "twice", NULL, (int64_t[]){x, x}, 2));
    assert_ok(crd_network_add(&x, network, "Add", "last", NULL, (int64_t[]){c, x}, 2));
    fixture_init_network(&f, network);
    for (int is_drawn = 0; is_drawn <= 1; is_drawn++) {
        f.random[drawn] = (uint8_t)is_drawn;
        assert_ok(crd_plan_init(&f.plan, network, f.random, f.skip, 2, 3));
        check_by_simulation(&f);
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
    int64_t last = f.network->n_nodes - 1;
    choose_random(&f, last);
    assert_ok(crd_plan_init(&f.plan, f.network, f.random, NULL, 4, 10));
    for (int64_t i = 0; i < last; i++)
        assert_int_equal(f.plan.n_copies[i], 1);
    assert_int_equal(f.plan.n_copies[last], 10);
    assert_int_equal(f.plan.floats[last], 4 * 10);
    crd_plan_clear(&f.plan);
    choose_random(&f, 1);
    assert_ok(crd_plan_init(&f.plan, f.network, f.random, NULL, 4, 10));
    assert_int_equal(f.plan.n_copies[0], 1);
    for (int64_t i = 1; i <= last; i++)
        assert_int_equal(f.plan.n_copies[i], 10);
    crd_plan_clear(&f.plan);
    fixture_clear(&f);
}

static void resnet18_stays_below_300_megabytes(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, "resnet18", 0);
    choose_random(&f, 0);
    choose_skip(&f);
    assert_ok(crd_plan_init(&f.plan, f.network, f.random, f.skip, 8, 8));
    print_message("resnet18, 8 images, 8 draws: arena %.1f MB, scratch %.1f MB\n",
                  4e-6 * (double)f.plan.arena_floats, 4e-6 * (double)f.plan.scratch_floats);
    assert_true(4 * (f.plan.arena_floats + f.plan.scratch_floats) < 300 * 1000000);
    crd_plan_clear(&f.plan);
    fixture_clear(&f);
}

static void impossible_batches_are_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, "lenet", 0);
    choose_random(&f, 0);
    assert_fails(crd_plan_init(&f.plan, f.network, f.random, NULL, 0, 1), CRD_ERR_USAGE,
                 "0 images");
    assert_fails(crd_plan_init(&f.plan, f.network, f.random, NULL, 1, -1), CRD_ERR_USAGE,
                 "-1 draws");
    assert_fails(crd_plan_init(&f.plan, f.network, f.random, NULL, INT64_MAX, 1), CRD_ERR_USAGE,
                 "too large");
    assert_fails(crd_plan_init(&f.plan, f.network, f.random, NULL, 1 << 20, INT64_MAX / 2),
                 CRD_ERR_USAGE, "too large");
    assert_null(f.plan.offsets);
    fixture_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_live_buffer_is_overwritten),
        cmocka_unit_test(unusual_branches_are_planned),
        cmocka_unit_test(draws_multiply_only_what_they_reach),
        cmocka_unit_test(resnet18_stays_below_300_megabytes),
        cmocka_unit_test(impossible_batches_are_refused),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
