/* Processes that read HDF5 files for this one. HDF5 crashes, hangs or fills the memory over
 * damaged files, and no seal says that a file is harmless; so each file is parsed in a child
 * with limits of memory and time, which is asked over a socket. Children come from a launcher:
 * a child that was forked early, before MPI, whose image is small and clean, and that forks one
 * reader a file. All of them end when their socket closes. This is no sandbox against code that
 * takes the child over. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "credence/files.h"
#include "io/h5_request.h"

enum {
    NAME_SIZE = 4096,
    CPU_S = 2,                /* what a request may take, beside its bytes */
    CPU_BYTES_A_S = 10 << 20, /* slower than any decompression */
    POLL_MS = 1000,
    MAX_IDLE =
        600,     /* polls that find a reader asleep, which is not how a disk is waited for; but some
                       file systems of user processes wait so, for a tape even */
    N_PASSED = 2 /* descriptors of a start: the file, the socket */
};
#define MEMORY_BYTES ((int64_t)256 << 20) /* of HDF5 itself */
#define MAX_FILE_BYTES ((int64_t)1 << 30) /* of the file that may be held besides */

/* What the launcher is told, and what it answers. */
typedef struct order {
    pid_t end; /* the reader to be ended; 0: start one */
    char name[NAME_SIZE];
} order;

typedef struct receipt {
    pid_t pid;  /* of the reader */
    int error;  /* errno; 0: done */
    int status; /* of waitpid */
} receipt;

/* A piece of an answer: data, or with n = 0 its end. */
typedef struct piece {
    int64_t n;
    crd_status status;
    int is_out_of_memory; /* within limits that are ours, not the user's */
} piece;

struct crd_h5_reader {
    int fd;
    pid_t pid; /* 0: has ended */
    char *name;
    char failure[CRD_MESSAGE_SIZE]; /* once it has died */
    crd_status code;
};

static struct {
    pthread_mutex_t lock;
    int fd;
    pid_t pid, owner; /* a process that the user forks must not share ours */
} launcher = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static int send_all(int fd, const void *data, size_t n)
{
    const char *from = data;
    while (n > 0) {
        ssize_t sent = send(fd, from, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return 0;
        from += sent;
        n -= (size_t)sent;
    }
    return 1;
}

static int receive_all(int fd, void *data, size_t n)
{
    char *to = data;
    while (n > 0) {
        ssize_t got = recv(fd, to, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        to += got;
        n -= (size_t)got;
    }
    return 1;
}

/* ---- the reader's process ---- */

typedef struct limits {
    int64_t base_bytes; /* of address space when it began */
    int64_t file_bytes;
    int is_ours; /* 1: what the user allows is more than what we do */
} limits;

static int64_t address_space(void)
{
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL)
        return -1;
    int n = fscanf(file, "%lld", &pages);
    fclose(file);
    return n == 1 ? (int64_t)pages * sysconf(_SC_PAGESIZE) : -1;
}

/* Sets the soft limit of processor time or of address space; the hard one is the user's.
 * *is_ours = 0: the user's is the smaller one. */
static void limit_soft(bool is_time, rlim_t value, int *is_ours)
{
    struct rlimit now;
    if ((is_time ? getrlimit(RLIMIT_CPU, &now) : getrlimit(RLIMIT_AS, &now)) != 0)
        return;
    *is_ours = now.rlim_max == RLIM_INFINITY || value < now.rlim_max;
    now.rlim_cur = *is_ours ? value : now.rlim_max;
    (void)(is_time ? setrlimit(RLIMIT_CPU, &now) : setrlimit(RLIMIT_AS, &now));
}

/* Before each request: what this one may take. */
static void allow(limits *l, const crd_h5_request *request)
{
    struct rusage used;
    int is_ours;
    int64_t asked = request->n_bytes;
    getrusage(RUSAGE_SELF, &used);
    int64_t used_s = used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1;
    limit_soft(true, (rlim_t)(used_s + CPU_S + (l->file_bytes + asked) / CPU_BYTES_A_S), &is_ours);
#ifndef __SANITIZE_ADDRESS__ /* it maps terabytes */
    if (l->base_bytes < 0)
        return;
    int64_t file = l->file_bytes < MAX_FILE_BYTES ? l->file_bytes : MAX_FILE_BYTES;
    limit_soft(false, (rlim_t)(l->base_bytes + MEMORY_BYTES + file + 3 * asked), &l->is_ours);
#endif
}

static crd_status send_piece(const void *data, int64_t n, void *payload)
{
    const int *fd = payload;
    piece p = {.n = n};
    if (n > 0 && (!send_all(*fd, &p, sizeof p) || !send_all(*fd, data, (size_t)n)))
        _exit(0); /* nobody listens any more */
    return CRD_OK;
}

static void answer_one(crd_h5 **file, int fd, int file_fd, const char *name,
                       const crd_h5_request *request, const limits *l)
{
    char path[32], message[CRD_MESSAGE_SIZE] = "";
    crd_status status;
    if (request->op == CRD_H5_OPEN) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", file_fd);
        status = crd_h5_open_here(file, path, name, request->n_values != 0);
    } else {
        status = crd_h5_answer(*file, request, send_piece, &fd);
    }
    piece end = {.status = status, .is_out_of_memory = status == CRD_ERR_INTERNAL && l->is_ours};
    if (status != CRD_OK)
        snprintf(message, sizeof message, "%s", crd_status_message());
    if (!send_all(fd, &end, sizeof end) || !send_all(fd, message, sizeof message))
        _exit(0);
}

