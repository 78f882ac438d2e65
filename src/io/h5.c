#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <hdf5_hl.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/file.h"
#include "io/h5_private.h"

_Static_assert(CRD_MAX_DIMS <= H5S_MAX_RANK, "every shape must be an HDF5 shape");

enum { DIGEST_CHUNK = 1 << 20, OBJECT_BYTES = 1 << 16 };

/* Walking upward, the first record is the innermost function's: what really went wrong. */
static herr_t keep_deepest(unsigned n, const H5E_error2_t *error, void *payload)
{
    if (n == 0 && error->desc != NULL)
        snprintf(payload, CRD_MESSAGE_SIZE, "%s", error->desc);
    return 0;
}

crd_status crd_h5_fail(const crd_h5 *file, const char *object, const char *what)
{
    char text[CRD_MESSAGE_SIZE] = "no reason given";
    char *reason = text;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_deepest, text);
    H5Eclear2(H5E_DEFAULT);
    /* The POSIX driver wraps strerror's text in descriptors and addresses. */
    char *quoted = strstr(text, "error message = '");
    if (quoted != NULL) {
        reason = quoted + strlen("error message = '");
        char *end = strchr(reason, '\'');
        if (end != NULL)
            *end = '\0';
    }
    return CRD_FAIL(file->code, "%s: %s%scannot be %s: %s", file->name, object,
                    object[0] == '\0' ? "" : ": ", what, reason);
}

crd_status crd_h5_closed(crd_status status, const crd_h5 *file, const char *object, hid_t id,
                         herr_t (*close_id)(hid_t))
{
    if (id >= 0 && close_id(id) < 0 && status == CRD_OK)
        return crd_h5_fail(file, object, "closed");
    return status;
}

const char *crd_h5_type_name(crd_h5_type type)
{
    switch (type) {
    case CRD_H5_FLOAT32:
        return "float32";
    case CRD_H5_FLOAT64:
        return "float64";
    case CRD_H5_INT32:
        return "int32";
    case CRD_H5_INT64:
        return "int64";
    case CRD_H5_UINT64:
        return "uint64";
    case CRD_H5_UINT8:
        return "uint8";
    case CRD_H5_BOOL:
        return "int8";
    case CRD_H5_STRING:
        return "string";
    case CRD_H5_OTHER:
        break;
    }
    return "other";
}

int64_t crd_h5_type_size(crd_h5_type type)
{
    switch (type) {
    case CRD_H5_FLOAT32:
    case CRD_H5_INT32:
        return 4;
    case CRD_H5_FLOAT64:
    case CRD_H5_INT64:
    case CRD_H5_UINT64:
        return 8;
    case CRD_H5_UINT8:
    case CRD_H5_BOOL:
        return 1;
    default:
        return 0;
    }
}

hid_t crd_h5_type_id(crd_h5_type type, int native)
{
    switch (type) {
    case CRD_H5_FLOAT32:
        return native ? H5T_NATIVE_FLOAT : H5T_IEEE_F32LE;
    case CRD_H5_FLOAT64:
        return native ? H5T_NATIVE_DOUBLE : H5T_IEEE_F64LE;
    case CRD_H5_INT32:
        return native ? H5T_NATIVE_INT32 : H5T_STD_I32LE;
    case CRD_H5_INT64:
        return native ? H5T_NATIVE_INT64 : H5T_STD_I64LE;
    case CRD_H5_UINT64:
        return native ? H5T_NATIVE_UINT64 : H5T_STD_U64LE;
    case CRD_H5_UINT8:
        return native ? H5T_NATIVE_UINT8 : H5T_STD_U8LE;
    case CRD_H5_BOOL:
        return native ? H5T_NATIVE_INT8 : H5T_STD_I8LE;
    default:
        return H5I_INVALID_HID;
    }
}

crd_h5_type crd_h5_type_find(hid_t id)
{
    if (H5Tget_class(id) == H5T_STRING)
        return CRD_H5_STRING;
    for (int type = CRD_H5_FLOAT32; type <= CRD_H5_BOOL; type++)
        if (H5Tequal(id, crd_h5_type_id((crd_h5_type)type, 0)) > 0)
            return (crd_h5_type)type;
    return CRD_H5_OTHER;
}

