/* Digests of what is handed to HDF5, per dataset, as sums over records that may come in any order.
 * Read back before the file gets its name, they show what the disk did not keep. */
#include "io/h5_handed.h"

#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "base/alloc.h"

enum { PIECE_BYTES = 1 << 20, MAX_VALUE = 8 };

/* A dataset. Until all of it is known at once, as a sum over its records (rows of the last
 * axis, or elements if blocks divide rows), which may come in any order: each adds the digest
 * of its bytes, seeded with its number. */
typedef struct dataset {
    char *path;
    crd_h5_type type;
    crd_shape shape;
    char fill[MAX_VALUE];
    int64_t record_bytes, n_records;
    int is_whole; /* 1: `digest` is of all values; 0: the sum of those records that `has` says */
    uint64_t digest;
    uint8_t *has; /* [n_records] bits; NULL: none yet */
} dataset;

typedef struct attribute {
    char *path, *key;
    crd_h5_type type;
    int64_t n, n_bytes;
    char *values;
} attribute;

struct crd_h5_handed {
    dataset *datasets;
    attribute *attributes;
    int64_t n_datasets, n_attributes, dataset_room, attribute_room;
};

static crd_status handed_of(crd_h5_handed **out, crd_h5 *file)
{
    crd_status status = CRD_OK;
    if (file->handed == NULL)
        CRD_ALLOC(&file->handed, 1, "digests of what is written");
    *out = file->handed;
cleanup:
    return status;
}

static crd_status make_room(void **list, int64_t *room, int64_t n, size_t size)
{
    if (n < *room)
        return CRD_OK;
    int64_t more = *room == 0 ? 64 : 2 * *room;
    crd_status status = crd_alloc_grow(list, *room, more, size, "digests of what is written");
    if (status == CRD_OK)
        *room = more;
    return status;
}

/* The newest first: what is written was mostly just created. */
static dataset *find(crd_h5_handed *handed, const char *path)
{
    for (int64_t i = handed == NULL ? 0 : handed->n_datasets; i-- > 0;)
        if (strcmp(handed->datasets[i].path, path) == 0)
            return &handed->datasets[i];
    return NULL;
}

crd_status crd_h5_handed_create(crd_h5 *file, const char *path, crd_h5_type type,
                                const crd_shape *shape, const void *fill)
{
    crd_status status = CRD_OK;
    crd_h5_handed *handed;
    int64_t size = crd_h5_type_size(type);
    CRD_TRY(handed_of(&handed, file));
    CRD_TRY(make_room((void **)&handed->datasets, &handed->dataset_room, handed->n_datasets,
                      sizeof *handed->datasets));
    dataset *d = &handed->datasets[handed->n_datasets];
    *d = (dataset){.type = type, .shape = *shape};
    CRD_TRY(crd_alloc_string(&d->path, path));
    handed->n_datasets++;
    if (fill != NULL)
        memcpy(d->fill, fill, (size_t)size);
    int64_t columns = shape->n_dims >= 2 ? shape->dims[shape->n_dims - 1] : 1;
    d->record_bytes = size * columns;
    d->n_records = columns > 0 ? crd_shape_count(shape) / columns : 0;
cleanup:
    return status;
}

static uint64_t record_digest(const dataset *d, const void *record, int64_t number)
{
    return XXH3_64bits_withSeed(record, (size_t)d->record_bytes, (uint64_t)number);
}

/* Axes that number the records: all but the last where records are rows. */
static int n_outer_axes(const dataset *d)
{
    return d->record_bytes == crd_h5_type_size(d->type) ? d->shape.n_dims : d->shape.n_dims - 1;
}

