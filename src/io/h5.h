/** HDF5, thin and checked: everything by path name, no identifiers outside.
 *
 * Files that are read are parsed in a process of their own (h5_process.c): what makes HDF5 crash,
 * hang or flood the memory is an error CRD_ERR_INPUT here. Files are written by HDF5 in this
 * process. Only h5*.c include hdf5.h. Objects are opened and closed within each call and every
 * return code is checked, closing included (HDF5 reports lost data there). HDF5's own error
 * printing is switched off for the process; its deepest message becomes part of ours. Codes of
 * errors: CRD_ERR_INPUT for a file opened to be read, CRD_ERR_IO for one that is written.
 *
 * Files are written so that netCDF-4 readers open and can extend them: creation order tracked
 * on the file, groups and datasets, strings of variable length in UTF-8, no object time stamps;
 * data lies contiguous and little endian. */
#ifndef CRD_IO_H5_H
#define CRD_IO_H5_H

#include <stdint.h>

#include "credence/tensor.h"

typedef struct crd_h5 crd_h5;

/** Element types. CRD_H5_BOOL is int8 with an attribute dtype="bool", as xarray writes it. */
typedef enum crd_h5_type {
    CRD_H5_FLOAT32,
    CRD_H5_FLOAT64,
    CRD_H5_INT32,
    CRD_H5_INT64,
    CRD_H5_UINT64,
    CRD_H5_UINT8,
    CRD_H5_BOOL,
    CRD_H5_STRING,
    CRD_H5_OTHER /**< only found in files of others */
} crd_h5_type;

/** Name of a type: "float32", ... Static. */
const char *crd_h5_type_name(crd_h5_type type);
/** Bytes of an element; 0 for strings and others. */
int64_t crd_h5_type_size(crd_h5_type type);

/** Creates the file at `path`, replacing it; messages call it `name`. */
crd_status crd_h5_create(crd_h5 **out, const char *path, const char *name);
/** Opens a file to be read. Errors: CRD_ERR_INPUT: missing, no regular file, or HDF5 cannot open
 * it; CRD_ERR_IO: also if no process can be started. */
crd_status crd_h5_open(crd_h5 **out, const char *path);
/** The same of a copy that only this process knows, open for reading and writing as `fd` (which
 * stays the caller's), for crd_h5_stamp. */
crd_status crd_h5_open_copy(crd_h5 **out, int fd, const char *name);
/** Sets a text attribute of an object of such a copy; one that is there must be a text as long. */
crd_status crd_h5_stamp(crd_h5 *file, const char *path, const char *key, const char *text);
/** Writes out what was stamped; nothing more can be asked after it. */
crd_status crd_h5_end_changes(crd_h5 *file);
/** What messages call it. Borrowed. */
const char *crd_h5_name(const crd_h5 *file);
/** The open file that is read, for values at their place. Borrowed. */
int crd_h5_descriptor(const crd_h5 *file);
/** Writes out what HDF5 holds back. */
crd_status crd_h5_flush(crd_h5 *file);
/** Closes and frees, in any case. */
crd_status crd_h5_close(crd_h5 *file);
/** The same on the way out of a failure: leaves the error record alone. NULL is allowed. */
void crd_h5_discard(crd_h5 *file);

#define CRD_H5_PATH_SIZE 1024
/** Path of `name` in `group` as one link. Errors: CRD_ERR_INPUT: a name that cannot be one (empty,
 * ".", with "/"), or too long. */
crd_status crd_h5_join(char out[CRD_H5_PATH_SIZE], const char *group, const char *name);

/** What the object at a path is. */
typedef struct crd_h5_facts {
    int is_there, is_dataset;
    crd_shape shape;     /**< from here on: of a dataset */
    crd_h5_type type;    /**< CRD_H5_OTHER: not exactly one of ours */
    crd_h5_type nearest; /**< one of ours that holds its values, to be read as; or CRD_H5_OTHER */
    int64_t value_bytes;
    char type_name[32]; /**< for messages: "uint16", "big-endian float32", "bool", ... */
    int64_t offset;     /**< as crd_h5_offset */
    /** not empty: why its values must not be read: what is not in the file would be made up
     * (never written, sources or filters missing) */
    char fault[CRD_MESSAGE_SIZE];
} crd_h5_facts;
/** Errors: CRD_ERR_INPUT: also a link into another file. */
crd_status crd_h5_describe(crd_h5_facts *out, crd_h5 *file, const char *path);
/** The same of what must be a dataset. */
crd_status crd_h5_dataset_facts(crd_h5_facts *out, crd_h5 *file, const char *path);

/** Checks that a dataset's values are in the file, before memory is taken for them. Errors:
 * CRD_ERR_INPUT. */
