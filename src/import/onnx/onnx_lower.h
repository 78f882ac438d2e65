/** From the import graph to a network: every node that is left becomes ops of src/ops. Private to
 * this room.
 *
 * Where a value lies, and in which order of its extents, says its view (onnx_view.h). Lowerings
 * take the plain one, (images, features, positions ...), into which their inputs are brought; those
 * whose row says takes_views look at the views themselves. */
#ifndef CRD_IMPORT_ONNX_LOWER_H
#define CRD_IMPORT_ONNX_LOWER_H

#include "graph/graph.h"
#include "import/onnx/onnx_operators.h"
#include "import/onnx/onnx_view.h"

/** Numbers of one parameter of the network. */
typedef struct crd_onnx_source {
    const crd_onnx_tensor *tensor;
    crd_onnx_tensor *owned; /**< the same, if it was made for this; else NULL */
    bool is_transposed;     /**< a matrix that ONNX has the other way round */
    double scale;
} crd_onnx_source;

struct crd_onnx_lowering {
    crd_onnx_graph *graph;
    crd_network *network;
    crd_onnx_view *views;     /**< [n_values] */
    bool *is_read;            /**< [n_values] */
    crd_onnx_source *sources; /**< [n_sources] by parameter of the network */
    int64_t n_sources;
    int64_t batch;     /**< images that the file has */
    char lacking[640]; /**< list of what is lacking */
    int64_t n_lacking;
};

/** Lowers all living nodes into lowering->network, whose input is the value `input`. Errors:
 * CRD_ERR_INPUT: a list of the operators that are lacking, with their nodes' names. */
crd_status crd_onnx_lower(crd_onnx_lowering *lowering, int64_t input);
/** Copies the numbers of all parameters. */
crd_status crd_onnx_lower_weights(crd_params *out, const crd_onnx_lowering *lowering);
void crd_onnx_lowering_clear(crd_onnx_lowering *lowering);

/* What lowerings of operators use. */

/** An op to append for a node. */
typedef struct crd_onnx_emission {
    const char *kind;
    const crd_attr *attributes; /**< NULL: none */
    const int64_t *inputs;      /**< ops; if one is lacking, so is this one */
    int n_inputs;
    int weight;       /**< input of the node whose name it gets; 0: the node's own name */
    const char *name; /**< its name, if it can have that one; NULL: by weight or node */
} crd_onnx_emission;

/** Appends an op; its index goes to *op, CRD_ONNX_LACKING if there is no such operator. */
crd_status crd_onnx_emit(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                         const crd_onnx_emission *emission);
/** In short: on one input, without weights. */
crd_status crd_onnx_emit_one(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                             const char *kind, const crd_attr *attrs, int64_t input);
/** Puts a node on the list, with a reason (NULL: its operator), and its outputs as lacking. */
crd_status crd_onnx_lack(crd_onnx_lowering *lowering, const crd_onnx_node *node,
                         const char *reason);
/** Says that an op is output k of the node in plain view, or in that one, once its shape is
 * compared with what ONNX gives. */
crd_status crd_onnx_put(crd_onnx_lowering *lowering, const crd_onnx_node *node, int k, int64_t op);
crd_status crd_onnx_put_view(crd_onnx_lowering *lowering, const crd_onnx_node *node, int k,
                             const crd_onnx_view *view);
/** Where input k lies. */
crd_onnx_view crd_onnx_input(const crd_onnx_lowering *lowering, const crd_onnx_node *node, int k);
/** Whether somebody reads output k of a node. */
bool crd_onnx_is_read(const crd_onnx_lowering *lowering, const crd_onnx_node *node, int k);
/** Shape of an op in the network; without extents where there is no op. */
const crd_shape *crd_onnx_op_shape(const crd_onnx_lowering *lowering, int64_t op);
/** Numbers of parameter `slot` of an op. */
crd_status crd_onnx_give(crd_onnx_lowering *lowering, int64_t op, int slot,
                         const crd_onnx_source *source);
/** So, those of input k of the node; n equal ones. */
crd_status crd_onnx_give_input(crd_onnx_lowering *lowering, const crd_onnx_node *node, int k,
                               int64_t op, int slot);
crd_status crd_onnx_give_equal(crd_onnx_lowering *lowering, int64_t op, int slot, int64_t n,
                               double value);
/** A node as a call for which nothing is computed, to be asked what its attributes and constants
 * mean. Points into itself. */