/* The descriptor that HDF5 itself uses. */
static crd_status descriptor(int *fd, crd_h5 *file)
{
    void *handle = NULL;
    *fd = -1;
    if (H5Fget_vfd_handle(file->id, H5P_DEFAULT, &handle) < 0)
        return crd_h5_fail(file, "", "accessed");
    *fd = *(const int *)handle;
    return CRD_OK;
}

crd_status crd_h5_reserve(crd_h5 *file, int64_t bytes)
{
    crd_status status = CRD_OK;
    haddr_t allocated;
    int fd;
    H5_TRY(file, "", "measured", H5Fget_eoa(file->id, &allocated));
    /* What an object takes besides its data: header, attributes, links, heaps. */
    int64_t end = (int64_t)allocated + bytes + OBJECT_BYTES;
    if (end <= file->reserved_bytes)
        return CRD_OK;
    CRD_TRY(descriptor(&fd, file));
    int error =
        posix_fallocate(fd, (off_t)file->reserved_bytes, (off_t)(end - file->reserved_bytes));
    CRD_REQUIRE(error == 0 || error == EOPNOTSUPP || error == EINVAL || error == ENOSYS, file->code,
                "%s: cannot be written: %s", file->name, strerror(error));
    file->reserved_bytes = end;
cleanup:
    return status;
}

static crd_status file_make(crd_h5 **out, const char *path, const char *name, int create)
{
    crd_status status = CRD_OK;
    crd_h5 *file = NULL;
    hid_t access = H5I_INVALID_HID, creation = H5I_INVALID_HID;
    *out = NULL;
    CRD_ALLOC(&file, 1, "HDF5 file");
    file->id = H5I_INVALID_HID;
    file->code = create ? CRD_ERR_IO : CRD_ERR_INPUT;
    CRD_TRY(crd_alloc_string(&file->name, name));
    /* HDF5's clean-up at exit crashes over a file that could not be closed; all others we close.
     * Fails when it has been said before. */
    (void)H5dont_atexit();
    H5_TRY(file, "", "opened", H5Eset_auto2(H5E_DEFAULT, NULL, NULL));
    H5_TRY(file, "", "opened", access = H5Pcreate(H5P_FILE_ACCESS));
    H5_TRY(file, "", "opened", H5Pset_fclose_degree(access, H5F_CLOSE_STRONG));
#if H5_VERSION_GE(1, 10, 7)
    /* A temporary file of ours and a sealed one need no locks, and NFS or Lustre may lack them. */
    H5_TRY(file, "", "opened", H5Pset_file_locking(access, 0, 1));
#endif
    if (create) {
        H5_TRY(file, "", "created", creation = H5Pcreate(H5P_FILE_CREATE));
        H5_TRY(file, "", "created",
               H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED));
        H5_TRY(file, "", "created",
               H5Pset_attr_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED));
        H5_TRY(file, "", "created", H5Pset_obj_track_times(creation, 0));
        H5_TRY(file, "", "created", file->id = H5Fcreate(path, H5F_ACC_TRUNC, creation, access));
        CRD_TRY(crd_h5_reserve(file, 0));
    } else {
        int fd; /* HDF5 would wait for a pipe */
        CRD_TRY(crd_file_open(&fd, NULL, path, INT64_MAX));
        close(fd);
        H5_TRY(file, "", "opened", file->id = H5Fopen(path, H5F_ACC_RDONLY, access));
    }
cleanup:
    if (file != NULL) {
        status = crd_h5_closed(status, file, "", creation, H5Pclose);
        status = crd_h5_closed(status, file, "", access, H5Pclose);
    }
    if (status == CRD_OK)
        *out = file;
    else
        crd_h5_discard(file);
    return status;
}

crd_status crd_h5_create(crd_h5 **out, const char *path, const char *name)
{
    return file_make(out, path, name, 1);
}

crd_status crd_h5_open(crd_h5 **out, const char *path)
{
    return file_make(out, path, path, 0);
}

