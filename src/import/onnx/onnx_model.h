/** The steps of reading an ONNX model, for tests that take them one by one. Private to this room.
 */
#ifndef CRD_IMPORT_ONNX_MODEL_H
#define CRD_IMPORT_ONNX_MODEL_H

#include "credence/onnx.h"
#include "import/onnx/onnx_lower.h"

/** Gives the graph's image input its shape: extents that the file leaves open become `batch` images
 * and the options' height and width. Errors: CRD_ERR_USAGE, CRD_ERR_INPUT. */
crd_status crd_onnx_model_size(crd_onnx_graph *graph, int64_t input,
                               const crd_onnx_options *options, int64_t batch);
/** Passes, then the network of value `input` to the graph's first output, with its weights.
 * Softmax is taken off the end only if takes_end. */
crd_status crd_onnx_model_make(crd_onnx_model *out, crd_onnx_graph *graph, int64_t input,
                               bool takes_end);

#endif
