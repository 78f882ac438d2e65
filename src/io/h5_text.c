/* Strings and attributes of HDF5: written directly; read in the reader's process and sent as
 * answers. Strings have variable length, since netCDF-C 4.9.0 crashes on others. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "io/h5_handed.h"
#include "io/h5_private.h"
#include "io/utf8.h"

enum { HEAP_BYTES_A_STRING = 64, KEY_TEXT_SIZE = 128 };

/* Variable length: netCDF-C 4.9.0 crashes on datasets of strings of fixed length. */
static hid_t string_type(void)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 &&
        (H5Tset_size(type, H5T_VARIABLE) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
        H5Tclose(type);
        return H5I_INVALID_HID;
    }
    return type;
}

crd_status crd_h5_strings_write(crd_h5 *file, const char *path, const char *const *strings,
                                int64_t n)
{
    crd_status status = CRD_OK;
    hid_t type = H5I_INVALID_HID, dataset = H5I_INVALID_HID;
    crd_shape shape = {.n_dims = n == 0 ? 0 : 1, .dims = {n}};
    int64_t count = n == 0 ? 1 : n, bytes = 0;
    char **clean = NULL;
    CRD_ALLOC(&clean, count, "strings");
    for (int64_t i = 0; i < count; i++) {
        CRD_TRY(crd_utf8_copy(&clean[i], strings[i]));
        bytes += HEAP_BYTES_A_STRING + (int64_t)strlen(strings[i]);
    }
    CRD_TRY(crd_h5_reserve(file, bytes));
    H5_TRY(file, path, "created", type = string_type());
    CRD_TRY(crd_h5_dataset_make(file, path, type, &shape, type, NULL, 1));
    CRD_TRY(crd_h5_handed_strings(file, path, clean, n));
    H5_TRY(file, path, "opened", dataset = H5Dopen2(file->id, path, H5P_DEFAULT));
    H5_TRY(file, path, "written", H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, clean));
cleanup:
    crd_h5_strings_free(clean, count);
    status = crd_h5_closed(status, file, path, dataset, H5Dclose);
    return crd_h5_closed(status, file, path, type, H5Tclose);
}

/* HDF5 gives NULL for a string that was never written. */
static crd_status send_string(const char *text, crd_h5_sink *sink, void *payload)
{
    if (text == NULL)
        text = "";
    return sink(text, (int64_t)strlen(text) + 1, payload);
}

crd_status crd_h5_answer_strings(crd_h5 *file, const char *path, crd_h5_sink *sink, void *payload)
{
    crd_status status = CRD_OK;
    hid_t type = H5I_INVALID_HID, dataset = H5I_INVALID_HID, space = H5I_INVALID_HID;
    char **raw = NULL;
    hssize_t count;
    H5_TRY(file, path, "read", type = string_type());
    H5_TRY(file, path, "opened", dataset = H5Dopen2(file->id, path, H5P_DEFAULT));
    H5_TRY(file, path, "read", space = H5Dget_space(dataset));
    H5_TRY(file, path, "read", count = H5Sget_simple_extent_npoints(space));
    CRD_ALLOC(&raw, count, "strings");
    H5_TRY(file, path, "read", H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, raw));
    for (hssize_t i = 0; i < count; i++)
        CRD_TRY(send_string(raw[i], sink, payload));
cleanup:
    if (raw != NULL && H5Dvlen_reclaim(type, space, H5P_DEFAULT, raw) < 0 && status == CRD_OK)
        status = crd_h5_fail(file, path, "released");
    crd_free(raw);
    status = crd_h5_closed(status, file, path, space, H5Sclose);
    status = crd_h5_closed(status, file, path, dataset, H5Dclose);
    return crd_h5_closed(status, file, path, type, H5Tclose);
}

