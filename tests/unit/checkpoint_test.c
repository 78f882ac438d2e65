/* Checkpoints: all of a training run to the bit, and always one that can be read. */
#include "io_fixture.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "credence/log.h"

static const char fingerprint[] = "--lr=0.01\n--epochs=4\ndata=caf\xc3\xa9\n";
static char path[IO_PATH_SIZE], old[IO_PATH_SIZE];

static char warnings[4096];
static void keep_warning(crd_log_level level, const char *line, void *payload)
{
    (void)payload;
    assert_int_equal(level, CRD_LOG_WARN);
    snprintf(warnings, sizeof warnings, "%s", line);
}

static int setup(void **state)
{
    if (io_setup(state) != 0)
        return 1;
    io_path(path, "train.ckpt");
    io_path(old, "train.ckpt.prev");
    crd_log_set_sink(keep_warning, NULL);
    return 0;
}

static int forget(void **state)
{
    (void)state;
    unlink(path);
    unlink(old);
    warnings[0] = '\0';
    return 0;
}

/* A NaN that arithmetic would not give: its payload must come back too. */
static double odd_nan(void)
{
    uint64_t bits = UINT64_C(0xfff4000000abcdef);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A state whose every number depends on `step`. */
static void state_make(crd_train_state *state, int n_states, int64_t n_epochs, int64_t step)
{
    crd_posterior *posterior = io_posterior(1);
    int64_t n_floats = posterior->network->params.n_floats;
    posterior->mu[0] += (float)step;
    assert_ok(crd_train_state_init(state, posterior, n_states, n_epochs + 3));
    state->step = step;
    state->epoch = n_epochs;
    state->batch = 2;
    state->sums[0] = 0.1 * (double)step;
    state->sums[1] = -0.0;
    state->sums[2] = 5e-324;
    state->best = n_epochs == 0 ? NAN : odd_nan();
    for (int k = 0; k < n_states; k++)
        for (int64_t i = 0; i < 2 * n_floats; i++)
            state->states[k][i] = (float)(step + k) / (float)(i + 3);
    if (n_states > 0)
        state->states[0][0] = NAN;
    if (n_states == 2)
        assert_ok(crd_train_state_keep_gradients(state));
    for (int64_t i = 0; state->kept != NULL && i < 2 * n_floats; i++)
        state->kept[i] = (float)(step - i);
    for (int64_t e = 0; e < n_epochs; e++) {
        double x = (double)(e + 1) / 3;
        state->history[e] = (crd_epoch){e + 1,
                                        10 * (e + 1),
                                        x,
                                        x + 1,
                                        x + 2,
                                        x + 3,
                                        x + 4,
                                        x + 5,
                                        NAN,
                                        x + 7,
                                        {odd_nan(), x + 9, INFINITY, x + 10},
                                        x + 11};
    }
}

static void state_destroy(crd_train_state *state)
{
    crd_posterior_destroy(state->posterior);
    crd_train_state_clear(state);
}

static void state_write(int64_t step)
{
    crd_train_state state;
    state_make(&state, 1, 2, step);
    assert_ok(crd_checkpoint_write(path, &state, fingerprint, &io_provenance));
    state_destroy(&state);
}

/* Reads a checkpoint whole and gives its step; -1: there is none. */
static crd_status step_read(int64_t *step, const char *run)
{
    crd_posterior *posterior;
    crd_train_state state;
    crd_status status = crd_checkpoint_read(&posterior, &state, path, run);
    assert_true(status == CRD_OK || posterior == NULL);
    *step = posterior == NULL ? -1 : state.step;
    crd_posterior_destroy(posterior);
    crd_train_state_clear(&state);
    return status;
}

static void assert_step(int64_t expected)
{
    int64_t step;
    assert_ok(step_read(&step, fingerprint));
    assert_int_equal(step, expected);
}

static void a_state_comes_back_to_the_bit(void **unused)
{
    (void)unused;
    int64_t bytes_before = crd_alloc_bytes();
    for (int n_states = 0; n_states <= 2; n_states++) {
        crd_train_state a, b;
        crd_posterior *posterior;
        state_make(&a, n_states, 2 * n_states, 17);
        assert_ok(crd_checkpoint_write(path, &a, fingerprint, &io_provenance));
        assert_ok(crd_checkpoint_read(&posterior, &b, path, fingerprint));
        size_t block = (size_t)a.posterior->network->params.n_floats * sizeof(float);
        assert_ptr_equal(b.posterior, posterior);
        assert_memory_equal(posterior->mu, a.posterior->mu, block);
        assert_memory_equal(posterior->rho, a.posterior->rho, block);
        assert_memory_equal(posterior->prior_mu, a.posterior->prior_mu, block);
        assert_int_equal(b.n_states, n_states);
        for (int k = 0; k < n_states; k++)
            assert_memory_equal(b.states[k], a.states[k], 2 * block);
        assert_int_equal(b.kept == NULL, a.kept == NULL);
        if (a.kept != NULL)
            assert_memory_equal(b.kept, a.kept, 2 * block);
        assert_int_equal(b.step, 17);
        assert_int_equal(b.epoch, 2 * n_states);
        assert_int_equal(b.batch, 2);
        assert_memory_equal(b.sums, a.sums, sizeof a.sums);
        assert_memory_equal(&b.best, &a.best, sizeof a.best);
        assert_int_equal(b.history_capacity, a.history_capacity);
        assert_memory_equal(b.history, a.history, (size_t)a.history_capacity * sizeof *a.history);
        state_destroy(&a);
        state_destroy(&b);
    }
    assert_int_equal(crd_alloc_bytes(), bytes_before);
    assert_string_equal(warnings, "");
}

static void a_checkpoint_is_a_posterior_and_not_the_reverse(void **unused)
{
    (void)unused;
    crd_posterior *posterior;
    crd_file_kind kind;
    int64_t step;
    state_write(5);
    assert_ok(crd_file_identify(&kind, path));
    assert_int_equal(kind, CRD_FILE_CHECKPOINT);
    assert_ok(crd_posterior_read(&posterior, path));
    assert_true(posterior->mu[0] == 5);
    assert_ok(crd_posterior_write(path, posterior, &io_provenance));
    crd_posterior_destroy(posterior);
    assert_fails(step_read(&step, NULL), CRD_ERR_INPUT,
                 "train.ckpt: is a posterior, not a checkpoint");
    assert_non_null(strstr(crd_status_message(), "train.ckpt.prev: cannot be opened"));
}

static void no_checkpoint_is_no_fault(void **unused)
{
    (void)unused;
    assert_step(-1);
    assert_string_equal(warnings, "");
}

static void another_run_is_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *run, *message;
    } cases[] = {
        {"--lr=0.02\n--epochs=4\ndata=caf\xc3\xa9\n",
         "train.ckpt: --lr: the checkpoint has 0.01, this run 0.02"},
        {"--lr=0.01\n--epochs=40\ndata=d\n", "--epochs: the checkpoint has 4, this run 40"},
        {"--lr=0.01\n--epochs=4\ndata=", "data: the checkpoint has caf\xc3\xa9, this run "},
        {"--lr=0.01\n--epochs=4\n", "data: the checkpoint has caf\xc3\xa9, this run none"},
        {"--lr=0.01\n--epochs=4\ndata=caf\xc3\xa9\n--l=1\n",
         "--l: the checkpoint has none, this run 1"},
    };
    int64_t step;
    state_write(5);
    state_write(6);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_fails(step_read(&step, cases[i].run), CRD_ERR_RESUME, cases[i].message);
    assert_ok(step_read(&step, "data=caf\xc3\xa9\n--epochs=4\n--lr=0.01")); /* order is free */
    assert_ok(step_read(&step, NULL));
    assert_int_equal(step, 6);
    assert_string_equal(warnings, "");
}

