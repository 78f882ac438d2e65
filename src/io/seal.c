/* The seal of a file, a record with the XXH3-128 of what is before it: appended when a file is
 * complete, and verified before anything in it is believed. It finds damage; it is no signature. */
#include "io/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/file.h"
#include "credence/files.h"

enum { MAGIC_SIZE = 16, SUPERBLOCK_SIZE = 48, DIGEST_CHUNK = 1 << 20, DIGEST_SIZE = 16 };
/* A record of the first kind; of the second the beginning, a range, and the end from the number
 * of ranges on. */
enum {
    WHOLE_SIZE = MAGIC_SIZE + 8 + DIGEST_SIZE,
    RANGE_SIZE = 16,
    TAIL_SIZE = 16 + DIGEST_SIZE + MAGIC_SIZE
};
static const char whole_magic[MAGIC_SIZE + 1] = "credence-seal-1\n";
static const char parts_magic[MAGIC_SIZE + 1] = "credence-seal-2\n";
static const char parts_end[MAGIC_SIZE + 1] = "credence-ends-2\n";
static const unsigned char hdf5_signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

static void uint64_store(unsigned char *out, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t uint64_load(const unsigned char *in)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | in[i];
    return value;
}

/* Reads n bytes at `offset`, fewer only at the end of the file; -1 on error. */
static int64_t read_at(int fd, void *buffer, int64_t n, int64_t offset)
{
    int64_t done = 0;
    while (done < n) {
        ssize_t got = pread(fd, (char *)buffer + done, (size_t)(n - done), (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += got;
    }
    return done;
}

/* End of the HDF5 data as the superblock states it (HDF5 file format specification, II.A); -1 for
 * layouts that we never write. */
static int64_t superblock_end(const unsigned char superblock[SUPERBLOCK_SIZE])
{
    int version = superblock[8];
    uint64_t end;
    if (version == 0 && superblock[13] == 8)
        end = uint64_load(superblock + 40);
    else if ((version == 2 || version == 3) && superblock[9] == 8)
        end = uint64_load(superblock + 28);
    else
        return -1;
    return end > INT64_MAX ? -1 : (int64_t)end;
}

/* What a file's record says. */
typedef struct seal {
    int64_t length; /* bytes before the record */
    crd_byte_range *ranges;
    int64_t n_ranges;
    unsigned char digest[DIGEST_SIZE];
} seal;

int64_t crd_seal_size(int64_t n_ranges)
{
    return n_ranges == 0 ? WHOLE_SIZE : MAGIC_SIZE + n_ranges * RANGE_SIZE + TAIL_SIZE;
}

static crd_status digest_bytes(XXH3_state_t *state, int fd, int64_t begin, int64_t end, char *chunk,
                               const char *path)
{
    crd_status status = CRD_OK;
    for (int64_t done = begin; done < end;) {
        int64_t n = end - done < DIGEST_CHUNK ? end - done : DIGEST_CHUNK;
        int64_t got = read_at(fd, chunk, n, done);
        CRD_REQUIRE(got >= 0, CRD_ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
        CRD_REQUIRE(got == n, CRD_ERR_IO, "%s: became shorter while it was read", path);
        XXH3_128bits_update(state, chunk, (size_t)n);
        done += n;
    }
cleanup:
    return status;
}

/* The record of a file, with the digest of what is there; *record is the caller's. */
static crd_status record_make(unsigned char **record, int fd, const seal *s, const char *path)
{
    crd_status status = CRD_OK;
    char *chunk = NULL;
    unsigned char *next;
    XXH128_canonical_t digest;
    int64_t n = s->n_ranges, done = 0;
    XXH3_state_t *state = XXH3_createState();
    CRD_REQUIRE(state != NULL, CRD_ERR_INTERNAL, "%s: out of memory", path);
    XXH3_128bits_reset(state);
    CRD_ALLOC(&chunk, DIGEST_CHUNK, "digest buffer");
    CRD_ALLOC(record, crd_seal_size(n), "seal");
    for (int64_t i = 0; i < n; i++) {
        CRD_TRY(digest_bytes(state, fd, done, s->ranges[i].offset, chunk, path));
        done = s->ranges[i].offset + s->ranges[i].n_bytes;
    }
    CRD_TRY(digest_bytes(state, fd, done, s->length, chunk, path));
    memcpy(*record, n == 0 ? whole_magic : parts_magic, MAGIC_SIZE);
    next = *record + MAGIC_SIZE;
    for (int64_t i = 0; i < n; i++, next += RANGE_SIZE) {
        uint64_store(next, (uint64_t)s->ranges[i].offset);
        uint64_store(next + 8, (uint64_t)s->ranges[i].n_bytes);
    }
    if (n > 0) {
        uint64_store(next, (uint64_t)n);
        next += 8;
    }
    uint64_store(next, (uint64_t)s->length);
    next += 8;
    if (n > 0) {
        XXH3_128bits_update(state, *record, (size_t)(next - *record));
        memcpy(next + DIGEST_SIZE, parts_end, MAGIC_SIZE);
    }
    XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(state));
    memcpy(next, &digest, DIGEST_SIZE);
cleanup:
    crd_free(chunk);
    XXH3_freeState(state);
    return status;
}

crd_status crd_seal_append(int fd, const char *path, const crd_byte_range *ranges, int64_t n)
{
    crd_status status = CRD_OK;
    struct stat info;
    unsigned char superblock[SUPERBLOCK_SIZE], *record = NULL;
    CRD_REQUIRE(fstat(fd, &info) == 0 &&
                    read_at(fd, superblock, SUPERBLOCK_SIZE, 0) == SUPERBLOCK_SIZE,
                CRD_ERR_IO, "%s: cannot be read back", path);
    int64_t end = superblock_end(superblock), size = crd_seal_size(n);
    CRD_REQUIRE(end > 0 && end <= info.st_size, CRD_ERR_IO,
                "%s: HDF5 left the file incomplete (%" PRId64 " of %" PRId64 " bytes)", path,
                (int64_t)info.st_size, end);
    const seal s = {.length = end, .ranges = (crd_byte_range *)(uintptr_t)ranges, .n_ranges = n};
    CRD_TRY(record_make(&record, fd, &s, path));
    for (int64_t done = 0; done < size;) {
        ssize_t written = pwrite(fd, record + done, (size_t)(size - done), (off_t)(end + done));
        if (written < 0 && errno == EINTR)
            continue;
        CRD_REQUIRE(written >= 0, CRD_ERR_IO, "%s: cannot be written: %s", path, strerror(errno));
        CRD_REQUIRE(written > 0, CRD_ERR_IO, "%s: cannot be written: disk full", path);
        done += written;
    }
    CRD_REQUIRE(ftruncate(fd, (off_t)(end + size)) == 0, CRD_ERR_IO, "%s: cannot be written: %s",
                path, strerror(errno));
cleanup:
    crd_free(record);
    return status;
}

/* Why a file of `size` bytes without a seal at its end is refused. The superblock is read for the
 * message only: a wrong one gives a less exact message, never an accepted file. */
static crd_status unsealed(int fd, int64_t size, const char *path)
{
    unsigned char superblock[SUPERBLOCK_SIZE] = {0}, found[MAGIC_SIZE];
    int64_t got = read_at(fd, superblock, SUPERBLOCK_SIZE, 0);
    if (got < 0)
        return CRD_FAIL(CRD_ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
    size_t common = got < 8 ? (size_t)got : 8;
    if (memcmp(superblock, hdf5_signature, common) != 0)
        return CRD_FAIL(CRD_ERR_INPUT, "%s: not an HDF5 file", path);
    if (got < SUPERBLOCK_SIZE)
        return CRD_FAIL(CRD_ERR_INPUT, "%s: truncated: only %" PRId64 " bytes long", path, size);
    int64_t end = superblock_end(superblock);
    if (end > size)
        return CRD_FAIL(CRD_ERR_INPUT, "%s: truncated: %" PRId64 " of %" PRId64 " bytes", path,
                        size, end);
    if (end >= 0 && end < size) {
        int64_t n = size - end < MAGIC_SIZE ? size - end : MAGIC_SIZE;
        int is_read = read_at(fd, found, n, end) == n;
        if (is_read && size - end < WHOLE_SIZE && memcmp(found, whole_magic, (size_t)n) == 0)
            return CRD_FAIL(CRD_ERR_INPUT, "%s: truncated: %" PRId64 " of %" PRId64 " bytes", path,
                            size, end + WHOLE_SIZE);
        if (is_read && memcmp(found, parts_magic, (size_t)n) == 0)
            return CRD_FAIL(CRD_ERR_INPUT, "%s: truncated: its seal is cut off", path);
    }
    return CRD_FAIL(
        CRD_ERR_INPUT,
        "%s: not sealed by Credence, or changed since by another program (credence inspect "
        "--reseal NEW.h5 FILE makes a sealed copy of a changed file)",
        path);
}

static crd_status check_length(uint64_t recorded, int64_t length, const char *path)
{
    return recorded <= (uint64_t)length ? CRD_OK
                                        : CRD_FAIL(CRD_ERR_INPUT,
                                                   "%s: truncated: %" PRId64
                                                   " bytes before the seal, which records %" PRIu64,
                                                   path, length, recorded);
}

/* The record of the second kind that ends a file of `size` bytes, of which tail[] is the end. Only
 * ranges that are in the file, one after the other, are taken. */
static crd_status read_parts(seal *out, const unsigned char tail[TAIL_SIZE], int fd, int64_t size,
                             const char *path)
{
    crd_status status = CRD_OK;
    unsigned char *list = NULL;
    uint64_t n = uint64_load(tail), end = 0, most = (uint64_t)(size - MAGIC_SIZE - TAIL_SIZE);
    CRD_REQUIRE(size >= MAGIC_SIZE + TAIL_SIZE && n >= 1 && n <= most / RANGE_SIZE, CRD_ERR_INPUT,
                "%s: damaged (its seal is of %" PRIu64 " ranges)", path, n);
    out->length = size - crd_seal_size((int64_t)n);
    CRD_TRY(check_length(uint64_load(tail + 8), out->length, path));
    memcpy(out->digest, tail + 16, DIGEST_SIZE);
    CRD_ALLOC(&list, (int64_t)n * RANGE_SIZE, "seal");
    CRD_ALLOC(&out->ranges, (int64_t)n, "seal");
    CRD_REQUIRE(read_at(fd, list, (int64_t)n * RANGE_SIZE, out->length + MAGIC_SIZE) ==
                    (int64_t)n * RANGE_SIZE,
                CRD_ERR_IO, "%s: cannot be read", path);
    for (; out->n_ranges < (int64_t)n; out->n_ranges++) {
        const unsigned char *next = list + out->n_ranges * RANGE_SIZE;
        uint64_t offset = uint64_load(next), n_bytes = uint64_load(next + 8);
        CRD_REQUIRE(offset >= end && offset <= (uint64_t)out->length &&
                        n_bytes <= (uint64_t)out->length - offset,
                    CRD_ERR_INPUT, "%s: damaged (range %" PRId64 " of its seal)", path,
                    out->n_ranges);
        out->ranges[out->n_ranges] = (crd_byte_range){(int64_t)offset, (int64_t)n_bytes};
        end = offset + n_bytes;
    }
cleanup:
    crd_free(list);
    return status;
}

/* The record that a file ends with. */
static crd_status read_record(seal *out, int fd, int64_t size, const char *path)
{
    crd_status status = CRD_OK;
    unsigned char tail[TAIL_SIZE], *end = tail + TAIL_SIZE;
    int64_t n = size < TAIL_SIZE ? size : TAIL_SIZE;
    if (read_at(fd, end - n, n, size - n) != n)
        return unsealed(fd, size, path);
    if (n == TAIL_SIZE && memcmp(end - MAGIC_SIZE, parts_end, MAGIC_SIZE) == 0)
        return read_parts(out, tail, fd, size, path);
    if (n < WHOLE_SIZE || memcmp(end - WHOLE_SIZE, whole_magic, MAGIC_SIZE) != 0)
        return unsealed(fd, size, path);
    out->length = size - WHOLE_SIZE;
    memcpy(out->digest, end - DIGEST_SIZE, DIGEST_SIZE);
    CRD_TRY(check_length(uint64_load(end - WHOLE_SIZE + MAGIC_SIZE), out->length, path));
cleanup:
    return status;
}

static crd_status verify(unsigned char digest[DIGEST_SIZE], int fd, const char *path)
{
    crd_status status = CRD_OK;
    struct stat info;
    seal s = {0};
    unsigned char *computed = NULL, *stored = NULL;
    CRD_REQUIRE(fstat(fd, &info) == 0, CRD_ERR_IO, "%s: %s", path, strerror(errno));
    CRD_REQUIRE(info.st_size > 0, CRD_ERR_INPUT, "%s: empty", path);
    CRD_TRY(read_record(&s, fd, info.st_size, path));
    int64_t n = crd_seal_size(s.n_ranges);
    CRD_ALLOC(&stored, n, "seal");
    CRD_REQUIRE(read_at(fd, stored, n, s.length) == n, CRD_ERR_IO, "%s: cannot be read", path);
    CRD_TRY(record_make(&computed, fd, &s, path));
    CRD_REQUIRE(memcmp(stored, computed, (size_t)n) == 0, CRD_ERR_INPUT,
                "%s: damaged (digest differs)", path);
    memcpy(digest, s.digest, DIGEST_SIZE);
cleanup:
    crd_free(computed);
    crd_free(stored);
    crd_free(s.ranges);
    return status;
}

static crd_status verify_path(unsigned char digest[DIGEST_SIZE], const char *path)
{
    int fd;
    crd_status status = crd_file_open(&fd, NULL, path, INT64_MAX);
    if (status != CRD_OK)
        return status;
    status = verify(digest, fd, path);
    close(fd);
    return status;
}

crd_status crd_seal_verify(const char *path)
{
    unsigned char digest[DIGEST_SIZE];
    return verify_path(digest, path);
}

crd_status crd_file_digest(char out[CRD_FILE_DIGEST_SIZE], const char *path)
{
    unsigned char digest[DIGEST_SIZE];
    crd_status status = verify_path(digest, path);
    for (int i = 0; status == CRD_OK && i < DIGEST_SIZE; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return status;
}
