/* What is asked of a file, answered with HDF5. Runs in the process that writes the file, or in
 * one of its own that reads it (h5_process.c). Whatever reads as zeros without being in the
 * file, or lies in another file that the user did not name, is refused here. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <hdf5_hl.h>

#include "base/alloc.h"
#include "io/h5_private.h"

/* No compression makes more of a byte; and so much may always be asked. */
enum { MAX_EXPANSION = 2048, FREE_BYTES = 1 << 26, SLAB_BYTES = 1 << 24 };

/* ---- what an object is ---- */

static const char *class_name(H5T_class_t class)
{
    switch (class) {
    case H5T_STRING:
        return "string";
    case H5T_COMPOUND:
        return "compound";
    case H5T_ENUM:
        return "enum";
    case H5T_BITFIELD:
        return "bit field";
    case H5T_VLEN:
        return "of variable length";
    case H5T_ARRAY:
        return "array";
    case H5T_OPAQUE:
        return "opaque";
    case H5T_REFERENCE:
        return "reference";
    case H5T_TIME:
        return "time";
    default:
        return "unknown";
    }
}

/* As h5py stores a truth value. */
static int is_bool(hid_t type)
{
    char *name = H5Tget_class(type) == H5T_ENUM && H5Tget_nmembers(type) == 2
                     ? H5Tget_member_name(type, 0)
                     : NULL;
    int is = name != NULL && strcmp(name, "FALSE") == 0;
    if (name != NULL)
        H5free_memory(name);
    return is;
}

static void describe_type(crd_h5_facts *facts, hid_t type)
{
    H5T_class_t class = H5Tget_class(type);
    size_t size = H5Tget_size(type);
    int is_unsigned = class == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_NONE;
    const char *order = size > 1 && H5Tget_order(type) == H5T_ORDER_BE ? "big-endian " : "";
    facts->type = crd_h5_type_find(type);
    facts->nearest = facts->type;
    facts->value_bytes = (int64_t)size;
    if (class == H5T_INTEGER || class == H5T_FLOAT)
        snprintf(facts->type_name, sizeof facts->type_name, "%s%s%s%d", order,
                 is_unsigned ? "u" : "", class == H5T_FLOAT ? "float" : "int", (int)(8 * size));
    else
        snprintf(facts->type_name, sizeof facts->type_name, "%s",
                 is_bool(type) ? "bool" : class_name(class));
    if (facts->type != CRD_H5_OTHER)
        return;
    if (class == H5T_FLOAT && size <= 8)
        facts->nearest = size <= 4 ? CRD_H5_FLOAT32 : CRD_H5_FLOAT64;
    else if (class == H5T_INTEGER && size <= 8)
        facts->nearest = is_unsigned ? CRD_H5_UINT64 : CRD_H5_INT64;
}

static crd_status describe_space(crd_h5_facts *facts, crd_h5 *file, const char *path, hid_t dataset)
{
    crd_status status = CRD_OK;
    hsize_t dims[H5S_MAX_RANK];
    hid_t space = H5I_INVALID_HID;
    int n_dims;
    H5_TRY(file, path, "opened", space = H5Dget_space(dataset));
    CRD_REQUIRE(H5Sget_simple_extent_type(space) != H5S_NULL, file->code,
                "%s: %s: holds no values at all (a null dataspace)", file->name, path);
    H5_TRY(file, path, "opened", n_dims = H5Sget_simple_extent_dims(space, dims, NULL));
    CRD_REQUIRE(n_dims <= CRD_MAX_DIMS, file->code, "%s: %s: has %d dimensions; at most %d can be",
                file->name, path, n_dims, CRD_MAX_DIMS);
    facts->shape.n_dims = n_dims;
    for (int i = 0; i < n_dims; i++) {
        CRD_REQUIRE(dims[i] <= INT64_MAX, file->code, "%s: %s: has an impossible shape", file->name,
                    path);
        facts->shape.dims[i] = (int64_t)dims[i];
    }
cleanup:
    return crd_h5_closed(status, file, path, space, H5Sclose);
}

