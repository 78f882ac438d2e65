/* The whole reader of ONNX models: protobuf, graph, folding, passes, lowering, weights. */
#define _GNU_SOURCE /* memfd_create */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "credence/onnx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int file = memfd_create("model", 0);
    if (file < 0 || write(file, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    crd_onnx_model model;
    int64_t before = crd_alloc_bytes();
    crd_status status = crd_onnx_model_read(&model, path, &(crd_onnx_options){0});
    if (status != CRD_OK && status != CRD_ERR_INPUT && status != CRD_ERR_USAGE)
        abort();
    if ((status == CRD_OK) != (model.network != NULL))
        abort();
    crd_onnx_model_clear(&model);
    if (crd_alloc_bytes() != before)
        abort();
    close(file);
    return 0;
}
