/** Numbers of a tensor that lie in a file of their own beside the model. Private to this room. */
#ifndef CRD_IMPORT_ONNX_OUTSIDE_H
#define CRD_IMPORT_ONNX_OUTSIDE_H

#include "import/onnx/onnx_proto.h"

typedef struct crd_onnx_outside {
    int fd;
    int64_t offset;
    const char *name; /**< borrowed, for messages */
} crd_onnx_outside;

/** Opens the n_bytes that a TensorProto says lie outside. The file must be a regular one below
 * `folder`, on a relative path without "..", and no part of the path a symbolic link. Errors:
 * CRD_ERR_INPUT; out->fd is -1 then. A file that is new adds twice its size to the budget. */
crd_status crd_onnx_outside_open(crd_onnx_outside *out, crd_onnx_budget *budget,
                                 const Onnx__TensorProto *proto, const char *folder,
                                 int64_t n_bytes);
/** Reads all elements, `size` bytes each, through set(tensor, i, raw) for raw[i * size]. */
crd_status crd_onnx_outside_read(crd_onnx_tensor *tensor, const crd_onnx_outside *place,
                                 void (*set)(crd_onnx_tensor *, int64_t, const uint8_t *),
                                 int64_t size);
void crd_onnx_outside_close(crd_onnx_outside *place);

#endif