/* A chunk that was never written reads as fill values: as black images. */
static crd_status check_chunks(const crd_h5_facts *facts, crd_h5 *file, const char *path,
                               hid_t dataset, hid_t properties)
{
    crd_status status = CRD_OK;
    hsize_t extents[CRD_MAX_DIMS] = {0}, stored = 0, expected = 1;
    hid_t space = H5I_INVALID_HID;
    char name[64] = "";
    int n;
    H5_TRY(file, path, "read", n = H5Pget_nfilters(properties));
    for (int i = 0; i < n; i++) {
        unsigned flags, config;
        size_t n_values = 0;
        H5Z_filter_t filter = H5Pget_filter2(properties, (unsigned)i, &flags, &n_values, NULL,
                                             sizeof name, name, &config);
        name[sizeof name - 1] = '\0';
        CRD_REQUIRE(
            filter < 0 || H5Zfilter_avail(filter) > 0, file->code,
            "%s: %s: is compressed with filter %d (%s), which the HDF5 library here has not "
            "got: let HDF5_PLUGIN_PATH name the folder of its plugin, or write the file "
            "with gzip",
            file->name, path, (int)filter, name[0] == '\0' ? "no name" : name);
    }
#if H5_VERSION_GE(1, 10, 5)
    H5_TRY(file, path, "read", H5Pget_chunk(properties, CRD_MAX_DIMS, extents));
    H5_TRY(file, path, "read", space = H5Dget_space(dataset));
    H5_TRY(file, path, "read", H5Dget_num_chunks(dataset, space, &stored));
    for (int i = 0; i < facts->shape.n_dims; i++)
        expected *=
            extents[i] == 0 ? 0 : ((hsize_t)facts->shape.dims[i] + extents[i] - 1) / extents[i];
    CRD_REQUIRE(stored >= expected, file->code,
                "%s: %s: only %" PRIu64 " of its %" PRIu64 " chunks were ever written", file->name,
                path, (uint64_t)stored, (uint64_t)expected);
#endif
cleanup:
    return crd_h5_closed(status, file, path, space, H5Sclose);
}

/* The values of a virtual dataset lie in other files; what those lack reads as fill values. */
static crd_status check_virtual(const crd_h5_facts *facts, crd_h5 *file, const char *path,
                                hid_t properties)
{
    crd_status status = CRD_OK;
    hid_t space = H5I_INVALID_HID;
    size_t n_maps = 0;
    int64_t n_mapped = 0;
    H5_TRY(file, path, "read", H5Pget_virtual_count(properties, &n_maps));
    for (size_t i = 0; i < n_maps; i++) {
        char source[1024] = "", place[2048];
        H5_TRY(file, path, "read", H5Pget_virtual_filename(properties, i, source, sizeof source));
        int is_own = strcmp(source, ".") == 0;
        snprintf(place, sizeof place, "%s%s%s", source[0] == '/' ? "" : file->folder,
                 source[0] == '/' ? "" : "/", source);
        struct stat info; /* a pipe would be waited for */
        int is_file = stat(place, &info) == 0 && S_ISREG(info.st_mode);
        CRD_REQUIRE(is_own || (is_file && H5Fis_hdf5(place) > 0), file->code,
                    "%s: %s: is a virtual dataset, and its source file %s is missing or no HDF5 "
                    "file",
                    file->name, path, source);
        H5_TRY(file, path, "read", space = H5Pget_virtual_vspace(properties, i));
        hssize_t n = H5Sget_select_npoints(space);
        n_mapped += n > 0 ? (int64_t)n : 0;
        H5_TRY(file, path, "closed", H5Sclose(space));
        space = H5I_INVALID_HID;
    }
    CRD_REQUIRE(n_mapped >= crd_shape_count(&facts->shape), file->code,
                "%s: %s: is a virtual dataset whose sources hold only %" PRId64 " of its %" PRId64
                " values",
                file->name, path, n_mapped, crd_shape_count(&facts->shape));
cleanup:
    return crd_h5_closed(status, file, path, space, H5Sclose);
}

