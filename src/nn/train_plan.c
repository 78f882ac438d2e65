#include "nn/train_plan.h"

#include "base/alloc.h"
#include "base/integers.h"
#include "nn/layer_kinds.h"

/* Keeps the sum over all nodes within int64. */
#define MAX_BUFFER_FLOATS (INT64_C(1) << 48)

/* A whole number of cache lines. */
static int64_t padded(int64_t floats)
{
    const int64_t align = CRD_ALIGNMENT / (int64_t)sizeof(float);
    return (floats + align - 1) / align * align;
}

static crd_status count_floats(int64_t *floats, const crd_network *network, int64_t n_images)
{
    for (int64_t i = 0; i < network->n_nodes; i++) {
        const crd_node *node = &network->nodes[i];
        if (__builtin_mul_overflow(n_images, crd_shape_count(&node->shape), &floats[i]) ||
            floats[i] > MAX_BUFFER_FLOATS)
            return CRD_FAIL(CRD_ERR_USAGE, "node '%s': a batch of %lld images is too large",
                            node->name, (long long)n_images);
        floats[i] = padded(floats[i]);
    }
    return CRD_OK;
}

static void find_readers(crd_train_plan *plan, const crd_network *network, int64_t *n_readers)
{
    int64_t last = network->n_nodes - 1;
    for (int64_t i = 0; i < last; i++)
        plan->last_reader[i] = -1;
    plan->last_reader[last] = last;
    for (int64_t i = last; i >= 0; i--)
        for (int k = 0; k < network->nodes[i].n_inputs; k++) {
            int64_t input = network->nodes[i].inputs[k];
            n_readers[input]++;
            if (plan->last_reader[i] >= 0 && plan->last_reader[input] < 0)
                plan->last_reader[input] = i;
        }
}

/* Backward of this node, of the one that made its input, and of all others that read that input
 * must not miss what is overwritten. */
static int can_run_in_place(const crd_network *network, int64_t index, const int64_t *n_readers)
{
    const crd_node *node = &network->nodes[index];
    return node->layer->in_place && !node->layer->keeps_in && node->inputs[0] > 0 &&
           n_readers[node->inputs[0]] == 1 && !network->nodes[node->inputs[0]].layer->keeps_out;
}

static void place_activations(crd_train_plan *plan, const crd_network *network,
                              const int64_t *floats, const int64_t *n_readers)
{
    for (int64_t i = 0; i < network->n_nodes; i++) {
        if (i > 0 && can_run_in_place(network, i, n_readers)) {
            plan->offsets[i] = plan->offsets[network->nodes[i].inputs[0]];
        } else {
            plan->offsets[i] = plan->arena_floats;
            plan->arena_floats += floats[i];
        }
    }
}

/* Puts a node's gradient into the first gap between the live ones, which are sorted by offset. */
static void place_gradient(crd_train_plan *plan, int64_t *live, int64_t *n_live,
                           const int64_t *floats, int64_t node)
{
    int64_t offset = 0, at = 0;
    for (; at < *n_live; at++) {
        int64_t next = live[at];
        if (plan->grad_offsets[next] - offset >= floats[node])
            break;
        offset = plan->grad_offsets[next] + floats[next];
    }
    for (int64_t i = *n_live; i > at; i--)
        live[i] = live[i - 1];
    live[at] = node;
    (*n_live)++;
    plan->grad_offsets[node] = offset;
    if (plan->grad_arena_floats < offset + floats[node])
        plan->grad_arena_floats = offset + floats[node];
}

/* A kind that can run in place can do so on its way back too, if its input has no gradient yet: that
 * takes the place of the node's own among the live ones. */
static void take_over_gradient(crd_train_plan *plan, const crd_network *network, int64_t *live,
                               int64_t n_live, int64_t index)
{
    const crd_node *node = &network->nodes[index];
    int64_t input = node->inputs[0];
    int reads_twice = node->n_inputs > 1 && node->inputs[1] == input;
    if (!node->layer->in_place || input == 0 || plan->grad_offsets[input] >= 0 || reads_twice)
        return;
    plan->grad_offsets[input] = plan->grad_offsets[index];
    for (int64_t k = 0; k < n_live; k++)
        if (live[k] == index)
            live[k] = input;
}

static void place_gradients(crd_train_plan *plan, const crd_network *network, const int64_t *floats,
                            int64_t *live)
{
    int64_t last = network->n_nodes - 1, n_live = 0;
    for (int64_t i = 0; i <= last; i++)
        plan->grad_offsets[i] = -1;
    place_gradient(plan, live, &n_live, floats, last);
    for (int64_t i = last; i > 0; i--) {
        if (plan->last_reader[i] < 0)
            continue;
        take_over_gradient(plan, network, live, n_live, i);
        for (int k = 0; k < network->nodes[i].n_inputs; k++) {
            int64_t input = network->nodes[i].inputs[k];
            if (input > 0 && plan->grad_offsets[input] < 0)
                place_gradient(plan, live, &n_live, floats, input);
        }
        int64_t kept = 0;
        for (int64_t k = 0; k < n_live; k++)
            if (live[k] != i)
                live[kept++] = live[k];
        n_live = kept;
    }
}

/* Of a pass either way. */
static int64_t scratch_floats(const crd_node *node, const crd_shape *const *in, int64_t n_images)
{
    const crd_layer *layer = node->layer;
    int64_t forward =
        layer->scratch_floats == NULL ? 0 : layer->scratch_floats(node, in, n_images, CRD_FP32);
    return layer->backward_scratch_floats == NULL
               ? forward
               : crd_larger(forward, layer->backward_scratch_floats(node, in, n_images));
}

/* For every number of images: a convolution cuts its columns evenly, so fewer images in fewer
 * pieces may need more. */
static void find_scratch(crd_train_plan *plan, const crd_network *network)
{
    for (int64_t i = 0; i < network->n_nodes; i++) {
        const crd_node *node = &network->nodes[i];
        const crd_shape *in[CRD_NODE_MAX_INPUTS] = {NULL};
        for (int k = 0; k < node->n_inputs; k++)
            in[k] = &network->nodes[node->inputs[k]].shape;
        for (int64_t n = 1; n <= plan->n_images; n++)
            plan->scratch_floats = crd_larger(plan->scratch_floats, scratch_floats(node, in, n));
    }
}

crd_status crd_train_plan_init(crd_train_plan *plan, const crd_network *network, int64_t n_images)
{
    crd_status status = CRD_OK;
    int64_t n = network->n_nodes;
    int64_t *floats = NULL, *n_readers = NULL, *live = NULL;
    *plan = (crd_train_plan){.n_images = n_images};
    CRD_ALLOC(&plan->offsets, n, "memory plan");
    CRD_ALLOC(&plan->grad_offsets, n, "memory plan");
    CRD_ALLOC(&plan->last_reader, n, "memory plan");
    CRD_ALLOC(&floats, n, "memory plan");
    CRD_ALLOC(&n_readers, n, "memory plan");
    CRD_ALLOC(&live, n, "memory plan");
    CRD_TRY(count_floats(floats, network, n_images));
    find_readers(plan, network, n_readers);
    place_activations(plan, network, floats, n_readers);
    place_gradients(plan, network, floats, live);
    find_scratch(plan, network);
cleanup:
    crd_free(live);
    crd_free(n_readers);
    crd_free(floats);
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