/* Creates an attribute, or overwrites the one that is there, of the same type and size. */
static crd_status attr_write(crd_h5 *file, const char *path, const char *key, hid_t file_type,
                             hid_t memory_type, const void *values, int64_t n, int replace)
{
    crd_status status = CRD_OK;
    hid_t object = H5I_INVALID_HID, space = H5I_INVALID_HID, attribute = H5I_INVALID_HID;
    hsize_t extent = (hsize_t)n;
    char what[KEY_TEXT_SIZE];
    snprintf(what, sizeof what, "given attribute '%s'", key);
    /* Not H5Aopen_by_name: what it opens, HDF5 1.10 cannot write. */
    H5_TRY(file, path, what, object = H5Oopen(file->id, path, H5P_DEFAULT));
    if (replace) {
        H5_TRY(file, path, what, attribute = H5Aopen(object, key, H5P_DEFAULT));
    } else {
        H5_TRY(file, path, what, space = H5Screate_simple(n == 1 ? 0 : 1, &extent, NULL));
        H5_TRY(file, path, what,
               attribute = H5Acreate2(object, key, file_type, space, H5P_DEFAULT, H5P_DEFAULT));
    }
    H5_TRY(file, path, what, H5Awrite(attribute, memory_type, values));
cleanup:
    status = crd_h5_closed(status, file, path, attribute, H5Aclose);
    status = crd_h5_closed(status, file, path, space, H5Sclose);
    return crd_h5_closed(status, file, path, object, H5Oclose);
}

crd_status crd_h5_attr_put(crd_h5 *file, const char *path, const char *key, crd_h5_type type,
                           const void *values, int64_t n)
{
    crd_status status = crd_h5_handed_attribute(file, path, key, type, values, n);
    return status != CRD_OK ? status
                            : attr_write(file, path, key, crd_h5_type_id(type, 0),
                                         crd_h5_type_id(type, 1), values, n, 0);
}

crd_status crd_h5_attr_put_text(crd_h5 *file, const char *path, const char *key, const char *text)
{
    crd_status status = CRD_OK;
    hid_t type = H5I_INVALID_HID;
    char *clean = NULL;
    CRD_TRY(crd_utf8_copy(&clean, text));
    CRD_TRY(crd_h5_reserve(file, HEAP_BYTES_A_STRING + (int64_t)strlen(text)));
    H5_TRY(file, path, "given an attribute", type = string_type());
    CRD_TRY(crd_h5_handed_attribute(file, path, key, CRD_H5_STRING, clean, 1));
    CRD_TRY(attr_write(file, path, key, type, type, &clean, 1, 0));
cleanup:
    crd_free(clean);
    return crd_h5_closed(status, file, path, type, H5Tclose);
}

crd_status crd_h5_attr_put_fixed(crd_h5 *file, const char *path, const char *key, const char *text,
                                 int replace)
{
    crd_status status = CRD_OK;
    hid_t type = H5I_INVALID_HID;
    H5_TRY(file, path, "given an attribute", type = H5Tcopy(H5T_C_S1));
    H5_TRY(file, path, "given an attribute", H5Tset_size(type, strlen(text) + 1));
    CRD_TRY(crd_h5_handed_attribute(file, path, key, CRD_H5_STRING, text, 1));
    CRD_TRY(attr_write(file, path, key, type, type, text, 1, replace));
cleanup:
    return crd_h5_closed(status, file, path, type, H5Tclose);
}

/* Opens an attribute; a missing one is named. */
static crd_status attr_open(hid_t *attribute, crd_h5 *file, const char *path, const char *key)
{
    htri_t found = H5Aexists_by_name(file->id, path, key, H5P_DEFAULT);
    if (found < 0)
        return crd_h5_fail(file, path, "opened");
    if (found == 0)
        return CRD_FAIL(file->code, "%s: %s: has no attribute '%s'", file->name, path, key);
    *attribute = H5Aopen_by_name(file->id, path, key, H5P_DEFAULT, H5P_DEFAULT);
    return *attribute < 0 ? crd_h5_fail(file, path, "opened") : CRD_OK;
}