static crd_status check_storage(crd_h5_facts *facts, crd_h5 *file, const char *path, hid_t dataset)
{
    crd_status status = CRD_OK;
    hid_t properties = H5I_INVALID_HID;
    H5_TRY(file, path, "opened", properties = H5Dget_create_plist(dataset));
    H5D_layout_t layout = H5Pget_layout(properties);
    CRD_REQUIRE(
        layout != H5D_CONTIGUOUS || H5Pget_external_count(properties) <= 0, file->code,
        "%s: %s: its values lie in other files (external storage): rewrite it with h5repack",
        file->name, path);
    if (crd_shape_count(&facts->shape) > 0 && layout == H5D_CHUNKED)
        CRD_TRY(check_chunks(facts, file, path, dataset, properties));
    if (layout == H5D_VIRTUAL)
        CRD_TRY(check_virtual(facts, file, path, properties));
    haddr_t address = H5Dget_offset(dataset);
    H5Eclear2(H5E_DEFAULT); /* that there is none counts as an error there */
    facts->offset = address == HADDR_UNDEF || layout != H5D_CONTIGUOUS ? -1 : (int64_t)address;
    CRD_REQUIRE(layout != H5D_CONTIGUOUS || facts->offset >= 0 ||
                    crd_shape_count(&facts->shape) == 0,
                file->code, "%s: %s: was never written", file->name, path);
    int64_t bytes = crd_shape_count(&facts->shape), stored = (int64_t)H5Dget_storage_size(dataset);
    if (layout == H5D_CHUNKED)
        CRD_REQUIRE(bytes >= 0 && (bytes * facts->value_bytes <= FREE_BYTES ||
                                   bytes / MAX_EXPANSION * facts->value_bytes <= stored),
                    file->code, "%s: %s: %" PRId64 " values cannot be in %" PRId64 " bytes",
                    file->name, path, bytes, stored);
cleanup:
    return crd_h5_closed(status, file, path, properties, H5Pclose);
}

/* Links into other files are not followed: the file that the user names is the one that is read. */
static crd_status check_links(crd_h5 *file, const char *path)
{
    crd_status status = CRD_OK;
    char start[CRD_H5_PATH_SIZE], value[1024];
    const char *other, *object;
    unsigned flags;
    for (const char *end = path; *end != '\0'; end++) {
        if (end[1] != '/' && end[1] != '\0')
            continue;
        H5L_info_t info;
        snprintf(start, sizeof start, "%.*s", (int)(end - path + 1), path);
        if (start[1] == '\0' || H5Lexists(file->id, start, H5P_DEFAULT) <= 0 ||
            H5Lget_info(file->id, start, &info, H5P_DEFAULT) < 0)
            break;
        if (info.type != H5L_TYPE_EXTERNAL)
            continue;
        int is_read = H5Lget_val(file->id, start, value, sizeof value, H5P_DEFAULT) >= 0 &&
                      H5Lunpack_elink_val(value, sizeof value, &flags, &other, &object) >= 0;
        H5Eclear2(H5E_DEFAULT);
        return CRD_FAIL(file->code,
                        "%s: %s: is a link into another file (%s): name that file itself",
                        file->name, start, is_read ? other : "of a name too long");
    }
    H5Eclear2(H5E_DEFAULT);
    return status;
}

