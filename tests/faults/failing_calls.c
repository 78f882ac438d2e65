/* Loaded before the C library (LD_PRELOAD): lets the N-th call of a kind fail. FAIL_CALL=KIND:N[:sticky]; KIND is write (on files below
 * FAIL_BELOW), sync, rename, lock (of open files), memfd or malloc (of the program's own code: MPI and others do not survive theirs). FAIL_MARK is a file
 * that is made when it has happened. SWAP_FILE: once this file has been opened SWAP_AT times, a link to SWAP_FOR takes its place. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic long n_calls;

/* 1 if this call, one of `kind`, is to fail. */
static int fails(const char *kind)
{
    const char *wanted = getenv("FAIL_CALL"), *mark = getenv("FAIL_MARK");
    size_t length = strlen(kind);
    if (wanted == NULL || mark == NULL || strncmp(wanted, kind, length) != 0 ||
        wanted[length] != ':')
        return 0;
    char *end;
    long n = strtol(wanted + length + 1, &end, 10), call = atomic_fetch_add(&n_calls, 1) + 1;
    if (call != n && !(call > n && *end == ':'))
        return 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    if (fd >= 0)
        syscall(SYS_close, fd);
    return 1;
}

static int is_below(int fd)
{
    char name[64], path[PATH_MAX];
    const char *folder = getenv("FAIL_BELOW");
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(name, path, sizeof path - 1);
    return n > 0 && folder != NULL && strncmp(path, folder, strlen(folder)) == 0;
}

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    ssize_t (*real)(int, const void *, size_t) =
        (ssize_t(*)(int, const void *, size_t))next("write");
    if (is_below(fd) && fails("write"))
        return errno = EIO, -1;
    return real(fd, bytes, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    ssize_t (*real)(int, const void *, size_t, off_t) =
        (ssize_t(*)(int, const void *, size_t, off_t))next("pwrite");
    if (is_below(fd) && fails("write"))
        return errno = ENOSPC, -1;
    return real(fd, bytes, n, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at)
{
    return pwrite(fd, bytes, n, at);
}

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int))next("fsync");
    return is_below(fd) && fails("sync") ? (errno = EIO, -1) : real(fd);
}

int fdatasync(int fd)
{
    int (*real)(int) = (int (*)(int))next("fdatasync");
    return is_below(fd) && fails("sync") ? (errno = EIO, -1) : real(fd);
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = (int (*)(const char *, const char *))next("rename");
    return fails("rename") ? (errno = EIO, -1) : real(from, to);
}

int fcntl(int fd, int command, ...)
{
    int (*real)(int, int, void *) = (int (*)(int, int, void *))next("fcntl");
    va_list args;
    va_start(args, command);
    void *argument = va_arg(args, void *);
    va_end(args);
    if (command == F_OFD_SETLK && fails("lock"))
        return errno = ENOLCK, -1;
    return real(fd, command, argument);
}

int memfd_create(const char *name, unsigned flags)
{
    int (*real)(const char *, unsigned) = (int (*)(const char *, unsigned))next("memfd_create");
    return fails("memfd") ? (errno = ENOSYS, -1) : real(name, flags);
}

static void swap(const char *path)
{
    static _Atomic int n_opened;
    const char *file = getenv("SWAP_FILE"), *other = getenv("SWAP_FOR"), *at = getenv("SWAP_AT");
    char link[PATH_MAX];
    if (file == NULL || other == NULL || at == NULL || strcmp(path, file) != 0 ||
        atomic_fetch_add(&n_opened, 1) + 1 != atoi(at))
        return;
    snprintf(link, sizeof link, "%s.%ld", file, (long)getpid());
    if (symlink(other, link) == 0)
        syscall(SYS_rename, link, file);
}

int open(const char *path, int flags, ...)
{
    int (*real)(const char *, int, mode_t) = (int (*)(const char *, int, mode_t))next("open");
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    int fd = real(path, flags, mode);
    swap(path);
    return fd;
}

/* crd_alloc_zeroed takes its memory with it. */
void *aligned_alloc(size_t alignment, size_t n)
{
    static void *(*real)(size_t, size_t);
    Dl_info caller, program;
    if (real == NULL)
        real = (void *(*)(size_t, size_t))next("aligned_alloc");
    if (dladdr(__builtin_return_address(0), &caller) != 0 &&
        dladdr((void *)getauxval(AT_ENTRY), &program) != 0 &&
        caller.dli_fbase == program.dli_fbase && fails("malloc"))
        return errno = ENOMEM, NULL;
    return real(alignment, n);
}
