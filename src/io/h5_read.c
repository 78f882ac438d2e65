/* Reading, as callers see it: each question becomes a request (h5_request.h), and its answer is
 * checked, for it comes from a process that the file may have led astray. Values that lie in
 * the file as they are wanted are read from their place, without HDF5. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/file.h"
#include "io/h5_file.h"

enum { DIGEST_CHUNK = 1 << 20, LIST_BYTES = 1 << 20, LIST_FACTOR = 16 };

/* An answer as it comes in. */
typedef struct answer {
    const crd_h5 *file;
    char *data;
    int64_t n, capacity,
        most; /* of what may come, `most`; data is given if capacity is all of it */
} answer;

static crd_status take(const void *data, int64_t n, void *payload)
{
    crd_status status = CRD_OK;
    answer *a = payload;
    CRD_REQUIRE(n <= a->most - a->n, CRD_ERR_INPUT,
                "%s: HDF5 cannot read it (its answer is too long)", a->file->name);
    if (n > a->capacity - a->n) {
        int64_t capacity = 2 * a->capacity > a->n + n ? 2 * a->capacity : a->n + n;
        CRD_TRY(crd_alloc_grow((void **)&a->data, a->capacity, capacity, 1, "answer"));
        a->capacity = capacity;
    }
    memcpy(a->data + a->n, data, (size_t)n);
    a->n += n;
cleanup:
    return status;
}

static crd_status ask(answer *a, crd_h5 *file, const crd_h5_request *request)
{
    a->file = file;
    return file->reader != NULL ? crd_h5_reader_ask(file->reader, request, take, a)
                                : crd_h5_answer(file, request, take, a);
}

/* An answer of exactly n bytes, into `data`. */
static crd_status ask_for(void *data, int64_t n, crd_h5 *file, const crd_h5_request *request)
{
    answer a = {.data = data, .capacity = n, .most = n};
    crd_status status = ask(&a, file, request);
    if (status == CRD_OK && a.n != n)
        status = CRD_FAIL(file->code, "%s: %s: HDF5 cannot read it (its answer is too short)",
                          file->name, request->path);
    return status;
}

/* An answer of texts, each with its final zero. `a->data` is freed with crd_free in any case. */
static crd_status ask_for_texts(answer *a, crd_h5 *file, const crd_h5_request *request)
{
    struct stat info;
    *a = (answer){.most = LIST_BYTES};
    if (fstat(file->fd, &info) == 0)
        a->most += LIST_FACTOR * (int64_t)info.st_size;
    crd_status status = ask(a, file, request);
    if (status == CRD_OK && a->n > 0 && a->data[a->n - 1] != '\0')
        status = CRD_FAIL(file->code, "%s: %s: HDF5 cannot read it (its answer has no end)",
                          file->name, request->path);
    return status;
}

static crd_status request_make(crd_h5_request *out, crd_h5_op op, const crd_h5 *file,
                               const char *path, const char *key)
{
    *out = (crd_h5_request){.op = op};
    if (strlen(path) >= sizeof out->path || strlen(key) >= sizeof out->key)
        return CRD_FAIL(file->code, "%s: %s: this name is too long", file->name, path);
    memcpy(out->path, path, strlen(path) + 1);
    memcpy(out->key, key, strlen(key) + 1);
    return CRD_OK;
}

crd_status crd_h5_open(crd_h5 **out, const char *path)
{
    crd_status status = CRD_OK;
    crd_h5 *file = NULL;
    *out = NULL;
    CRD_ALLOC(&file, 1, "HDF5 file");
    file->id = file->fd = -1;
    file->owns_fd = 1;
    file->code = CRD_ERR_INPUT;
    CRD_TRY(crd_alloc_string(&file->name, path));
    CRD_TRY(crd_file_open(&file->fd, NULL, path, INT64_MAX));
    CRD_TRY(crd_h5_reader_start(&file->reader, file->fd, path, 0));
    *out = file;
    file = NULL;
cleanup:
    crd_h5_discard(file);
    return status;
}

