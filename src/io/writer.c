/* How each of our files comes to be: temporary name, provenance, checksums, seal, read back,
 * rename; and how it is opened again: seal, kind, version, checksums. What is in it, others
 * know. */
#include "io/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/integers.h"
#include "io/h5_handed.h"

/* A posterior's datasets of at least so many bytes are not sealed but by their checksums, so that
 * many numbers are read once, not twice. */
enum { LARGE_BYTES = 1 << 20 };

/* The newest version of each kind: a file has a higher one than 1 if a reader of that could misread
 * it. */
static const struct {
    const char *format, *name;
    int64_t version;
} kinds[] = {
    [CRD_FILE_POSTERIOR] = {"credence-posterior", "posterior", 2},
    [CRD_FILE_PREDICTION] = {"credence-prediction", "prediction", 1},
    [CRD_FILE_TENSORS] = {"credence-tensors", "file of tensors", 1},
    [CRD_FILE_CHECKPOINT] = {"credence-checkpoint", "checkpoint", 1},
    [CRD_FILE_SCORES] = {"credence-scores", "file of scores", 1},
    [CRD_FILE_CHAINS] = {"credence-chains", "checkpoint of chains", 1},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

const char *crd_kind_name(crd_file_kind kind)
{
    return kinds[kind].name;
}

void crd_checksum_text(char out[CRD_CHECKSUM_SIZE], uint64_t digest)
{
    snprintf(out, CRD_CHECKSUM_SIZE, "%016" PRIx64, digest);
}

static crd_status write_provenance(crd_h5 *h5, const crd_provenance *provenance)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_h5_attr_put_text(h5, "/", "command", provenance->command));
    CRD_TRY(crd_h5_attr_put(h5, "/", "seed", CRD_H5_UINT64, &provenance->seed, 1));
    for (int i = 0; i < provenance->n_pairs; i++)
        CRD_TRY(crd_h5_attr_put_text(h5, "/", provenance->keys[i], provenance->values[i]));
cleanup:
    return status;
}

crd_status crd_writer_begin(crd_writer *writer, const char *path, crd_file_kind kind, int64_t bytes,
                            const crd_provenance *provenance)
{
    return crd_writer_begin_version(writer, path, kind, 1, bytes, provenance);
}

crd_status crd_writer_begin_version(crd_writer *writer, const char *path, crd_file_kind kind,
                                    int64_t version, int64_t bytes,
                                    const crd_provenance *provenance)
{
    crd_status status = CRD_OK;
    *writer = (crd_writer){.kind = kind};
    crd_clock_timestamp(writer->created_at);
    CRD_TRY(crd_atomic_begin(&writer->atomic, path));
    CRD_TRY(crd_atomic_reserve(&writer->atomic, bytes));
    CRD_TRY(crd_h5_create(&writer->h5, writer->atomic.temp_path, path));
    CRD_TRY(crd_h5_attr_put_text(writer->h5, "/", "format", kinds[kind].format));
    CRD_TRY(crd_h5_attr_put(writer->h5, "/", "format_version", CRD_H5_INT64, &version, 1));
    CRD_TRY(crd_h5_attr_put_text(writer->h5, "/", "created_at", writer->created_at));
    CRD_TRY(write_provenance(writer->h5, provenance));
cleanup:
    if (status != CRD_OK)
        crd_writer_abandon(writer);
    return status;
}

static crd_status add_range(crd_writer *writer, const char *path)
{
    crd_status status = CRD_OK;
    crd_h5_facts facts;
    CRD_TRY(crd_h5_dataset_facts(&facts, writer->h5, path));
    int64_t n_bytes = crd_shape_count(&facts.shape) * facts.value_bytes;
    if (facts.offset < 0 || n_bytes < LARGE_BYTES)
        return CRD_OK;
    if (writer->n_ranges == writer->capacity) {
        int64_t capacity = crd_larger(64, 2 * writer->capacity);
        CRD_TRY(crd_alloc_grow((void **)&writer->ranges, writer->capacity, capacity,
                               sizeof *writer->ranges, "seal"));
        writer->capacity = capacity;
    }
    writer->ranges[writer->n_ranges++] = (crd_byte_range){facts.offset, n_bytes};
cleanup:
    return status;
}

