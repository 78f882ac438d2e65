/* HDF5 files and datasets: creating, opening, writing. Every return code is checked, closing too,
 * and HDF5's deepest message becomes part of ours. Attributes and strings are in h5_text.c; files
 * to be read are parsed in another process (h5_process.c). */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <hdf5_hl.h>

#include "base/alloc.h"
#include "io/h5_handed.h"
#include "io/h5_private.h"

_Static_assert(CRD_MAX_DIMS <= H5S_MAX_RANK, "every shape must be an HDF5 shape");

enum { OBJECT_BYTES = 1 << 16 };

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

crd_status crd_h5_reserve(crd_h5 *file, int64_t bytes)
{
    crd_status status = CRD_OK;
    haddr_t allocated;
    H5_TRY(file, "", "measured", H5Fget_eoa(file->id, &allocated));
    /* What an object takes besides its data: header, attributes, links, heaps. */
    int64_t end = (int64_t)allocated + bytes + OBJECT_BYTES;
    if (end <= file->reserved_bytes)
        return CRD_OK;
    int error =
        posix_fallocate(file->fd, (off_t)file->reserved_bytes, (off_t)(end - file->reserved_bytes));
    CRD_REQUIRE(error == 0 || error == EOPNOTSUPP || error == EINVAL || error == ENOSYS, file->code,
                "%s: cannot be written: %s", file->name, strerror(error));
    file->reserved_bytes = end;
cleanup:
    return status;
}

void crd_h5_prepare(void)
{
    /* HDF5's clean-up at exit crashes over a file that could not be closed; all others we close.
     * Fails when it has been said before. */
    (void)H5dont_atexit();
    (void)H5open();
}

/* What every opening has in common. */
static crd_status file_begin(crd_h5 **out, hid_t *access, const char *name, crd_status code)
{
    crd_status status = CRD_OK;
    crd_h5 *file = NULL;
    *out = NULL;
    CRD_ALLOC(&file, 1, "HDF5 file");
    *out = file;
    file->id = H5I_INVALID_HID;
    file->fd = -1;
    file->code = code;
    CRD_TRY(crd_alloc_string(&file->name, name));
    crd_h5_prepare();
    H5_TRY(file, "", "opened", H5Eset_auto2(H5E_DEFAULT, NULL, NULL));
    H5_TRY(file, "", "opened", *access = H5Pcreate(H5P_FILE_ACCESS));
    H5_TRY(file, "", "opened", H5Pset_fclose_degree(*access, H5F_CLOSE_STRONG));
#if H5_VERSION_GE(1, 10, 7)
    /* A temporary file of ours and a sealed one need no locks, and NFS or Lustre may lack them. */
    H5_TRY(file, "", "opened", H5Pset_file_locking(*access, 0, 1));
#endif
cleanup:
    return status;
}

static crd_status file_end(crd_h5 **out, crd_h5 *file, crd_status status)
{
    *out = status == CRD_OK ? file : NULL;
    if (status != CRD_OK)
        crd_h5_discard(file);
    return status;
}

crd_status crd_h5_create(crd_h5 **out, const char *path, const char *name)
{
    crd_status status = CRD_OK;
    crd_h5 *file = NULL;
    hid_t access = H5I_INVALID_HID, creation = H5I_INVALID_HID;
    unsigned order = H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED;
    void *handle = NULL;
    CRD_TRY(file_begin(&file, &access, name, CRD_ERR_IO));
    H5_TRY(file, "", "created", creation = H5Pcreate(H5P_FILE_CREATE));
    H5_TRY(file, "", "created", H5Pset_link_creation_order(creation, order));
    H5_TRY(file, "", "created", H5Pset_attr_creation_order(creation, order));
    H5_TRY(file, "", "created", H5Pset_obj_track_times(creation, 0));
    H5_TRY(file, "", "created", file->id = H5Fcreate(path, H5F_ACC_TRUNC, creation, access));
    H5_TRY(file, "", "created", H5Fget_vfd_handle(file->id, H5P_DEFAULT, &handle));
    file->fd = *(const int *)handle;
    CRD_TRY(crd_h5_reserve(file, 0));
cleanup:
    if (file != NULL) {
        status = crd_h5_closed(status, file, "", creation, H5Pclose);
        status = crd_h5_closed(status, file, "", access, H5Pclose);
    }
    return file_end(out, file, status);
}

/* The folder of a file: where virtual datasets look for their sources. */
static crd_status folder_of(char **out, const char *name)
{
    crd_status status = CRD_OK;
    const char *slash = strrchr(name, '/');
    CRD_TRY(crd_alloc_string(out, slash == NULL ? "." : name));
    if (slash != NULL)
        (*out)[slash - name + 1] = '\0';
cleanup:
    return status;
}

/* Links into other files: what they say can be read, but nothing follows them. */
static hid_t do_not_follow(const char *name, hid_t group, const void *data, size_t n_data,
                           hid_t access, hid_t transfer)
{
    (void)name, (void)group, (void)data, (void)n_data, (void)access, (void)transfer;
    return H5I_INVALID_HID;
}

static ssize_t tell_link(const char *name, const void *data, size_t n_data, void *buffer, size_t n)
{
    (void)name;
    if (buffer != NULL)
        memcpy(buffer, data, n_data < n ? n_data : n);
    return (ssize_t)n_data;
}

static const H5L_class_t links_to_files = {.version = H5L_LINK_CLASS_T_VERS,
                                           .id = H5L_TYPE_EXTERNAL,
                                           .comment = "external",
                                           .trav_func = do_not_follow,
                                           .query_func = tell_link};