crd_status crd_h5_open_copy(crd_h5 **out, int fd, const char *name)
{
    crd_status status = CRD_OK;
    crd_h5 *file = NULL;
    *out = NULL;
    CRD_ALLOC(&file, 1, "HDF5 file");
    file->id = -1;
    file->fd = fd;
    file->code = CRD_ERR_INPUT;
    CRD_TRY(crd_alloc_string(&file->name, name));
    CRD_TRY(crd_h5_reader_start(&file->reader, fd, name, 1));
    *out = file;
    file = NULL;
cleanup:
    crd_h5_discard(file);
    return status;
}

crd_status crd_h5_stamp(crd_h5 *file, const char *path, const char *key, const char *text)
{
    crd_status status = CRD_OK;
    crd_h5_request request;
    CRD_TRY(request_make(&request, CRD_H5_STAMP, file, path, key));
    CRD_REQUIRE(strlen(text) < sizeof request.text, CRD_ERR_INTERNAL, "%s: '%s' is too long", path,
                text);
    memcpy(request.text, text, strlen(text) + 1);
    CRD_TRY(ask_for(NULL, 0, file, &request));
cleanup:
    return status;
}

crd_status crd_h5_end_changes(crd_h5 *file)
{
    crd_status status = CRD_OK;
    crd_h5_request request;
    CRD_TRY(request_make(&request, CRD_H5_CLOSE, file, "/", ""));
    CRD_TRY(ask_for(NULL, 0, file, &request));
cleanup:
    return status;
}

int crd_h5_descriptor(const crd_h5 *file)
{
    return file->fd;
}

crd_status crd_h5_describe(crd_h5_facts *out, crd_h5 *file, const char *path)
{
    crd_status status = CRD_OK;
    crd_h5_request request;
    /* A file that is only read does not change, and one dataset is asked about several times. */
    if (file->reader != NULL && strcmp(file->described, path) == 0) {
        *out = file->facts;
        return CRD_OK;
    }
    CRD_TRY(request_make(&request, CRD_H5_DESCRIBE, file, path, ""));
    CRD_TRY(ask_for(out, sizeof *out, file, &request));
    out->type_name[sizeof out->type_name - 1] = '\0';
    out->fault[sizeof out->fault - 1] = '\0';
    CRD_REQUIRE(out->shape.n_dims >= 0 && out->shape.n_dims <= CRD_MAX_DIMS &&
                    out->type >= CRD_H5_FLOAT32 && out->type <= CRD_H5_OTHER &&
                    out->nearest >= CRD_H5_FLOAT32 && out->nearest <= CRD_H5_OTHER,
                file->code, "%s: %s: HDF5 cannot read it (a wrong answer)", file->name, path);
    for (int i = 0; i < out->shape.n_dims; i++)
        CRD_REQUIRE(out->shape.dims[i] >= 0, file->code, "%s: %s: has an impossible shape",
                    file->name, path);
    memcpy(file->described, path, strlen(path) + 1);
    file->facts = *out;
cleanup:
    return status;
}

crd_status crd_h5_exists(int *out, crd_h5 *file, const char *path)
{
    crd_h5_facts facts;
    crd_status status = crd_h5_describe(&facts, file, path);
    *out = status == CRD_OK && facts.is_there;
    return status;
}

crd_status crd_h5_dataset_facts(crd_h5_facts *out, crd_h5 *file, const char *path)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_h5_describe(out, file, path));
    CRD_REQUIRE(out->is_there, file->code, "%s: %s: is missing", file->name, path);
    CRD_REQUIRE(out->is_dataset, file->code, "%s: %s: is not a dataset", file->name, path);
cleanup:
    return status;
}

