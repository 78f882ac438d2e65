#include "crd_test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "base/alloc.h"
#include "engine/prefetch.h"

enum { BATCH = 1000 };

/* A source that counts, and may be slow or fail. */
typedef struct counter {
    _Atomic int64_t n_begun, n_taken;
    _Atomic int64_t most_ahead;
    int64_t fails_at;
    int is_slow;
} counter;

static void pause_briefly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static crd_status count(void *batch, int64_t i, void *payload)
{
    counter *c = payload;
    int64_t ahead = i + 1 - atomic_load(&c->n_taken);
    if (ahead > atomic_load(&c->most_ahead))
        atomic_store(&c->most_ahead, ahead);
    if (i != atomic_fetch_add(&c->n_begun, 1)) /* cmocka's checks are for its own thread */
        return CRD_FAIL(CRD_ERR_INTERNAL, "batch %lld: out of order", (long long)i);
    if (c->is_slow)
        pause_briefly();
    if (i == c->fails_at)
        return CRD_FAIL(CRD_ERR_INPUT, "batch %lld: is bad", (long long)i);
    int64_t *values = batch;
    for (int64_t k = 0; k < BATCH; k++)
        values[k] = i * BATCH + k;
    return CRD_OK;
}

static void check_batch(const int64_t *values, int64_t i)
{
    for (int64_t k = 0; k < BATCH; k++)
        assert_int_equal(values[k], i * BATCH + k);
}

static void take_all(int64_t n, int64_t n_ahead, int slow_maker, int slow_taker)
{
    int64_t bytes = crd_alloc_bytes();
    counter c = {.fails_at = -1, .is_slow = slow_maker};
    crd_prefetch *p;
    void *batch;
    assert_ok(crd_prefetch_start(&p, count, &c, n, BATCH * sizeof(int64_t), n_ahead));
    for (int64_t i = 0; i < n; i++) {
        assert_ok(crd_prefetch_next(&batch, p));
        atomic_store(&c.n_taken, i + 1);
        if (slow_taker)
            pause_briefly();
        /* The maker must not touch it before the next call, however long that takes. */
        check_batch(batch, i);
    }
    assert_fails(crd_prefetch_next(&batch, p), CRD_ERR_INTERNAL, "batches");
    assert_null(batch);
    crd_prefetch_stop(p);
    assert_int_equal(atomic_load(&c.n_begun), n);
    /* One more may show: it begins within _next, before n_taken is told. */
    assert_true(atomic_load(&c.most_ahead) <= n_ahead + 1);
    assert_int_equal(crd_alloc_bytes(), bytes);
}

static void batches_come_in_order(void **state)
{
    (void)state;
    for (int64_t n = 0; n < 6; n++)
        for (int64_t n_ahead = 1; n_ahead < 5; n_ahead++)
            take_all(n, n_ahead, 0, 0);
    take_all(2000, 1, 0, 0);
    take_all(2000, 3, 0, 0);
    take_all(40, 3, 1, 0);
    take_all(40, 3, 0, 1);
}

static void only_the_ring_is_made_ahead(void **state)
{
    (void)state;
    counter c = {.fails_at = -1};
    crd_prefetch *p;
    void *batch;
    assert_ok(crd_prefetch_start(&p, count, &c, 100, BATCH * sizeof(int64_t), 2));
    for (int wait = 0; wait < 2000 && atomic_load(&c.n_begun) < 3; wait++)
        pause_briefly();
    for (int wait = 0; wait < 20; wait++)
        pause_briefly();
    /* Nothing is in use yet, so all three slots may be full. */
    assert_int_equal(atomic_load(&c.n_begun), 3);
    assert_ok(crd_prefetch_next(&batch, p));
    for (int wait = 0; wait < 20; wait++)
        pause_briefly();
    assert_int_equal(atomic_load(&c.n_begun), 3);
    check_batch(batch, 0);
    assert_ok(crd_prefetch_next(&batch, p));
    for (int wait = 0; wait < 2000 && atomic_load(&c.n_begun) < 4; wait++)
        pause_briefly();
    assert_int_equal(atomic_load(&c.n_begun), 4);
    check_batch(batch, 1);
    crd_prefetch_stop(p);
}

static void an_error_comes_when_its_batch_is_due(void **state)
{
    (void)state;
    for (int64_t fails_at = 0; fails_at < 6; fails_at++) {
        int64_t bytes = crd_alloc_bytes();
        counter c = {.fails_at = fails_at};
        crd_prefetch *p;
        void *batch;
        char text[64];
        snprintf(text, sizeof text, "batch %lld: is bad", (long long)fails_at);
        assert_ok(crd_prefetch_start(&p, count, &c, 6, BATCH * sizeof(int64_t), 3));
        for (int64_t i = 0; i < fails_at; i++) {
            assert_ok(crd_prefetch_next(&batch, p));
            check_batch(batch, i);
        }
        for (int again = 0; again < 3; again++) {
            crd_status_set(CRD_ERR_IO, "another fault of this thread");
            assert_fails(crd_prefetch_next(&batch, p), CRD_ERR_INPUT, text);
            assert_null(batch);
        }
        crd_prefetch_stop(p);
        assert_int_equal(atomic_load(&c.n_begun), fails_at + 1);
        assert_int_equal(crd_alloc_bytes(), bytes);
    }
}

static void it_can_be_stopped_at_any_time(void **state)
{
    (void)state;
    int64_t bytes = crd_alloc_bytes();
    for (int64_t n_taken = 0; n_taken < 8; n_taken++) {
        counter c = {.fails_at = -1, .is_slow = n_taken % 2 != 0};
        crd_prefetch *p;
        void *batch;
        assert_ok(crd_prefetch_start(&p, count, &c, 1000, BATCH * sizeof(int64_t), 2));
        for (int64_t i = 0; i < n_taken; i++)
            assert_ok(crd_prefetch_next(&batch, p));
        crd_prefetch_stop(p);
        assert_true(atomic_load(&c.n_begun) <= n_taken + 3);
    }
    crd_prefetch_stop(NULL);
    assert_int_equal(crd_alloc_bytes(), bytes);
}

static crd_status note_signals(void *batch, int64_t i, void *payload)
{
    (void)i;
    (void)payload;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    *(int *)batch = sigismember(&blocked, SIGUSR1) && sigismember(&blocked, SIGTERM);
    return CRD_OK;
}

static void signals_are_left_to_others(void **state)
{
    (void)state;
    crd_prefetch *p;
    void *batch;
    sigset_t blocked;
    assert_ok(crd_prefetch_start(&p, note_signals, NULL, 1, sizeof(int), 1));
    assert_ok(crd_prefetch_next(&batch, p));
    assert_int_equal(*(int *)batch, 1);
    crd_prefetch_stop(p);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    assert_int_equal(sigismember(&blocked, SIGTERM), 0);
}

static void impossible_rings_are_refused(void **state)
{
    (void)state;
    crd_prefetch *p;
    assert_fails(crd_prefetch_start(&p, count, NULL, 1, 8, 0), CRD_ERR_INTERNAL, "prefetch");
    assert_null(p);
    assert_fails(crd_prefetch_start(&p, count, NULL, 1, INT64_MAX / 2, 100), CRD_ERR_INTERNAL,
                 "batches ahead");
    assert_null(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_come_in_order),
        cmocka_unit_test(only_the_ring_is_made_ahead),
        cmocka_unit_test(an_error_comes_when_its_batch_is_due),
        cmocka_unit_test(it_can_be_stopped_at_any_time),
        cmocka_unit_test(signals_are_left_to_others),
        cmocka_unit_test(impossible_rings_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