static crd_status send_numbers(crd_h5 *file, const crd_h5_request *request, hid_t attribute,
                               crd_h5_sink *sink, void *payload)
{
    crd_status status = CRD_OK;
    hid_t space = H5I_INVALID_HID, found = H5I_INVALID_HID;
    const char *path = request->path;
    int64_t size = crd_h5_type_size(request->type), n = request->n_values;
    char *values = NULL;
    H5_TRY(file, path, "read", space = H5Aget_space(attribute));
    H5_TRY(file, path, "read", found = H5Aget_type(attribute));
    CRD_REQUIRE(crd_h5_type_find(found) == request->type &&
                    H5Sget_simple_extent_npoints(space) == n,
                file->code, "%s: %s: attribute '%s' must be %" PRId64 " of type %s", file->name,
                path, request->key, n, crd_h5_type_name(request->type));
    CRD_ALLOC(&values, n * size, "attribute");
    H5_TRY(file, path, "read", H5Aread(attribute, crd_h5_type_id(request->type, 1), values));
    CRD_TRY(sink(values, n * size, payload));
cleanup:
    crd_free(values);
    status = crd_h5_closed(status, file, path, found, H5Tclose);
    return crd_h5_closed(status, file, path, space, H5Sclose);
}

/* A scalar text, of variable or fixed length. */
static crd_status text_read(char **out, hid_t attribute, crd_h5 *file, const char *path,
                            const char *key)
{
    crd_status status = CRD_OK;
    hid_t type = H5I_INVALID_HID, space = H5I_INVALID_HID;
    char *raw = NULL;
    htri_t variable;
    H5_TRY(file, path, "read", type = H5Aget_type(attribute));
    H5_TRY(file, path, "read", space = H5Aget_space(attribute));
    CRD_REQUIRE(H5Tget_class(type) == H5T_STRING && H5Sget_simple_extent_npoints(space) == 1,
                file->code, "%s: %s: attribute '%s' must be a text", file->name, path, key);
    H5_TRY(file, path, "read", variable = H5Tis_variable_str(type));
    if (variable) {
        H5_TRY(file, path, "read", H5Aread(attribute, type, &raw));
        status = crd_alloc_string(out, raw == NULL ? "" : raw);
        H5_TRY(file, path, "read", H5Dvlen_reclaim(type, space, H5P_DEFAULT, &raw));
    } else {
        CRD_TRY(crd_alloc_zeroed((void **)out, (int64_t)H5Tget_size(type) + 1, 1, "text"));
        if (H5Aread(attribute, type, *out) < 0) {
            crd_free(*out);
            *out = NULL;
            status = crd_h5_fail(file, path, "read");
        }
    }
cleanup:
    status = crd_h5_closed(status, file, path, space, H5Sclose);
    return crd_h5_closed(status, file, path, type, H5Tclose);
}

static crd_status send_text(crd_h5 *file, const char *path, const char *key, hid_t attribute,
                            crd_h5_sink *sink, void *payload)
{
    crd_status status = CRD_OK;
    char *text = NULL;
    CRD_TRY(text_read(&text, attribute, file, path, key));
    CRD_TRY(send_string(text, sink, payload));
cleanup:
    crd_free(text);
    return status;
}

crd_status crd_h5_answer_attribute(crd_h5 *file, const crd_h5_request *request, crd_h5_sink *sink,
                                   void *payload)
{
    crd_status status = CRD_OK;
    hid_t attribute = H5I_INVALID_HID;
    CRD_TRY(attr_open(&attribute, file, request->path, request->key));
    if (request->type == CRD_H5_STRING)
        CRD_TRY(send_text(file, request->path, request->key, attribute, sink, payload));
    else
        CRD_TRY(send_numbers(file, request, attribute, sink, payload));
cleanup:
    return crd_h5_closed(status, file, request->path, attribute, H5Aclose);
}

