/* The seal of a file, a record with XXH3-128 of all bytes before it: appended when a file is
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

enum { MAGIC_SIZE = 16, SUPERBLOCK_SIZE = 48, DIGEST_CHUNK = 1 << 20 };
static const char magic[MAGIC_SIZE + 1] = "credence-seal-1\n";
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

/* The record for the first `length` bytes of the file. */
static crd_status record_make(unsigned char record[CRD_SEAL_SIZE], int fd, int64_t length,
                              const char *path)
{
    crd_status status = CRD_OK;
    unsigned char *chunk = NULL;
    XXH3_state_t *state = XXH3_createState();
    CRD_REQUIRE(state != NULL, CRD_ERR_INTERNAL, "%s: out of memory", path);
    CRD_ALLOC(&chunk, DIGEST_CHUNK, "digest buffer");
    XXH3_128bits_reset(state);
    for (int64_t done = 0; done < length;) {
        int64_t n = length - done < DIGEST_CHUNK ? length - done : DIGEST_CHUNK;
        int64_t got = read_at(fd, chunk, n, done);
        CRD_REQUIRE(got >= 0, CRD_ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
        CRD_REQUIRE(got == n, CRD_ERR_IO, "%s: became shorter while it was read", path);
        XXH3_128bits_update(state, chunk, (size_t)n);
        done += n;
    }
    XXH128_canonical_t digest;
    XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(state));
    memcpy(record, magic, MAGIC_SIZE);
    uint64_store(record + MAGIC_SIZE, (uint64_t)length);
    memcpy(record + MAGIC_SIZE + 8, &digest, sizeof digest);
cleanup:
    crd_free(chunk);
    XXH3_freeState(state);
    return status;
}

crd_status crd_seal_append(int fd, const char *path)
{
    crd_status status = CRD_OK;
    struct stat info;
    unsigned char superblock[SUPERBLOCK_SIZE], record[CRD_SEAL_SIZE];
    CRD_REQUIRE(fstat(fd, &info) == 0 &&
                    read_at(fd, superblock, SUPERBLOCK_SIZE, 0) == SUPERBLOCK_SIZE,
                CRD_ERR_IO, "%s: cannot be read back", path);
    int64_t end = superblock_end(superblock);
    CRD_REQUIRE(end > 0 && end <= info.st_size, CRD_ERR_IO,
                "%s: HDF5 left the file incomplete (%" PRId64 " of %" PRId64 " bytes)", path,
                (int64_t)info.st_size, end);
    CRD_TRY(record_make(record, fd, end, path));
    ssize_t written;
    do
        written = pwrite(fd, record, CRD_SEAL_SIZE, (off_t)end);
    while (written < 0 && errno == EINTR);
    CRD_REQUIRE(written >= 0, CRD_ERR_IO, "%s: cannot be written: %s", path, strerror(errno));
    CRD_REQUIRE(written == CRD_SEAL_SIZE, CRD_ERR_IO, "%s: cannot be written: disk full", path);
    CRD_REQUIRE(ftruncate(fd, (off_t)(end + CRD_SEAL_SIZE)) == 0, CRD_ERR_IO,
                "%s: cannot be written: %s", path, strerror(errno));
cleanup:
    return status;
}

/* Why a file of `size` bytes without a seal at its end is refused. The superblock is read for the
 * message only: a wrong one gives a less exact message, never an accepted file. */
static crd_status unsealed(int fd, int64_t size, const char *path)
{
    unsigned char superblock[SUPERBLOCK_SIZE] = {0}, tail[CRD_SEAL_SIZE];
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
    if (end >= 0 && end < size && size - end < CRD_SEAL_SIZE) {
        int64_t n = size - end < MAGIC_SIZE ? size - end : MAGIC_SIZE;
        if (read_at(fd, tail, n, end) == n && memcmp(tail, magic, (size_t)n) == 0)
            return CRD_FAIL(CRD_ERR_INPUT, "%s: truncated: %" PRId64 " of %" PRId64 " bytes", path,
                            size, end + CRD_SEAL_SIZE);
    }
    return CRD_FAIL(
        CRD_ERR_INPUT,
        "%s: not sealed by Credence, or changed since by another program (credence inspect "
        "--reseal NEW.h5 FILE makes a sealed copy of a changed file)",
        path);
}

static crd_status verify(unsigned char stored[CRD_SEAL_SIZE], int fd, const char *path)
{
    crd_status status = CRD_OK;
    struct stat info;
    unsigned char computed[CRD_SEAL_SIZE];
    CRD_REQUIRE(fstat(fd, &info) == 0, CRD_ERR_IO, "%s: %s", path, strerror(errno));
    CRD_REQUIRE(info.st_size > 0, CRD_ERR_INPUT, "%s: empty", path);
    int64_t size = info.st_size, length = size - CRD_SEAL_SIZE;
    if (length < 0 || read_at(fd, stored, CRD_SEAL_SIZE, length) != CRD_SEAL_SIZE ||
        memcmp(stored, magic, MAGIC_SIZE) != 0)
        return unsealed(fd, size, path);
    uint64_t recorded = uint64_load(stored + MAGIC_SIZE);
    CRD_REQUIRE(recorded <= (uint64_t)length, CRD_ERR_INPUT,
                "%s: truncated: %" PRId64 " bytes before the seal, which records %" PRIu64, path,
                length, recorded);
    CRD_TRY(record_make(computed, fd, length, path));
    CRD_REQUIRE(memcmp(stored, computed, CRD_SEAL_SIZE) == 0, CRD_ERR_INPUT,
                "%s: damaged (digest differs)", path);
cleanup:
    return status;
}

static crd_status verify_path(unsigned char stored[CRD_SEAL_SIZE], const char *path)
{
    int fd;
    crd_status status = crd_file_open(&fd, NULL, path, INT64_MAX);
    if (status != CRD_OK)
        return status;
    status = verify(stored, fd, path);
    close(fd);
    return status;
}

crd_status crd_seal_verify(const char *path)
{
    unsigned char stored[CRD_SEAL_SIZE];
    return verify_path(stored, path);
}

crd_status crd_file_digest(char out[CRD_FILE_DIGEST_SIZE], const char *path)
{
    unsigned char stored[CRD_SEAL_SIZE];
    crd_status status = verify_path(stored, path);
    for (int i = 0; status == CRD_OK && i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", stored[CRD_SEAL_SIZE - 16 + i]);
    return status;
}
