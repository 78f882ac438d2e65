/* One walk over the ops in their order. An op joins the one that writes its input if that one has
 * an epilogue to spare and nobody else reads the input. Source: operator fusion as all engines have
 * it. */
#include "graph/passes/fuse_epilogue.h"

#include "base/alloc.h"

static void find_influenced(crd_fusion *fusion, const crd_network *network, const uint8_t *random)
{
    for (int64_t i = 0; i < network->n_ops; i++) {
        const crd_graph_op *op = &network->ops[i];
        fusion->influenced[i] = random[i] != 0;
        for (int k = 0; k < op->n_inputs; k++)
            fusion->influenced[i] |= fusion->influenced[op->inputs[k]];
    }
}

static void count_readers(int64_t *n_readers, const crd_network *network)
{
    for (int64_t i = 0; i < network->n_ops; i++)
        for (int k = 0; k < network->ops[i].n_inputs; k++)
            n_readers[network->ops[i].inputs[k]]++;
}

/* Whether `input` is written by an op that can do more to it, and is read by one op only. */
static int is_open(const crd_fusion *fusion, const crd_network *network, const int64_t *n_readers,
                   int64_t input)
{
    int64_t into = fusion->into[input];
    return network->ops[into].kind->has_epilogue && n_readers[input] == 1 &&
           fusion->activation[into].kind == CRD_NO_ACTIVATION;
}

static void join_activation(crd_fusion *fusion, const crd_network *network,
                            const int64_t *n_readers, int64_t i)
{
    const crd_graph_op *op = &network->ops[i];
    int64_t input = op->inputs[0];
    if (!is_open(fusion, network, n_readers, input))
        return;
    fusion->into[i] = fusion->into[input];
    fusion->activation[fusion->into[i]] = op->kind->activation(op);
}

static void join_sum(crd_fusion *fusion, const crd_network *network, const int64_t *n_readers,
                     int64_t i)
{
    const int64_t *inputs = network->ops[i].inputs;
    int later = fusion->into[inputs[1]] > fusion->into[inputs[0]];
    int64_t input = inputs[later], other = inputs[1 - later], into = fusion->into[input];
    if (!is_open(fusion, network, n_readers, input) || fusion->residual[into] >= 0 ||
        fusion->into[other] == into || fusion->influenced[other] > fusion->influenced[input])
        return;
    fusion->into[i] = into;
    fusion->residual[into] = other;
}

/* The readers of an idle op, such as a view, and those of its input read one place. */
static void join_view(crd_fusion *fusion, const crd_network *network, int64_t *n_readers, int64_t i)
{
    int64_t input = network->ops[i].inputs[0];
    fusion->into[i] = fusion->into[input];
    if (n_readers[input] > 1)
        n_readers[i] += n_readers[input];
}

static void fuse(crd_fusion *fusion, const crd_network *network, int64_t *n_readers, int64_t i)
{
    const crd_graph_op *op = &network->ops[i];
    if (crd_op_is_idle(op))
        join_view(fusion, network, n_readers, i);
    else if (op->kind->activation != NULL)
        join_activation(fusion, network, n_readers, i);
    else if (op->kind->is_sum)
        join_sum(fusion, network, n_readers, i);
}

crd_status crd_fusion_init(crd_fusion *fusion, const crd_network *network, const uint8_t *random,
                           const uint8_t *skip, int is_fusing)
{
    crd_status status = CRD_OK;
    int64_t n = network->n_ops, *n_readers = NULL;
    *fusion = (crd_fusion){0};
    CRD_ALLOC(&fusion->into, n, "fusion");
    CRD_ALLOC(&fusion->residual, n, "fusion");
    CRD_ALLOC(&fusion->activation, n, "fusion");
    CRD_ALLOC(&fusion->influenced, n, "fusion");
    CRD_ALLOC(&n_readers, n, "fusion");
    find_influenced(fusion, network, random);
    count_readers(n_readers, network);
    for (int64_t i = 0; i < n; i++) {
        fusion->into[i] = i;
        fusion->residual[i] = -1;
        if (skip != NULL && skip[i])
            fusion->into[i] = fusion->into[network->ops[i].inputs[0]];
        else if (is_fusing)
            fuse(fusion, network, n_readers, i);
    }
cleanup:
    crd_free(n_readers);
    if (status != CRD_OK)
        crd_fusion_clear(fusion);
    return status;
}

int crd_fusion_can_cut(const crd_fusion *fusion, const crd_network *network, int64_t at)
{
    for (int64_t i = at; i < network->n_ops; i++)
        if (fusion->into[i] < at)
            return 0;
    return 1;
}

void crd_fusion_clear(crd_fusion *fusion)
{
    crd_free(fusion->into);
    crd_free(fusion->residual);
    crd_free(fusion->activation);
    crd_free(fusion->influenced);
    *fusion = (crd_fusion){0};
}
