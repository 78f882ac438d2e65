/* A file under a temporary name, renamed when it is whole. Six letters of that name are chance
 * and six are a digest of the rest, so that what a killed process has left is told from what a
 * user has named alike. */
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
#include <xxhash.h>

#include "base/alloc.h"
#include "credence/files.h"

enum { MAX_ATTEMPTS = 100, MAX_NAME_PART = 200, MAX_LINKS = 40, N_LETTERS = 6 };
/* Of the end of a temporary name, ".XXXXXXYYYYYY.tmp", its final zero included. */
enum { SUFFIX_SIZE = 2 * N_LETTERS + 6 };

/* Temporary files of this process, for the signal that ends it; more than these stay behind
 * then. */
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

void crd_atomic_guard(char *path)
{
    char *none = NULL;
    for (int i = 0; i < MAX_LIVE && !atomic_compare_exchange_strong(&live[i], &none, path); i++)
        none = NULL;
}

void crd_atomic_unguard(char *path)
{
    for (int i = 0; i < MAX_LIVE && path != NULL; i++) {
        char *mine = path;
        atomic_compare_exchange_strong(&live[i], &mine, NULL);
    }
}

int crd_atomic_lock(int fd)
{
#ifdef F_OFD_SETLK
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &whole);
#else
    (void)fd;
    errno = ENOTSUP;
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

/* The folder of a path, on the stack: where it is asked for, too little memory must not be what
 * fails. */
static void folder_name(char out[PATH_MAX], const char *path)
{
    int length = folder_length(path);
    snprintf(out, PATH_MAX, "%.*s", length == 0 ? 1 : length, length == 0 ? "." : path);
}

crd_status crd_atomic_resolve(char **out, const char *path)
{
    char place[PATH_MAX], target[PATH_MAX];
    struct stat info;
    ssize_t n = snprintf(place, sizeof place, "%s", path) < PATH_MAX ? 0 : -1;
    for (int i = 0; n >= 0 && (n = readlink(place, target, sizeof target)) >= 0; i++) {
        size_t folder = target[0] == '/' ? 0 : (size_t)folder_length(place);
        if (i == MAX_LINKS || folder + (size_t)n >= sizeof place)
            return CRD_FAIL(CRD_ERR_IO, "%s: cannot be written: %s", path, strerror(ELOOP));
        memcpy(place + folder, target, (size_t)n);
        place[folder + (size_t)n] = '\0';
    }
    if (stat(place, &info) == 0 && !S_ISREG(info.st_mode))
        return CRD_FAIL(CRD_ERR_IO, "%s: cannot be written: is there and is not a regular file",
                        path);
    return crd_alloc_string(out, strlen(path) < PATH_MAX ? place : path);
}

/* The last part of a path, as far as temporary names hold it. */
static const char *name_part(int *length, const char *path)
{
    const char *name = path + folder_length(path);
    *length = (int)strnlen(name, MAX_NAME_PART);
    return name;
}

static void put_letters(char *out, uint64_t number)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    for (int i = 0; i < N_LETTERS; i++, number /= sizeof letters - 1)
        out[i] = letters[number % (sizeof letters - 1)];
}

/* The suffix whose six letters of chance are at `chance`, for a file of this name. */
static void make_suffix(char out[SUFFIX_SIZE], const char *chance, const char *name, int length)
{
    memcpy(out, ".XXXXXXYYYYYY.tmp", SUFFIX_SIZE);
    memcpy(out + 1, chance, N_LETTERS);
    put_letters(out + 1 + N_LETTERS,
                XXH3_64bits_withSeed(name, (size_t)length, XXH3_64bits(chance, N_LETTERS)));
}

/* Is it a name that crd_atomic_begin gives to a file of this name? */
static int is_temporary(const char *entry, const char *name, int length)
{
    char suffix[SUFFIX_SIZE];
    if (strlen(entry) != (size_t)length + SUFFIX_SIZE || entry[0] != '.' ||
        memcmp(entry + 1, name, (size_t)length) != 0)
        return 0;
    make_suffix(suffix, entry + length + 2, name, length);
    return strcmp(entry + 1 + length, suffix) == 0;
}

void crd_atomic_remove_stale(const char *path)
{
    char place[PATH_MAX];
    int length;
    const char *name = name_part(&length, path);
    folder_name(place, path);
    DIR *dir = opendir(place);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (!is_temporary(entry->d_name, name, length))
            continue;
        int fd = openat(dirfd(dir), entry->d_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && crd_atomic_lock(fd) == 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
        if (fd >= 0)
            close(fd);
    }
    if (dir != NULL)
        closedir(dir);
}

/* What is replaced keeps its group and mode, and shows nothing to more people than before. */
static int take_mode(int fd, const char *path)
{
    struct stat old, new;
    if (stat(path, &old) != 0)
        return 0;
    if (fstat(fd, &new) != 0)
        return -1;
    mode_t mode = old.st_mode & 0777;
    if (new.st_gid != old.st_gid && fchown(fd, (uid_t)-1, old.st_gid) != 0)
        mode &= 0707;
    return fchmod(fd, mode);
}

/* Opens a new file beside file->path. */
static int open_new(crd_atomic_file *file, size_t size)
{
    char chance[N_LETTERS], suffix[SUFFIX_SIZE];
    int length, fd = -1;
    const char *name = name_part(&length, file->path);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t number = (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 30 ^ (uint64_t)getpid() << 40;
    /* open, not mkstemp: mkstemp's mode 0600 would hide the result from the user's group. */
    for (int attempt = 0; attempt < MAX_ATTEMPTS && fd < 0; attempt++) {
        number = number * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        put_letters(chance, number >> 28);
        make_suffix(suffix, chance, name, length);
        snprintf(file->temp_path, size, "%.*s.%.*s%s", (int)(name - file->path), file->path, length,
                 name, suffix);
        fd = open(file->temp_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    return fd;
}

crd_status crd_atomic_begin(crd_atomic_file *file, const char *path)
{
    crd_status status = CRD_OK;
    *file = (crd_atomic_file){.fd = -1};
    CRD_TRY(crd_atomic_resolve(&file->path, path));
    size_t size = strlen(file->path) + SUFFIX_SIZE + 1;
    CRD_ALLOC(&file->temp_path, size, "temporary name");
    crd_atomic_remove_stale(file->path);
    file->fd = open_new(file, size);
    if (file->fd < 0) {
        status = write_failed(file, errno);
        crd_free(file->temp_path); /* never made, so never to be removed */
        file->temp_path = NULL;
        goto cleanup;
    }
    crd_atomic_lock(file->fd);
    crd_atomic_guard(file->temp_path);
    if (take_mode(file->fd, file->path) != 0)
        status = write_failed(file, errno);
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
    /* What is read from now on comes from the disk, where the system follows the advice. */
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
    crd_atomic_unguard(file->temp_path);
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
    crd_atomic_unguard(file->temp_path);
    crd_free(file->temp_path);
    crd_free(file->path);
    *file = (crd_atomic_file){.fd = -1};
}
