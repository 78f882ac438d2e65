/** ONNX files as protobuf messages: read within a budget of memory, with nesting and lengths
 * checked before anything is unpacked. Private to this room. */
#ifndef CRD_IMPORT_ONNX_PROTO_H
#define CRD_IMPORT_ONNX_PROTO_H

#include <onnx.pb-c.h> /* made of onnx.proto by protoc-c */
#include <protobuf-c/protobuf-c.h>

#include "import/onnx/onnx_tensor.h"

/** Memory beyond twice a file's size that reading it may take. */
#define CRD_ONNX_SPARE_BYTES (64 << 20)

/** The message in bytes[n], of memory from `budget`; what it borrows nothing of the bytes. Free
 * with crd_onnx_message_free and the same budget. Errors: CRD_ERR_INPUT: damaged, nested too
 * deeply, beyond the budget. */
crd_status crd_onnx_message_unpack(ProtobufCMessage **out, crd_onnx_budget *budget,
                                   const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
                                   int64_t n);
void crd_onnx_message_free(ProtobufCMessage *message, crd_onnx_budget *budget);

/** Numbers of a TensorProto as a constant. `folder` is where the model lies, for numbers in files
 * of their own; NULL: there are none such. Frees the message's own copy of the numbers. Errors:
 * CRD_ERR_INPUT: a type without numbers, a length that does not fit, a place outside of the
 * folder; CRD_ERR_IO. */
crd_status crd_onnx_tensor_from_proto(crd_onnx_tensor **out, crd_onnx_budget *budget,
                                      Onnx__TensorProto *proto, const char *folder);

#endif