static crd_status describe(crd_h5_facts *facts, crd_h5 *file, const char *path)
{
    crd_status status = CRD_OK;
    hid_t object = H5I_INVALID_HID, type = H5I_INVALID_HID;
    *facts = (crd_h5_facts){.offset = -1, .type = CRD_H5_OTHER, .nearest = CRD_H5_OTHER};
    CRD_TRY(check_links(file, path));
    htri_t found = H5LTpath_valid(file->id, path, 1);
    if (found < 0)
        return crd_h5_fail(file, path, "looked up");
    if (found == 0)
        return CRD_OK;
    facts->is_there = 1;
    H5_TRY(file, path, "opened", object = H5Oopen(file->id, path, H5P_DEFAULT));
    facts->is_dataset = H5Iget_type(object) == H5I_DATASET;
    if (facts->is_dataset) {
        H5_TRY(file, path, "opened", type = H5Dget_type(object));
        describe_type(facts, type);
        CRD_TRY(describe_space(facts, file, path, object));
        status = check_storage(facts, file, path, object);
        if (status == file->code) { /* only a reader of its values need know */
            snprintf(facts->fault, sizeof facts->fault, "%s", crd_status_message());
            status = CRD_OK;
        }
    }
cleanup:
    status = crd_h5_closed(status, file, path, type, H5Tclose);
    return crd_h5_closed(status, file, path, object, H5Oclose);
}

/* ---- values ---- */

/* Rows of the first axis that are read at a time: whole chunks, so that none is unpacked twice. */
static int64_t slab_rows(hid_t dataset, const int64_t *count, int n_dims, int64_t value_bytes)
{
    hsize_t extents[CRD_MAX_DIMS] = {1};
    int64_t row_bytes = value_bytes, chunk = 1;
    for (int i = 1; i < n_dims; i++)
        row_bytes *= count[i] > 0 ? count[i] : 1;
    hid_t properties = H5Dget_create_plist(dataset);
    if (H5Pget_layout(properties) == H5D_CHUNKED &&
        H5Pget_chunk(properties, CRD_MAX_DIMS, extents) > 0 && extents[0] <= INT64_MAX)
        chunk = (int64_t)extents[0];
    H5Pclose(properties);
    int64_t rows = SLAB_BYTES / row_bytes;
    rows = chunk <= 0 || rows / chunk < 1 ? chunk : rows / chunk * chunk;
    return rows > 0 && rows < count[0] ? rows : count[0];
}

/* One block: extents `count` at `start`, both NULL for a dataset without axes. */
static crd_status read_block(void *values, crd_h5 *file, const crd_h5_request *request,
                             hid_t dataset, const int64_t *start, const int64_t *count)
{
    crd_status status = CRD_OK;
    hid_t space = H5S_ALL, block = H5S_ALL;
    CRD_TRY(crd_h5_select(&space, &block, file, request->path, dataset, start, count));
    H5_TRY(file, request->path, "read",
           H5Dread(dataset, crd_h5_type_id(request->type, 1), block, space, H5P_DEFAULT, values));
cleanup:
    status = crd_h5_close_space(status, file, request->path, block);
    return crd_h5_close_space(status, file, request->path, space);
}

static crd_status answer_values(crd_h5 *file, const crd_h5_request *request, crd_h5_sink *sink,
                                void *payload)
{
    crd_status status = CRD_OK;
    crd_h5_facts facts;
    hid_t dataset = H5I_INVALID_HID;
    void *values = NULL;
    const char *path = request->path;
    int64_t size = crd_h5_type_size(request->type), start[CRD_MAX_DIMS] = {0}, count[CRD_MAX_DIMS];
    CRD_TRY(describe(&facts, file, path));
    CRD_REQUIRE(facts.fault[0] == '\0', file->code, "%s", facts.fault);
    crd_shape block = facts.shape;
    if (request->has_block)
        memcpy(block.dims, request->count, sizeof block.dims);
    CRD_REQUIRE(size > 0 && facts.is_dataset && crd_shape_count(&block) == request->n_bytes / size,
                file->code, "%s: %s: is not what it was", file->name, path);
    if (request->n_bytes == 0)
        return CRD_OK;
    if (request->has_block)
        memcpy(start, request->start, sizeof start);
    memcpy(count, block.dims, sizeof count);
    H5_TRY(file, path, "opened", dataset = crd_h5_dataset_open(file, path));
    int64_t rows = block.n_dims == 0 ? 1 : slab_rows(dataset, count, block.n_dims, size);
    int64_t n_rows = block.n_dims == 0 ? 1 : block.dims[0], row_bytes = request->n_bytes / n_rows;
    CRD_TRY(crd_alloc_zeroed(&values, rows, (size_t)row_bytes, "values"));
    for (int64_t done = 0; done < n_rows; done += count[0]) {
        count[0] = n_rows - done < rows ? n_rows - done : rows;
        CRD_TRY(
            read_block(values, file, request, dataset, block.n_dims == 0 ? NULL : start, count));
        CRD_TRY(sink(values, count[0] * row_bytes, payload));
        start[0] += count[0];
    }
cleanup:
    crd_free(values);
    return crd_h5_closed(status, file, path, dataset, H5Dclose);
}