const char *crd_h5_name(const crd_h5 *file)
{
    return file->name;
}

crd_status crd_h5_flush(crd_h5 *file)
{
    crd_status status = crd_h5_reserve(file, 0);
    if (status != CRD_OK)
        return status;
    file->reserved_bytes = 0; /* flushing cuts off what HDF5 has not allocated */
    return H5Fflush(file->id, H5F_SCOPE_LOCAL) < 0 ? crd_h5_fail(file, "", "flushed") : CRD_OK;
}

crd_status crd_h5_close(crd_h5 *file)
{
    crd_status status = crd_h5_closed(CRD_OK, file, "", file->id, H5Fclose);
    file->id = H5I_INVALID_HID;
    crd_h5_discard(file);
    return status;
}

void crd_h5_discard(crd_h5 *file)
{
    if (file == NULL)
        return;
    if (file->id >= 0 && H5Fclose(file->id) < 0)
        H5Eclear2(H5E_DEFAULT);
    crd_free(file->name);
    crd_free(file);
}

crd_status crd_h5_join(char out[CRD_H5_PATH_SIZE], const char *group, const char *name)
{
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strchr(name, '/') != NULL)
        return CRD_FAIL(CRD_ERR_INPUT, "%s: '%s' cannot be the name of an HDF5 object", group,
                        name);
    int n = snprintf(out, CRD_H5_PATH_SIZE, "%s/%s", strcmp(group, "/") == 0 ? "" : group, name);
    if (n < 0 || n >= CRD_H5_PATH_SIZE)
        return CRD_FAIL(CRD_ERR_INPUT, "%s: a name of %zu bytes is too long", group, strlen(name));
    return CRD_OK;
}

crd_status crd_h5_exists(int *out, crd_h5 *file, const char *path)
{
    htri_t found = H5LTpath_valid(file->id, path, 1);
    if (found < 0)
        return crd_h5_fail(file, path, "looked up");
    *out = found > 0;
    return CRD_OK;
}

crd_status crd_h5_group_create(crd_h5 *file, const char *path)
{
    crd_status status = CRD_OK;
    hid_t properties = H5I_INVALID_HID, group = H5I_INVALID_HID;
    unsigned order = H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED;
    CRD_TRY(crd_h5_reserve(file, 0));
    H5_TRY(file, path, "created", properties = H5Pcreate(H5P_GROUP_CREATE));
    H5_TRY(file, path, "created", H5Pset_link_creation_order(properties, order));
    H5_TRY(file, path, "created", H5Pset_attr_creation_order(properties, order));
    H5_TRY(file, path, "created", H5Pset_obj_track_times(properties, 0));
    H5_TRY(file, path, "created",
           group = H5Gcreate2(file->id, path, H5P_DEFAULT, properties, H5P_DEFAULT));
cleanup:
    status = crd_h5_closed(status, file, path, group, H5Gclose);
    return crd_h5_closed(status, file, path, properties, H5Pclose);
}

crd_status crd_h5_dataset_make(crd_h5 *file, const char *path, hid_t type, const crd_shape *shape,
                               hid_t fill_type, const void *fill)
{
    crd_status status = CRD_OK;
    hid_t properties = H5I_INVALID_HID, space = H5I_INVALID_HID, dataset = H5I_INVALID_HID;
    hsize_t dims[CRD_MAX_DIMS];
    for (int i = 0; i < shape->n_dims; i++)
        dims[i] = (hsize_t)shape->dims[i];
    CRD_TRY(crd_h5_reserve(file, crd_shape_count(shape) * (int64_t)H5Tget_size(type)));
    H5_TRY(file, path, "created", space = H5Screate_simple(shape->n_dims, dims, NULL));
    H5_TRY(file, path, "created", properties = H5Pcreate(H5P_DATASET_CREATE));
    H5_TRY(file, path, "created",
           H5Pset_attr_creation_order(properties, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED));
    H5_TRY(file, path, "created", H5Pset_obj_track_times(properties, 0));
    H5_TRY(file, path, "created", H5Pset_layout(properties, H5D_CONTIGUOUS));
    H5_TRY(file, path, "created", H5Pset_alloc_time(properties, H5D_ALLOC_TIME_EARLY));
    /* Early allocation alone leaves a sparse file; filling it takes the disk space for certain. */
    H5_TRY(file, path, "created", H5Pset_fill_time(properties, H5D_FILL_TIME_ALLOC));
    if (fill != NULL)
        H5_TRY(file, path, "created", H5Pset_fill_value(properties, fill_type, fill));
    H5_TRY(file, path, "created",
           dataset = H5Dcreate2(file->id, path, type, space, H5P_DEFAULT, properties, H5P_DEFAULT));
cleanup:
    status = crd_h5_closed(status, file, path, dataset, H5Dclose);
    status = crd_h5_closed(status, file, path, properties, H5Pclose);
    return crd_h5_closed(status, file, path, space, H5Sclose);
}

