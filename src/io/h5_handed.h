/** What was handed over to be written, as digests that are made before HDF5 and the file system
 * have it: so that reading back compares the file with what it should hold, not with itself. */
#ifndef CRD_IO_H5_HANDED_H
#define CRD_IO_H5_HANDED_H

#include "io/h5_file.h"

/** Notes a dataset; `fill` is what its values are until they are written, NULL: zeros. */
crd_status crd_h5_handed_create(crd_h5 *file, const char *path, crd_h5_type type,
                                const crd_shape *shape, const void *fill);
/** Notes values, before they are written; arguments as of crd_h5_write. The first block says
 * whether rows of the last axis may be divided. */
crd_status crd_h5_handed_write(crd_h5 *file, const char *path, const void *data,
                               const int64_t *start, const int64_t *count);
/** Notes the strings of a dataset. */
crd_status crd_h5_handed_strings(crd_h5 *file, const char *path, char *const *strings, int64_t n);
/** Notes an attribute, in place of one of that name; a text: CRD_H5_STRING, n = 1, `values` are
 * its characters. */
crd_status crd_h5_handed_attribute(crd_h5 *file, const char *path, const char *key,
                                   crd_h5_type type, const void *values, int64_t n);

/** Gives up what was noted of a file, to outlive it. Freed with crd_h5_handed_free. */
crd_h5_handed *crd_h5_handed_take(crd_h5 *file);
void crd_h5_handed_free(crd_h5_handed *handed);
/** Checks a dataset of the file in the making against what was handed over, and gives the digest
 * of all its values. Errors: CRD_ERR_IO. */
crd_status crd_h5_handed_digest(uint64_t *digest, crd_h5 *file, const char *path);
/** Checks all that was noted against the same file opened anew. Errors: CRD_ERR_IO: names what
 * differs. */
crd_status crd_h5_handed_check(crd_h5_handed *handed, crd_h5 *again, const char *name);

#endif