static void serve(int fd, int file_fd, const char *name)
{
    crd_h5_request request;
    crd_h5 *file = NULL;
    struct stat info;
    limits l = {.base_bytes = address_space()};
    if (fstat(file_fd, &info) == 0)
        l.file_bytes = (int64_t)info.st_size;
    while (receive_all(fd, &request, sizeof request)) {
        allow(&l, &request);
        answer_one(&file, fd, file_fd, name, &request, &l);
    }
}

/* ---- the launcher's process ---- */

/* Nothing of the parent's is held: a pipe or socket of it would look open to the other end. */
static void close_all_but(int kept)
{
    DIR *folder = opendir("/proc/self/fd");
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (fd != kept && fd != dirfd(folder) && entry->d_name[0] != '.')
            close(fd);
    }
    if (folder != NULL)
        closedir(folder);
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3 && null >= 0; fd++)
        if (fd != null && fd != kept)
            dup2(null, fd);
    if (null >= 3)
        close(null);
}

/* What the parent, MPI or the user's terminal do with signals is no business of ours: we end
 * with our socket. */
static void reset_signals(void)
{
    static const int ignored[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
                                  SIGUSR1, SIGUSR2, SIGPIPE, SIGTSTP};
    sigset_t none;
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* If memory runs out, it is the reader that must go. */
static void offer_to_oom_killer(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = write(fd, "1000", 4);
        (void)n;
        close(fd);
    }
}

static receipt start_reader(int own_fd, const int passed[N_PASSED], const char *name)
{
    crd_h5_prepare();
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return (receipt){.pid = pid, .error = pid < 0 ? errno : 0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
    prctl(PR_SET_NAME, "credence-reader");
    close(own_fd);
    offer_to_oom_killer();
    serve(passed[1], passed[0], name);
    _exit(0);
}

static receipt end_reader(pid_t pid)
{
    receipt r = {.pid = pid};
    kill(pid, SIGKILL); /* changes nothing of one that has ended */
    while (waitpid(pid, &r.status, 0) < 0)
        if (errno != EINTR)
            return (receipt){.pid = pid, .error = errno};
    return r;
}

/* Receives an order and the descriptors with it; 0 at the end. */
static int receive_order(int fd, order *o, int passed[N_PASSED])
{
    union {
        char bytes[CMSG_SPACE(N_PASSED * sizeof(int))];
        struct cmsghdr alignment;
    } control;
    struct iovec data = {o, sizeof *o};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t got;
    do
        got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    passed[0] = passed[1] = -1;
    struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header != NULL && header->cmsg_len == CMSG_LEN(N_PASSED * sizeof(int)))
        memcpy(passed, CMSG_DATA(header), N_PASSED * sizeof(int));
    return got == (ssize_t)sizeof *o;
}

static void launch(int fd)
{
    static const struct rlimit no_core = {1, 1}; /* 0 would leave it to a program of the system */
    order o;
    int passed[N_PASSED];
    reset_signals();
    close_all_but(fd);
    prctl(PR_SET_NAME, "credence-files");
    (void)setrlimit(RLIMIT_CORE, &no_core);
    while (receive_order(fd, &o, passed)) {
        receipt r = o.end > 0 ? end_reader(o.end) : start_reader(fd, passed, o.name);
        for (int i = 0; i < N_PASSED; i++)
            if (passed[i] >= 0)
                close(passed[i]);
        if (!send_all(fd, &r, sizeof r))
            break;
    }
    _exit(0); /* readers that are left go with us */
}

