/** The graph, for rooms that walk over it. Room: graph. */
#ifndef CRD_GRAPH_GRAPH_H
#define CRD_GRAPH_GRAPH_H

#include "credence/network.h"
#include "ops/op.h"

/** A network of the first n_ops ops of `network`, whose parameters have the same places as there.
 * Errors: out of memory. */
crd_status crd_network_copy_front(crd_network **out, const crd_network *network, int64_t n_ops);

/** Takes out the ops without parameters that do not reach the last op. Indices of ops change.
 * Errors: out of memory. */
crd_status crd_network_drop_unread(crd_network *network);

/** Specification of a parameter; its op goes to *op (may be NULL). Cost: linear in the number of
 * ops. */
const crd_param_spec *crd_network_param_spec(const crd_graph_op **op, const crd_network *network,
                                             int64_t param);

/** Products that are summed to one output of the op that the parameter belongs to: what its first
 * parameter has in a row. */
double crd_network_fan_in(const crd_network *network, int64_t param);

/** Most inputs of an op, at least 1. */
int crd_network_max_inputs(const crd_network *network);

/** The op that op `index` can be folded into: an affine one that is its only input and has no other
 * reader; -1 if none, or if `index` is no affine map of channels. */
int64_t crd_network_fold_target(const crd_network *network, int64_t index);

#endif