/* The same of one whose values are wanted. */
static crd_status value_facts(crd_h5_facts *out, crd_h5 *file, const char *path)
{
    crd_status status = CRD_OK;
    struct stat info;
    CRD_TRY(crd_h5_dataset_facts(out, file, path));
    CRD_REQUIRE(out->fault[0] == '\0', file->code, "%s", out->fault);
    if (file->reader == NULL || out->offset < 0)
        return CRD_OK;
    CRD_REQUIRE(fstat(file->fd, &info) == 0, CRD_ERR_IO, "%s: cannot be read: %s", file->name,
                strerror(errno));
    int64_t n = crd_shape_count(&out->shape);
    CRD_REQUIRE(n >= 0 && out->value_bytes > 0 && out->offset <= info.st_size &&
                    n <= (info.st_size - out->offset) / out->value_bytes,
                file->code, "%s: %s: truncated: it reaches beyond the end of the file", file->name,
                path);
cleanup:
    return status;
}

crd_status crd_h5_check_values(crd_h5 *file, const char *path)
{
    crd_h5_facts facts;
    return value_facts(&facts, file, path);
}

crd_status crd_h5_dataset_info(crd_h5_type *type, crd_shape *shape, crd_h5 *file, const char *path)
{
    crd_h5_facts facts;
    crd_status status = crd_h5_dataset_facts(&facts, file, path);
    if (status == CRD_OK && type != NULL)
        *type = facts.type;
    if (status == CRD_OK && shape != NULL)
        *shape = facts.shape;
    return status;
}

