/** Evaluations element by element. Private to this room. */
#ifndef CRD_IMPORT_ONNX_ELEMENTWISE_H
#define CRD_IMPORT_ONNX_ELEMENTWISE_H

#include "import/onnx/onnx_operators.h"

/** All outputs of the first input's shape; the inputs' broadcast one; that as bool; ... */
CRD_ONNX_SHAPE(same);
CRD_ONNX_SHAPE(broadcast);
CRD_ONNX_SHAPE(compare);
CRD_ONNX_SHAPE(boolean);
CRD_ONNX_SHAPE(where);
CRD_ONNX_SHAPE(cast);
CRD_ONNX_SHAPE(cast_like);

/** The first input as it is; kind->unary; kind->binary or integer from left to right; ... */
CRD_ONNX_EVAL(same);
CRD_ONNX_EVAL(unary);
CRD_ONNX_EVAL(binary);
CRD_ONNX_EVAL(mean);
CRD_ONNX_EVAL(mod);
CRD_ONNX_EVAL(shift);
CRD_ONNX_EVAL(where);
CRD_ONNX_EVAL(cast);
CRD_ONNX_EVAL(clip);
CRD_ONNX_EVAL(is_inf);
CRD_ONNX_EVAL(gelu);
/** Without training; the second output says that all is kept. */
CRD_ONNX_SHAPE(dropout);
CRD_ONNX_EVAL(dropout);

#endif
