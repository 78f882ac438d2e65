/* The watchdog. Every rank tells in its node's shared memory what it does; a thread on every rank
 * counts for how many of its own ticks each rank of the node has told nothing new. Ticks, not
 * clocks: while a whole job is suspended, or a clock jumps, nothing is counted. A rank that
 * waits for others is not at fault, unless its process stands still, or all of a node wait for
 * twice as long. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "comm/comm_body.h"
#include "credence/watchdog.h"

enum { ABORT_S = 10 };

/* A number of another rank, and for how many looks it has been the same. */
typedef struct last_seen {
    uint64_t value;
    int64_t n_ticks;
} last_seen;

struct crd_watchdog {
    crd_comm *comm;
    crd_shared *shared;
    crd_activity *activities; /* [n] of this node's ranks */
    _Atomic int64_t *is_told; /* 1: a rank of the node has reported */
    int n;
    double tick_s, timeout_s;
    crd_watchdog_report *report;
    pthread_t thread;
    int has_thread;
    pthread_mutex_t mutex; /* guards must_stop */
    pthread_cond_t stopped;
    int must_stop;
    last_seen *beats, *ticks; /* [n] of each rank */
};

void crd_comm_heartbeat(crd_comm *comm, const char *format, ...)
{
    crd_activity *a = comm->activity;
    char text[CRD_ACTIVITY_SIZE] = "";
    va_list args;
    if (a == NULL)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(a->what, text, sizeof text);
    atomic_store(&a->is_waiting, 0);
    atomic_fetch_add(&a->beat, 1);
}

/* Ends the job: by MPI and, should that hang too, by a signal that the process does not survive. */
static void end_job(crd_watchdog *w, const char *line)
{
    int64_t nobody = 0;
    if (atomic_compare_exchange_strong(w->is_told, &nobody, 1))
        w->report(line);
    signal(SIGALRM, SIG_DFL);
    alarm(ABORT_S);
    crd_comm_abort(w->comm, CRD_ERR_HANG);
}

/* For how many seconds a number of a rank's has been the same; `last` is the rank's place in
 * *seen. */
static double still_s(const crd_watchdog *w, last_seen *last, uint64_t now)
{
    last->n_ticks = now == last->value ? last->n_ticks + 1 : 0;
    last->value = now;
    return (double)last->n_ticks * w->tick_s;
}

static void look(crd_watchdog *w)
{
    char line[256];
    double waited_s = 1e9;
    atomic_fetch_add(&w->comm->activity->tick, 1);
    for (int i = 0; i < w->n; i++) {
        crd_activity *a = &w->activities[i];
        double stopped_s = still_s(w, &w->ticks[i], atomic_load(&a->tick));
        double idle_s = still_s(w, &w->beats[i], atomic_load(&a->beat));
        int is_waiting = atomic_load(&a->is_waiting);
        double own_s = is_waiting ? idle_s : 0;
        waited_s = own_s < waited_s ? own_s : waited_s;
        if (stopped_s < w->timeout_s && (is_waiting || idle_s < w->timeout_s))
            continue;
        snprintf(line, sizeof line, "rank %d (host %s) has not %s for %.3g s: %.*s%s", a->rank,
                 w->comm->host, stopped_s >= w->timeout_s ? "run at all" : "got on", idle_s,
                 CRD_ACTIVITY_SIZE, a->what, is_waiting ? ", then waiting for others" : "");
        end_job(w, line);
    }
    if (waited_s >= 2 * w->timeout_s) {
        snprintf(line, sizeof line,
                 "all ranks of host %s, rank %d the first, have waited for others for %.3g s%s",
                 w->comm->host, w->activities[0].rank, waited_s,
                 w->comm->n_nodes > 1 ? ": another host, or the network to it, is lost" : "");
        end_job(w, line);
    }
}

static void *run_watchdog(void *payload)
{
    crd_watchdog *w = payload;
    struct timespec next;
    pthread_mutex_lock(&w->mutex);
    while (!w->must_stop) {
        clock_gettime(CLOCK_MONOTONIC, &next);
        int64_t ns = next.tv_nsec + (int64_t)(w->tick_s * 1e9);
        next.tv_sec += (time_t)(ns / 1000000000);
        next.tv_nsec = (long)(ns % 1000000000);
        if (pthread_cond_timedwait(&w->stopped, &w->mutex, &next) == ETIMEDOUT)
            look(w);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

/* Signals are for the main thread: its system calls are made to be interrupted. */
static crd_status start_thread(crd_watchdog *w)
{
    sigset_t all, before;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->stopped, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&w->mutex, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&w->thread, NULL, run_watchdog, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0)
        return CRD_FAIL(CRD_ERR_INTERNAL, "watchdog: no thread can be started: %s", strerror(code));
    w->has_thread = 1;
    return CRD_OK;
}

static crd_status allocate(crd_watchdog **out, crd_comm *comm)
{
    crd_status status = CRD_OK;
    int n = comm->node_sizes[comm->node];
    CRD_ALLOC(out, 1, "watchdog");
    (*out)->comm = comm;
    (*out)->n = n;
    CRD_ALLOC(&(*out)->beats, n, "watchdog");
    CRD_ALLOC(&(*out)->ticks, n, "watchdog");
cleanup:
    return status;
}

crd_status crd_watchdog_start(crd_watchdog **out, crd_comm *comm, double timeout_s,
                              crd_watchdog_report *report)
{
    enum { TICKS = 20 };
    crd_status status = CRD_OK;
    crd_watchdog *w = NULL;
    *out = NULL;
    if (timeout_s <= 0)
        return CRD_OK;
    CRD_TRY(crd_comm_agree(comm, allocate(&w, comm)));
    w->report = report;
    w->timeout_s = timeout_s;
    w->tick_s = timeout_s / TICKS < 1 ? timeout_s / TICKS : 1;
    CRD_TRY(
        crd_shared_create(&w->shared, comm, CRD_ALIGNMENT + w->n * (int64_t)sizeof *w->activities));
    w->is_told = crd_shared_data(w->shared);
    w->activities = (crd_activity *)(void *)((char *)crd_shared_data(w->shared) + CRD_ALIGNMENT);
    comm->activity = &w->activities[comm->node_rank];
    comm->activity->rank = comm->rank;
    crd_comm_heartbeat(comm, "starting");
    CRD_TRY(crd_comm_agree(comm, start_thread(w)));
cleanup:
    if (status != CRD_OK) {
        crd_watchdog_stop(w);
        w = NULL;
    }
    *out = w;
    return status;
}

void crd_watchdog_stop(crd_watchdog *w)
{
    if (w == NULL)
        return;
    if (w->has_thread) {
        pthread_mutex_lock(&w->mutex);
        w->must_stop = 1;
        pthread_cond_signal(&w->stopped);
        pthread_mutex_unlock(&w->mutex);
        pthread_join(w->thread, NULL);
    }
    w->comm->activity = NULL;
    crd_shared_destroy(w->shared);
    crd_free(w->beats);
    crd_free(w->ticks);
    crd_free(w);
}