crd_status crd_h5_answer_number(crd_h5 *file, const crd_h5_request *request, crd_h5_sink *sink,
                                void *payload)
{
    crd_status status = CRD_OK;
    hid_t attribute = H5I_INVALID_HID, space = H5I_INVALID_HID;
    const char *path = request->path, *key = request->key;
    double value;
    htri_t found;
    H5_TRY(file, path, "opened", found = H5Aexists_by_name(file->id, path, key, H5P_DEFAULT));
    if (!found)
        return CRD_OK;
    CRD_TRY(attr_open(&attribute, file, path, key));
    H5_TRY(file, path, "read", space = H5Aget_space(attribute));
    CRD_REQUIRE(H5Sget_simple_extent_npoints(space) == 1, file->code,
                "%s: %s: attribute '%s' must be one number", file->name, path, key);
    H5_TRY(file, path, "read", H5Aread(attribute, H5T_NATIVE_DOUBLE, &value));
    CRD_TRY(sink(&value, sizeof value, payload));
cleanup:
    status = crd_h5_closed(status, file, path, space, H5Sclose);
    return crd_h5_closed(status, file, path, attribute, H5Aclose);
}

typedef struct attr_visit_state {
    crd_h5 *file;
    const char *path;
    crd_h5_sink *sink;
    void *payload;
    crd_status status;
} attr_visit_state;

/* Takes the one number of an attribute. */
static crd_status keep_number(const void *data, int64_t n, void *payload)
{
    memcpy(payload, data, (size_t)n);
    return CRD_OK;
}

static crd_status attribute_text(char **out, const attr_visit_state *state, hid_t attribute,
                                 const char *key)
{
    crd_status status = CRD_OK;
    crd_h5 *file = state->file;
    crd_h5_request request = {.n_values = 1};
    hid_t type = H5I_INVALID_HID;
    char number[32];
    uint64_t value = 0;
    H5_TRY(file, state->path, "read", type = H5Aget_type(attribute));
    request.type = crd_h5_type_find(type);
    if (request.type == CRD_H5_STRING) {
        CRD_TRY(text_read(out, attribute, file, state->path, key));
    } else {
        CRD_REQUIRE(request.type == CRD_H5_INT64 || request.type == CRD_H5_UINT64, file->code,
                    "%s: %s: attribute '%s' is of a type that we never write", file->name,
                    state->path, key);
        snprintf(request.path, sizeof request.path, "%s", state->path);
        snprintf(request.key, sizeof request.key, "%s", key);
        CRD_TRY(send_numbers(file, &request, attribute, keep_number, &value));
        if (request.type == CRD_H5_INT64)
            snprintf(number, sizeof number, "%" PRId64, (int64_t)value);
        else
            snprintf(number, sizeof number, "%" PRIu64, value);
        CRD_TRY(crd_alloc_string(out, number));
    }
cleanup:
    return crd_h5_closed(status, file, state->path, type, H5Tclose);
}

static herr_t visit_attribute(hid_t object, const char *key, const H5A_info_t *info, void *payload)
{
    (void)object;
    (void)info;
    attr_visit_state *state = payload;
    crd_status status = CRD_OK;
    hid_t attribute = H5I_INVALID_HID;
    char *text = NULL;
    CRD_TRY(attr_open(&attribute, state->file, state->path, key));
    CRD_TRY(attribute_text(&text, state, attribute, key));
    CRD_TRY(send_string(key, state->sink, state->payload));
    CRD_TRY(send_string(text, state->sink, state->payload));
cleanup:
    crd_free(text);
    state->status = crd_h5_closed(status, state->file, state->path, attribute, H5Aclose);
    return state->status == CRD_OK ? 0 : -1;
}

crd_status crd_h5_answer_attributes(crd_h5 *file, const char *path, crd_h5_sink *sink,
                                    void *payload)
{
    attr_visit_state state = {.file = file, .path = path, .sink = sink, .payload = payload};
    hsize_t start = 0;
    herr_t visited = H5Aiterate_by_name(file->id, path, H5_INDEX_NAME, H5_ITER_INC, &start,
                                        visit_attribute, &state, H5P_DEFAULT);
    if (state.status != CRD_OK)
        return state.status;
    return visited < 0 ? crd_h5_fail(file, path, "listed") : CRD_OK;
}