static void bytes_that_are_no_text_still_fit(void **unused)
{
    (void)unused;
    crd_train_state state;
    int64_t step;
    state_make(&state, 0, 0, 1);
    assert_ok(crd_checkpoint_write(path, &state, "data=\xff.idx\n", &io_provenance));
    state_destroy(&state);
    assert_ok(step_read(&step, "data=\xff.idx\n"));
}

static int64_t size_of(const char *file)
{
    struct stat info;
    assert_int_equal(stat(file, &info), 0);
    return (int64_t)info.st_size;
}

static void flip(const char *file, int64_t place)
{
    unsigned char byte;
    int fd = open(file, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)place), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)place), 1);
    close(fd);
}

static void damage_falls_back_to_the_one_before(void **unused)
{
    (void)unused;
    enum { N_PLACES = 100 };
    int64_t step;
    state_write(5);
    state_write(6);
    int64_t size = size_of(path);
    for (int i = 0; i < N_PLACES; i++) {
        int64_t place = (size - 1) * i / (N_PLACES - 1);
        warnings[0] = '\0';
        flip(path, place);
        assert_step(5);
        assert_non_null(strstr(warnings, "train.ckpt: "));
        assert_non_null(
            strstr(warnings, "; continuing from the checkpoint before it, /tmp/credence-io-"));
        flip(path, place);
    }
    assert_step(6);
    for (int i = N_PLACES - 1; i >= 0; i--) {
        assert_int_equal(truncate(path, (off_t)(size * i / N_PLACES)), 0);
        assert_step(5);
    }
    assert_non_null(strstr(warnings, "train.ckpt: empty; continuing"));
    unlink(path);
    assert_step(5);
    assert_non_null(strstr(warnings, "train.ckpt: cannot be opened: No such file"));
    assert_fails(step_read(&step, "--lr=7\n"), CRD_ERR_RESUME, "train.ckpt.prev: --lr: ");
    flip(old, size / 2);
    assert_fails(step_read(&step, fingerprint), CRD_ERR_INPUT, "train.ckpt: cannot be opened");
    assert_non_null(strstr(crd_status_message(), "train.ckpt.prev: damaged (digest differs)"));
}