/* Takes a record that was handed over before out of the sum: the file still holds it. */
static crd_status take_back(dataset *d, crd_h5 *file, int64_t number)
{
    crd_status status = CRD_OK;
    int64_t start[CRD_MAX_DIMS] = {0}, count[CRD_MAX_DIMS], rest = number;
    void *old = NULL;
    memcpy(count, d->shape.dims, sizeof count);
    for (int i = n_outer_axes(d) - 1; i >= 0; i--) {
        count[i] = 1;
        start[i] = rest % d->shape.dims[i];
        rest /= d->shape.dims[i];
    }
    CRD_TRY(crd_alloc_zeroed(&old, d->record_bytes, 1, "record"));
    CRD_TRY(crd_h5_read(old, file, d->path, d->type, start, count));
    d->digest -= record_digest(d, old, number);
cleanup:
    crd_free(old);
    return status;
}

static crd_status take_record(dataset *d, crd_h5 *file, const void *record, int64_t number)
{
    uint8_t *byte = &d->has[number / 8], bit = (uint8_t)(1U << number % 8);
    if ((*byte & bit) != 0) {
        crd_status status = take_back(d, file, number);
        if (status != CRD_OK)
            return status;
    }
    *byte |= bit;
    d->digest += record_digest(d, record, number);
    return CRD_OK;
}

/* The records of a block, in the order of its values. */
static crd_status take_block(dataset *d, crd_h5 *file, const char *data, const int64_t *start,
                             const int64_t *count)
{
    crd_status status = CRD_OK;
    int n_outer = n_outer_axes(d);
    int64_t index[CRD_MAX_DIMS] = {0}, n = 1;
    CRD_REQUIRE(n_outer == d->shape.n_dims ||
                    (start[n_outer] == 0 && count[n_outer] == d->shape.dims[n_outer]),
                CRD_ERR_INTERNAL, "%s: written in parts of rows", d->path);
    for (int i = 0; i < n_outer; i++)
        n *= count[i];
    for (int64_t k = 0; k < n; k++, data += d->record_bytes) {
        int64_t number = 0;
        for (int i = 0; i < n_outer; i++)
            number = number * d->shape.dims[i] + start[i] + index[i];
        CRD_TRY(take_record(d, file, data, number));
        for (int i = n_outer - 1; i >= 0 && ++index[i] == count[i]; i--)
            index[i] = 0;
    }
cleanup:
    return status;
}

crd_status crd_h5_handed_write(crd_h5 *file, const char *path, const void *data,
                               const int64_t *start, const int64_t *count)
{
    crd_status status = CRD_OK;
    dataset *d = find(file->handed, path);
    CRD_REQUIRE(d != NULL && (start == NULL || !d->is_whole), CRD_ERR_INTERNAL,
                "%s: %s: written before it was created, or after all of it", file->name, path);
    if (start == NULL) {
        d->is_whole = 1;
        d->digest = XXH3_64bits(data, (size_t)(d->n_records * d->record_bytes));
        return CRD_OK;
    }
    int last = d->shape.n_dims - 1;
    if (d->has == NULL && last > 0 && count[last] != d->shape.dims[last]) { /* elements, not rows */
        d->n_records *= d->shape.dims[last];
        d->record_bytes = crd_h5_type_size(d->type);
    }
    if (d->has == NULL)
        CRD_ALLOC(&d->has, (d->n_records + 7) / 8, "marks of what is written");
    CRD_TRY(take_block(d, file, data, start, count));
cleanup:
    return status;
}

crd_status crd_h5_handed_strings(crd_h5 *file, const char *path, char *const *strings, int64_t n)
{
    crd_status status = CRD_OK;
    crd_shape shape = {.n_dims = n == 0 ? 0 : 1, .dims = {n}};
    XXH3_state_t *state = XXH3_createState();
    CRD_REQUIRE(state != NULL, CRD_ERR_INTERNAL, "%s: out of memory", path);
    CRD_TRY(crd_h5_handed_create(file, path, CRD_H5_STRING, &shape, NULL));
    XXH3_64bits_reset(state);
    for (int64_t i = 0; i < crd_shape_count(&shape); i++)
        XXH3_64bits_update(state, strings[i], strlen(strings[i]) + 1);
    dataset *d = find(file->handed, path);
    d->is_whole = 1;
    d->digest = XXH3_64bits_digest(state);
cleanup:
    XXH3_freeState(state);
    return status;
}