typedef struct crd_onnx_node_call {
    crd_onnx_call call;
    crd_onnx_arg in[5];
    crd_onnx_result out[1];
} crd_onnx_node_call;
/** Errors: CRD_ERR_INPUT: more inputs than `most_in` (at most 5), or more outputs than one. */
crd_status crd_onnx_node_call_of(crd_onnx_node_call *out, const crd_onnx_lowering *lowering,
                                 const crd_onnx_node *node, int most_in);
/** Whether input k is not omitted; whether inputs 1 to n - 1 are constants where they are given,
 * and the first one lies in an op. */
bool crd_onnx_is_given(const crd_onnx_node *node, int k);
bool crd_onnx_has_constants(const crd_onnx_lowering *lowering, const crd_onnx_node *node, int n);
/** Of a value in plain view: the shape in a network, and the extent there that an axis of ONNX is,
 * from 0, or CRD_ONNX_IMAGES. */
crd_shape crd_onnx_network_shape(const crd_shape *shape);
int crd_onnx_network_dim(int n_dims, int axis);
/** Name for an op, unique in the network: the given one if it says something (NULL: none given), or
 * that of a weight's module, or of the node. */
#define CRD_ONNX_NAME_SIZE 160
void crd_onnx_name(char out[CRD_ONNX_NAME_SIZE], const crd_onnx_lowering *lowering,
                   const crd_onnx_node *node, int weight, const char *given);
/** The name of a constant in the file, before what was made of it by moving its elements. */
const char *crd_onnx_origin(const crd_onnx_graph *graph, int64_t value);

/** Constant input k of a node as an op whose extents are those of `dims`: elements lie in it as a
 * view says, whose axes are the constant's, and negative where it has none. An extent of `dims`
 * that is 1 is one along which the constant does not differ. */
crd_status crd_onnx_emit_constant(int64_t *op, crd_onnx_lowering *lowering,
                                  const crd_onnx_node *node, int k, const crd_onnx_view *like,
                                  const crd_shape *dims);
/** Whether inputs 0 to n - 1 have all their elements, and no other than constants lack an op. */
bool crd_onnx_are_factors(const crd_onnx_lowering *lowering, const crd_onnx_node *node, int n);
/** The product of two views with matrices in the last two of their n axes; put nowhere. Lacking, it
 * has no atoms. */
crd_status crd_onnx_emit_matmul(crd_onnx_view *out, crd_onnx_lowering *lowering,
                                const crd_onnx_node *node, const crd_onnx_view *const *views,
                                int n);
/** Shapes of RNN, LSTM and GRU. */
CRD_ONNX_SHAPE(recurrent);

#define CRD_ONNX_LOWER(name)                                                                       \
    crd_status crd_onnx_lower_##name(crd_onnx_lowering *lowering, const crd_onnx_node *node)

CRD_ONNX_LOWER(attention);
CRD_ONNX_LOWER(batch_norm);
CRD_ONNX_LOWER(binary);
CRD_ONNX_LOWER(cast);
CRD_ONNX_LOWER(channel_shuffle);
CRD_ONNX_LOWER(clip);
CRD_ONNX_LOWER(concat);
CRD_ONNX_LOWER(conv);
CRD_ONNX_LOWER(conv_transpose);
CRD_ONNX_LOWER(dropout);
CRD_ONNX_LOWER(einsum);
CRD_ONNX_LOWER(expand);
CRD_ONNX_LOWER(function);
CRD_ONNX_LOWER(gather);
CRD_ONNX_LOWER(gelu);
CRD_ONNX_LOWER(gemm);
CRD_ONNX_LOWER(global_pool);
CRD_ONNX_LOWER(group_norm);
CRD_ONNX_LOWER(hard_sigmoid);
CRD_ONNX_LOWER(identity);
CRD_ONNX_LOWER(instance_norm);
CRD_ONNX_LOWER(layer_norm);
CRD_ONNX_LOWER(lrn);
CRD_ONNX_LOWER(matmul);
CRD_ONNX_LOWER(mean);
CRD_ONNX_LOWER(pad);
CRD_ONNX_LOWER(pool);
CRD_ONNX_LOWER(pow);
CRD_ONNX_LOWER(prelu);
CRD_ONNX_LOWER(reduce);
CRD_ONNX_LOWER(reshape);
CRD_ONNX_LOWER(resize);
CRD_ONNX_LOWER(scaled_dot_product);
CRD_ONNX_LOWER(selu);
CRD_ONNX_LOWER(slice);
CRD_ONNX_LOWER(softmax);
CRD_ONNX_LOWER(split);
CRD_ONNX_LOWER(threshold);
CRD_ONNX_LOWER(transpose);
CRD_ONNX_LOWER(recurrent);

#endif