crd_status crd_h5_dataset_create(crd_h5 *file, const char *path, crd_h5_type type,
                                 const crd_shape *shape)
{
    crd_status status = CRD_OK;
    float nan32 = NAN;
    double nan64 = NAN;
    const void *fill = type == CRD_H5_FLOAT32   ? (const void *)&nan32
                       : type == CRD_H5_FLOAT64 ? (const void *)&nan64
                                                : NULL;
    CRD_TRY(crd_h5_dataset_make(file, path, crd_h5_type_id(type, 0), shape, crd_h5_type_id(type, 1),
                                fill));
    if (fill != NULL)
        CRD_TRY(crd_h5_attr_put(file, path, "_FillValue", type, fill, 1));
    if (type == CRD_H5_BOOL)
        CRD_TRY(crd_h5_attr_put_text(file, path, "dtype", "bool"));
cleanup:
    return status;
}

crd_status crd_h5_dataset_info(crd_h5_type *type, crd_shape *shape, crd_h5 *file, const char *path)
{
    crd_status status = CRD_OK;
    hid_t dataset = H5I_INVALID_HID, space = H5I_INVALID_HID, type_id = H5I_INVALID_HID;
    hsize_t dims[H5S_MAX_RANK];
    int n_dims;
    H5_TRY(file, path, "opened", dataset = H5Dopen2(file->id, path, H5P_DEFAULT));
    H5_TRY(file, path, "opened", space = H5Dget_space(dataset));
    H5_TRY(file, path, "opened", type_id = H5Dget_type(dataset));
    H5_TRY(file, path, "opened", n_dims = H5Sget_simple_extent_dims(space, dims, NULL));
    CRD_REQUIRE(n_dims <= CRD_MAX_DIMS, file->code, "%s: %s: has %d dimensions; at most %d can be",
                file->name, path, n_dims, CRD_MAX_DIMS);
    if (type != NULL)
        *type = crd_h5_type_find(type_id);
    if (shape != NULL) {
        *shape = (crd_shape){.n_dims = n_dims};
        for (int i = 0; i < n_dims; i++)
            shape->dims[i] = (int64_t)dims[i];
    }
cleanup:
    status = crd_h5_closed(status, file, path, type_id, H5Tclose);
    status = crd_h5_closed(status, file, path, space, H5Sclose);
    return crd_h5_closed(status, file, path, dataset, H5Dclose);
}

/* The block of extents `count` at `start` in the dataset's space, and a space in memory for it; both stay H5S_ALL
 * without `start`. */
static crd_status select_block(hid_t *space, hid_t *block, const crd_h5 *file, const char *path,
                               hid_t dataset, const int64_t *start, const int64_t *count)
{
    crd_status status = CRD_OK;
    hsize_t offsets[H5S_MAX_RANK], extents[H5S_MAX_RANK];
    int n_dims;
    if (start == NULL)
        return CRD_OK;
    H5_TRY(file, path, "opened", *space = H5Dget_space(dataset));
    H5_TRY(file, path, "opened", n_dims = H5Sget_simple_extent_ndims(*space));
    for (int i = 0; i < n_dims; i++) {
        offsets[i] = (hsize_t)start[i];
        extents[i] = (hsize_t)count[i];
    }
    H5_TRY(file, path, "opened",
           H5Sselect_hyperslab(*space, H5S_SELECT_SET, offsets, NULL, extents, NULL));
    H5_TRY(file, path, "opened", *block = H5Screate_simple(n_dims, extents, NULL));
cleanup:
    return status;
}

