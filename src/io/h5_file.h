/** An open HDF5 file, as all of h5*.c see it; HDF5's own part is in h5_private.h. */
#ifndef CRD_IO_H5_FILE_H
#define CRD_IO_H5_FILE_H

#include "io/h5_request.h"

typedef struct crd_h5_handed crd_h5_handed;

#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define CRD_IS_LITTLE_ENDIAN 1
#else
#define CRD_IS_LITTLE_ENDIAN 0
#endif

struct crd_h5 {
    crd_h5_handed *handed; /**< of a file that is written: what it should hold */
    crd_status code;       /**< of every failure */
    char *name;            /**< what messages call the file */
    int fd;      /**< of the file, to read values from their place; HDF5's own if it writes */
    int owns_fd; /**< 1: it is closed with the file */
    crd_h5_reader *reader; /**< of a file that is read; NULL: HDF5 is used in this process */
    char described[CRD_H5_PATH_SIZE]; /**< what `facts` are about */
    crd_h5_facts facts;
    int64_t id;             /**< HDF5's */
    int64_t reserved_bytes; /**< disk space that is ours for certain, from the start of the file */
    char *folder;           /**< where virtual datasets look for their sources */
};

/** Reads n bytes of a dataset's values at `offset`. Errors: also that the file has become
 * shorter. */
crd_status crd_h5_read_place(void *data, const crd_h5 *file, const char *path, int64_t offset,
                             int64_t n);

#endif
