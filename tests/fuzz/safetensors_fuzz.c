/* safetensors: the input is the header and what follows; its length, without which nothing is parsed, is
 * always right for the header that ends at the first zero byte. */
#define _GNU_SOURCE /* memfd_create */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "credence/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size);
    uint64_t length = zero == NULL ? size : (uint64_t)(zero - data);
    int file = memfd_create("weights", 0);
    if (file < 0 || write(file, &length, sizeof length) != sizeof length ||
        write(file, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    crd_state_dict dict;
    int64_t before = crd_alloc_bytes();
    crd_status status = crd_state_dict_read(&dict, path, NULL);
    if (status != CRD_OK && status != CRD_ERR_INPUT)
        abort();
    /* Tensors of a read file cover it: no number is read twice or made up. */
    if (status == CRD_OK && dict.params.n_params > 0 &&
        dict.params.n_floats > (int64_t)(size + 16 * (size_t)dict.params.n_params))
        abort();
    crd_state_dict_clear(&dict);
    if (crd_alloc_bytes() != before)
        abort();
    close(file);
    return 0;
}
