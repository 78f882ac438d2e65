/* In place of the ONNX reader, where the program is built without protobuf-c or onnx.proto. */
#include "credence/onnx.h"

int crd_onnx_is_built(void)
{
    return 0;
}

crd_status crd_onnx_model_read(crd_onnx_model *out, const char *path,
                               const crd_onnx_options *options)
{
    (void)options;
    *out = (crd_onnx_model){0};
    return CRD_FAIL(CRD_ERR_USAGE,
                    "%s: an ONNX file; this program was built without ONNX (Debian: install "
                    "libprotobuf-c-dev, protobuf-c-compiler and libonnx-dev, and build it again)",
                    path);
}

void crd_onnx_model_clear(crd_onnx_model *model)
{
    (void)model;
}
