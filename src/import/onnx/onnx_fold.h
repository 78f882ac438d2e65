/** What is known of a graph without running it on an image: shapes, and constants. Private to this
 * room. */
#ifndef CRD_IMPORT_ONNX_FOLD_H
#define CRD_IMPORT_ONNX_FOLD_H

#include "import/onnx/onnx_operators.h"

/** Finds the shape of every value, and evaluates each node whose inputs are constants, or whose
 * output tells shapes only (Shape, Size). Errors: CRD_ERR_INPUT naming the node. */
crd_status crd_onnx_fold(crd_onnx_graph *graph);

/** A node's inputs as a call for which nothing is computed; in[] and out[] have room for all its
 * inputs and outputs. */
void crd_onnx_call_of(crd_onnx_call *call, crd_onnx_arg *in, crd_onnx_result *out,
                      crd_onnx_graph *graph, const crd_onnx_node *node);

#endif
