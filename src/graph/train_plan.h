/** Memory plan of a training pass: activations are kept until backward has read them, gradients of
 * activations live from the last reader of an activation back to the op that made it.
 */
#ifndef CRD_GRAPH_TRAIN_PLAN_H
#define CRD_GRAPH_TRAIN_PLAN_H

#include "graph/graph.h"

typedef struct crd_train_plan {
    int64_t n_images;
    int64_t *offsets;      /**< [n_ops] of the output, floats into the arena */
    int64_t *grad_offsets; /**< [n_ops] of its gradient, floats into the arena of gradients; -1:
                              none: the input, and what does not lead to the output */
    /** [n_ops] the last op on a way to the output that reads this one: there backward meets
     * its gradient first. The output itself for the output; -1: no way to the output. */
    int64_t *last_reader;
    int64_t arena_floats, grad_arena_floats;
    int64_t scratch_floats; /**< largest scratch any op asks for with up to n_images */
} crd_train_plan;

/** Plans passes over up to n_images >= 1. What can run in place do so where backward needs
 * nothing that would be lost. Errors: CRD_ERR_USAGE: too large a batch; out of memory; the plan is
 * cleared then. */
crd_status crd_train_plan_init(crd_train_plan *plan, const crd_network *network, int64_t n_images);
void crd_train_plan_clear(crd_train_plan *plan);

#endif
