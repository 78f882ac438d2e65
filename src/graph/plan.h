/** Memory plan of a prediction: where each op's output lies in one arena for a pass over a batch in
 * several draws.
 *
 * Ops that no draw influences exist once for the batch; all others once a draw. Offsets reuse what
 * is dead; in-place operators take over their first input's place when nobody else needs it.
 *
 * The first ops of a network have the largest activations and the fewest weights. They may be a
 * "front" that draws pass one after the other: what only the front reads then exists for one draw.
 */
#ifndef CRD_GRAPH_PLAN_H
#define CRD_GRAPH_PLAN_H

#include "graph/passes/fuse_epilogue.h"

typedef struct crd_plan {
    int64_t n_images, n_draws;
    int64_t *offsets;     /**< [n_ops] floats into the arena */
    int64_t *floats;      /**< [n_ops] floats of one copy: n_images * shape count */
    int64_t *n_copies;    /**< [n_ops] 1, or n_draws: copy d is at offset + d * floats */
    int64_t n_front;      /**< ops [0, n_front) run for one draw after the other, 0: none */
    int64_t arena_floats; /**< length of the arena */
} crd_plan;

/** Plans a pass. An op that is fused takes the place of the one it is fused into, which is written
 * when that one runs. The input's place is reused too: fill it before every pass. keeps_fixed 1:
 * what no draw influences but what it influences reads stays in place until the next pass, so that
 * it need not be computed again for the same images. n_front: where crd_fusion_can_cut, or 0;
 * within the front, what no draw influences runs with the first draw only. Errors: CRD_ERR_USAGE:
 * no image, no draw, or too many; CRD_ERR_INTERNAL: out of memory; the plan is empty then. */
crd_status crd_plan_init(crd_plan *plan, const crd_network *network, const crd_fusion *fusion,
                         int keeps_fixed, int64_t n_front, int64_t n_images, int64_t n_draws);
void crd_plan_clear(crd_plan *plan);

#endif
