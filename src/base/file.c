/* Opening what a user names: asked by stat first, for opening a device can do things, and by fstat
 * after, for the name may mean another file by then. O_NONBLOCK keeps a pipe that has slipped in
 * from being waited for. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static crd_status refuse_opening(const char *path)
{
    crd_status code = errno == EACCES || errno == EIO ? CRD_ERR_IO : CRD_ERR_INPUT;
    return CRD_FAIL(code, "%s: cannot be opened: %s", path, strerror(errno));
}

static crd_status check_kind(const struct stat *info, const char *path, int64_t max_bytes)
{
    if (S_ISDIR(info->st_mode))
        return CRD_FAIL(CRD_ERR_INPUT, "%s: is a folder, not a file", path);
    if (!S_ISREG(info->st_mode))
        return CRD_FAIL(CRD_ERR_INPUT, "%s: is not a regular file", path);
    if (info->st_size > max_bytes)
        return CRD_FAIL(CRD_ERR_INPUT, "%s: %lld bytes; at most %lld are allowed here", path,
                        (long long)info->st_size, (long long)max_bytes);
    return CRD_OK;
}

crd_status crd_file_open(int *fd, int64_t *n_bytes, const char *path, int64_t max_bytes)
{
    crd_status status = CRD_OK;
    struct stat info;
    *fd = -1;
    if (stat(path, &info) != 0)
        return refuse_opening(path);
    CRD_TRY(check_kind(&info, path, max_bytes));
    *fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &info) != 0)
        CRD_TRY(refuse_opening(path));
    CRD_TRY(check_kind(&info, path, max_bytes));
    if (n_bytes != NULL)
        *n_bytes = (int64_t)info.st_size;
    return CRD_OK;
cleanup:
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return status;
}

crd_status crd_file_read(void *out, int fd, int64_t n, int64_t offset, const char *path)
{
    char *to = out;
    while (n > 0) {
        ssize_t got = pread(fd, to, (size_t)n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return CRD_FAIL(CRD_ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
        if (got == 0)
            return CRD_FAIL(CRD_ERR_IO, "%s: became shorter while it was read", path);
        to += got;
        offset += got;
        n -= got;
    }
    return CRD_OK;
}

crd_status crd_file_load(char **bytes, int64_t *n_bytes, const char *path, int64_t max_bytes)
{
    crd_status status;
    int fd;
    *bytes = NULL;
    CRD_TRY(crd_file_open(&fd, n_bytes, path, max_bytes));
    CRD_ALLOC(bytes, *n_bytes + 1, path);
    CRD_TRY(crd_file_read(*bytes, fd, *n_bytes, 0, path));
cleanup:
    if (fd >= 0)
        close(fd);
    if (status != CRD_OK) {
        crd_free(*bytes);
        *bytes = NULL;
    }
    return status;
}
