/* A ring of batches, filled in order by one background thread and taken by the run. The thread
 * takes no signals and calls no MPI; its failure is kept and returned with the batch that it
 * belongs to. */
#include "engine/prefetch.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

struct crd_prefetch {
    crd_prefetch_load *load;
    void *payload;
    int64_t n_batches, n_slots;
    size_t slot_bytes;
    char *slots; /* batch i lies in slot i % n_slots */
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    int64_t n_made;  /* batches made and ready to be taken, or taken */
    int64_t n_taken; /* batches handed out; the last one is in use */
    int must_stop;
    crd_status status;              /* of batch n_made, if it failed */
    char message[CRD_MESSAGE_SIZE]; /* the error record is the thread's own: its text must travel */
};

static char *slot_of(const crd_prefetch *prefetch, int64_t i)
{
    return prefetch->slots + (size_t)(i % prefetch->n_slots) * prefetch->slot_bytes;
}

/* The slot of batch i is free once the batch that it held has been taken and given back. */
static int has_room(const crd_prefetch *prefetch, int64_t i)
{
    int64_t n_given_back = prefetch->n_taken > 0 ? prefetch->n_taken - 1 : 0;
    return i - n_given_back < prefetch->n_slots;
}

static void *make_batches(void *payload)
{
    crd_prefetch *p = payload;
    pthread_mutex_lock(&p->mutex);
    for (int64_t i = 0; i < p->n_batches && p->status == CRD_OK; i++) {
        while (!p->must_stop && !has_room(p, i))
            pthread_cond_wait(&p->changed, &p->mutex);
        if (p->must_stop)
            break;
        pthread_mutex_unlock(&p->mutex);
        crd_status status = p->load(slot_of(p, i), i, p->payload);
        pthread_mutex_lock(&p->mutex);
        if (status == CRD_OK)
            p->n_made++;
        else
            snprintf(p->message, sizeof p->message, "%s", crd_status_message());
        p->status = status;
        pthread_cond_signal(&p->changed);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

/* The program's signals are for its main thread, and a system call here must not be interrupted. */
static int start_thread(crd_prefetch *prefetch)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&prefetch->thread, NULL, make_batches, prefetch);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

static void destroy(crd_prefetch *prefetch)
{
    pthread_cond_destroy(&prefetch->changed);
    pthread_mutex_destroy(&prefetch->mutex);
    crd_free(prefetch->slots);
    crd_free(prefetch);
}

crd_status crd_prefetch_start(crd_prefetch **out, crd_prefetch_load *load, void *payload,
                              int64_t n_batches, int64_t batch_bytes, int64_t n_ahead)
{
    crd_status status = CRD_OK;
    crd_prefetch *p = NULL;
    *out = NULL;
    CRD_REQUIRE(n_ahead >= 1 && n_batches >= 0 && batch_bytes >= 0, CRD_ERR_INTERNAL,
                "prefetch: %lld of %lld batches of %lld bytes ahead", (long long)n_ahead,
                (long long)n_batches, (long long)batch_bytes);
    CRD_ALLOC(&p, 1, "prefetch");
    p->load = load;
    p->payload = payload;
    p->n_batches = n_batches;
    p->n_slots = n_ahead + 1;
    /* Whole alignment units, so that every slot is aligned as the first. */
    p->slot_bytes = ((size_t)batch_bytes + CRD_ALIGNMENT - 1) / CRD_ALIGNMENT * CRD_ALIGNMENT;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->changed, NULL);
    CRD_TRY(crd_alloc_zeroed((void **)&p->slots, p->n_slots, p->slot_bytes, "batches ahead"));
    int code = start_thread(p);
    CRD_REQUIRE(code == 0, CRD_ERR_INTERNAL, "prefetch: no thread can be started: %s",
                strerror(code));
    *out = p;
    p = NULL;
cleanup:
    if (p != NULL)
        destroy(p);
    return status;
}

crd_status crd_prefetch_next(void **batch, crd_prefetch *prefetch)
{
    crd_prefetch *p = prefetch;
    crd_status status = CRD_OK;
    *batch = NULL;
    pthread_mutex_lock(&p->mutex);
    int64_t i = p->n_taken;
    CRD_REQUIRE(i < p->n_batches, CRD_ERR_INTERNAL, "prefetch: there are only %lld batches",
                (long long)p->n_batches);
    p->n_taken = i + 1; /* gives the batch before back */
    pthread_cond_signal(&p->changed);
    while (p->n_made <= i && p->status == CRD_OK)
        pthread_cond_wait(&p->changed, &p->mutex);
    if (p->n_made <= i) {
        p->n_taken = i; /* asked again, it fails again */
        CRD_TRY(CRD_FAIL(p->status, "%s", p->message));
    }
    *batch = slot_of(p, i);
cleanup:
    pthread_mutex_unlock(&p->mutex);
    return status;
}

void crd_prefetch_stop(crd_prefetch *prefetch)
{
    if (prefetch == NULL)
        return;
    pthread_mutex_lock(&prefetch->mutex);
    prefetch->must_stop = 1;
    pthread_cond_signal(&prefetch->changed);
    pthread_mutex_unlock(&prefetch->mutex);
    pthread_join(prefetch->thread, NULL);
    destroy(prefetch);
}
