/** What h5.c, h5_text.c and h5_answer.c share: all that is HDF5's. */
#ifndef CRD_IO_H5_PRIVATE_H
#define CRD_IO_H5_PRIVATE_H

#include <hdf5.h>

#include "io/h5_file.h"

_Static_assert(sizeof(hid_t) == sizeof(int64_t), "crd_h5.id holds an HDF5 identifier");

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

/** Opens a dataset; virtual ones look for their sources beside the file. */
hid_t crd_h5_dataset_open(const crd_h5 *file, const char *path);
/** The block of extents `count` at `start` in the dataset's space, and a space in memory for it;
 * both stay H5S_ALL without `start`. */
crd_status crd_h5_select(hid_t *space, hid_t *block, const crd_h5 *file, const char *path,
                         hid_t dataset, const int64_t *start, const int64_t *count);
/** Closes a space, unless it is H5S_ALL. */
crd_status crd_h5_close_space(crd_status status, const crd_h5 *file, const char *path, hid_t space);

/** Closes what HDF5 has of the file. */
crd_status crd_h5_finish_here(crd_h5 *file);

/* The answers of h5_text.c. */
crd_status crd_h5_answer_strings(crd_h5 *file, const char *path, crd_h5_sink *sink, void *payload);
crd_status crd_h5_answer_attribute(crd_h5 *file, const crd_h5_request *request, crd_h5_sink *sink,
                                   void *payload);
crd_status crd_h5_answer_number(crd_h5 *file, const crd_h5_request *request, crd_h5_sink *sink,
                                void *payload);
crd_status crd_h5_answer_attributes(crd_h5 *file, const char *path, crd_h5_sink *sink,
                                    void *payload);

/** Creates a dataset, contiguous, filled at once if is_filled; `fill` NULL means zeros. */
crd_status crd_h5_dataset_make(crd_h5 *file, const char *path, hid_t type, const crd_shape *shape,
                               hid_t fill_type, const void *fill, int is_filled);

#endif