static crd_status checksum_place(const char *path, void *payload)
{
    crd_status status = CRD_OK;
    crd_writer *writer = payload;
    CRD_TRY(crd_h5_attr_put_fixed(writer->h5, path, CRD_CHECKSUM_KEY, "----------------", 0));
    if (writer->kind == CRD_FILE_POSTERIOR)
        CRD_TRY(add_range(writer, path));
cleanup:
    return status;
}

static int compare_ranges(const void *a, const void *b)
{
    int64_t first = ((const crd_byte_range *)a)->offset,
            second = ((const crd_byte_range *)b)->offset;
    return (first > second) - (first < second);
}

static crd_status checksum_write(const char *path, void *payload)
{
    uint64_t digest;
    char text[CRD_CHECKSUM_SIZE];
    crd_status status = crd_h5_handed_digest(&digest, payload, path);
    if (status != CRD_OK)
        return status;
    crd_checksum_text(text, digest);
    return crd_h5_attr_put_fixed(payload, path, CRD_CHECKSUM_KEY, text, 1);
}

crd_status crd_writer_end_metadata(crd_writer *writer)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_h5_visit_datasets(writer->h5, "/", checksum_place, writer));
    CRD_TRY(crd_h5_flush(writer->h5));
    if (writer->n_ranges > 1)
        qsort(writer->ranges, (size_t)writer->n_ranges, sizeof *writer->ranges, compare_ranges);
    CRD_TRY(crd_atomic_reserve(&writer->atomic, crd_seal_size(writer->n_ranges)));
cleanup:
    return status;
}

/* What the disk gives back, read as any reader would, against what was handed over. */
static crd_status read_back(crd_h5_handed *handed, const crd_atomic_file *atomic)
{
    crd_h5 *again = NULL;
    crd_status status = crd_seal_verify(atomic->temp_path);
    if (status == CRD_OK)
        status = crd_h5_open(&again, atomic->temp_path);
    if (status == CRD_OK)
        status = crd_h5_handed_check(handed, again, atomic->path);
    crd_h5_discard(again);
    /* Whatever is wrong with it was so on the way to the disk. */
    if (status == CRD_ERR_INPUT)
        status = CRD_FAIL(CRD_ERR_IO, "%s: what the disk gives back is not what was written",
                          atomic->path);
    return status;
}

crd_status crd_writer_publish(crd_writer *writer)
{
    crd_status status = CRD_OK;
    crd_h5_handed *handed = NULL;
    CRD_TRY(crd_h5_visit_datasets(writer->h5, "/", checksum_write, writer->h5));
    CRD_TRY(crd_h5_flush(writer->h5));
    handed = crd_h5_handed_take(writer->h5);
    status = crd_h5_close(writer->h5);
    writer->h5 = NULL;
    CRD_TRY(status);
    CRD_TRY(
        crd_seal_append(writer->atomic.fd, writer->atomic.path, writer->ranges, writer->n_ranges));
    CRD_TRY(crd_atomic_sync(&writer->atomic));
    CRD_TRY(read_back(handed, &writer->atomic));
    CRD_TRY(crd_atomic_publish(&writer->atomic));
cleanup:
    crd_h5_handed_free(handed);
    crd_writer_abandon(writer);
    return status;
}

void crd_writer_abandon(crd_writer *writer)
{
    crd_h5_discard(writer->h5);
    writer->h5 = NULL;
    crd_free(writer->ranges);
    writer->ranges = NULL;
    writer->n_ranges = writer->capacity = 0;
    crd_atomic_abandon(&writer->atomic);
}