crd_status crd_h5_handed_attribute(crd_h5 *file, const char *path, const char *key,
                                   crd_h5_type type, const void *values, int64_t n)
{
    crd_status status = CRD_OK;
    crd_h5_handed *handed;
    CRD_TRY(handed_of(&handed, file));
    int64_t i = handed->n_attributes, bytes = type == CRD_H5_STRING ? (int64_t)strlen(values) + 1
                                                                    : n * crd_h5_type_size(type);
    while (i > 0 && (strcmp(handed->attributes[i - 1].path, path) != 0 ||
                     strcmp(handed->attributes[i - 1].key, key) != 0))
        i--;
    attribute *a = i > 0 ? &handed->attributes[i - 1] : NULL;
    if (a == NULL) {
        CRD_TRY(make_room((void **)&handed->attributes, &handed->attribute_room,
                          handed->n_attributes, sizeof *handed->attributes));
        a = &handed->attributes[handed->n_attributes++];
        *a = (attribute){.type = type, .n = n};
        CRD_TRY(crd_alloc_string(&a->path, path));
        CRD_TRY(crd_alloc_string(&a->key, key));
    }
    crd_free(a->values);
    a->values = NULL;
    a->n_bytes = bytes;
    CRD_ALLOC(&a->values, bytes, "attribute");
    memcpy(a->values, values, (size_t)bytes);
cleanup:
    return status;
}

/* ---- checking ---- */

static crd_status differs(const char *name, const char *path, const char *key)
{
    return CRD_FAIL(CRD_ERR_IO, "%s: what the disk gives back is not what was written: %s%s%s",
                    name, path, key[0] == '\0' ? "" : ": ", key);
}

/* Records that were never handed over must still be what they were created with. */
static int is_fill(const dataset *d, const char *record)
{
    int64_t size = crd_h5_type_size(d->type);
    for (int64_t at = 0; at < d->record_bytes; at += size)
        if (memcmp(record + at, d->fill, (size_t)size) != 0)
            return 0;
    return 1;
}

/* Adds the records of a piece to the sum of those that were handed over; 0: another one has
 * changed. */
static int add_records(uint64_t *sum, const dataset *d, const char *piece, int64_t first, int64_t n)
{
    for (int64_t k = 0; k < n; k++) {
        const char *record = piece + k * d->record_bytes;
        int64_t number = first + k;
        if (d->has != NULL && (d->has[number / 8] >> number % 8 & 1) != 0)
            *sum += record_digest(d, record, number);
        else if (!is_fill(d, record))
            return 0;
    }
    return 1;
}

/* Digest of all values as the file gives them back, and whether they are what was handed over:
 * found in one pass, over the same bytes. */
static crd_status check_numbers(uint64_t *digest, int *is_right, const dataset *d, crd_h5 *from)
{
    crd_status status = CRD_OK;
    XXH3_state_t *state = XXH3_createState();
    uint64_t sum = 0;
    int64_t offset, step = d->record_bytes > 0 ? PIECE_BYTES / d->record_bytes : 1;
    char *piece = NULL;
    CRD_REQUIRE(state != NULL, CRD_ERR_INTERNAL, "%s: out of memory", d->path);
    XXH3_64bits_reset(state);
    step = step < 1 ? 1 : step > d->n_records ? d->n_records : step;
    CRD_ALLOC(&piece, step * d->record_bytes, "digest buffer");
    CRD_TRY(crd_h5_offset(&offset, from, d->path));
    *is_right = 1;
    for (int64_t k = 0; k < d->n_records; k += step) {
        int64_t n = d->n_records - k < step ? d->n_records - k : step;
        CRD_TRY(crd_h5_read_place(piece, from, d->path, offset + k * d->record_bytes,
                                  n * d->record_bytes));
        XXH3_64bits_update(state, piece, (size_t)(n * d->record_bytes));
        if (!d->is_whole)
            *is_right = *is_right && add_records(&sum, d, piece, k, n);
    }
    *digest = XXH3_64bits_digest(state);
    *is_right = *is_right && (d->is_whole ? *digest : sum) == d->digest;
cleanup:
    crd_free(piece);
    XXH3_freeState(state);
    return status;
}

