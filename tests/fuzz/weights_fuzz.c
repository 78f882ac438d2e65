/* The whole reader of weight files: zip, pickle, tensors. */
#define _GNU_SOURCE /* memfd_create */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "credence/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int file = memfd_create("weights", 0);
    if (file < 0 || write(file, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    crd_state_dict dict;
    int64_t before = crd_alloc_bytes();
    crd_status status = crd_state_dict_read(&dict, path, NULL);
    if (status != CRD_OK && status != CRD_ERR_INPUT)
        abort();
    if ((status == CRD_OK) != (dict.params.n_params > 0))
        abort();
    crd_state_dict_clear(&dict);
    if (crd_alloc_bytes() != before)
        abort();
    close(file);
    return 0;
}
