/* Processes that read HDF5 files: whatever happens to one, this process continues with an error that names the file, and nothing is left
 * behind: no process, no descriptor. HDF5 is made to misbehave by a body of ours in front of its H5Fopen. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "io_fixture.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hdf5.h>

#include "io/h5.h"

static enum { RIGHT, CRASH, ABORT, LEAVE, SPIN, SLEEP, FLOOD } fault;
static int polls_at_once; /* 1: polls find nothing, without waiting */
static char path[IO_PATH_SIZE];

/* Inherited by the launcher, and by its readers, as it is when the launcher starts. */
hid_t H5Fopen(const char *name, unsigned flags, hid_t access)
{
    hid_t (*next)(const char *, unsigned, hid_t) = NULL;
    *(void **)(&next) = dlsym(RTLD_NEXT, "H5Fopen");
    volatile int go_on = 1;
    switch (fault) {
    case RIGHT:
        break;
    case CRASH:
        raise(SIGSEGV);
        break;
    case ABORT:
        abort();
    case LEAVE:
        _exit(0);
    case SPIN:
        while (go_on)
            continue;
        break;
    case SLEEP:
        for (;;)
            pause();
    case FLOOD:
        while (go_on) {
            char *more = malloc(1 << 20);
            if (more == NULL)
                return -1;
            memset(more, 1, 1 << 20);
        }
    }
    return next(name, flags, access);
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    int (*next)(struct pollfd *, nfds_t, int) = NULL;
    *(void **)(&next) = dlsym(RTLD_NEXT, "poll");
    return next(fds, n, polls_at_once ? 1 : timeout);
}

/* Processes whose parent is ours or a child of ours, by /proc; zombies count. */
static int count_descendants(pid_t of)
{
    DIR *folder = opendir("/proc");
    int n = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char name[300], line[512] = "";
        snprintf(name, sizeof name, "/proc/%s/stat", entry->d_name);
        FILE *file = atoi(entry->d_name) > 0 ? fopen(name, "r") : NULL;
        if (file == NULL)
            continue;
        const char *end = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
        fclose(file);
        int parent = 0;
        if (end != NULL && sscanf(end + 1, " %*c %d", &parent) == 1 && parent == of)
            n += 1 + count_descendants(atoi(entry->d_name));
    }
    closedir(folder);
    return n;
}

static int count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int n = 0;
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

static int setup(void **state)
{
    if (io_setup(state) != 0)
        return 1;
    crd_h5 *file;
    const crd_shape shape = crd_shape_make(1, 3);
    const int64_t values[] = {1, 2, 3};
    assert_ok(crd_h5_create(&file, io_path(path, "some.h5"), path));
    assert_ok(crd_h5_dataset_create(file, "/values", CRD_H5_INT64, &shape));
    assert_ok(crd_h5_write(file, "/values", CRD_H5_INT64, values, NULL, NULL));
    assert_ok(crd_h5_close(file));
    return 0;
}

static void assert_readable(void)
{
    crd_h5 *file;
    int64_t values[3];
    assert_ok(crd_h5_open(&file, path));
    assert_ok(crd_h5_read(values, file, "/values", CRD_H5_INT64, NULL, NULL));
    assert_true(values[0] == 1 && values[2] == 3);
    assert_ok(crd_h5_close(file));
}

/* Opens with HDF5 at fault, then as it is. */
static void assert_refused(int kind, crd_status code, const char *reason)
{
    crd_h5 *file;
    crd_files_stop();
    fault = kind;
    crd_status status = crd_h5_open(&file, path);
    assert_null(file);
    crd_files_stop();
    fault = RIGHT;
    assert_fails(status, code, reason);
    assert_readable();
}

static void whatever_hdf5_does_is_an_error(void **state)
{
    (void)state;
    assert_refused(CRASH, CRD_ERR_INPUT, "some.h5: HDF5 cannot read it (crashed)");
    assert_refused(ABORT, CRD_ERR_INPUT, "some.h5: HDF5 cannot read it (crashed)");
    assert_refused(LEAVE, CRD_ERR_INPUT, "some.h5: HDF5 cannot read it (crashed)");
    assert_refused(SPIN, CRD_ERR_INPUT, "some.h5: HDF5 cannot read it (it takes too long)");
    polls_at_once = 1;
    assert_refused(SLEEP, CRD_ERR_INPUT, "some.h5: HDF5 cannot read it (it waits for ever)");
    polls_at_once = 0;
#ifndef __SANITIZE_ADDRESS__ /* there is no limit of address space then */
    assert_refused(FLOOD, CRD_ERR_INPUT, "some.h5: ");
#endif
}

static void nothing_is_left_behind(void **state)
{
    (void)state;
    crd_h5 *files[20];
    assert_readable();
    int n_descriptors = count_descriptors();
    for (int i = 0; i < 20; i++)
        assert_ok(crd_h5_open(&files[i], path));
    assert_int_equal(count_descendants(getpid()), 21); /* the launcher, and one for each */
    for (int i = 0; i < 20; i++)
        crd_h5_discard(files[i]);
    assert_int_equal(count_descendants(getpid()), 1);
    for (int i = 0; i < 50; i++)
        assert_readable();
    assert_int_equal(count_descriptors(), n_descriptors);
    crd_files_stop();
    assert_int_equal(count_descendants(getpid()), 0);
    assert_int_equal(count_descriptors(), n_descriptors - 1);
}

