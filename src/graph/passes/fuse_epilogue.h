/** Which ops are computed within the pass of another: a norm folded into a layer's weights, a sum
 * and an activation applied to a layer's output on its way to memory, a view that is its input's
 * place.
 */
#ifndef CRD_GRAPH_FUSE_EPILOGUE_H
#define CRD_GRAPH_FUSE_EPILOGUE_H

#include "graph/graph.h"

typedef struct crd_fusion {
    int64_t *into; /**< [n_ops] the op whose pass writes this one's output; itself if it is run */
    int64_t *residual; /**< [n_ops] of one that is run: the op it adds to its output; -1: none */
    crd_activation *activation; /**< [n_ops] of one that is run: what is applied to its output */
    uint8_t *influenced;        /**< [n_ops] 1 if the output differs from draw to draw */
} crd_fusion;

/** random[i] != 0: op i differs from draw to draw by itself. skip[i] != 0: op i is folded into its
 * input (NULL: none). is_fusing 0: nothing but that. A sum joins the later of its two inputs, if
 * nobody else reads that one, and if no draw is needed for the sum alone. Errors: out of memory;
 * the fusion is empty then. */
crd_status crd_fusion_init(crd_fusion *fusion, const crd_network *network, const uint8_t *random,
                           const uint8_t *skip, int is_fusing);
/** 1 if no op from `at` on is fused into one before. */
int crd_fusion_can_cut(const crd_fusion *fusion, const crd_network *network, int64_t at);
void crd_fusion_clear(crd_fusion *fusion);

#endif
