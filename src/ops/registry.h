/** What operators share. Private to this room. */
#ifndef CRD_OPS_REGISTRY_H
#define CRD_OPS_REGISTRY_H

#include "ops/op.h"

/** Output of the shape of the first input, no parameters: an infer. */
crd_status crd_op_infer_same(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS]);

/** The first input must be (channels, height, width). */
crd_status crd_op_require_image(const crd_graph_op *op);
/** So, of n channels, which the attribute `name` says. */
crd_status crd_op_require_channels(const crd_graph_op *op, const char *name, int64_t n);

/** Extents of an attribute that is a list of at most `most`: those before its first 0. */
crd_shape crd_op_list_shape(const int64_t *list, int most);

/** Elements of a pass's output; of its input k. */
int64_t crd_op_count(const crd_graph_op *op, const crd_op_args *args);
int64_t crd_op_in_count(const crd_graph_op *op, const crd_op_args *args, int k);
/** Features: the first extent; 1 of a scalar. */
int64_t crd_op_features(const crd_shape *shape);

/** A batch as runs of memory, in each of which an extent is complete: dim 1 are the features, 2 and
 * more positions, as in torch, where 0 are the images. */
typedef struct crd_op_runs {
    int64_t n_runs, run;
} crd_op_runs;
crd_op_runs crd_op_runs_of(const crd_shape *shape, int dim, int64_t n_images);

/** The gradient at an input of n elements for a backward pass that adds to it piece by piece: zeros
 * if it is to be overwritten. NULL: not asked for. */
float *crd_op_cleared_din(const crd_op_grads *grads, int input, int64_t n);

/** Passes of an operator that is an activation. */
void crd_op_activation_forward(const crd_graph_op *op, const crd_op_args *args);
void crd_op_activation_backward(const crd_graph_op *op, const crd_op_args *args,
                                const crd_op_grads *grads);

/** in, or the gradient at it, to where it differs: out = in, or out += in. */
void crd_op_copy(float *out, const float *in, int64_t n, bool adds);

#endif
