/* Where a training pass's outputs lie, which all stay, and their gradients, whose lifetimes run
 * backwards: from the last reader of an output to the op that made it. */
#include "graph/train_plan.h"

#include "base/alloc.h"
#include "base/integers.h"
#include "graph/arena.h"

/* What places have been given to. */
typedef struct planner {
    crd_train_plan *plan;
    const crd_network *network;
    int64_t *floats;    /* [n_ops] of an output */
    int64_t *n_readers; /* [n_ops] */
    int64_t *buffer_of; /* [n_ops] index of a buffer of the arena; -1: none */
    crd_arena arena;
} planner;

static crd_status count_floats(int64_t *floats, const crd_network *network, int64_t n_images)
{
    for (int64_t i = 0; i < network->n_ops; i++) {
        const crd_graph_op *op = &network->ops[i];
        if (__builtin_mul_overflow(n_images, crd_shape_count(&op->shape), &floats[i]) ||
            floats[i] > CRD_ARENA_MAX_FLOATS)
            return CRD_FAIL(CRD_ERR_USAGE, "op '%s': a batch of %lld images is too large", op->name,
                            (long long)n_images);
    }
    return CRD_OK;
}

static void find_readers(crd_train_plan *plan, const crd_network *network, int64_t *n_readers)
{
    int64_t last = network->n_ops - 1;
    for (int64_t i = 0; i < last; i++)
        plan->last_reader[i] = -1;
    plan->last_reader[last] = last;
    for (int64_t i = last; i >= 0; i--)
        for (int k = 0; k < network->ops[i].n_inputs; k++) {
            int64_t input = network->ops[i].inputs[k];
            n_readers[input]++;
            if (plan->last_reader[i] >= 0 && plan->last_reader[input] < 0)
                plan->last_reader[input] = i;
        }
}

/* Backward of this op, of the one that made its input, and of all others that read that input must
 * not miss what is overwritten. */
static int can_run_in_place(const planner *p, int64_t i)
{
    const crd_graph_op *op = &p->network->ops[i];
    return op->n_inputs > 0 && crd_op_can_run_in_place(op) && !op->kind->keeps_in &&
           op->inputs[0] > 0 && p->floats[op->inputs[0]] == p->floats[i] &&
           p->n_readers[op->inputs[0]] == 1 && !p->network->ops[op->inputs[0]].kind->keeps_out;
}

static void place_activations(planner *p)
{
    for (int64_t i = 0; i < p->network->n_ops; i++) {
        if (can_run_in_place(p, i))
            p->buffer_of[i] = p->buffer_of[p->network->ops[i].inputs[0]];
        else
            p->buffer_of[i] = crd_arena_place(&p->arena, p->floats[i], CRD_ARENA_FOREVER);
        p->plan->offsets[i] = p->arena.buffers[p->buffer_of[i]].offset;
    }
    p->plan->arena_floats = p->arena.n_floats;
}

/* Time runs from the output to the input. An op's gradient is needed until the op has passed it
 * on. */
static int64_t time_of(const planner *p, int64_t op)
{
    return p->network->n_ops - 1 - op;
}

static void give_place(planner *p, int64_t op, int64_t buffer)
{
    p->buffer_of[op] = buffer;
    p->arena.buffers[buffer].last_use = time_of(p, op);
    p->plan->grad_offsets[op] = p->arena.buffers[buffer].offset;
}

/* What can run in place can do so on its way back too, if its input has no gradient yet: that takes
 * the place of the op's own. */
static int takes_over(const planner *p, int64_t i)
{
    const crd_graph_op *op = &p->network->ops[i];
    if (op->n_inputs == 0)
        return 0;
    int64_t input = op->inputs[0];
    for (int k = 1; k < op->n_inputs; k++)
        if (op->inputs[k] == input)
            return 0;
    return crd_op_can_run_in_place(op) && input > 0 && p->floats[input] == p->floats[i] &&
           p->buffer_of[input] < 0;
}

static void place_gradients(planner *p)
{
    int64_t last = p->network->n_ops - 1;
    for (int64_t i = 0; i <= last; i++)
        p->plan->grad_offsets[i] = p->buffer_of[i] = -1;
    give_place(p, last, crd_arena_place(&p->arena, p->floats[last], 0));
    for (int64_t i = last; i > 0; i--) {
        const crd_graph_op *op = &p->network->ops[i];
        if (p->plan->last_reader[i] >= 0 && takes_over(p, i))
            give_place(p, op->inputs[0], p->buffer_of[i]);
        for (int k = 0; p->plan->last_reader[i] >= 0 && k < op->n_inputs; k++) {
            int64_t input = op->inputs[k];
            if (input > 0 && p->buffer_of[input] < 0)
                give_place(p, input, crd_arena_place(&p->arena, p->floats[input], 0));
        }
        crd_arena_advance(&p->arena, time_of(p, i));
    }
    p->plan->grad_arena_floats = p->arena.n_floats;
}

static void find_scratch(crd_train_plan *plan, const crd_network *network)
{
    for (int64_t i = 0; i < network->n_ops; i++) {
        const crd_graph_op *op = &network->ops[i];
        int64_t forward = crd_op_scratch_floats(op, plan->n_images, CRD_FP32);
        int64_t backward = crd_op_backward_scratch_floats(op, plan->n_images);
        plan->scratch_floats = crd_larger(plan->scratch_floats, crd_larger(forward, backward));
    }
}

crd_status crd_train_plan_init(crd_train_plan *plan, const crd_network *network, int64_t n_images)
{
    crd_status status = CRD_OK;
    int64_t n = network->n_ops;
    planner p = {.plan = plan, .network = network};
    *plan = (crd_train_plan){.n_images = n_images};
    CRD_ALLOC(&plan->offsets, n, "memory plan");
    CRD_ALLOC(&plan->grad_offsets, n, "memory plan");
    CRD_ALLOC(&plan->last_reader, n, "memory plan");
    CRD_ALLOC(&p.floats, n, "memory plan");
    CRD_ALLOC(&p.n_readers, n, "memory plan");
    CRD_ALLOC(&p.buffer_of, n, "memory plan");
    CRD_TRY(count_floats(p.floats, network, n_images));
    find_readers(plan, network, p.n_readers);
    CRD_TRY(crd_arena_init(&p.arena, n));
    place_activations(&p);
    crd_arena_clear(&p.arena);
    CRD_TRY(crd_arena_init(&p.arena, n));
    place_gradients(&p);
    find_scratch(plan, network);
cleanup:
    crd_arena_clear(&p.arena);
    crd_free(p.buffer_of);
    crd_free(p.n_readers);
    crd_free(p.floats);
    if (status != CRD_OK)
        crd_train_plan_clear(plan);
    return status;
}

void crd_train_plan_clear(crd_train_plan *plan)
{
    crd_free(plan->offsets);
    crd_free(plan->grad_offsets);
    crd_free(plan->last_reader);
    *plan = (crd_train_plan){0};
}
