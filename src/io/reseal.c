/* A sealed copy of a file of ours that another program has changed: copied, its datasets'
 * checksums made anew, sealed, and read as a whole before it gets its name. HDF5 changes the
 * copy in a process of its own, for nothing vouches for what it holds. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "io/prediction_private.h"
#include "io/seal.h"
#include "io/writer.h"

enum { COPY_BYTES = 1 << 20 };
#define CHANGED_KEY "resealed_at"

static crd_status copy_bytes(int to, int from, const char *path, const char *new_path)
{
    crd_status status = CRD_OK;
    char *piece = NULL;
    int64_t done = 0;
    CRD_ALLOC(&piece, COPY_BYTES, "piece of a file");
    for (;;) {
        ssize_t got = pread(from, piece, COPY_BYTES, (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        CRD_REQUIRE(got >= 0, CRD_ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
        if (got == 0)
            break;
        for (ssize_t at = 0; at < got;) {
            ssize_t n = pwrite(to, piece + at, (size_t)(got - at), (off_t)(done + at));
            if (n < 0 && errno == EINTR)
                continue;
            CRD_REQUIRE(n > 0, CRD_ERR_IO, "%s: cannot be written: %s", new_path,
                        n < 0 ? strerror(errno) : "disk full");
            at += n;
        }
        done += got;
    }
cleanup:
    crd_free(piece);
    return status;
}

static crd_status stamp(const char *path, void *payload)
{
    uint64_t digest;
    char text[CRD_CHECKSUM_SIZE];
    crd_status status = crd_h5_digest(&digest, payload, path);
    if (status != CRD_OK)
        return status;
    crd_checksum_text(text, digest);
    return crd_h5_stamp(payload, path, CRD_CHECKSUM_KEY, text);
}

/* Makes the checksums of the copy anew. */
static crd_status stamp_all(const crd_atomic_file *copy, const char *path)
{
    crd_status status = CRD_OK;
    crd_h5 *h5 = NULL;
    crd_file_kind kind;
    char now[CRD_TIMESTAMP_SIZE];
    crd_clock_timestamp(now);
    CRD_TRY(crd_h5_open_copy(&h5, copy->fd, path));
    CRD_TRY(crd_reader_identify(&kind, h5));
    CRD_TRY(crd_h5_visit_datasets(h5, "/", stamp, h5));
    CRD_TRY(crd_h5_stamp(h5, "/", CHANGED_KEY, now));
    CRD_TRY(crd_h5_end_changes(h5));
cleanup:
    crd_h5_discard(h5);
    return status;
}

static void pass_over(const char *name, const char *value, void *payload)
{
    (void)name, (void)value, (void)payload;
}

static void count_damaged(const char *path, const char *type, const crd_shape *shape,
                          uint64_t digest, int matches, void *payload)
{
    (void)path, (void)type, (void)shape, (void)digest;
    *(int *)payload += !matches;
}

/* Reads all of the copy, as the commands that take such a file do. */
static crd_status check_all(const char *path)
{
    crd_status status = CRD_OK;
    crd_file_kind kind;
    crd_posterior *posterior = NULL;
    crd_train_state state = {0};
    crd_part *part = NULL;
    int n_damaged = 0, is_part = 0;
    CRD_TRY(crd_file_identify(&kind, path));
    CRD_TRY(crd_file_attributes(path, pass_over, NULL));
    CRD_TRY(crd_file_datasets(path, count_damaged, &n_damaged));
    CRD_REQUIRE(n_damaged == 0, CRD_ERR_INTERNAL, "%s: %d checksums are wrong", path, n_damaged);
    if (kind == CRD_FILE_POSTERIOR)
        CRD_TRY(crd_posterior_read(&posterior, path));
    if (kind == CRD_FILE_CHECKPOINT)
        CRD_TRY(crd_checkpoint_read(&posterior, &state, path, NULL));
    if (kind == CRD_FILE_PREDICTION)
        CRD_TRY(crd_prediction_check(&is_part, path));
    if (is_part)
        CRD_TRY(crd_part_open(&part, path));
cleanup:
    crd_part_close(part);
    crd_train_state_clear(&state);
    crd_posterior_destroy(posterior);
    return status;
}

/* What is wrong with the copy was wrong with the file, and is said of that. */
static crd_status say_of(const char *path, const char *copy, crd_status status)
{
    const char *message = crd_status_message();
    size_t n = strlen(copy);
    return strncmp(message, copy, n) == 0 ? crd_status_set(status, "%s%s", path, message + n)
                                          : status;
}

crd_status crd_file_reseal(const char *new_path, const char *path)
{
    crd_status status = CRD_OK;
    crd_atomic_file copy = {.fd = -1};
    int fd = -1;
    CRD_TRY(crd_file_open(&fd, NULL, path, INT64_MAX));
    CRD_REQUIRE(crd_file_is_hdf5(path), CRD_ERR_INPUT, "%s: not an HDF5 file", path);
    CRD_TRY(crd_atomic_begin(&copy, new_path));
    CRD_TRY(copy_bytes(copy.fd, fd, path, new_path));
    CRD_TRY(stamp_all(&copy, path));
    CRD_TRY(crd_seal_append(copy.fd, new_path, NULL, 0));
    CRD_TRY(crd_atomic_sync(&copy));
    status = check_all(copy.temp_path);
    CRD_TRY(status == CRD_OK ? CRD_OK : say_of(path, copy.temp_path, status));
    CRD_TRY(crd_atomic_publish(&copy));
cleanup:
    crd_atomic_abandon(&copy);
    if (fd >= 0)
        close(fd);
    return status;
}
