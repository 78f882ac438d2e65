/** Evaluations that move elements, and those of shapes. Private to this room. */
#ifndef CRD_IMPORT_ONNX_MOVEMENT_H
#define CRD_IMPORT_ONNX_MOVEMENT_H

#include "import/onnx/onnx_operators.h"

CRD_ONNX_SHAPE(shape);
CRD_ONNX_EVAL(shape);
CRD_ONNX_SHAPE(size);
CRD_ONNX_EVAL(size);
CRD_ONNX_SHAPE(reshape);
CRD_ONNX_SHAPE(flatten);
CRD_ONNX_SHAPE(squeeze);
CRD_ONNX_SHAPE(unsqueeze);
CRD_ONNX_SHAPE(constant);
CRD_ONNX_EVAL(constant);
CRD_ONNX_SHAPE(constant_of_shape);
CRD_ONNX_EVAL(constant_of_shape);
CRD_ONNX_SHAPE(range);
CRD_ONNX_EVAL(range);
CRD_ONNX_SHAPE(expand);
CRD_ONNX_EVAL(expand);
CRD_ONNX_SHAPE(tile);
CRD_ONNX_EVAL(tile);
CRD_ONNX_SHAPE(transpose);
CRD_ONNX_EVAL(transpose);
CRD_ONNX_SHAPE(concat);
CRD_ONNX_EVAL(concat);
CRD_ONNX_SHAPE(split);
CRD_ONNX_EVAL(split);
CRD_ONNX_SHAPE(slice);
CRD_ONNX_EVAL(slice);
CRD_ONNX_SHAPE(pad);
CRD_ONNX_EVAL(pad);
CRD_ONNX_SHAPE(depth_to_space);
CRD_ONNX_EVAL(depth_to_space);
CRD_ONNX_EVAL(trilu);
CRD_ONNX_SHAPE(eye_like);
CRD_ONNX_EVAL(eye_like);

/** Marks the axes of a Squeeze or Unsqueeze of `rank` extents; *n -1: none given, -2: not known. */
crd_status crd_onnx_marked_axes(bool marks[CRD_MAX_DIMS], int *n, const crd_onnx_call *call,
                                int rank);

/** First element and step along each extent, of a Slice whose numbers are constants. */
typedef struct crd_onnx_part {
    int64_t start[CRD_MAX_DIMS], step[CRD_MAX_DIMS];
    crd_shape shape; /**< n_dims -1: not known */
} crd_onnx_part;
crd_status crd_onnx_part_of(crd_onnx_part *out, const crd_onnx_call *call);
/** Elements before and after each extent, of a Pad; *is_known: its numbers are constants. */
crd_status crd_onnx_pads_of(int64_t before[CRD_MAX_DIMS], int64_t after[CRD_MAX_DIMS],
                            bool *is_known, const crd_onnx_call *call);

#endif