crd_status crd_reader_identify(crd_file_kind *kind, crd_h5 *file)
{
    crd_status status = CRD_OK;
    const char *path = crd_h5_name(file);
    char *format = NULL;
    int64_t version;
    int i = 0;
    CRD_TRY(crd_h5_attr_get_text(&format, file, "/", "format"));
    CRD_TRY(crd_h5_attr_get(&version, file, "/", "format_version", CRD_H5_INT64, 1));
    while (i < N_KINDS && strcmp(kinds[i].format, format) != 0)
        i++;
    CRD_REQUIRE(i < N_KINDS, CRD_ERR_INPUT, "%s: format '%s' is not known to this Credence", path,
                format);
    CRD_REQUIRE(version >= 1 && version <= kinds[i].version, CRD_ERR_INPUT,
                "%s: %s version %" PRId64 ", but this Credence reads versions 1 to %" PRId64, path,
                format, version, kinds[i].version);
    *kind = (crd_file_kind)i;
cleanup:
    crd_free(format);
    return status;
}

crd_status crd_reader_open(crd_h5 **h5, crd_file_kind *kind, const char *path)
{
    char digest[CRD_FILE_DIGEST_SIZE];
    return crd_reader_open_digest(h5, kind, digest, path);
}

crd_status crd_reader_open_digest(crd_h5 **h5, crd_file_kind *kind,
                                  char digest[CRD_FILE_DIGEST_SIZE], const char *path)
{
    crd_status status = CRD_OK;
    crd_h5 *file = NULL;
    *h5 = NULL;
    CRD_TRY(crd_file_digest(digest, path));
    CRD_TRY(crd_h5_open(&file, path));
    CRD_TRY(crd_reader_identify(kind, file));
    *h5 = file;
    file = NULL;
cleanup:
    crd_h5_discard(file);
    return status;
}

crd_status crd_reader_check(crd_h5 *h5, const char *dataset)
{
    crd_status status = CRD_OK;
    uint64_t digest;
    char *stored = NULL, computed[CRD_CHECKSUM_SIZE];
    CRD_TRY(crd_h5_attr_get_text(&stored, h5, dataset, CRD_CHECKSUM_KEY));
    CRD_TRY(crd_h5_digest(&digest, h5, dataset));
    crd_checksum_text(computed, digest);
    CRD_REQUIRE(strcmp(stored, computed) == 0, CRD_ERR_INPUT,
                "%s: %s: damaged (checksum %s, recorded %s)", crd_h5_name(h5), dataset, computed,
                stored);
cleanup:
    crd_free(stored);
    return status;
}

crd_status crd_reader_expect(crd_h5 *h5, const char *dataset, crd_h5_type type,
                             const crd_shape *shape)
{
    crd_status status = CRD_OK;
    const char *file = crd_h5_name(h5);
    int there;
    crd_h5_type found_type;
    crd_shape found_shape;
    char expected[CRD_SHAPE_TEXT_SIZE], found[CRD_SHAPE_TEXT_SIZE];
    CRD_TRY(crd_h5_exists(&there, h5, dataset));
    CRD_REQUIRE(there, CRD_ERR_INPUT, "%s: %s: is missing", file, dataset);
    CRD_TRY(crd_h5_dataset_info(&found_type, &found_shape, h5, dataset));
    CRD_REQUIRE(crd_shape_equal(&found_shape, shape), CRD_ERR_INPUT,
                "%s: %s: shape %s, but it must be %s", file, dataset,
                crd_shape_text(found, &found_shape), crd_shape_text(expected, shape));
    CRD_REQUIRE(found_type == type, CRD_ERR_INPUT, "%s: %s: type %s; it must be %s", file, dataset,
                crd_h5_type_name(found_type), crd_h5_type_name(type));
cleanup:
    return status;
}

crd_status crd_reader_numbers(void *values, crd_h5 *h5, const char *dataset, crd_h5_type type,
                              const crd_shape *shape)
{
    crd_status status = crd_reader_expect(h5, dataset, type, shape);
    if (status == CRD_OK)
        status = crd_reader_check(h5, dataset);
    return status != CRD_OK ? status : crd_h5_read(values, h5, dataset, type, NULL, NULL);
}