static crd_status close_space(crd_status status, const crd_h5 *file, const char *path, hid_t space)
{
    return crd_h5_closed(status, file, path, space == H5S_ALL ? H5I_INVALID_HID : space, H5Sclose);
}

crd_status crd_h5_write(crd_h5 *file, const char *path, crd_h5_type type, const void *data,
                        const int64_t *start, const int64_t *count)
{
    crd_status status = CRD_OK;
    hid_t dataset = H5I_INVALID_HID, space = H5S_ALL, block = H5S_ALL;
    H5_TRY(file, path, "opened", dataset = H5Dopen2(file->id, path, H5P_DEFAULT));
    CRD_TRY(select_block(&space, &block, file, path, dataset, start, count));
    H5_TRY(file, path, "written",
           H5Dwrite(dataset, crd_h5_type_id(type, 1), block, space, H5P_DEFAULT, data));
cleanup:
    status = close_space(status, file, path, block);
    status = close_space(status, file, path, space);
    return crd_h5_closed(status, file, path, dataset, H5Dclose);
}

crd_status crd_h5_read(void *data, crd_h5 *file, const char *path, crd_h5_type type,
                       const int64_t *start, const int64_t *count)
{
    crd_status status = CRD_OK;
    hid_t dataset = H5I_INVALID_HID, space = H5S_ALL, block = H5S_ALL;
    H5_TRY(file, path, "opened", dataset = H5Dopen2(file->id, path, H5P_DEFAULT));
    CRD_TRY(select_block(&space, &block, file, path, dataset, start, count));
    H5_TRY(file, path, "read",
           H5Dread(dataset, crd_h5_type_id(type, 1), block, space, H5P_DEFAULT, data));
cleanup:
    status = close_space(status, file, path, block);
    status = close_space(status, file, path, space);
    return crd_h5_closed(status, file, path, dataset, H5Dclose);
}

crd_status crd_h5_offset(int64_t *out, crd_h5 *file, const char *path)
{
    crd_status status = CRD_OK;
    hid_t dataset = H5I_INVALID_HID;
    H5_TRY(file, path, "opened", dataset = H5Dopen2(file->id, path, H5P_DEFAULT));
    haddr_t address = H5Dget_offset(dataset);
    H5Eclear2(H5E_DEFAULT); /* that there is none counts as an error there */
    *out = address == HADDR_UNDEF ? -1 : (int64_t)address;
cleanup:
    return crd_h5_closed(status, file, path, dataset, H5Dclose);
}

crd_status crd_h5_scale_set(crd_h5 *file, const char *path)
{
    crd_status status = CRD_OK;
    hid_t dataset = H5I_INVALID_HID;
    H5_TRY(file, path, "opened", dataset = H5Dopen2(file->id, path, H5P_DEFAULT));
    H5_TRY(file, path, "made a dimension scale", H5DSset_scale(dataset, strrchr(path, '/') + 1));
cleanup:
    return crd_h5_closed(status, file, path, dataset, H5Dclose);
}

crd_status crd_h5_scale_attach(crd_h5 *file, const char *path, int axis, const char *scale)
{
    crd_status status = CRD_OK;
    hid_t dataset = H5I_INVALID_HID, scale_id = H5I_INVALID_HID;
    H5_TRY(file, path, "opened", dataset = H5Dopen2(file->id, path, H5P_DEFAULT));
    H5_TRY(file, scale, "opened", scale_id = H5Dopen2(file->id, scale, H5P_DEFAULT));
    H5_TRY(file, path, "given a dimension scale",
           H5DSattach_scale(dataset, scale_id, (unsigned)axis));
cleanup:
    status = crd_h5_closed(status, file, scale, scale_id, H5Dclose);
    return crd_h5_closed(status, file, path, dataset, H5Dclose);
}

