/** What h5.c and h5_text.c share. */
#ifndef CRD_IO_H5_PRIVATE_H
#define CRD_IO_H5_PRIVATE_H

#include <hdf5.h>

#include "io/h5.h"

struct crd_h5 {
    hid_t id;
    crd_status code;        /**< of every failure */
    char *name;             /**< what messages call the file */
    int64_t reserved_bytes; /**< disk space that is ours for certain, from the start of the file */
};

/** Sets the error record: file, object, "cannot be <what>", HDF5's deepest message. */
crd_status crd_h5_fail(const crd_h5 *file, const char *object, const char *what);

/** Takes disk space for all that HDF5 has allocated so far and `bytes` more, before HDF5 writes it:
 * its caches cannot be emptied into a full disk, and a file that cannot be closed makes HDF5 1.10
 * crash at exit. */
crd_status crd_h5_reserve(crd_h5 *file, int64_t bytes);

/** Goes to cleanup unless the HDF5 call gives a value that is not negative. */
#define H5_TRY(file, object, what, call)                                                           \
    do {                                                                                           \
        if ((call) < 0) {                                                                          \
            status = crd_h5_fail((file), (object), (what));                                        \
            goto cleanup;                                                                          \
        }                                                                                          \
    } while (0)

/** Closes an id if there is one; a failure counts unless `status` tells of an earlier one. */
crd_status crd_h5_closed(crd_status status, const crd_h5 *file, const char *object, hid_t id,
                         herr_t (*close_id)(hid_t));

/** The type in the file (`native` 0: little endian) or in memory (1); strings have none here. */
hid_t crd_h5_type_id(crd_h5_type type, int native);
/** Which of our types an HDF5 type is. */
crd_h5_type crd_h5_type_find(hid_t id);

/** Creates a dataset, contiguous, filled at once; `fill` NULL means zeros. */
crd_status crd_h5_dataset_make(crd_h5 *file, const char *path, hid_t type, const crd_shape *shape,
                               hid_t fill_type, const void *fill);

#endif
