#include "io/atomic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "credence/files.h"

enum { MAX_ATTEMPTS = 100, MAX_NAME_PART = 200 };

/* Temporary files of this process, for the signal that ends it; more than these stay behind then. */
enum { MAX_LIVE = 8 };
static _Atomic(char *) live[MAX_LIVE];

void crd_atomic_remove_all(void)
{
    for (int i = 0; i < MAX_LIVE; i++) {
        char *path = atomic_load(&live[i]);
        if (path != NULL)
            unlink(path);
    }
}

static void live_add(char *path)
{
    char *none = NULL;
    for (int i = 0; i < MAX_LIVE && !atomic_compare_exchange_strong(&live[i], &none, path); i++)
        none = NULL;
}

static void live_remove(char *path)
{
    for (int i = 0; i < MAX_LIVE && path != NULL; i++) {
        char *mine = path;
        atomic_compare_exchange_strong(&live[i], &mine, NULL);
    }
}

/* Locks the file against crd_atomic_begin of other processes; 0 if that worked. */
static int lock(int fd)
{
#ifdef F_OFD_SETLK
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &whole);
#else
    (void)fd;
    return -1;
#endif
}

static crd_status write_failed(const crd_atomic_file *file, int error)
{
    return CRD_FAIL(CRD_ERR_IO, "%s: cannot be written: %s", file->path, strerror(error));
}

/* Length of the folder part of a path, its final slash included; 0 if there is none. */
static int folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (int)(slash - path + 1);
}

/* The folder of a path, on the stack: where it is asked for, too little memory must not be what fails. */
static void folder_name(char out[PATH_MAX], const char *path)
{
    int length = folder_length(path);
    snprintf(out, PATH_MAX, "%.*s", length == 0 ? 1 : length, length == 0 ? "." : path);
}

/* Where the file will be: a link's target, so that the link stays a link. */
static crd_status resolve(char **out, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return crd_alloc_string(out, path);
    if (!S_ISREG(info.st_mode))
        return CRD_FAIL(CRD_ERR_IO, "%s: cannot be written: is there and is not a regular file",
                        path);
    char *target = realpath(path, NULL);
    if (target == NULL)
        return CRD_FAIL(CRD_ERR_IO, "%s: cannot be written: %s", path, strerror(errno));
    crd_status status = crd_alloc_string(out, target);
    free(target);
    return status;
}

/* Files "<folder>.<name>.XXXXXX.tmp" that no process holds. */
void crd_atomic_remove_stale(const char *path)
{
    int folder = folder_length(path);
    char place[PATH_MAX];
    folder_name(place, path);
    DIR *dir = opendir(place);
    int length = (int)strnlen(path + folder, MAX_NAME_PART);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        const char *name = entry->d_name;
        if (strlen(name) != (size_t)length + 12 || name[0] != '.' || name[length + 1] != '.' ||
            memcmp(name + 1, path + folder, (size_t)length) != 0 ||
            strcmp(name + length + 8, ".tmp") != 0)
            continue;
        int fd = openat(dirfd(dir), name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && lock(fd) == 0)
            unlinkat(dirfd(dir), name, 0);
        if (fd >= 0)
            close(fd);
    }
    if (dir != NULL)
        closedir(dir);
}