static crd_status digest_strings(XXH3_state_t *state, crd_h5 *file, const char *path)
{
    char **strings;
    int64_t n;
    crd_status status = crd_h5_strings_read(&strings, &n, file, path);
    if (status != CRD_OK)
        return status;
    for (int64_t i = 0; i < n; i++)
        XXH3_64bits_update(state, strings[i], strlen(strings[i]) + 1);
    crd_h5_strings_free(strings, n);
    return CRD_OK;
}

/* Straight from the file, where the values lie one behind the other: no conversion, little memory,
 * and for a file just written it shows what has arrived there. */
static crd_status digest_numbers(XXH3_state_t *state, crd_h5 *file, const char *path, int64_t bytes)
{
    crd_status status = CRD_OK;
    hid_t dataset = H5I_INVALID_HID;
    unsigned char *chunk = NULL;
    int fd;
    CRD_ALLOC(&chunk, DIGEST_CHUNK, "digest buffer");
    H5_TRY(file, path, "opened", dataset = H5Dopen2(file->id, path, H5P_DEFAULT));
    haddr_t address = H5Dget_offset(dataset);
    CRD_REQUIRE(address != HADDR_UNDEF, file->code, "%s: %s: is not stored contiguously",
                file->name, path);
    CRD_TRY(descriptor(&fd, file));
    for (int64_t done = 0; done < bytes;) {
        size_t n = bytes - done < DIGEST_CHUNK ? (size_t)(bytes - done) : DIGEST_CHUNK;
        ssize_t got = pread(fd, chunk, n, (off_t)address + (off_t)done);
        CRD_REQUIRE(got > 0, file->code, "%s: %s: cannot be read back", file->name, path);
        XXH3_64bits_update(state, chunk, (size_t)got);
        done += got;
    }
cleanup:
    crd_free(chunk);
    return crd_h5_closed(status, file, path, dataset, H5Dclose);
}

crd_status crd_h5_digest(uint64_t *out, crd_h5 *file, const char *path)
{
    crd_status status = CRD_OK;
    crd_h5_type type;
    crd_shape shape;
    XXH3_state_t *state = XXH3_createState();
    CRD_REQUIRE(state != NULL, CRD_ERR_INTERNAL, "%s: out of memory", path);
    XXH3_64bits_reset(state);
    CRD_TRY(crd_h5_dataset_info(&type, &shape, file, path));
    CRD_REQUIRE(type != CRD_H5_OTHER, file->code, "%s: %s: is of a type that we never write",
                file->name, path);
    if (type == CRD_H5_STRING)
        CRD_TRY(digest_strings(state, file, path));
    else
        CRD_TRY(
            digest_numbers(state, file, path, crd_shape_count(&shape) * crd_h5_type_size(type)));
    *out = XXH3_64bits_digest(state);
cleanup:
    XXH3_freeState(state);
    return status;
}

typedef struct visit_state {
    const char *group;
    crd_h5_visit *visit;
    void *payload;
    crd_status status;
} visit_state;

static herr_t visit_link(hid_t group, const char *name, const H5L_info_t *info, void *payload)
{
    visit_state *state = payload;
    if (info->type != H5L_TYPE_HARD)
        return 0;
    hid_t object = H5Oopen(group, name, H5P_DEFAULT);
    if (object < 0)
        return -1;
    H5I_type_t kind = H5Iget_type(object);
    if (H5Oclose(object) < 0)
        return -1;
    if (kind != H5I_DATASET)
        return 0;
    char path[CRD_H5_PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", strcmp(state->group, "/") == 0 ? "" : state->group, name);
    state->status = state->visit(path, state->payload);
    return state->status == CRD_OK ? 0 : -1;
}

crd_status crd_h5_visit_datasets(crd_h5 *file, const char *group, crd_h5_visit *visit,
                                 void *payload)
{
    visit_state state = {.group = group, .visit = visit, .payload = payload};
    herr_t visited = H5Lvisit_by_name(file->id, group, H5_INDEX_NAME, H5_ITER_INC, visit_link,
                                      &state, H5P_DEFAULT);
    if (state.status != CRD_OK)
        return state.status;
    return visited < 0 ? crd_h5_fail(file, group, "listed") : CRD_OK;
}
