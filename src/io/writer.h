/** What all our files have in common: how they come to be, and how they are opened again. */
#ifndef CRD_IO_WRITER_H
#define CRD_IO_WRITER_H

#include "base/clock.h"
#include "credence/files.h"
#include "io/atomic.h"
#include "io/h5.h"
#include "io/seal.h"

/** A file in the making. */
typedef struct crd_writer {
    crd_atomic_file atomic;
    crd_h5 *h5;
    char created_at[CRD_TIMESTAMP_SIZE];
    int32_t n_scales; /**< dimension scales so far: each has its number */
    crd_file_kind kind;
    crd_byte_range *ranges; /**< [n_ranges] large datasets of a posterior: not sealed */
    int64_t n_ranges, capacity;
} crd_writer;

/** Begins a file of the kind with the attributes of its root group. `bytes` is what its data
 * will take at least: refused at once if the disk has not got it. Nothing is left behind by a
 * failure. */
crd_status crd_writer_begin(crd_writer *writer, const char *path, crd_file_kind kind, int64_t bytes,
                            const crd_provenance *provenance);
/** The same with a version of the format above the first: what an old reader could misread. */
crd_status crd_writer_begin_version(crd_writer *writer, const char *path, crd_file_kind kind,
                                    int64_t version, int64_t bytes,
                                    const crd_provenance *provenance);
/** Ends the metadata: gives every dataset a place for its checksum, flushes, and makes sure that
 * the seal will find its place too. What follows is data only. */
crd_status crd_writer_end_metadata(crd_writer *writer);
/** Checksums, close, seal, sync, reading back, rename. The writer is released in any case; after
 * a failure nothing is left. */
crd_status crd_writer_publish(crd_writer *writer);
/** Gives up; harmless after _publish. */
void crd_writer_abandon(crd_writer *writer);

/** What messages call a file of this kind. Static. */
const char *crd_kind_name(crd_file_kind kind);

/** Checks seal, format and version and opens. *h5 is closed with crd_h5_discard. The seal of a
 * posterior leaves large datasets to their checksums, which every reader of them compares. */
crd_status crd_reader_open(crd_h5 **h5, crd_file_kind *kind, const char *path);
/** The same; `digest` is crd_file_digest's, which comes for nothing here. */
crd_status crd_reader_open_digest(crd_h5 **h5, crd_file_kind *kind,
                                  char digest[CRD_FILE_DIGEST_SIZE], const char *path);
/** Says of what kind an open file is, and checks that its version can be read. */
crd_status crd_reader_identify(crd_file_kind *kind, crd_h5 *file);
/** Checks a dataset against its checksum. */
crd_status crd_reader_check(crd_h5 *h5, const char *dataset);
/** Checks that a numeric dataset is there, of this type and shape. Its values are not read. */
crd_status crd_reader_expect(crd_h5 *h5, const char *dataset, crd_h5_type type,
                             const crd_shape *shape);
/** Reads all of a numeric dataset, which must be there, of this type and shape, and undamaged. */
crd_status crd_reader_numbers(void *values, crd_h5 *h5, const char *dataset, crd_h5_type type,
                              const crd_shape *shape);

/** Name of the attribute that holds a dataset's checksum. */
#define CRD_CHECKSUM_KEY "xxh3_64"
/** Bytes of a checksum as text: 16 hexadecimal digits and a zero. */
#define CRD_CHECKSUM_SIZE 17
void crd_checksum_text(char out[CRD_CHECKSUM_SIZE], uint64_t digest);

#endif