/* ---- this process ---- */

static void forget_launcher(void)
{
    if (launcher.fd >= 0)
        close(launcher.fd);
    if (launcher.pid > 0 && launcher.owner == getpid()) {
        kill(launcher.pid, SIGKILL); /* a process that the user forked may keep its socket open */
        while (waitpid(launcher.pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    launcher.fd = -1;
    launcher.pid = 0;
}

/* With the lock held. 0, or errno. */
static int start_launcher(void)
{
    int ends[2];
    if (launcher.fd >= 0 && launcher.owner == getpid())
        return 0;
    forget_launcher();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return errno;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        launch(ends[1]);
    }
    int error = pid < 0 ? errno : 0;
    close(ends[1]);
    if (error != 0) {
        close(ends[0]);
        return error;
    }
    launcher.fd = ends[0];
    launcher.pid = pid;
    launcher.owner = getpid();
    return 0;
}

void crd_files_start(void)
{
    pthread_mutex_lock(&launcher.lock);
    (void)start_launcher(); /* tried again, and complained of, with the first file */
    pthread_mutex_unlock(&launcher.lock);
}

void crd_files_stop(void)
{
    pthread_mutex_lock(&launcher.lock);
    forget_launcher();
    pthread_mutex_unlock(&launcher.lock);
}

static int send_order(const order *o, const int *passed)
{
    union {
        char bytes[CMSG_SPACE(N_PASSED * sizeof(int))];
        struct cmsghdr alignment;
    } control = {{0}};
    struct iovec data = {(void *)(uintptr_t)o, sizeof *o};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    if (passed != NULL) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(N_PASSED * sizeof(int));
        memcpy(CMSG_DATA(header), passed, N_PASSED * sizeof(int));
    }
    ssize_t sent;
    do
        sent = sendmsg(launcher.fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof *o;
}

/* Tells the launcher what to do. One that has been killed is replaced once. */
static receipt give_order(const order *o, const int *passed)
{
    receipt r = {.error = 0};
    pthread_mutex_lock(&launcher.lock);
    for (int i = 0; i < 2; i++) {
        if ((r.error = start_launcher()) != 0)
            break;
        if (send_order(o, passed) && receive_all(launcher.fd, &r, sizeof r))
            break;
        r = (receipt){.error = ECHILD};
        forget_launcher();
        if (o->end > 0) /* its readers died with it */
            break;
    }
    pthread_mutex_unlock(&launcher.lock);
    return r;
}

static receipt end_process(crd_h5_reader *reader)
{
    order o = {.end = reader->pid};
    reader->pid = 0;
    return give_order(&o, NULL);
}

/* Says once and for all why the reader is gone. `is_hung`: it is we who end it. */
static crd_status reader_failed(crd_h5_reader *reader, int is_hung)
{
    if (reader->pid != 0) {
        receipt r = end_process(reader);
        int number = r.error == 0 && WIFSIGNALED(r.status) ? WTERMSIG(r.status) : 0;
        /* Nothing but the system, short of memory, or a person kills so. */
        int is_killed = !is_hung && (number == SIGKILL || r.error != 0);
        reader->code = is_killed ? CRD_ERR_INTERNAL : CRD_ERR_INPUT;
        snprintf(reader->failure, sizeof reader->failure, "%s: %s", reader->name,
                 is_killed           ? "the process that reads it was killed (out of memory?)"
                 : is_hung           ? "HDF5 cannot read it (it waits for ever)"
                 : number == SIGXCPU ? "HDF5 cannot read it (it takes too long)"
                                     : "HDF5 cannot read it (crashed)");
    }
    return crd_status_set(reader->code, "%s", reader->failure);
}

/* Whether the process neither runs nor waits for a disk. One that is stopped may continue. */
static int is_asleep(pid_t pid)
{
    char path[32], line[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, line, sizeof line - 1) : 0;
    if (fd >= 0)
        close(fd);
    const char *end = n > 0 ? strrchr(line, ')') : NULL;
    return end != NULL && end[1] == ' ' && end[2] == 'S';
}

/* Waits until there is something to read; 0: the reader waits for something that does not come.
 * Loops are ended by its limit of processor time, so a loaded machine or a slow disk is never
 * taken for a hang. */
static int wait_for(const crd_h5_reader *reader)
{
    struct pollfd p = {.fd = reader->fd, .events = POLLIN};
    for (int n_idle = 0; n_idle < MAX_IDLE;) {
        int n = poll(&p, 1, POLL_MS);
        if (n > 0)
            return 1;
        if (n == 0)
            n_idle = is_asleep(reader->pid) ? n_idle + 1 : 0;
    }
    return 0;
}

static crd_status receive(crd_h5_reader *reader, void *data, int64_t n)
{
    if (!wait_for(reader))
        return reader_failed(reader, 1);
    return receive_all(reader->fd, data, (size_t)n) ? CRD_OK : reader_failed(reader, 0);
}

static crd_status receive_end(crd_h5_reader *reader, const piece *end)
{
    crd_status status = CRD_OK;
    char message[CRD_MESSAGE_SIZE];
    CRD_TRY(receive(reader, message, sizeof message));
    message[sizeof message - 1] = '\0';
    if (end->is_out_of_memory)
        return CRD_FAIL(CRD_ERR_INPUT, "%s: HDF5 cannot read it (out of memory)", reader->name);
    /* Whatever it says: one of the codes that it can have. */
    if (end->status != CRD_OK)
        status = CRD_FAIL(end->status == CRD_ERR_INTERNAL ? CRD_ERR_INTERNAL : CRD_ERR_INPUT, "%s",
                          message);
cleanup:
    return status;
}

crd_status crd_h5_reader_ask(crd_h5_reader *reader, const crd_h5_request *request,
                             crd_h5_sink *sink, void *payload)
{
    crd_status status = CRD_OK, sink_status = CRD_OK;
    char buffer[1 << 16];
    piece p;
    if (reader->pid == 0 || !send_all(reader->fd, request, sizeof *request))
        return reader_failed(reader, 0);
    for (;;) {
        CRD_TRY(receive(reader, &p, sizeof p));
        if (p.n <= 0)
            break;
        while (p.n > 0) {
            int64_t n = p.n < (int64_t)sizeof buffer ? p.n : (int64_t)sizeof buffer;
            CRD_TRY(receive(reader, buffer, n));
            if (sink_status == CRD_OK)
                sink_status = sink(buffer, n, payload);
            if (sink_status != CRD_OK) { /* no use for the rest, however much it is */
                (void)end_process(reader);
                reader->code = sink_status;
                snprintf(reader->failure, sizeof reader->failure, "%s", crd_status_message());
                return sink_status;
            }
            p.n -= n;
        }
    }
    CRD_TRY(receive_end(reader, &p));
cleanup:
    return status;
}

crd_status crd_h5_reader_start(crd_h5_reader **out, int fd, const char *name, int changes)
{
    crd_status status = CRD_OK;
    crd_h5_reader *reader = NULL;
    crd_h5_request request = {.op = CRD_H5_OPEN, .n_values = changes};
    order o = {.end = 0};
    int ends[2] = {-1, -1};
    *out = NULL;
    CRD_ALLOC(&reader, 1, "reader of an HDF5 file");
    reader->fd = -1;
    CRD_TRY(crd_alloc_string(&reader->name, name));
    snprintf(o.name, sizeof o.name, "%s", name);
    CRD_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, CRD_ERR_IO,
                "%s: cannot be opened: %s", name, strerror(errno));
    receipt r = give_order(&o, (const int[N_PASSED]){fd, ends[1]});
    CRD_REQUIRE(r.error == 0, CRD_ERR_IO, "%s: no process can be started to read it: %s%s", name,
                strerror(r.error), r.error == EAGAIN ? " (see ulimit -u)" : "");
    reader->pid = r.pid;
    reader->fd = ends[0];
    ends[0] = -1;
    close(ends[1]); /* so that the end of the reader is the end of the socket */
    ends[1] = -1;
    CRD_TRY(crd_h5_reader_ask(reader, &request, NULL, NULL));
    *out = reader;
    reader = NULL;
cleanup:
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    crd_h5_reader_end(reader);
    return status;
}

void crd_h5_reader_end(crd_h5_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->fd >= 0)
        close(reader->fd);
    if (reader->pid != 0)
        (void)end_process(reader);
    crd_free(reader->name);
    crd_free(reader);
}
