/** Containers of arrays, written front to back. */
#ifndef CRD_IMPORT_EXPORT_H
#define CRD_IMPORT_EXPORT_H

#include "credence/tensor.h"

/** An array to be written; all borrowed. */
typedef struct crd_export_array {
    const char *name;
    int is_int64; /**< 1: int64_t values, 0: float */
    crd_shape shape;
    const void *values;
} crd_export_array;

/** Bytes of its values. */
int64_t crd_export_bytes(const crd_export_array *array);

/** Writes n bytes to the descriptor. `path` is for messages. Errors: CRD_ERR_IO. */
crd_status crd_export_put(int fd, const void *bytes, int64_t n, const char *path);

/** Write n arrays to the descriptor. Errors: CRD_ERR_IO; for npz CRD_ERR_USAGE above 4 GiB. */
crd_status crd_export_safetensors(int fd, const crd_export_array *arrays, int64_t n,
                                  const char *path);
crd_status crd_export_npz(int fd, const crd_export_array *arrays, int64_t n, const char *path);

#endif
