/* A file without a name (Linux's memfd), made by the node's leader and opened by the others
 * through /proc: it takes no room in /dev/shm, which containers keep at 64 MiB, what it takes
 * is there at once or refused, and nothing of it is left whatever ends the ranks. Where that
 * does not work, a window of MPI, after a look at the room in /dev/shm: Open MPI's ranks wait
 * for ever for a leader that found none. */
#define _GNU_SOURCE /* memfd_create */
#include "comm/node_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/memory.h"

/* What the leader says of its file. */
typedef struct file_note {
    char path[64];  /* "": there is none */
    uint64_t token; /* at the file's beginning: /proc may be another one for another rank */
} file_note;

static void *map(int fd, int64_t n_bytes)
{
    void *data = mmap(NULL, (size_t)n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return data == MAP_FAILED ? NULL : data;
}

/* The leader's half: the file with all its pages. Returns its descriptor, -1 with errno after a
 * failure. */
static int make_file(void **data, file_note *note, int64_t n_bytes)
{
#ifdef MFD_CLOEXEC
    int fd = memfd_create("credence", MFD_CLOEXEC);
    int error = fd < 0                        ? errno
                : crd_memory_left() < n_bytes ? ENOMEM
                                              : posix_fallocate(fd, 0, (off_t)n_bytes);
    if (error == 0 && (*data = map(fd, n_bytes)) == NULL)
        error = errno;
    if (error == 0) {
        snprintf(note->path, sizeof note->path, "/proc/%ld/fd/%d", (long)getpid(), fd);
        note->token = (uint64_t)getpid() << 32 ^ (uint64_t)(crd_clock_now_s() * 1e9);
        memcpy(*data, &note->token, sizeof note->token);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    errno = error;
#else
    (void)data, (void)note, (void)n_bytes;
    errno = ENOSYS;
#endif
    return -1;
}

/* The others' half. */
static void *open_file(const file_note *note, int64_t n_bytes)
{
    struct stat info;
    void *data = NULL;
    int fd = note->path[0] == '\0' ? -1 : open(note->path, O_RDWR | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &info) == 0 && info.st_size == (off_t)n_bytes)
        data = map(fd, n_bytes);
    if (fd >= 0)
        close(fd);
    if (data != NULL && memcmp(data, &note->token, sizeof note->token) != 0) {
        munmap(data, (size_t)n_bytes);
        data = NULL;
    }
    return data;
}

/* Do all ranks of the node say yes? */
static int all_agree(MPI_Comm node, int yes)
{
    MPI_Allreduce(MPI_IN_PLACE, &yes, 1, MPI_INT, MPI_MIN, node);
    return yes;
}

/* Returns 1 if all ranks of the node have it. */
static int share_file(crd_node_memory *out, const crd_comm *comm, int *error)
{
    MPI_Comm node = crd_mpi_body_of(comm)->node;
    file_note note = {.path = ""};
    int fd = -1;
    if (comm->node_rank == 0 && (fd = make_file(&out->data, &note, out->n_bytes)) < 0)
        *error = errno;
    MPI_Bcast(&note, (int)sizeof note, MPI_BYTE, 0, node);
    if (comm->node_rank > 0)
        out->data = open_file(&note, out->n_bytes);
    int is_shared = all_agree(node, out->data != NULL);
    if (fd >= 0)
        close(fd);
    if (!is_shared && out->data != NULL)
        munmap(out->data, (size_t)out->n_bytes);
    else if (is_shared && comm->node_rank == 0)
        memset(out->data, 0, sizeof note.token);
    MPI_Barrier(node);
    return is_shared;
}

/* Has /dev/shm room for it, may a file be as large, and is there the memory? */
static int has_room(int64_t n_bytes)
{
    struct statvfs place;
    struct rlimit limit;
    if (statvfs("/dev/shm", &place) == 0 &&
        (uint64_t)place.f_bavail * place.f_frsize < (uint64_t)n_bytes + (1 << 20))
        return 0;
    if (crd_memory_left() < n_bytes)
        return 0;
    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur > (rlim_t)n_bytes + (1 << 20);
}

/* Is it the same /dev/shm for all ranks of the node? Containers may have one each. */
static int is_one_place(MPI_Comm node)
{
    struct stat place;
    uint64_t device = stat("/dev/shm", &place) == 0 ? (uint64_t)place.st_dev : 0;
    uint64_t ends[2] = {device, ~device};
    MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_UINT64_T, MPI_MIN, node);
    return ends[0] == ~ends[1];
}

/* The leader owns all of the node's copy. Whether the memory is there is told by the return
 * code. */
static int share_window(crd_node_memory *out, const crd_comm *comm)
{
    MPI_Comm node = crd_mpi_body_of(comm)->node;
    MPI_Aint bytes = comm->node_rank == 0 ? (MPI_Aint)out->n_bytes : 0;
    void *own;
    int unit;
    if (!is_one_place(node) || !all_agree(node, has_room(out->n_bytes)))
        return 0;
    MPI_Comm_set_errhandler(node, MPI_ERRORS_RETURN);
    int code = MPI_Win_allocate_shared(bytes, 1, MPI_INFO_NULL, node, &own, &out->window);
    MPI_Comm_set_errhandler(node, MPI_ERRORS_ARE_FATAL);
    if (!all_agree(node, code == MPI_SUCCESS)) {
        out->window = MPI_WIN_NULL;
        return 0;
    }
    MPI_Win_shared_query(out->window, 0, &bytes, &unit, &out->data);
    MPI_Win_lock_all(MPI_MODE_NOCHECK, out->window);
    if (comm->node_rank == 0)
        memset(out->data, 0, (size_t)out->n_bytes);
    return 1;
}

crd_status crd_node_memory_create(crd_node_memory *out, crd_comm *comm, int64_t n_bytes)
{
    crd_status status = CRD_OK;
    int error = 0;
    *out = (crd_node_memory){.n_bytes = n_bytes, .window = MPI_WIN_NULL};
    if (!share_file(out, comm, &error) && !share_window(out, comm))
        status = CRD_FAIL(CRD_ERR_INTERNAL,
                          "out of memory: %lld bytes for the ranks of host %s to share: %s, and "
                          "/dev/shm has no room for them",
                          (long long)n_bytes, comm->host,
                          error != 0 ? strerror(error) : "the leader's file cannot be opened");
    /* Ranks of other nodes may have theirs. */
    crd_status all = crd_comm_agree(comm, status);
    if (all != CRD_OK && status == CRD_OK)
        crd_node_memory_destroy(out);
    if (all == CRD_OK) {
        crd_node_memory_sync(out);
        MPI_Barrier(crd_mpi_body_of(comm)->node);
        crd_node_memory_sync(out);
    }
    return all;
}

void crd_node_memory_destroy(crd_node_memory *memory)
{
    if (memory->window == MPI_WIN_NULL) {
        munmap(memory->data, (size_t)memory->n_bytes);
        return;
    }
    MPI_Win_unlock_all(memory->window);
    MPI_Win_free(&memory->window);
}
