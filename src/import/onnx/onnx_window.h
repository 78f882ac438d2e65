/** Shapes of what moves a window over an image. Private to this room. */
#ifndef CRD_IMPORT_ONNX_WINDOW_H
#define CRD_IMPORT_ONNX_WINDOW_H

#include "import/onnx/onnx_operators.h"

/** Numbers of a window by spatial axis, of which there are n. */
typedef struct crd_onnx_window {
    int n;
    int64_t kernel[CRD_MAX_DIMS], stride[CRD_MAX_DIMS], dilation[CRD_MAX_DIMS];
    int64_t before[CRD_MAX_DIMS], after[CRD_MAX_DIMS]; /**< padding, auto_pad resolved */
    int64_t more[CRD_MAX_DIMS];                        /**< output_padding of ConvTranspose */
    int64_t size[CRD_MAX_DIMS];                        /**< of the output */
    bool is_ceil;
} crd_onnx_window;

/** Of a node on an image of that shape; `weight` is the kernel's, NULL: attribute kernel_shape.
 * Errors: CRD_ERR_INPUT: numbers below 1 or beyond 65536, or that do not fit. */
crd_status crd_onnx_window_of(crd_onnx_window *out, const crd_onnx_node *node,
                              const crd_shape *image, const crd_shape *weight);
/** Of a ConvTranspose. */
crd_status crd_onnx_transposed_window(crd_onnx_window *out, const crd_onnx_call *call);

CRD_ONNX_SHAPE(conv);
CRD_ONNX_SHAPE(conv_transpose);
CRD_ONNX_SHAPE(pool);
CRD_ONNX_SHAPE(global_pool);
CRD_ONNX_SHAPE(first_only);
CRD_ONNX_SHAPE(resize);

/** Factors of a Resize or Upsample by axis; *is_known: its numbers are constants. */
crd_status crd_onnx_scales(double scales[CRD_MAX_DIMS], bool *is_known, const crd_onnx_call *call);

#endif
