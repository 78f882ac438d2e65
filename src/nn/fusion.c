#include "nn/fusion.h"

#include "base/alloc.h"
#include "nn/layer_kinds.h"

static void find_influenced(crd_fusion *fusion, const crd_network *network, const uint8_t *random)
{
    for (int64_t i = 0; i < network->n_nodes; i++) {
        const crd_node *node = &network->nodes[i];
        fusion->influenced[i] = random[i] != 0;
        for (int k = 0; k < node->n_inputs; k++)
            fusion->influenced[i] |= fusion->influenced[node->inputs[k]];
    }
}

static void count_readers(int64_t *n_readers, const crd_network *network)
{
    for (int64_t i = 0; i < network->n_nodes; i++)
        for (int k = 0; k < network->nodes[i].n_inputs; k++)
            n_readers[network->nodes[i].inputs[k]]++;
}

/* Whether `input` is written by a layer that can do more to it, and is read by one node only. */
static int is_open(const crd_fusion *fusion, const crd_network *network, const int64_t *n_readers,
                   int64_t input)
{
    int64_t host = fusion->host[input];
    return network->nodes[host].layer->has_epilogue && n_readers[input] == 1 && !fusion->relu[host];
}

static void join_relu(crd_fusion *fusion, const crd_network *network, const int64_t *n_readers,
                      int64_t i)
{
    int64_t input = network->nodes[i].inputs[0];
    if (!is_open(fusion, network, n_readers, input))
        return;
    fusion->host[i] = fusion->host[input];
    fusion->relu[fusion->host[i]] = 1;
}

static void join_sum(crd_fusion *fusion, const crd_network *network, const int64_t *n_readers,
                     int64_t i)
{
    const int64_t *inputs = network->nodes[i].inputs;
    int later = fusion->host[inputs[1]] > fusion->host[inputs[0]];
    int64_t input = inputs[later], other = inputs[1 - later], host = fusion->host[input];
    if (!is_open(fusion, network, n_readers, input) || fusion->residual[host] >= 0 ||
        fusion->host[other] == host || fusion->influenced[other] > fusion->influenced[input])
        return;
    fusion->host[i] = host;
    fusion->residual[host] = other;
}

crd_status crd_fusion_init(crd_fusion *fusion, const crd_network *network, const uint8_t *random,
                           const uint8_t *skip, int is_fusing)
{
    crd_status status = CRD_OK;
    int64_t n = network->n_nodes, *n_readers = NULL;
    *fusion = (crd_fusion){0};
    CRD_ALLOC(&fusion->host, n, "fusion");
    CRD_ALLOC(&fusion->residual, n, "fusion");
    CRD_ALLOC(&fusion->relu, n, "fusion");
    CRD_ALLOC(&fusion->influenced, n, "fusion");
    CRD_ALLOC(&n_readers, n, "fusion");
    find_influenced(fusion, network, random);
    count_readers(n_readers, network);
    for (int64_t i = 0; i < n; i++) {
        const crd_layer *layer = network->nodes[i].layer;
        fusion->host[i] = i;
        fusion->residual[i] = -1;
        if (skip != NULL && skip[i])
            fusion->host[i] = fusion->host[network->nodes[i].inputs[0]];
        else if (is_fusing && layer == &crd_layer_relu)
            join_relu(fusion, network, n_readers, i);
        else if (is_fusing && layer == &crd_layer_add)
            join_sum(fusion, network, n_readers, i);
    }
cleanup:
    crd_free(n_readers);
    if (status != CRD_OK)
        crd_fusion_clear(fusion);
    return status;
}

int crd_fusion_can_cut(const crd_fusion *fusion, const crd_network *network, int64_t at)
{
    for (int64_t i = at; i < network->n_nodes; i++)
        if (fusion->host[i] < at)
            return 0;
    return 1;
}

void crd_fusion_clear(crd_fusion *fusion)
{
    crd_free(fusion->host);
    crd_free(fusion->residual);
    crd_free(fusion->relu);
    crd_free(fusion->influenced);
    *fusion = (crd_fusion){0};
}
