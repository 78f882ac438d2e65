/** From the import graph to a network: every node that is left becomes ops of src/ops. Private to
 * this room.
 *
 * A value (image, features, positions ...) lies in a network as (features, positions ...); one
 * that ONNX has with its features last (image, positions ..., features) is marked so, and lies in
 * the network in the same way: a Transpose between the two moves nothing. One position extent is
 * held as (features, 1, positions), so that convolutions of one dimension are those of two. */
#ifndef CRD_IMPORT_ONNX_LOWER_H
#define CRD_IMPORT_ONNX_LOWER_H

#include "graph/graph.h"
#include "import/onnx/onnx_operators.h"

/** Where a value lies: an op of the network, or one of these. */
enum { CRD_ONNX_NOWHERE = -1, CRD_ONNX_LACKING = -2 };

typedef struct crd_onnx_flow {
    int64_t op;
    bool last; /**< features come last in ONNX */
} crd_onnx_flow;

/** Order of a value's extents in ONNX, where its images are not the first one. */
typedef enum crd_onnx_order {
    CRD_ONNX_IMAGES_FIRST,     /**< as usual */
    CRD_ONNX_STEPS_FIRST,      /**< (steps, images, features) */
    CRD_ONNX_STEPS_DIRECTIONS, /**< (steps, directions, images, features) */
    CRD_ONNX_STEPS_IMAGES,     /**< (steps, images, directions, features) */
    CRD_ONNX_LAST_STATE,       /**< (1, images, features): of the last step of the op's output */
    CRD_ONNX_UNREADABLE
} crd_onnx_order;

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
    crd_onnx_flow *flows;     /**< [n_values] */
    crd_onnx_order *orders;   /**< [n_values] */
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
    int weight; /**< input of the node whose name it gets; 0: the node's own name */
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
/** Says that an op is output k of the node, once its shape is compared with what ONNX gives. */
crd_status crd_onnx_put(crd_onnx_lowering *lowering, const crd_onnx_node *node, int k,
                        crd_onnx_flow flow);
/** Where input k lies. */
crd_onnx_flow crd_onnx_input(const crd_onnx_lowering *lowering, const crd_onnx_node *node, int k);
/** Shape of an op in the network. */
const crd_shape *crd_onnx_op_shape(const crd_onnx_lowering *lowering, int64_t op);
/** Numbers of parameter `slot` of an op. */
crd_status crd_onnx_give(crd_onnx_lowering *lowering, int64_t op, int slot,
                         const crd_onnx_source *source);
/** The shape in a network of a value of that shape. */
crd_shape crd_onnx_network_shape(const crd_shape *shape, bool last);
/** The extent in a network, counted from 1, that an axis of ONNX is; 0: the images. */
int crd_onnx_network_dim(int n_dims, int axis, bool last);
/** Name for an op, unique in the network. */
#define CRD_ONNX_NAME_SIZE 160
void crd_onnx_name(char out[CRD_ONNX_NAME_SIZE], const crd_onnx_lowering *lowering,
                   const crd_onnx_node *node, int weight);

/** Whether an extent before the images is read or made: then crd_onnx_lower_turned lowers it. */
bool crd_onnx_is_turned(const crd_onnx_lowering *lowering, const crd_onnx_node *node);
/** Shapes of LSTM and GRU. */
CRD_ONNX_SHAPE(recurrent);

#define CRD_ONNX_LOWER(name)                                                                       \
    crd_status crd_onnx_lower_##name(crd_onnx_lowering *lowering, const crd_onnx_node *node)

CRD_ONNX_LOWER(batch_norm);
CRD_ONNX_LOWER(binary);
CRD_ONNX_LOWER(cast);
CRD_ONNX_LOWER(channel_shuffle);
CRD_ONNX_LOWER(clip);
CRD_ONNX_LOWER(concat);
CRD_ONNX_LOWER(conv);
CRD_ONNX_LOWER(conv_transpose);
CRD_ONNX_LOWER(dropout);
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
CRD_ONNX_LOWER(reduce_mean);
CRD_ONNX_LOWER(reshape);
CRD_ONNX_LOWER(resize);
CRD_ONNX_LOWER(selu);
CRD_ONNX_LOWER(slice);
CRD_ONNX_LOWER(softmax);
CRD_ONNX_LOWER(split);
CRD_ONNX_LOWER(threshold);
CRD_ONNX_LOWER(transpose);
CRD_ONNX_LOWER(turned);

#endif