/* ---- lists ---- */

typedef struct visit_state {
    crd_h5 *file;
    const char *group;
    crd_h5_sink *sink;
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
    int n = snprintf(path, sizeof path, "%s/%s", strcmp(state->group, "/") == 0 ? "" : state->group,
                     name);
    state->status = n < (int)sizeof path
                        ? state->sink(path, n + 1, state->payload)
                        : CRD_FAIL(state->file->code, "%s: %.64s...: this path is too long",
                                   state->file->name, path);
    return state->status == CRD_OK ? 0 : -1;
}

static crd_status answer_datasets(crd_h5 *file, const char *group, crd_h5_sink *sink, void *payload)
{
    visit_state state = {.file = file, .group = group, .sink = sink, .payload = payload};
    herr_t visited = H5Lvisit_by_name(file->id, group, H5_INDEX_NAME, H5_ITER_INC, visit_link,
                                      &state, H5P_DEFAULT);
    if (state.status != CRD_OK)
        return state.status;
    return visited < 0 ? crd_h5_fail(file, group, "listed") : CRD_OK;
}

static crd_status answer_describe(crd_h5 *file, const char *path, crd_h5_sink *sink, void *payload)
{
    crd_h5_facts facts;
    crd_status status = describe(&facts, file, path);
    return status != CRD_OK ? status : sink(&facts, sizeof facts, payload);
}

static crd_status answer_has_attribute(crd_h5 *file, const crd_h5_request *request,
                                       crd_h5_sink *sink, void *payload)
{
    htri_t found = H5Aexists_by_name(file->id, request->path, request->key, H5P_DEFAULT);
    if (found < 0)
        return crd_h5_fail(file, request->path, "read");
    return found > 0 ? sink("", 1, payload) : CRD_OK;
}

static crd_status answer_stamp(crd_h5 *file, const crd_h5_request *request)
{
    htri_t found = H5Aexists_by_name(file->id, request->path, request->key, H5P_DEFAULT);
    if (found < 0)
        return crd_h5_fail(file, request->path, "opened");
    return crd_h5_attr_put_fixed(file, request->path, request->key, request->text, found > 0);
}

crd_status crd_h5_answer(crd_h5 *file, const crd_h5_request *request, crd_h5_sink *sink,
                         void *payload)
{
    switch (request->op) {
    case CRD_H5_OPEN:
        break;
    case CRD_H5_DESCRIBE:
        return answer_describe(file, request->path, sink, payload);
    case CRD_H5_VALUES:
        return answer_values(file, request, sink, payload);
    case CRD_H5_STRINGS:
        return crd_h5_answer_strings(file, request->path, sink, payload);
    case CRD_H5_DATASETS:
        return answer_datasets(file, request->path, sink, payload);
    case CRD_H5_ATTRIBUTE:
        return crd_h5_answer_attribute(file, request, sink, payload);
    case CRD_H5_HAS_ATTRIBUTE:
        return answer_has_attribute(file, request, sink, payload);
    case CRD_H5_NUMBER:
        return crd_h5_answer_number(file, request, sink, payload);
    case CRD_H5_STAMP:
        return answer_stamp(file, request);
    case CRD_H5_CLOSE:
        return crd_h5_finish_here(file);
    case CRD_H5_ATTRIBUTES:
        return crd_h5_answer_attributes(file, request->path, sink, payload);
    }
    return CRD_FAIL(CRD_ERR_INTERNAL, "%s: asked for what there is not", file->name);
}