/* Pids of the processes under ours. */
static int find_child(pid_t of)
{
    char name[64];
    int child = 0;
    snprintf(name, sizeof name, "/proc/%d/task/%d/children", (int)of, (int)of);
    FILE *file = fopen(name, "r");
    if (file == NULL || fscanf(file, "%d", &child) != 1)
        child = 0;
    if (file != NULL)
        fclose(file);
    return child;
}

static void a_killed_reader_is_named(void **state)
{
    (void)state;
    crd_h5 *file;
    int64_t offset;
    assert_ok(crd_h5_open(&file, path));
    int launcher = find_child(getpid()), reader = find_child(launcher);
    assert_true(launcher > 0 && reader > 0);
    assert_int_equal(kill(reader, SIGKILL), 0);
    for (int i = 0; i < 2; i++) /* and stays an error */
        assert_fails(crd_h5_offset(&offset, file, "/values"), CRD_ERR_INTERNAL,
                     "some.h5: the process that reads it was killed");
    crd_h5_discard(file);
    assert_ok(crd_h5_open(&file, path));
    assert_int_equal(kill(find_child(getpid()), SIGKILL),
                     0); /* the launcher: its readers go with it */
    int is_there;
    double value;
    crd_status status = CRD_OK;
    while (status == CRD_OK) /* the system takes a moment */
        status = crd_h5_attr_find_number(&is_there, &value, file, "/values", "none");
    assert_fails(status, CRD_ERR_INTERNAL, "some.h5: ");
    crd_h5_discard(file);
    assert_readable();
}

/* Signals to a whole job are for its programs; those that read for them end with them. */
static void signals_to_the_job_do_not_reach_readers(void **state)
{
    (void)state;
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
    crd_h5 *file;
    int64_t offset;
    assert_ok(crd_h5_open(&file, path));
    int launcher = find_child(getpid()), reader = find_child(launcher);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        assert_true(kill(launcher, signals[i]) == 0 && kill(reader, signals[i]) == 0);
    assert_ok(crd_h5_offset(&offset, file, "/values"));
    crd_h5_discard(file);
}

/* A process that is killed while its reader is in a loop: both others end. */
static void no_orphans_are_left(void **state)
{
    (void)state;
    int pids[2], ready[2];
    crd_files_stop();
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        crd_h5 *file;
        if (crd_h5_open(&file, path) != CRD_OK)
            _exit(1);
        pids[0] = find_child(getpid());
        pids[1] = find_child(pids[0]);
        (void)!write(ready[1], pids, sizeof pids);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], pids, sizeof pids), sizeof pids);
    assert_int_equal(kill(pids[1], SIGSTOP), 0); /* it does not look at its socket */
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    for (int i = 0; i < 2; i++) {
        char name[64], kind = 'R';
        snprintf(name, sizeof name, "/proc/%d/stat", pids[i]);
        while (kind != 'Z') { /* an orphan's remains are its new parent's */
            FILE *file = fopen(name, "r");
            if (file == NULL)
                break;
            if (fscanf(file, "%*d %*s %c", &kind) != 1)
                kind = 'Z';
            fclose(file);
            usleep(1000);
        }
    }
    close(ready[0]);
    close(ready[1]);
}

/* Neither a process that the user forks nor its end disturbs ours. */
static void a_forked_process_has_its_own(void **state)
{
    (void)state;
    crd_h5 *file;
    int64_t offset;
    int result;
    assert_ok(crd_h5_open(&file, path));
    pid_t child = fork();
    if (child == 0) {
        crd_h5 *own;
        crd_status status = crd_h5_open(&own, path);
        if (status == CRD_OK)
            status = crd_h5_close(own);
        crd_files_stop();
        _exit((int)status);
    }
    assert_true(waitpid(child, &result, 0) == child && WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 0);
    assert_ok(crd_h5_offset(&offset, file, "/values"));
    crd_h5_discard(file);
    assert_readable();
}

static void a_limit_of_processes_is_said(void **state)
{
    (void)state;
    int result;
    crd_files_stop();
    assert_int_equal(chmod(path, 0644), 0);
    pid_t child = fork();
    if (child == 0) { /* of a user who has one process, and may have no more */
        const struct rlimit one = {1, 1};
        crd_h5 *file;
        if (setrlimit(RLIMIT_NPROC, &one) != 0 || (geteuid() == 0 && setuid(54321) != 0))
            _exit(100);
        crd_status status = crd_h5_open(&file, path);
        _exit(status == CRD_ERR_IO && strstr(crd_status_message(),
                                             "some.h5: no process can be started to read it: "
                                             "Resource temporarily unavailable (see ulimit -u)")
                  ? 0
                  : 1);
    }
    assert_true(waitpid(child, &result, 0) == child && WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left_behind),
        cmocka_unit_test(whatever_hdf5_does_is_an_error),
        cmocka_unit_test(a_killed_reader_is_named),
        cmocka_unit_test(signals_to_the_job_do_not_reach_readers),
        cmocka_unit_test(no_orphans_are_left),
        cmocka_unit_test(a_forked_process_has_its_own),
        cmocka_unit_test(a_limit_of_processes_is_said),
    };
    return cmocka_run_group_tests_name("h5_process", tests, setup, io_teardown);
}