crd_status crd_h5_check_values(crd_h5 *file, const char *path);

/** *out = 1 if there is an object at the absolute path. */
crd_status crd_h5_exists(int *out, crd_h5 *file, const char *path);
crd_status crd_h5_group_create(crd_h5 *file, const char *path);

/** A dataset whose space is taken and filled now: floats with NaN, the rest with 0. Floats get the
 * attribute _FillValue. */
crd_status crd_h5_dataset_create(crd_h5 *file, const char *path, crd_h5_type type,
                                 const crd_shape *shape);
/** The same of one that will be written whole: not filled, which would write it twice. */
crd_status crd_h5_dataset_create_whole(crd_h5 *file, const char *path, crd_h5_type type,
                                       const crd_shape *shape);
/** The same as the first filled with `fill`; NULL: zeros. */
crd_status crd_h5_dataset_create_filled(crd_h5 *file, const char *path, crd_h5_type type,
                                        const crd_shape *shape, const void *fill);
/** Type and shape (either may be NULL). */
crd_status crd_h5_dataset_info(crd_h5_type *type, crd_shape *shape, crd_h5 *file, const char *path);
/** Writes the block of extents `count` at `start`; both NULL: all of it. `data` is of `type`. */
crd_status crd_h5_write(crd_h5 *file, const char *path, crd_h5_type type, const void *data,
                        const int64_t *start, const int64_t *count);
/** Reads such a block of a numeric dataset as `type`. */
crd_status crd_h5_read(void *data, crd_h5 *file, const char *path, crd_h5_type type,
                       const int64_t *start, const int64_t *count);

/** Where a dataset's values lie in the file, one after the other; -1: they
 * do not (chunked, compressed, external, never written). */
crd_status crd_h5_offset(int64_t *out, crd_h5 *file, const char *path);

/** Makes the one-dimensional dataset a dimension scale under its own name. */
crd_status crd_h5_scale_set(crd_h5 *file, const char *path);
/** Names axis `axis` of a dataset by a scale. */
crd_status crd_h5_scale_attach(crd_h5 *file, const char *path, int axis, const char *scale);

/** XXH3-64 over the raw little-endian values; of strings over their bytes with final zeros. */
crd_status crd_h5_digest(uint64_t *out, crd_h5 *file, const char *path);

/** Calls `visit` with the absolute path of every dataset below `group`, in name order; a failure of
 * its ends the visit. */
typedef crd_status crd_h5_visit(const char *path, void *payload);
crd_status crd_h5_visit_datasets(crd_h5 *file, const char *group, crd_h5_visit *visit,
                                 void *payload);

/** Strings: a dataset of `n`, or of one without extents (n = 0). Bytes that are not UTF-8 are
 * written as '?'. */
crd_status crd_h5_strings_write(crd_h5 *file, const char *path, const char *const *strings,
                                int64_t n);
/** Reads what _write wrote. The array and its strings are freed with crd_h5_strings_free. */
crd_status crd_h5_strings_read(char ***out, int64_t *n, crd_h5 *file, const char *path);
void crd_h5_strings_free(char **strings, int64_t n);

/** Attributes of the object at `path` ("/" is the root group). n = 1 is a scalar. */
crd_status crd_h5_attr_put(crd_h5 *file, const char *path, const char *key, crd_h5_type type,
                           const void *values, int64_t n);
crd_status crd_h5_attr_put_text(crd_h5 *file, const char *path, const char *key, const char *text);
/** Overwrites a text in its place (which must be there and as long), so that no metadata moves. */
crd_status crd_h5_attr_put_fixed(crd_h5 *file, const char *path, const char *key, const char *text,
                                 int replace);
crd_status crd_h5_attr_exists(int *out, crd_h5 *file, const char *path, const char *key);
/** Errors: also if missing, or not of `n` numbers. */
crd_status crd_h5_attr_get(void *values, crd_h5 *file, const char *path, const char *key,
                           crd_h5_type type, int64_t n);
/** *out is freed with crd_free. Errors: also if missing, or no text. */
crd_status crd_h5_attr_get_text(char **out, crd_h5 *file, const char *path, const char *key);
/** *is_there = 1 and *value: attribute `key` as one number, of whatever numeric type. */
crd_status crd_h5_attr_find_number(int *is_there, double *value, crd_h5 *file, const char *path,
                                   const char *key);
/** Calls `visit` for every attribute of an object, in name order, its value as text. */
typedef void crd_h5_attr_visit(const char *key, const char *text, void *payload);
crd_status crd_h5_visit_attributes(crd_h5 *file, const char *path, crd_h5_attr_visit *visit,
                                   void *payload);

#endif