crd_status crd_atomic_begin(crd_atomic_file *file, const char *path)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    crd_status status = CRD_OK;
    *file = (crd_atomic_file){.fd = -1};
    CRD_TRY(resolve(&file->path, path));
    size_t size = strlen(file->path) + 32;
    CRD_ALLOC(&file->temp_path, size, "temporary name");
    int folder = folder_length(file->path);
    crd_atomic_remove_stale(file->path);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t number = (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 30 ^ (uint64_t)getpid() << 40;
    /* open, not mkstemp: mkstemp's mode 0600 would hide the result from the user's group. */
    for (int attempt = 0; attempt < MAX_ATTEMPTS && file->fd < 0; attempt++) {
        char suffix[7] = "";
        number = number * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        for (int i = 0; i < 6; i++)
            suffix[i] = letters[(number >> (28 + 6 * i)) % (sizeof letters - 1)];
        snprintf(file->temp_path, size, "%.*s.%.*s.%s.tmp", folder, file->path, MAX_NAME_PART,
                 file->path + folder, suffix);
        file->fd = open(file->temp_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->fd < 0 && errno != EEXIST)
            break;
    }
    if (file->fd < 0) {
        status = write_failed(file, errno);
        crd_free(file->temp_path); /* never made, so never to be removed */
        file->temp_path = NULL;
    } else {
        lock(file->fd);
        live_add(file->temp_path);
    }
cleanup:
    if (status != CRD_OK)
        crd_atomic_abandon(file);
    return status;
}

crd_status crd_file_check_place(const char *path)
{
    crd_atomic_file file;
    crd_status status = crd_atomic_begin(&file, path);
    if (status == CRD_OK)
        crd_atomic_abandon(&file);
    return status;
}

crd_status crd_atomic_reserve(crd_atomic_file *file, int64_t bytes)
{
    struct stat info;
    if (fstat(file->fd, &info) != 0)
        return write_failed(file, errno);
    int error = posix_fallocate(file->fd, info.st_size, (off_t)bytes);
    if (error != 0 && error != EOPNOTSUPP && error != EINVAL && error != ENOSYS)
        return write_failed(file, error);
    return CRD_OK;
}

/* Makes the rename durable. */
static crd_status sync_folder(const crd_atomic_file *file)
{
    crd_status status = CRD_OK;
    char folder[PATH_MAX];
    folder_name(folder, file->path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Folders that may be written but not read, and file systems that cannot sync folders,
     * exist. */
    if (fd >= 0 && fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
        status = write_failed(file, errno);
    if (fd >= 0)
        close(fd);
    return status;
}

static crd_status keep_old(const crd_atomic_file *file)
{
    crd_status status = CRD_OK;
    char *old = NULL;
    size_t size = strlen(file->path) + sizeof CRD_ATOMIC_OLD;
    CRD_ALLOC(&old, size, "name of the old file");
    snprintf(old, size, "%s%s", file->path, CRD_ATOMIC_OLD);
    unlink(old);
    /* With a second name for it the place is never empty, not even for a moment; some file systems
     * have no second names. */
    CRD_REQUIRE(link(file->path, old) == 0 || rename(file->path, old) == 0, CRD_ERR_IO,
                "%s: cannot be written: %s", old, strerror(errno));
cleanup:
    crd_free(old);
    return status;
}

crd_status crd_atomic_sync(crd_atomic_file *file)
{
    if (fsync(file->fd) != 0)
        return write_failed(file, errno);
    /* What is read from now on comes from the disk, where the system heeds the advice. */
    posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
    return CRD_OK;
}

crd_status crd_atomic_publish(crd_atomic_file *file)
{
    crd_status status = CRD_OK;
    int closed = close(file->fd);
    file->fd = -1;
    CRD_REQUIRE(closed == 0, CRD_ERR_IO, "%s: cannot be written: %s", file->path, strerror(errno));
    if (file->keeps_old)
        CRD_TRY(keep_old(file));
    CRD_REQUIRE(rename(file->temp_path, file->path) == 0, CRD_ERR_IO, "%s: cannot be written: %s",
                file->path, strerror(errno));
    live_remove(file->temp_path);
    crd_free(file->temp_path);
    file->temp_path = NULL;
    CRD_TRY(sync_folder(file));
cleanup:
    crd_atomic_abandon(file);
    return status;
}

void crd_atomic_abandon(crd_atomic_file *file)
{
    if (file->temp_path != NULL && file->fd >= 0)
        close(file->fd);
    if (file->temp_path != NULL)
        unlink(file->temp_path);
    live_remove(file->temp_path);
    crd_free(file->temp_path);
    crd_free(file->path);
    *file = (crd_atomic_file){.fd = -1};
}
