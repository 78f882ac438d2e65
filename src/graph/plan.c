/* Where outputs of a prediction lie: lifetimes of buffers by last readers, places by the arena. */
#include "graph/plan.h"

#include "base/alloc.h"
#include "graph/arena.h"

typedef struct planner {
    crd_plan *plan;
    const crd_network *network;
    const crd_fusion *fusion;
    int keeps_fixed;
    int64_t *last_use;  /* [n_ops] last op that reads this op's output */
    uint8_t *early;     /* [n_ops] of one that is run: nothing before it may use its place */
    int64_t *buffer_of; /* [n_ops] index of a buffer of the arena */
    crd_arena arena;
} planner;

static int is_fused(const planner *p, int64_t i)
{
    return p->fusion->into[i] != i;
}

static int is_in_front(const planner *p, int64_t i)
{
    return p->fusion->into[i] < p->plan->n_front;
}

/* Ops of the front run again for each draw, and of a kept pass again for the next: what is there
 * already then, what ops after the front read and what no draw influences, has its place from the
 * start. */
static void find_early(planner *p)
{
    const crd_fusion *fusion = p->fusion;
    int64_t n = p->network->n_ops;
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < p->network->ops[i].n_inputs; k++) {
            int64_t input = fusion->into[p->network->ops[i].inputs[k]];
            int leaves_front = is_in_front(p, input) && !is_in_front(p, i);
            if (leaves_front || (!fusion->influenced[input] && fusion->influenced[i] &&
                                 (p->keeps_fixed || is_in_front(p, i))))
                p->early[input] = 1;
        }
    if (is_in_front(p, n - 1) && fusion->influenced[n - 1])
        p->early[fusion->into[n - 1]] = 1;
}

static int64_t count_copies(const planner *p, int64_t i)
{
    int is_passing = is_in_front(p, i) && !p->early[p->fusion->into[i]];
    return p->fusion->influenced[i] && !is_passing ? p->plan->n_draws : 1;
}

static crd_status count_floats(planner *p)
{
    crd_plan *plan = p->plan;
    for (int64_t i = 0; i < p->network->n_ops; i++) {
        const crd_graph_op *op = &p->network->ops[i];
        plan->n_copies[i] = count_copies(p, i);
        int64_t count = crd_shape_count(&op->shape), total;
        if (__builtin_mul_overflow(plan->n_images, count, &plan->floats[i]) ||
            __builtin_mul_overflow(plan->floats[i], plan->n_copies[i], &total) ||
            total > CRD_ARENA_MAX_FLOATS)
            return CRD_FAIL(CRD_ERR_USAGE,
                            "op '%s': a batch of %lld images in %lld draws is too large", op->name,
                            (long long)plan->n_images, (long long)plan->n_draws);
    }
    return CRD_OK;
}

/* Backwards, so that what reads a fused op counts as a reader of the place of the one it is fused
 * into; what a fused op reads beside that, that one reads. */
static void find_last_uses(planner *p)
{
    int64_t n = p->network->n_ops;
    const crd_fusion *fusion = p->fusion;
    p->last_use[n - 1] = n; /* the output outlives the pass */
    for (int64_t i = n - 1; i >= 0; i--) {
        const crd_graph_op *op = &p->network->ops[i];
        if (p->last_use[i] < i)
            p->last_use[i] = i;
        for (int k = 0; k < op->n_inputs; k++) {
            int64_t input = op->inputs[k];
            int64_t use = fusion->into[input] == fusion->into[i] ? p->last_use[i] : fusion->into[i];
            if (p->keeps_fixed && fusion->influenced[i] && !fusion->influenced[input])
                use = n;
            /* The front's later draws need it again. */
            if (is_in_front(p, i) && fusion->influenced[i] && !fusion->influenced[input] &&
                use < p->plan->n_front)
                use = p->plan->n_front;
            if (p->last_use[input] < use)
                p->last_use[input] = use;
        }
    }
}

/* The input's place can be taken over when this op is the last to read it and needs as much. */
static int can_run_in_place(const planner *p, int64_t i)
{
    const crd_graph_op *op = &p->network->ops[i];
    if (op->n_inputs == 0 || !crd_op_can_run_in_place(op))
        return 0;
    int64_t in = op->inputs[0];
    return p->arena.buffers[p->buffer_of[in]].last_use == i &&
           p->plan->n_copies[in] == p->plan->n_copies[i] &&
           p->plan->floats[in] == p->plan->floats[i];
}

static int64_t place(planner *p, int64_t i)
{
    return crd_arena_place(&p->arena, p->plan->floats[i] * p->plan->n_copies[i], p->last_use[i]);
}

static void place_all(planner *p)
{
    for (int64_t i = 0; i < p->network->n_ops; i++)
        if (!is_fused(p, i) && p->early[i])
            p->buffer_of[i] = place(p, i);
    for (int64_t i = 0; i < p->network->n_ops; i++) {
        if (is_fused(p, i)) {
            p->buffer_of[i] = p->buffer_of[p->fusion->into[i]];
        } else if (!p->early[i] && can_run_in_place(p, i)) {
            p->buffer_of[i] = p->buffer_of[p->network->ops[i].inputs[0]];
            p->arena.buffers[p->buffer_of[i]].last_use = p->last_use[i];
        } else if (!p->early[i]) {
            p->buffer_of[i] = place(p, i);
        }
        p->plan->offsets[i] = p->arena.buffers[p->buffer_of[i]].offset;
        crd_arena_advance(&p->arena, i);
    }
    p->plan->arena_floats = p->arena.n_floats;
}

crd_status crd_plan_init(crd_plan *plan, const crd_network *network, const crd_fusion *fusion,
                         int keeps_fixed, int64_t n_front, int64_t n_images, int64_t n_draws)
{
    crd_status status = CRD_OK;
    int64_t n = network->n_ops;
    planner p = {.plan = plan, .network = network, .fusion = fusion, .keeps_fixed = keeps_fixed};
    *plan = (crd_plan){.n_images = n_images, .n_draws = n_draws, .n_front = n_front};
    CRD_REQUIRE(n_images >= 1 && n_draws >= 1, CRD_ERR_USAGE,
                "a pass over %lld images in %lld draws, needed is at least one",
                (long long)n_images, (long long)n_draws);
    CRD_ALLOC(&plan->offsets, n, "memory plan");
    CRD_ALLOC(&plan->floats, n, "memory plan");
    CRD_ALLOC(&plan->n_copies, n, "memory plan");
    CRD_ALLOC(&p.last_use, n, "memory plan");
    CRD_ALLOC(&p.early, n, "memory plan");
    CRD_ALLOC(&p.buffer_of, n, "memory plan");
    CRD_TRY(crd_arena_init(&p.arena, n));
    find_early(&p);
    CRD_TRY(count_floats(&p));
    find_last_uses(&p);
    place_all(&p);
cleanup:
    crd_free(p.last_use);
    crd_free(p.early);
    crd_free(p.buffer_of);
    crd_arena_clear(&p.arena);
    if (status != CRD_OK)
        crd_plan_clear(plan);
    return status;
}

void crd_plan_clear(crd_plan *plan)
{
    crd_free(plan->offsets);
    crd_free(plan->floats);
    crd_free(plan->n_copies);
    *plan = (crd_plan){0};
}
