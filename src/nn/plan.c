#include "nn/plan.h"

#include "base/alloc.h"
#include "nn/layer_kinds.h"

/* Keeps the sum over all nodes within int64. */
#define MAX_BUFFER_FLOATS (INT64_C(1) << 48)

/* A stretch of the arena that nodes use in turn: the one that made it, and those that took it over
 * in place. */
typedef struct buffer {
    int64_t offset, end;
    int64_t last_use; /* index of the last node that reads or writes it */
} buffer;

typedef struct planner {
    crd_plan *plan;
    const crd_network *network;
    const crd_fusion *fusion;
    int keeps_fixed;
    crd_precision precision;
    int64_t *last_use;  /* [n_nodes] last node that reads this node's output */
    uint8_t *early;     /* [n_nodes] of a host: nothing before it may use its place */
    int64_t *buffer_of; /* [n_nodes] index into buffers */
    buffer *buffers;    /* [n_nodes] in order of creation */
    int64_t n_buffers;
    int64_t *live; /* [n_nodes] indices of live buffers by ascending offset */
    int64_t n_live;
} planner;

static int is_hosted(const planner *p, int64_t i)
{
    return p->fusion->host[i] != i;
}

static int is_in_front(const planner *p, int64_t i)
{
    return p->fusion->host[i] < p->plan->n_front;
}

/* Nodes of the front run again for each draw, and of a kept pass again for the next: what is there already then, the
 * earlier draws' copies behind the front and what no draw influences, has its place from the start. */
static void find_early(planner *p)
{
    const crd_fusion *fusion = p->fusion;
    int64_t n = p->network->n_nodes;
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < p->network->nodes[i].n_inputs; k++) {
            int64_t input = fusion->host[p->network->nodes[i].inputs[k]];
            if (fusion->influenced[input]
                    ? is_in_front(p, input) && !is_in_front(p, i)
                    : fusion->influenced[i] && (p->keeps_fixed || is_in_front(p, i)))
                p->early[input] = 1;
        }
    if (is_in_front(p, n - 1) && fusion->influenced[n - 1])
        p->early[fusion->host[n - 1]] = 1;
}

static int64_t count_copies(const planner *p, int64_t i)
{
    int is_passing = is_in_front(p, i) && !p->early[p->fusion->host[i]];
    return p->fusion->influenced[i] && !is_passing ? p->plan->n_draws : 1;
}

static crd_status count_floats(planner *p)
{
    crd_plan *plan = p->plan;
    for (int64_t i = 0; i < p->network->n_nodes; i++) {
        const crd_node *node = &p->network->nodes[i];
        plan->n_copies[i] = count_copies(p, i);
        int64_t count = crd_shape_count(&node->shape), total;
        if (__builtin_mul_overflow(plan->n_images, count, &plan->floats[i]) ||
            __builtin_mul_overflow(plan->floats[i], plan->n_copies[i], &total) ||
            total > MAX_BUFFER_FLOATS)
            return CRD_FAIL(CRD_ERR_USAGE,
                            "node '%s': a batch of %lld images in %lld draws is too large",
                            node->name, (long long)plan->n_images, (long long)plan->n_draws);
    }
    return CRD_OK;
}

/* Backwards, so that what reads a hosted node counts as a reader of its host's place; what a hosted
 * node reads beside that, its host does. */
