/* The lock is on an open file, so the kernel gives it back at the end of its process; what the
 * file says is only for messages. */
#include "io/output_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "credence/log.h"
#include "io/atomic.h"

/* How the text of a lock begins. */
#define OURS "process "
enum { MAX_ATTEMPTS = 100, MAX_NAME_PART = 200, HOLDER_SIZE = 320 };

struct crd_output_lock {
    char *path;
    int fd;
};

static crd_status make_path(char **out, const char *path)
{
    crd_status status = CRD_OK;
    char *place = NULL;
    CRD_TRY(crd_atomic_resolve(&place, path));
    const char *slash = strrchr(place, '/'), *name = slash == NULL ? place : slash + 1;
    size_t size = strlen(place) + sizeof "..lock";
    CRD_ALLOC(out, size, "name of the lock");
    snprintf(*out, size, "%.*s.%.*s.lock", (int)(name - place), place, MAX_NAME_PART, name);
cleanup:
    crd_free(place);
    return status;
}

/* Was the file removed, by the run that had it, before it was locked here? */
static int is_gone(const crd_output_lock *lock)
{
    struct stat here, there;
    return fstat(lock->fd, &here) != 0 || stat(lock->path, &there) != 0 ||
           here.st_dev != there.st_dev || here.st_ino != there.st_ino;
}

/* A file of this name that says something else is the user's. */
static int is_ours(const crd_output_lock *lock)
{
    char start[sizeof OURS - 1];
    ssize_t n = pread(lock->fd, start, sizeof start, 0);
    return n == 0 || (n == (ssize_t)sizeof start && memcmp(start, OURS, sizeof start) == 0);
}

static void write_holder(const crd_output_lock *lock)
{
    char host[256] = "", text[HOLDER_SIZE];
    gethostname(host, sizeof host - 1);
    int n = snprintf(text, sizeof text, OURS "%ld on %s", (long)getpid(), host);
    if (ftruncate(lock->fd, 0) != 0 || pwrite(lock->fd, text, (size_t)n, 0) != n)
        crd_log(CRD_LOG_WARN, "%s: cannot say whose it is: %s", lock->path, strerror(errno));
}

static crd_status refuse(const crd_output_lock *lock, const char *path)
{
    char holder[HOLDER_SIZE] = "";
    ssize_t n = pread(lock->fd, holder, sizeof holder - 1, 0);
    return CRD_FAIL(CRD_ERR_IO, "%s: another run is writing it: %s", path,
                    n > 0 ? holder : "one that has just begun");
}

/* Gives up what was opened. */
static void drop(crd_output_lock *lock)
{
    close(lock->fd);
    lock->fd = -1;
}

/* Opens and locks; without a lock, lock->fd is -1. */
static crd_status take(crd_output_lock *lock, const char *path)
{
    crd_status status = CRD_OK;
    for (int i = 0; i < MAX_ATTEMPTS; i++) {
        lock->fd = open(lock->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (lock->fd < 0)
            return CRD_OK; /* whether the output can be written there is found out with it */
        if (!is_ours(lock))
            break;
        if (crd_atomic_lock(lock->fd) == 0) {
            if (!is_gone(lock))
                return CRD_OK;
        } else if (errno == EAGAIN || errno == EACCES) {
            status = refuse(lock, path);
            break;
        } else {
            unlink(lock->path); /* no locks here */
            break;
        }
        drop(lock);
    }
    if (lock->fd >= 0)
        drop(lock);
    return status;
}

crd_status crd_output_lock_acquire(crd_output_lock **out, const char *path)
{
    crd_status status = CRD_OK;
    crd_output_lock *lock = NULL;
    *out = NULL;
    CRD_ALLOC(&lock, 1, "lock");
    lock->fd = -1;
    CRD_TRY(make_path(&lock->path, path));
    CRD_TRY(take(lock, path));
    if (lock->fd >= 0) {
        crd_atomic_guard(lock->path);
        write_holder(lock);
        *out = lock;
        lock = NULL;
    }
cleanup:
    crd_output_lock_release(lock);
    return status;
}

void crd_output_lock_release(crd_output_lock *lock)
{
    if (lock == NULL)
        return;
    if (lock->fd >= 0) {
        unlink(lock->path); /* before the lock is given back: nobody's but ours */
        crd_atomic_unguard(lock->path);
        close(lock->fd);
    }
    crd_free(lock->path);
    crd_free(lock);
}