static crd_status check_dataset(dataset *d, crd_h5 *from, const char *name)
{
    crd_status status = CRD_OK;
    crd_h5_type type;
    crd_shape shape;
    uint64_t digest;
    int is_right = 1;
    CRD_TRY(crd_h5_dataset_info(&type, &shape, from, d->path));
    if (crd_h5_type_size(d->type) > 0) {
        CRD_TRY(check_numbers(&digest, &is_right, d, from));
    } else {
        CRD_TRY(crd_h5_digest(&digest, from, d->path));
        is_right = digest == d->digest;
    }
    if (!is_right || type != d->type || !crd_shape_equal(&shape, &d->shape))
        return differs(name, d->path, "");
    d->digest = digest;
    d->is_whole = 1;
cleanup:
    return status;
}

crd_status crd_h5_handed_digest(uint64_t *digest, crd_h5 *file, const char *path)
{
    crd_status status = CRD_OK;
    dataset *d = find(file->handed, path);
    CRD_REQUIRE(d != NULL, CRD_ERR_INTERNAL, "%s: %s: nobody wrote it", file->name, path);
    CRD_TRY(check_dataset(d, file, file->name));
    *digest = d->digest;
cleanup:
    return status;
}

static crd_status check_attribute(const attribute *a, crd_h5 *again, const char *name)
{
    crd_status status = CRD_OK;
    char *found = NULL;
    int64_t bytes = a->n_bytes;
    if (a->type == CRD_H5_STRING) {
        CRD_TRY(crd_h5_attr_get_text(&found, again, a->path, a->key));
        bytes = (int64_t)strlen(found) + 1;
    } else {
        CRD_ALLOC(&found, bytes, "attribute");
        CRD_TRY(crd_h5_attr_get(found, again, a->path, a->key, a->type, a->n));
    }
    if (bytes != a->n_bytes || memcmp(found, a->values, (size_t)bytes) != 0)
        status = differs(name, a->path, a->key);
cleanup:
    crd_free(found);
    return status;
}

crd_status crd_h5_handed_check(crd_h5_handed *handed, crd_h5 *again, const char *name)
{
    crd_status status = CRD_OK;
    for (int64_t i = 0; handed != NULL && i < handed->n_datasets; i++)
        CRD_TRY(check_dataset(&handed->datasets[i], again, name));
    for (int64_t i = 0; handed != NULL && i < handed->n_attributes; i++)
        CRD_TRY(check_attribute(&handed->attributes[i], again, name));
cleanup:
    return status;
}

crd_h5_handed *crd_h5_handed_take(crd_h5 *file)
{
    crd_h5_handed *handed = file->handed;
    file->handed = NULL;
    return handed;
}

void crd_h5_handed_free(crd_h5_handed *handed)
{
    if (handed == NULL)
        return;
    for (int64_t i = 0; i < handed->n_datasets; i++) {
        crd_free(handed->datasets[i].path);
        crd_free(handed->datasets[i].has);
    }
    for (int64_t i = 0; i < handed->n_attributes; i++) {
        crd_free(handed->attributes[i].path);
        crd_free(handed->attributes[i].key);
        crd_free(handed->attributes[i].values);
    }
    crd_free(handed->datasets);
    crd_free(handed->attributes);
    crd_free(handed);
}