static void find_last_uses(planner *p)
{
    int64_t n = p->network->n_nodes;
    const crd_fusion *fusion = p->fusion;
    p->last_use[n - 1] = n; /* the output outlives the pass */
    for (int64_t i = n - 1; i >= 0; i--) {
        const crd_node *node = &p->network->nodes[i];
        if (p->last_use[i] < i)
            p->last_use[i] = i;
        for (int k = 0; k < node->n_inputs; k++) {
            int64_t input = node->inputs[k];
            int64_t use = fusion->host[input] == fusion->host[i] ? p->last_use[i] : fusion->host[i];
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

/* Puts a buffer into the first gap between live ones that is large enough. */
static int64_t place(planner *p, int64_t floats, int64_t last_use)
{
    const int64_t align = CRD_ALIGNMENT / (int64_t)sizeof(float);
    int64_t size = (floats + align - 1) / align * align, offset = 0, at = 0;
    for (; at < p->n_live; at++) {
        const buffer *next = &p->buffers[p->live[at]];
        if (next->offset - offset >= size)
            break;
        offset = next->end;
    }
    for (int64_t i = p->n_live; i > at; i--)
        p->live[i] = p->live[i - 1];
    p->live[at] = p->n_buffers;
    p->n_live++;
    p->buffers[p->n_buffers] = (buffer){offset, offset + size, last_use};
    if (p->plan->arena_floats < offset + size)
        p->plan->arena_floats = offset + size;
    return p->n_buffers++;
}

static void free_dead(planner *p, int64_t now)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < p->n_live; i++)
        if (p->buffers[p->live[i]].last_use > now)
            p->live[kept++] = p->live[i];
    p->n_live = kept;
}

/* The input's place can be taken over when this node is the last to read it and needs as much. */
static int can_run_in_place(const planner *p, int64_t i)
{
    const crd_node *node = &p->network->nodes[i];
    if (!node->layer->in_place)
        return 0;
    int64_t in = node->inputs[0];
    return p->buffers[p->buffer_of[in]].last_use == i &&
           p->plan->n_copies[in] == p->plan->n_copies[i] &&
           p->plan->floats[in] == p->plan->floats[i];
}

static void place_all(planner *p)
{
    for (int64_t i = 0; i < p->network->n_nodes; i++)
        if (!is_hosted(p, i) && p->early[i])
            p->buffer_of[i] = place(p, p->plan->floats[i] * p->plan->n_copies[i], p->last_use[i]);
    for (int64_t i = 0; i < p->network->n_nodes; i++) {
        const crd_node *node = &p->network->nodes[i];
        if (is_hosted(p, i)) {
            p->buffer_of[i] = p->buffer_of[p->fusion->host[i]];
        } else if (!p->early[i] && can_run_in_place(p, i)) {
            p->buffer_of[i] = p->buffer_of[node->inputs[0]];
            p->buffers[p->buffer_of[i]].last_use = p->last_use[i];
        } else if (!p->early[i]) {
            int64_t floats = p->plan->floats[i] * p->plan->n_copies[i];
            p->buffer_of[i] = place(p, floats, p->last_use[i]);
        }
        p->plan->offsets[i] = p->buffers[p->buffer_of[i]].offset;
        free_dead(p, i);
    }
}

static void find_scratch(planner *p)
{
    for (int64_t i = 0; i < p->network->n_nodes; i++) {
        const crd_node *node = &p->network->nodes[i];
        const crd_shape *in[CRD_NODE_MAX_INPUTS] = {NULL};
        if (node->layer->scratch_floats == NULL || is_hosted(p, i))
            continue;
        for (int k = 0; k < node->n_inputs; k++)
            in[k] = &p->network->nodes[node->inputs[k]].shape;
        int64_t floats = node->layer->scratch_floats(node, in, p->plan->n_images, p->precision);
        if (p->plan->scratch_floats < floats)
            p->plan->scratch_floats = floats;
    }
}

crd_status crd_plan_init(crd_plan *plan, const crd_network *network, const uint8_t *random,
                         const uint8_t *skip, int64_t n_images, int64_t n_draws)
{
    crd_fusion fusion;
    *plan = (crd_plan){0};
    crd_status status = crd_fusion_init(&fusion, network, random, skip, 0);
    if (status == CRD_OK)
        status = crd_plan_init_fused(plan, network, &fusion, 0, 0, n_images, n_draws, CRD_FP32);
    crd_fusion_clear(&fusion);
    return status;
}

crd_status crd_plan_init_fused(crd_plan *plan, const crd_network *network, const crd_fusion *fusion,
                               int keeps_fixed, int64_t n_front, int64_t n_images, int64_t n_draws,
                               crd_precision precision)
{
    crd_status status = CRD_OK;
    int64_t n = network->n_nodes;
    planner p = {.plan = plan,
                 .network = network,
                 .fusion = fusion,
                 .keeps_fixed = keeps_fixed,
                 .precision = precision};
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
    CRD_ALLOC(&p.buffers, n, "memory plan");
    CRD_ALLOC(&p.live, n, "memory plan");
    find_early(&p);
    CRD_TRY(count_floats(&p));
    find_last_uses(&p);
    place_all(&p);
    find_scratch(&p);
cleanup:
    crd_free(p.last_use);
    crd_free(p.early);
    crd_free(p.buffer_of);
    crd_free(p.buffers);
    crd_free(p.live);
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