static void a_damaged_one_does_not_replace_a_good_one(void **unused)
{
    (void)unused;
    state_write(5);
    state_write(6);
    flip(path, size_of(path) / 2);
    state_write(7); /* a kill within would still have left 5 */
    assert_step(7);
    assert_string_equal(warnings, "");
    flip(path, size_of(path) / 2);
    assert_step(5);
}

static void a_link_stays_a_link(void **unused)
{
    (void)unused;
    char place[IO_PATH_SIZE], folder[IO_PATH_SIZE], kept[IO_PATH_SIZE];
    struct stat info;
    assert_int_equal(mkdir(io_path(folder, "scratch"), 0755), 0);
    state_write(4);
    assert_int_equal(rename(path, io_path(place, "scratch/c")), 0);
    assert_int_equal(symlink("scratch/c", path), 0);
    state_write(5);
    assert_int_equal(lstat(path, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_step(5);
    flip(path, 100);
    assert_step(4);
    unlink(io_path(kept, "scratch/c.prev"));
    unlink(place);
    assert_int_equal(rmdir(folder), 0);
}

static void full_disk_keeps_both(void **unused)
{
    (void)unused;
    enum { N_STEPS = 32 };
    struct rlimit normal;
    crd_train_state state;
    state_write(5);
    state_write(6);
    state_make(&state, 1, 2, 7);
    int before = io_count_entries();
    int64_t size = size_of(path);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &normal), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i <= N_STEPS; i++) {
        int64_t bytes = i == N_STEPS ? size - 1 : size * i / N_STEPS;
        struct rlimit small = {(rlim_t)bytes, normal.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        crd_status status = crd_checkpoint_write(path, &state, fingerprint, &io_provenance);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &normal), 0);
        assert_fails(status, CRD_ERR_IO, "train.ckpt: ");
        assert_int_equal(io_count_entries(), before);
        assert_step(6);
    }
    signal(SIGXFSZ, handler);
    state_destroy(&state);
    assert_string_equal(warnings, "");
    unlink(path);
    assert_step(5);
}

