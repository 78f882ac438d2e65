/** Passes over the import graph. Each takes patterns of nodes for one node that says the same, or
 * takes nodes out; the graph is verified after each. Private to this room. */
#ifndef CRD_IMPORT_ONNX_PASSES_H
#define CRD_IMPORT_ONNX_PASSES_H

#include "import/onnx/onnx_graph.h"

/** Nodes whose outputs nobody reads, and that are no outputs of the graph, are dead. */
crd_status crd_onnx_prune(crd_onnx_graph *graph);
/** x Sigmoid(x): SiLU; x Clip(x + 3, 0, 6) / 6 in every order, x HardSigmoid(x): HardSwish;
 * Clip(x + 3, 0, 6) / 6: HardSigmoid; x (1 + Erf(x / sqrt(2))) / 2: Gelu. */
crd_status crd_onnx_fuse_activations(crd_onnx_graph *graph);
/** (x - mean) / sqrt(mean of squares + eps) scale + shift: LayerNormalization. */
crd_status crd_onnx_fuse_layer_norms(crd_onnx_graph *graph);
/** MatMul, Softmax over keys, MatMul, numbers multiplied in between: ScaledDotProduct, whose keys
 * are transposed. */
crd_status crd_onnx_fuse_attentions(crd_onnx_graph *graph);
/** MatMul with a constant, then Add of a constant: the bias becomes its third input. */
crd_status crd_onnx_fuse_biases(crd_onnx_graph *graph);

/** Reshape to groups of channels, Transpose of these, Reshape back: ChannelShuffle. */
crd_status crd_onnx_fuse_shuffles(crd_onnx_graph *graph);

/** All passes in their order, folding first. */
crd_status crd_onnx_run_passes(crd_onnx_graph *graph);

/* What patterns are found with. */

/** The living node that makes input k of a node, if it is an `op_type` ("": any); else NULL. */
crd_onnx_node *crd_onnx_maker(const crd_onnx_graph *graph, const crd_onnx_node *node, int k,
                              const char *op_type);
/** Whether input k is a constant of one number, and which. */
bool crd_onnx_number(double *out, const crd_onnx_graph *graph, const crd_onnx_node *node, int k);
/** The input of a node of two that is a constant of one number; *k: the other. */
bool crd_onnx_with_number(double *number, int *k, const crd_onnx_graph *graph,
                          const crd_onnx_node *node);
/** Makes `node` another operator on these inputs. */
crd_status crd_onnx_become(crd_onnx_node *node, const char *op_type, const char *domain,
                           const int64_t *inputs, int n_inputs);

#endif
