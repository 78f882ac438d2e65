/* Records of one size, each at its place: a checksum, then the numbers. Writing one again gives
 * the same bytes, so a record is either not there yet (zeros, another run's, torn by a crash:
 * the checksum tells) or right. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "io/prediction_checkpoint.h"

struct crd_draws_file {
    char *path;
    int fd;
    uint64_t seed; /* of the checksums: the key's digest */
    int64_t n_floats;
    unsigned char *record;
};

enum { HEADER = sizeof(uint64_t) };

static int64_t record_bytes(const crd_draws_file *file)
{
    return HEADER + file->n_floats * (int64_t)sizeof(float);
}

static crd_status failed(const crd_draws_file *file, int error)
{
    return CRD_FAIL(CRD_ERR_IO, "%s: cannot be written: %s", file->path, strerror(error));
}

/* A run that begins makes a file of its own: what is there under the name may be a link to
 * something else. */
static int open_new(const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return -1;
    return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

static int open_old(const char *path)
{
    struct stat info;
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1)) {
        close(fd);
        errno = EEXIST;
        return -1;
    }
    return fd;
}

crd_status crd_draws_open(crd_draws_file **out, const char *path, int64_t n_records,
                          int64_t n_floats, const char *key, int is_new)
{
    crd_status status = CRD_OK;
    crd_draws_file *file = NULL;
    CRD_ALLOC(&file, 1, "draws file");
    file->fd = -1;
    file->n_floats = n_floats;
    file->seed = XXH3_64bits(key, strlen(key));
    CRD_TRY(crd_alloc_string(&file->path, path));
    CRD_ALLOC(&file->record, record_bytes(file), "record of draws");
    CRD_REQUIRE(n_records <= (INT64_MAX - 1) / record_bytes(file), CRD_ERR_IO,
                "%s: %lld records of draws cannot be stored", path, (long long)n_records);
    file->fd = is_new ? open_new(path) : open_old(path);
    if (file->fd < 0 && !is_new)
        CRD_TRY(CRD_FAIL(CRD_ERR_INPUT, "%s: the draws of this run are not there: %s", path,
                         errno == EEXIST || errno == ELOOP ? "is no plain file of one name"
                                                           : strerror(errno)));
    if (file->fd < 0)
        CRD_TRY(failed(file, errno));
    int error = posix_fallocate(file->fd, 0, (off_t)(n_records * record_bytes(file)));
    if (error == EOPNOTSUPP || error == EINVAL || error == ENOSYS)
        error = 0;
    if (error == 0 && ftruncate(file->fd, (off_t)(n_records * record_bytes(file))) != 0)
        error = errno;
    if (error != 0) {
        status = failed(file, error);
        if (is_new)
            unlink(path);
    }
cleanup:
    if (status != CRD_OK) {
        crd_draws_close(file, 0);
        file = NULL;
    }
    *out = file;
    return status;
}

static uint64_t checksum(const crd_draws_file *file, int64_t i, const void *values, int64_t n)
{
    return XXH3_64bits_withSeed(values, (size_t)n * sizeof(float), file->seed + (uint64_t)i);
}

crd_status crd_draws_write(crd_draws_file *file, int64_t i, const float *values, int64_t n)
{
    uint64_t digest = checksum(file, i, values, n);
    int64_t bytes = HEADER + n * (int64_t)sizeof *values, done = 0;
    memcpy(file->record, &digest, HEADER);
    memcpy(file->record + HEADER, values, (size_t)n * sizeof *values);
    while (done < bytes) {
        ssize_t n_written = pwrite(file->fd, file->record + done, (size_t)(bytes - done),
                                   (off_t)(i * record_bytes(file) + done));
        if (n_written < 0 && errno == EINTR)
            continue;
        if (n_written <= 0)
            return failed(file, n_written < 0 ? errno : ENOSPC);
        done += n_written;
    }
    return CRD_OK;
}

crd_status crd_draws_read(float *values, crd_draws_file *file, int64_t i, int64_t n)
{
    int64_t bytes = HEADER + n * (int64_t)sizeof *values, done = 0;
    uint64_t digest;
    while (done < bytes) {
        ssize_t got = pread(file->fd, file->record + done, (size_t)(bytes - done),
                            (off_t)(i * record_bytes(file) + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += got;
    }
    memcpy(&digest, file->record, HEADER);
    memcpy(values, file->record + HEADER, (size_t)n * sizeof *values);
    if (done < bytes || digest != checksum(file, i, values, n))
        return CRD_FAIL(CRD_ERR_INPUT, "%s: record %lld is damaged or missing", file->path,
                        (long long)i);
    return CRD_OK;
}

crd_status crd_draws_sync(crd_draws_file *file)
{
    return fdatasync(file->fd) == 0 ? CRD_OK : failed(file, errno);
}

void crd_draws_close(crd_draws_file *file, int remove)
{
    if (file == NULL)
        return;
    if (file->fd >= 0)
        close(file->fd);
    if (remove)
        unlink(file->path);
    crd_free(file->record);
    crd_free(file->path);
    crd_free(file);
}
