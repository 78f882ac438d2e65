/* The stacked form of torch.save: after a right head the input is the object's pickle, the keys and the
 * storages. */
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
    static const char head[] =
        "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." /* magic */
        "\x80\x02M\xe9\x03."                                        /* 1001 */
        "\x80\x02}.";                                               /* nothing of the system */
    char path[64];
    int file = memfd_create("weights", 0);
    if (file < 0 || write(file, head, sizeof head - 1) != sizeof head - 1 ||
        write(file, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    crd_state_dict dict;
    int64_t before = crd_alloc_bytes();
    crd_status status = crd_state_dict_read(&dict, path, NULL);
    if (status != CRD_OK && status != CRD_ERR_INPUT)
        abort();
    crd_state_dict_clear(&dict);
    if (crd_alloc_bytes() != before)
        abort();
    close(file);
    return 0;
}