crd_status crd_h5_open_here(crd_h5 **out, const char *path, const char *name, int changes)
{
    crd_status status = CRD_OK;
    crd_h5 *file = NULL;
    hid_t access = H5I_INVALID_HID;
    CRD_TRY(file_begin(&file, &access, name, CRD_ERR_INPUT));
    CRD_TRY(folder_of(&file->folder, name));
    H5_TRY(file, "", "opened", H5Lregister(&links_to_files));
    H5_TRY(file, "", "opened",
           file->id = H5Fopen(path, changes ? H5F_ACC_RDWR : H5F_ACC_RDONLY, access));
cleanup:
    if (file != NULL)
        status = crd_h5_closed(status, file, "", access, H5Pclose);
    return file_end(out, file, status);
}

hid_t crd_h5_dataset_open(const crd_h5 *file, const char *path)
{
    hid_t access = H5Pcreate(H5P_DATASET_ACCESS), dataset = H5I_INVALID_HID;
    if (access >= 0 && (file->folder == NULL || H5Pset_virtual_prefix(access, file->folder) >= 0))
        dataset = H5Dopen2(file->id, path, access);
    if (access >= 0)
        H5Pclose(access);
    return dataset;
}

crd_status crd_h5_finish_here(crd_h5 *file)
{
    crd_status status = crd_h5_closed(CRD_OK, file, "", file->id, H5Fclose);
    file->id = H5I_INVALID_HID;
    return status;
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
    crd_status status = crd_h5_finish_here(file);
    crd_h5_discard(file);
    return status;
}

void crd_h5_discard(crd_h5 *file)
{
    if (file == NULL)
        return;
    crd_h5_reader_end(file->reader);
    if (file->owns_fd && file->fd >= 0)
        close(file->fd);
    if (file->id >= 0 && H5Fclose(file->id) < 0)
        H5Eclear2(H5E_DEFAULT);
    crd_h5_handed_free(file->handed);
    crd_free(file->folder);
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
                               hid_t fill_type, const void *fill, int is_filled)
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
    H5_TRY(file, path, "created",
           H5Pset_fill_time(properties, is_filled ? H5D_FILL_TIME_ALLOC : H5D_FILL_TIME_NEVER));
    if (fill != NULL)
        H5_TRY(file, path, "created", H5Pset_fill_value(properties, fill_type, fill));
    H5_TRY(file, path, "created",
           dataset = H5Dcreate2(file->id, path, type, space, H5P_DEFAULT, properties, H5P_DEFAULT));
cleanup:
    status = crd_h5_closed(status, file, path, dataset, H5Dclose);
    status = crd_h5_closed(status, file, path, properties, H5Pclose);
    return crd_h5_closed(status, file, path, space, H5Sclose);
}

static crd_status create_dataset(crd_h5 *file, const char *path, crd_h5_type type,
                                 const crd_shape *shape, const void *fill, int is_filled)
{
    crd_status status = CRD_OK;
    int is_float = type == CRD_H5_FLOAT32 || type == CRD_H5_FLOAT64;
    CRD_TRY(crd_h5_dataset_make(file, path, crd_h5_type_id(type, 0), shape, crd_h5_type_id(type, 1),
                                fill, is_filled));
    CRD_TRY(crd_h5_handed_create(file, path, type, shape, fill));
    if (is_float)
        CRD_TRY(crd_h5_attr_put(file, path, "_FillValue", type, fill, 1));
    if (type == CRD_H5_BOOL)
        CRD_TRY(crd_h5_attr_put_text(file, path, "dtype", "bool"));
cleanup:
    return status;
}

static crd_status create_of_type(crd_h5 *file, const char *path, crd_h5_type type,
                                 const crd_shape *shape, int is_filled)
{
    float nan32 = NAN;
    double nan64 = NAN;
    const void *fill = type == CRD_H5_FLOAT32   ? (const void *)&nan32
                       : type == CRD_H5_FLOAT64 ? (const void *)&nan64
                                                : NULL;
    return create_dataset(file, path, type, shape, fill, is_filled);
}

crd_status crd_h5_dataset_create(crd_h5 *file, const char *path, crd_h5_type type,
                                 const crd_shape *shape)
{
    return create_of_type(file, path, type, shape, 1);
}

crd_status crd_h5_dataset_create_whole(crd_h5 *file, const char *path, crd_h5_type type,
                                       const crd_shape *shape)
{
    return create_of_type(file, path, type, shape, 0);
}

crd_status crd_h5_dataset_create_filled(crd_h5 *file, const char *path, crd_h5_type type,
                                        const crd_shape *shape, const void *fill)
{
    return create_dataset(file, path, type, shape, fill, 1);
}

crd_status crd_h5_select(hid_t *space, hid_t *block, const crd_h5 *file, const char *path,
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

crd_status crd_h5_close_space(crd_status status, const crd_h5 *file, const char *path, hid_t space)
{
    return crd_h5_closed(status, file, path, space == H5S_ALL ? H5I_INVALID_HID : space, H5Sclose);
}

crd_status crd_h5_write(crd_h5 *file, const char *path, crd_h5_type type, const void *data,
                        const int64_t *start, const int64_t *count)
{
    crd_status status = CRD_OK;
    hid_t dataset = H5I_INVALID_HID, space = H5S_ALL, block = H5S_ALL;
    H5_TRY(file, path, "opened", dataset = H5Dopen2(file->id, path, H5P_DEFAULT));
    CRD_TRY(crd_h5_select(&space, &block, file, path, dataset, start, count));
    CRD_TRY(crd_h5_handed_write(file, path, data, start, count));
    H5_TRY(file, path, "written",
           H5Dwrite(dataset, crd_h5_type_id(type, 1), block, space, H5P_DEFAULT, data));
cleanup:
    status = crd_h5_close_space(status, file, path, block);
    status = crd_h5_close_space(status, file, path, space);
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
