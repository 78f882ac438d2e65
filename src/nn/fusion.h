/** Which nodes are computed within the pass of another: batch norm folded into a layer's weights, a
 * sum and a ReLU applied to a layer's output on its way to memory.
 */
#ifndef CRD_NN_FUSION_H
#define CRD_NN_FUSION_H

#include "credence/network.h"

typedef struct crd_fusion {
    int64_t *host; /**< [n_nodes] the node whose pass writes this one's output; itself if none */
    int64_t *residual;   /**< [n_nodes] of a host: the node it adds to its output; -1: none */
    uint8_t *relu;       /**< [n_nodes] of a host: 1 if negative outputs become 0 */
    uint8_t *influenced; /**< [n_nodes] 1 if the output differs from draw to draw */
} crd_fusion;

/** random[i] != 0: node i's own parameters are drawn. skip[i] != 0: node i is folded into its input
 * (NULL: none). is_fusing 0: nothing but that. A sum joins the later of its two inputs, if nobody
 * else reads that one, and if no draw is needed for the sum alone. Errors: out of memory; the fusion
 * is empty then. */
crd_status crd_fusion_init(crd_fusion *fusion, const crd_network *network, const uint8_t *random,
                           const uint8_t *skip, int is_fusing);
/** 1 if no node from `at` on has its host before. */
int crd_fusion_can_cut(const crd_fusion *fusion, const crd_network *network, int64_t at);
void crd_fusion_clear(crd_fusion *fusion);

#endif
