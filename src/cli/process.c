/* What the process needs before MPI and BLAS have their say: descriptors, limits, threads.
 * Functions of .preinit_array run before the libraries' own starts, where the C library has
 * them; without them OpenBLAS keeps its idle threads. */
#define _GNU_SOURCE /* sched_getaffinity: Linux's own */
#include "cli/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"

#ifdef __GLIBC__
/* As it is loaded, OpenBLAS starts a thread for every core but one, and each takes 128 MiB of
 * addresses, or ends the process (SIGINT), or tries for ever where a limit leaves none. We use
 * one thread a rank. It counts the cores that the process may use, so for that moment it may
 * use one. */
static struct {
    cpu_set_t all;
    int is_narrowed;
} cores;

static void narrow_cores(void)
{
    cpu_set_t one;
    if (sched_getaffinity(0, sizeof cores.all, &cores.all) != 0)
        return;
    size_t first = 0;
    while (first < CPU_SETSIZE && !CPU_ISSET(first, &cores.all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    cores.is_narrowed = sched_setaffinity(0, sizeof one, &one) == 0;
}

__attribute__((section(".preinit_array"),
               used)) static void (*const before_libraries)(void) = narrow_cores;

static void widen_cores(void)
{
    if (cores.is_narrowed)
        sched_setaffinity(0, sizeof cores.all, &cores.all);
}
#else
static void widen_cores(void)
{
}
#endif

/* A closed descriptor would be the next file's, or a pipe's of MPI, and results would go there.
 * What is opened in its place cannot be used, so that reading and writing it still fail.
 * Returns 1 if it was closed. */
static int fill_descriptor(int fd, int flags)
{
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
        return 0;
    open("/dev/null", flags); /* takes the lowest free one */
    return 1;
}

/* With less, MPI dies at its start, in its own words. */
enum { MAPPED_BYTES = 64 << 20, FILE_BYTES = 5 << 20 };

/* A process alone starts a launcher for itself, which writes files; ranks come with one. */
static crd_status check_temporary_space(void)
{
    struct statvfs place;
    const char *folder = getenv("TMPDIR");
    if (folder == NULL)
        folder = "/tmp";
    if (getenv("PMIX_RANK") != NULL || statvfs(folder, &place) != 0 ||
        (uint64_t)place.f_bavail * place.f_frsize >= FILE_BYTES)
        return CRD_OK;
    return CRD_FAIL(CRD_ERR_IO,
                    "start of MPI: %s has %llu bytes left, but it needs %d (TMPDIR names another "
                    "folder)",
                    folder, (unsigned long long)place.f_bavail * place.f_frsize, FILE_BYTES);
}

static crd_status check_limits(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < FILE_BYTES)
        return CRD_FAIL(CRD_ERR_IO,
                        "start of MPI: files may have %llu bytes, but it needs some of %d "
                        "(see ulimit -f)",
                        (unsigned long long)limit.rlim_cur, FILE_BYTES);
    if (crd_alloc_probe(MAPPED_BYTES, "start of MPI") != CRD_OK)
        return CRD_ERR_INTERNAL;
    return check_temporary_space();
}

crd_status crd_process_begin(crd_process *out)
{
    widen_cores();
    fill_descriptor(STDIN_FILENO, O_WRONLY);
    out->has_no_stdout = fill_descriptor(STDOUT_FILENO, O_RDONLY);
    fill_descriptor(STDERR_FILENO, O_WRONLY);
    /* A write beyond the limit of file sizes fails then like any other. */
    signal(SIGXFSZ, SIG_IGN);
    return check_limits();
}
