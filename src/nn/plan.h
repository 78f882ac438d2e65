/** Memory plan: where each node's output lies in one arena for a pass over a batch in several
 * draws.
 *
 * Nodes that no drawn weight influences exist once for the batch; all others once a draw. Offsets
 * reuse what is dead; in-place kinds take over their first input's place when nobody else needs it.
 *
 * The first nodes of a network have the largest activations and the fewest weights. They may be a
 * "front" that draws pass one after the other: what only the front reads then exists for one draw.
 */
#ifndef CRD_NN_PLAN_H
#define CRD_NN_PLAN_H

#include "nn/fusion.h"

typedef struct crd_plan {
    int64_t n_images, n_draws;
    int64_t *offsets;       /**< [n_nodes] floats into the arena */
    int64_t *floats;        /**< [n_nodes] floats of one copy: n_images * shape count */
    int64_t *n_copies;      /**< [n_nodes] 1, or n_draws: copy d lies at offset + d * floats */
    int64_t n_front;        /**< nodes [0, n_front) run for one draw after the other, 0: none */
    int64_t arena_floats;   /**< length of the arena */
    int64_t scratch_floats; /**< largest scratch any layer asks for */
} crd_plan;

/** Plans a pass. random[i] != 0: node i's own parameters are drawn. skip[i] != 0: node i is folded
 * away and takes its input's place (NULL: none). The input's place is reused too: fill it before
 * every pass. Errors: CRD_ERR_USAGE: no image, no draw, or too many; CRD_ERR_INTERNAL: out of
 * memory; the plan is empty then. */
crd_status crd_plan_init(crd_plan *plan, const crd_network *network, const uint8_t *random,
                         const uint8_t *skip, int64_t n_images, int64_t n_draws);

/** The same for nodes that are fused: each takes its host's place, which is written when the host
 * runs. keeps_fixed 1: what no draw influences but what it influences reads stays in place until the
 * next pass, so that it need not be computed again for the same images. n_front: where
 * crd_fusion_can_cut, or 0; precision: what scratch is for; within the front, what no draw influences runs with the first draw only. */
crd_status crd_plan_init_fused(crd_plan *plan, const crd_network *network, const crd_fusion *fusion,
                               int keeps_fixed, int64_t n_front, int64_t n_images, int64_t n_draws,
                               crd_precision precision);
void crd_plan_clear(crd_plan *plan);

#endif