crd_status crd_h5_read_place(void *data, const crd_h5 *file, const char *path, int64_t offset,
                             int64_t n)
{
    char *to = data;
    while (n > 0) {
        ssize_t got = pread(file->fd, to, (size_t)n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return CRD_FAIL(CRD_ERR_IO, "%s: cannot be read: %s", file->name, strerror(errno));
        if (got == 0)
            return CRD_FAIL(file->code, "%s: %s: truncated: it reaches beyond the end of the file",
                            file->name, path);
        to += got;
        offset += got;
        n -= got;
    }
    return CRD_OK;
}

/* Whether a block is whole rows, so that its values lie one after the other; *first: elements
 * before it. */
static int is_rows(int64_t *first, const crd_shape *shape, const int64_t *start,
                   const int64_t *count)
{
    *first = 0;
    for (int i = 0; start != NULL && i < shape->n_dims; i++) {
        *first = *first * shape->dims[i] + start[i];
        if (i > 0 && (start[i] != 0 || count[i] != shape->dims[i]))
            return 0;
    }
    return 1;
}

/* Checks a block against the shape, and counts its values. */
static crd_status block_count(int64_t *n, const crd_h5 *file, const char *path,
                              const crd_shape *shape, const int64_t *start, const int64_t *count)
{
    crd_status status = CRD_OK;
    crd_shape block = *shape;
    for (int i = 0; start != NULL && i < shape->n_dims; i++) {
        block.dims[i] = count[i];
        CRD_REQUIRE(start[i] >= 0 && count[i] >= 0 && count[i] <= shape->dims[i] &&
                        start[i] <= shape->dims[i] - count[i],
                    file->code, "%s: %s: has fewer rows than were asked for", file->name, path);
    }
    *n = crd_shape_count(&block);
    CRD_REQUIRE(*n >= 0 && *n <= INT64_MAX / 8, file->code, "%s: %s: has an impossible shape",
                file->name, path);
cleanup:
    return status;
}

crd_status crd_h5_read(void *data, crd_h5 *file, const char *path, crd_h5_type type,
                       const int64_t *start, const int64_t *count)
{
    crd_status status = CRD_OK;
    crd_h5_facts facts;
    crd_h5_request request;
    int64_t n = 0, first, size = crd_h5_type_size(type);
    CRD_TRY(value_facts(&facts, file, path));
    CRD_TRY(block_count(&n, file, path, &facts.shape, start, count));
    if (facts.type == type && facts.offset >= 0 && CRD_IS_LITTLE_ENDIAN &&
        is_rows(&first, &facts.shape, start, count))
        return crd_h5_read_place(data, file, path, facts.offset + first * size, n * size);
    CRD_TRY(request_make(&request, CRD_H5_VALUES, file, path, ""));
    request.type = type;
    request.n_bytes = n * size;
    request.has_block = start != NULL;
    for (int i = 0; start != NULL && i < facts.shape.n_dims; i++) {
        request.start[i] = start[i];
        request.count[i] = count[i];
    }
    CRD_TRY(ask_for(data, n * size, file, &request));
cleanup:
    return status;
}

crd_status crd_h5_offset(int64_t *out, crd_h5 *file, const char *path)
{
    crd_h5_facts facts;
    crd_status status = value_facts(&facts, file, path);
    *out = status == CRD_OK ? facts.offset : -1;
    return status;
}

static crd_status digest_numbers(XXH3_state_t *state, crd_h5 *file, const char *path,
                                 const crd_h5_facts *facts)
{
    crd_status status = CRD_OK;
    unsigned char *chunk = NULL;
    int64_t n;
    CRD_TRY(block_count(&n, file, path, &facts->shape, NULL, NULL));
    int64_t bytes = n * crd_h5_type_size(facts->type);
    CRD_REQUIRE(facts->offset >= 0 || n == 0, file->code, "%s: %s: is not stored contiguously",
                file->name, path);
    CRD_ALLOC(&chunk, bytes < DIGEST_CHUNK ? bytes : DIGEST_CHUNK, "digest buffer");
    for (int64_t done = 0; done < bytes; done += DIGEST_CHUNK) {
        int64_t piece = bytes - done < DIGEST_CHUNK ? bytes - done : DIGEST_CHUNK;
        CRD_TRY(crd_h5_read_place(chunk, file, path, facts->offset + done, piece));
        XXH3_64bits_update(state, chunk, (size_t)piece);
    }
cleanup:
    crd_free(chunk);
    return status;
}

static crd_status digest_strings(XXH3_state_t *state, crd_h5 *file, const char *path)
{
    crd_status status = CRD_OK;
    answer a = {0};
    crd_h5_request request;
    CRD_TRY(request_make(&request, CRD_H5_STRINGS, file, path, ""));
    CRD_TRY(ask_for_texts(&a, file, &request));
    if (a.n > 0)
        XXH3_64bits_update(state, a.data, (size_t)a.n);
cleanup:
    crd_free(a.data);
    return status;
}

crd_status crd_h5_digest(uint64_t *out, crd_h5 *file, const char *path)
{
    crd_status status = CRD_OK;
    crd_h5_facts facts;
    XXH3_state_t *state = XXH3_createState();
    CRD_REQUIRE(state != NULL, CRD_ERR_INTERNAL, "%s: out of memory", path);
    XXH3_64bits_reset(state);
    CRD_TRY(value_facts(&facts, file, path));
    CRD_REQUIRE(facts.type != CRD_H5_OTHER, file->code, "%s: %s: is of a type that we never write",
                file->name, path);
    if (facts.type == CRD_H5_STRING)
        CRD_TRY(digest_strings(state, file, path));
    else
        CRD_TRY(digest_numbers(state, file, path, &facts));
    *out = XXH3_64bits_digest(state);
cleanup:
    XXH3_freeState(state);
    return status;
}

crd_status crd_h5_visit_datasets(crd_h5 *file, const char *group, crd_h5_visit *visit,
                                 void *payload)
{
    crd_status status = CRD_OK;
    answer a = {0};
    crd_h5_request request;
    CRD_TRY(request_make(&request, CRD_H5_DATASETS, file, group, ""));
    CRD_TRY(ask_for_texts(&a, file, &request));
    for (int64_t at = 0; at < a.n; at += (int64_t)strlen(a.data + at) + 1)
        CRD_TRY(visit(a.data + at, payload));
cleanup:
    crd_free(a.data);
    return status;
}

void crd_h5_strings_free(char **strings, int64_t n)
{
    for (int64_t i = 0; strings != NULL && i < n; i++)
        crd_free(strings[i]);
    crd_free(strings);
}

crd_status crd_h5_strings_read(char ***out, int64_t *n, crd_h5 *file, const char *path)
{
    crd_status status = CRD_OK;
    crd_h5_facts facts;
    crd_h5_request request;
    answer a = {0};
    char **strings = NULL;
    int64_t count = 0, found = 0, at = 0;
    *out = NULL;
    *n = 0;
    CRD_TRY(value_facts(&facts, file, path));
    CRD_REQUIRE(facts.type == CRD_H5_STRING && facts.shape.n_dims <= 1, file->code,
                "%s: %s: is not a list of strings", file->name, path);
    CRD_TRY(request_make(&request, CRD_H5_STRINGS, file, path, ""));
    CRD_TRY(ask_for_texts(&a, file, &request));
    for (int64_t i = 0; i < a.n; i++)
        count += a.data[i] == '\0';
    CRD_REQUIRE(count == crd_shape_count(&facts.shape), file->code,
                "%s: %s: holds strings with zeros within", file->name, path);
    CRD_ALLOC(&strings, count, "strings");
    for (; found < count; found++) {
        CRD_TRY(crd_alloc_string(&strings[found], a.data + at));
        at += (int64_t)strlen(a.data + at) + 1;
    }
    *out = strings;
    *n = count;
    strings = NULL;
cleanup:
    crd_h5_strings_free(strings, found);
    crd_free(a.data);
    return status;
}

crd_status crd_h5_attr_exists(int *out, crd_h5 *file, const char *path, const char *key)
{
    crd_status status = CRD_OK;
    char byte;
    crd_h5_request request;
    answer a = {.data = &byte, .capacity = sizeof byte, .most = sizeof byte};
    CRD_TRY(request_make(&request, CRD_H5_HAS_ATTRIBUTE, file, path, key));
    CRD_TRY(ask(&a, file, &request));
    *out = a.n == sizeof byte;
cleanup:
    return status;
}

crd_status crd_h5_attr_get(void *values, crd_h5 *file, const char *path, const char *key,
                           crd_h5_type type, int64_t n)
{
    crd_status status = CRD_OK;
    crd_h5_request request;
    CRD_TRY(request_make(&request, CRD_H5_ATTRIBUTE, file, path, key));
    request.type = type;
    request.n_values = n;
    CRD_TRY(ask_for(values, n * crd_h5_type_size(type), file, &request));
cleanup:
    return status;
}

crd_status crd_h5_attr_get_text(char **out, crd_h5 *file, const char *path, const char *key)
{
    crd_status status = CRD_OK;
    answer a = {0};
    crd_h5_request request;
    *out = NULL;
    CRD_TRY(request_make(&request, CRD_H5_ATTRIBUTE, file, path, key));
    request.type = CRD_H5_STRING;
    CRD_TRY(ask_for_texts(&a, file, &request));
    CRD_TRY(crd_alloc_string(out, a.n > 0 ? a.data : ""));
cleanup:
    crd_free(a.data);
    return status;
}

crd_status crd_h5_attr_find_number(int *is_there, double *value, crd_h5 *file, const char *path,
                                   const char *key)
{
    crd_status status = CRD_OK;
    crd_h5_request request;
    answer a = {.data = (char *)value, .capacity = sizeof *value, .most = sizeof *value};
    CRD_TRY(request_make(&request, CRD_H5_NUMBER, file, path, key));
    CRD_TRY(ask(&a, file, &request));
    *is_there = a.n == sizeof *value;
cleanup:
    return status;
}

crd_status crd_h5_visit_attributes(crd_h5 *file, const char *path, crd_h5_attr_visit *visit,
                                   void *payload)
{
    crd_status status = CRD_OK;
    answer a = {0};
    crd_h5_request request;
    CRD_TRY(request_make(&request, CRD_H5_ATTRIBUTES, file, path, ""));
    CRD_TRY(ask_for_texts(&a, file, &request));
    for (int64_t at = 0; at < a.n;) {
        const char *key = a.data + at, *text = key + strlen(key) + 1;
        CRD_REQUIRE(text < a.data + a.n, file->code, "%s: %s: HDF5 cannot read it (a wrong answer)",
                    file->name, path);
        visit(key, text, payload);
        at = text - a.data + (int64_t)strlen(text) + 1;
    }
cleanup:
    crd_free(a.data);
    return status;
}