static void values_that_cannot_go_on_are_not_written(void **unused)
{
    (void)unused;
    crd_train_state state;
    state_write(5);
    state_make(&state, 1, 2, 6);
    state.posterior->mu[1] = NAN;
    assert_fails(crd_checkpoint_write(path, &state, fingerprint, &io_provenance), CRD_ERR_INPUT,
                 "mu_kernel");
    state_destroy(&state);
    assert_step(5);
    assert_int_equal(access(old, F_OK), -1);
}

/* Goes on from what is there, writing one checkpoint after the other, and reports each. */
static void write_until_killed(int report)
{
    int64_t step;
    if (step_read(&step, fingerprint) != CRD_OK)
        _exit(1);
    crd_train_state state;
    state_make(&state, 1, 2, step);
    for (;;) {
        state.step++;
        if (crd_checkpoint_write(path, &state, fingerprint, &io_provenance) != CRD_OK ||
            write(report, &state.step, sizeof state.step) != sizeof state.step)
            _exit(2);
    }
}

static void a_kill_loses_nothing_that_was_reported(void **unused)
{
    (void)unused;
    const char *wanted = getenv("CREDENCE_TEST_KILLS");
    int n_kills = wanted == NULL ? 100 : atoi(wanted), n_fallbacks = 0;
    uint64_t random = 20261123;
    int64_t found = 1;
    state_write(found);
    for (int i = 0; i < n_kills; i++) {
        int pipes[2], how;
        int64_t reported = found, last;
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            write_until_killed(pipes[1]);
        close(pipes[1]);
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        /* It is killed within the second checkpoint or soon after, however slow the machine is. */
        double began = crd_clock_now_s();
        if (read(pipes[0], &last, sizeof last) == sizeof last)
            reported = last;
        double delay = 1.5 * (crd_clock_now_s() - began) * (double)(random >> 40) / (1 << 24);
        const struct timespec pause = {(time_t)delay, (long)(1e9 * (delay - floor(delay)))};
        nanosleep(&pause, NULL);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &how, 0), child);
        if (!WIFSIGNALED(how))
            fail_msg("the writer ended with code %d", WEXITSTATUS(how));
        while (read(pipes[0], &last, sizeof last) == sizeof last)
            reported = last;
        close(pipes[0]);
        warnings[0] = '\0';
        assert_ok(step_read(&found, fingerprint));
        n_fallbacks += warnings[0] != '\0';
        /* Killed after the renaming, before the report: one more than was reported. */
        if (found != reported && found != reported + 1)
            fail_msg("kill %d: %lld found, %lld reported", i, (long long)found,
                     (long long)reported);
    }
    io_remove_temporary();            /* what the killed have left */
    assert_int_equal(n_fallbacks, 0); /* where files can have second names */
    printf("%d kills, %lld checkpoints\n", n_kills, (long long)found);
    assert_true(found > n_kills);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, forget, forget)
    const struct CMUnitTest tests[] = {
        TEST(a_state_comes_back_to_the_bit),
        TEST(a_checkpoint_is_a_posterior_and_not_the_reverse),
        TEST(no_checkpoint_is_no_fault),
        TEST(another_run_is_refused),
        TEST(bytes_that_are_no_text_still_fit),
        TEST(damage_falls_back_to_the_one_before),
        TEST(a_damaged_one_does_not_replace_a_good_one),
        TEST(a_link_stays_a_link),
        TEST(full_disk_keeps_both),
        TEST(values_that_cannot_go_on_are_not_written),
        TEST(a_kill_loses_nothing_that_was_reported),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, setup, io_teardown);
}
