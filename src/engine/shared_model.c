/* Rank 0's posterior on all ranks. The graph travels as JSON, so that every rank checks it. The
 * numbers, mu, sigma and deviations by components and eps, lie once per node in shared memory:
 * rank 0 reads mu and rho into their place there and makes mu and sigma of them. An ensemble that
 * is too large has two windows there: while one is computed with, a thread of rank 0 fills the
 * other. */
#include "engine/shared_model.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/integers.h"
#include "base/memory.h"
#include "credence/watchdog.h"
#include "weights/family.h"

/* Components that are read with one call of the source: enough for long rows, few enough for signs
 * of life. */
enum { GROUP_BYTES = 256 << 20, GROUP_MAX = 64, N_WINDOWS = 2 };
/* A window of a model that is streamed needs no more: what is computed with a component takes
 * longer than to meet, and neither the first window nor the last one's use is hidden. */
enum { WINDOW_BYTES = 1 << 30 };

/* What all ranks must know before they can make room. */
typedef struct model_size {
    int64_t json_bytes, n_flags, n_floats; /* of all components; of a component's block */
    int64_t i_family, n_components, n_chains, has_sigma, rank;
    int64_t n_eps;  /* floats */
    int64_t n_held; /* components of a window */
} model_size;

/* A window's components, modulo their number. */
typedef struct window {
    int64_t first, n; /* n 0: none */
} window;

/* A window on its way; rank 0's. */
typedef struct reading {
    int is_begun; /* the thread is to be joined */
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    int64_t n_done;
    int is_over, must_stop;
    crd_status status;
    char message[CRD_MESSAGE_SIZE]; /* the error record is the thread's own: its text must travel */
} reading;

struct crd_shared_model {
    crd_comm *comm;
    crd_network *network;
    uint8_t *bayesian, *differs;
    int64_t *places;
    crd_shared
        *numbers; /* [window][component] mu; of its kinds sigma, deviations; then imported eps */
    model_size size;
    int n_windows;
    window windows[N_WINDOWS];
    int current, coming;            /* windows; coming -1: none */
    const crd_posterior *posterior; /* rank 0's */
    crd_numbers_source source;
    bool is_unfolded;
    reading reading;
    double read_s;
    int64_t n_read;
    crd_model view;
};

bool crd_shared_model_is_streamed(const crd_shared_model *m)
{
    return m != NULL && m->size.n_held < m->size.n_components;
}

int64_t crd_block_components(int64_t n_components, int64_t draw_block, bool antithetic)
{
    int64_t n = antithetic ? draw_block / 2 : draw_block;
    return crd_smaller(crd_larger(n, 1), n_components);
}

/* Floats of a component. */
static int64_t stride_of(const model_size *size)
{
    return (1 + size->has_sigma + size->rank) * size->n_floats;
}

static float *place_of(const crd_shared_model *m, int i_window, int64_t i)
{
    return (float *)crd_shared_data(m->numbers) +
           (i_window * m->size.n_held + i) * stride_of(&m->size);
}

static crd_component_numbers numbers_at(const crd_shared_model *m, int i_window, int64_t i)
{
    float *mu = place_of(m, i_window, i);
    return (crd_component_numbers){mu, m->size.has_sigma ? mu + m->size.n_floats : NULL,
                                   m->size.rank > 0 ? mu + 2 * m->size.n_floats : NULL};
}

/* The graph travels as text, so that every rank checks what it gets. */
static crd_status share_network(crd_shared_model *m, crd_comm *comm, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    model_size *size = &m->size;
    char *json = NULL, *text = NULL;
    if (crd_comm_rank(comm) == 0) {
        status = crd_network_to_json(&json, posterior->network);
        if (status == CRD_OK)
            size->json_bytes = (int64_t)strlen(json) + 1;
    }
    CRD_TRY(crd_comm_agree(comm, status));
    crd_comm_broadcast(comm, size, sizeof *size);
    status = crd_alloc_zeroed((void **)&text, size->json_bytes, 1, "graph");
    if (status == CRD_OK)
        status = crd_alloc_zeroed((void **)&m->bayesian, size->n_flags, 1, "graph");
    CRD_TRY(crd_comm_agree(comm, status));
    if (crd_comm_rank(comm) == 0) {
        memcpy(text, json, (size_t)size->json_bytes);
        memcpy(m->bayesian, posterior->bayesian, (size_t)size->n_flags);
    }
    crd_comm_broadcast(comm, text, size->json_bytes);
    crd_comm_broadcast(comm, m->bayesian, size->n_flags);
    CRD_TRY(crd_comm_agree(comm, crd_network_from_json(&m->network, text)));
cleanup:
    crd_network_text_free(json);
    crd_free(text);
    return status;
}

/* Reads a window into its place, and makes it ready to run. In rank 0, any thread. */
static crd_status fill_window(crd_shared_model *m, int i_window)
{
    crd_status status = CRD_OK;
    window w = m->windows[i_window];
    int64_t bytes = stride_of(&m->size) * (int64_t)sizeof(float), n = m->size.n_components;
    int64_t group = crd_smaller(crd_larger(GROUP_BYTES / crd_larger(bytes, 1), 1), GROUP_MAX);
    crd_component_numbers to[GROUP_MAX];
    double start_s = crd_clock_now_s();
    int must_stop = 0;
    for (int64_t done = 0, some; done < w.n && !must_stop; done += some) {
        int64_t first = (w.first + done) % n;
        some = crd_smaller(crd_smaller(group, w.n - done), n - first);
        for (int64_t i = 0; i < some; i++)
            to[i] = numbers_at(m, i_window, done + i);
        CRD_TRY(m->source.read(to, first, some, m->source.payload));
        for (int64_t i = 0; i < some; i++) {
            if (m->is_unfolded)
                crd_model_make_unfolded(to[i].mu, to[i].rho, m->posterior, first + i);
            else
                CRD_TRY(crd_model_make(to[i].mu, to[i].rho, m->posterior, first + i));
            if (to[i].deviations != NULL)
                crd_model_make_deviations(to[i].deviations, m->posterior);
        }
        pthread_mutex_lock(&m->reading.mutex);
        m->reading.n_done = done + some;
        must_stop = m->reading.must_stop;
        m->n_read += some;
        m->read_s += crd_clock_now_s() - start_s;
        start_s = crd_clock_now_s();
        pthread_cond_signal(&m->reading.changed);
        pthread_mutex_unlock(&m->reading.mutex);
    }
cleanup:
    return status;
}

static void *read_ahead(void *payload)
{
    crd_shared_model *m = payload;
    reading *r = &m->reading;
    crd_status status = fill_window(m, m->coming);
    pthread_mutex_lock(&r->mutex);
    r->status = status;
    if (status != CRD_OK)
        snprintf(r->message, sizeof r->message, "%s", crd_status_message());
    r->is_over = 1;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

/* The program's signals are for its main thread, and a system call here must not be interrupted. */
static void begin_reading(crd_shared_model *m)
{
    reading *r = &m->reading;
    sigset_t all, before;
    r->n_done = 0;
    r->is_over = 0;
    r->status = CRD_OK;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&r->thread, NULL, read_ahead, m);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    r->is_begun = code == 0;
    if (code != 0) {
        r->status = CRD_ERR_INTERNAL;
        snprintf(r->message, sizeof r->message, "no thread can be started to read weights: %s",
                 strerror(code));
    }
}

/* Waits for the thread, with signs of life as it makes progress. */
static crd_status end_reading(crd_shared_model *m)
{
    reading *r = &m->reading;
    pthread_mutex_lock(&r->mutex);
    for (int64_t seen = -1; r->is_begun && !r->is_over;) {
        if (r->n_done == seen) {
            pthread_cond_wait(&r->changed, &r->mutex);
            continue;
        }
        seen = r->n_done;
        crd_comm_heartbeat(m->comm, "reading component %lld of a window and on", (long long)seen);
    }
    pthread_mutex_unlock(&r->mutex);
    if (r->is_begun)
        pthread_join(r->thread, NULL);
    r->is_begun = 0;
    return r->status == CRD_OK ? CRD_OK : CRD_FAIL(r->status, "%s", r->message);
}

static void stop_reading(crd_shared_model *m)
{
    reading *r = &m->reading;
    if (!r->is_begun)
        return;
    pthread_mutex_lock(&r->mutex);
    r->must_stop = 1;
    pthread_mutex_unlock(&r->mutex);
    pthread_join(r->thread, NULL);
    r->is_begun = 0;
}

static bool holds(const crd_shared_model *m, int i_window, int64_t first, int64_t n)
{
    const window *w = &m->windows[i_window];
    return w->n == n && w->first == first;
}

/* What rank 0 has read into window i reaches the other nodes. */
static crd_status publish(crd_shared_model *m, int i_window, crd_status local)
{
    crd_status status = CRD_OK;
    window *w = &m->windows[i_window];
    const float *numbers = crd_shared_data(m->numbers);
    if (local != CRD_OK)
        w->n = 0;
    CRD_TRY(crd_comm_agree(m->comm, local));
    crd_shared_broadcast_part(m->numbers,
                              (place_of(m, i_window, 0) - numbers) * (int64_t)sizeof(float),
                              (place_of(m, i_window, w->n) - numbers) * (int64_t)sizeof(float));
cleanup:
    if (status != CRD_OK)
        w->n = 0;
    return status;
}

static void use(crd_shared_model *m, int i_window)
{
    const window *w = &m->windows[i_window];
    const float *numbers = crd_shared_data(m->numbers);
    m->current = i_window;
    for (int64_t c = 0; c < m->size.n_components; c++)
        m->places[c] = -1;
    for (int64_t i = 0; i < w->n; i++)
        m->places[(w->first + i) % m->size.n_components] = place_of(m, i_window, i) - numbers;
}

crd_status crd_shared_model_hold(crd_shared_model *m, int64_t first, int64_t n)
{
    crd_status status = CRD_OK;
    int is_first = crd_comm_rank(m->comm) == 0;
    if (holds(m, m->current, first, n))
        return CRD_OK;
    int i = m->n_windows - 1 - m->current;
    if (m->coming >= 0) {
        status = is_first ? end_reading(m) : CRD_OK;
        m->coming = -1;
        CRD_TRY(publish(m, i, status));
    }
    if (!holds(m, i, first, n)) {
        m->windows[i] = (window){first, n};
        CRD_TRY(publish(m, i, is_first ? fill_window(m, i) : CRD_OK));
    }
    use(m, i);
cleanup:
    return status;
}

void crd_shared_model_prefetch(crd_shared_model *m, int64_t first, int64_t n)
{
    int i = m->n_windows - 1 - m->current;
    if (m->coming >= 0 || holds(m, i, first, n) || holds(m, m->current, first, n))
        return;
    m->windows[i] = (window){first, n};
    m->coming = i;
    if (crd_comm_rank(m->comm) == 0)
        begin_reading(m);
}

crd_status crd_shared_model_finish(crd_shared_model *m)
{
    crd_status status = CRD_OK;
    if (crd_comm_rank(m->comm) != 0 || m->source.finish == NULL)
        goto cleanup;
    if (m->coming >= 0) /* it stays on its way, for the next run */
        CRD_TRY(end_reading(m));
    for (bool done = false; !done;) {
        crd_comm_heartbeat(m->comm, "checking the components that were read");
        CRD_TRY(m->source.finish(&done, m->source.payload));
    }
cleanup:
    return crd_comm_agree(m->comm, status);
}

/* Of all nodes the least. */
static int64_t default_bytes(crd_comm *comm)
{
    int64_t most = -(crd_memory_most() / 2);
    crd_comm_reduce_max(comm, &most, 1);
    return -most;
}

/* How many components a window holds: all of them if they fit. Rank 0 only. */
static crd_status plan_windows(model_size *size, const crd_shared_model_options *o,
                               int64_t default_node_bytes)
{
    int64_t n = size->n_components, node_bytes = o->node_bytes;
    int64_t bytes = stride_of(size) * (int64_t)sizeof(float);
    int64_t least = crd_block_components(n, o->draw_block, o->antithetic);
    size->n_held = n;
    if (n == 1)
        return CRD_OK;
    if (node_bytes == 0)
        node_bytes = default_node_bytes;
    if (node_bytes / bytes >= n)
        return CRD_OK;
    if (node_bytes / bytes / N_WINDOWS >= least) {
        int64_t enough = crd_larger(WINDOW_BYTES / bytes, least);
        size->n_held = crd_smaller(node_bytes / bytes / N_WINDOWS, enough);
        return CRD_OK;
    }
    if (o->node_bytes == 0)
        return CRD_OK;
    return CRD_FAIL(CRD_ERR_USAGE,
                    "memory for weights: %.6g MB do not hold two draw blocks: with components of "
                    "%.6g MB, in blocks of %lld draws, at least %.6g MB are needed",
                    1e-6 * (double)node_bytes, 1e-6 * (double)bytes, (long long)o->draw_block,
                    1e-6 * (double)(crd_smaller(N_WINDOWS * least, n) * bytes));
}

static crd_status measure(model_size *size, const crd_posterior *posterior,
                          const crd_shared_model_options *o, int64_t default_node_bytes)
{
    while (crd_families[size->i_family] != posterior->family)
        size->i_family++;
    size->n_components = posterior->n_components;
    size->n_chains = posterior->n_chains;
    size->n_flags = size->n_components * posterior->network->params.n_params;
    size->n_floats = posterior->network->params.n_floats;
    size->has_sigma = posterior->family->has_sigma && !o->mean;
    size->rank = o->mean ? 0 : posterior->rank;
    size->n_eps = o->eps != NULL ? size->n_floats + size->rank : 0;
    return plan_windows(size, o, default_node_bytes);
}

/* Which parameters the components have in common. */
static crd_status share_differs(crd_shared_model *m)
{
    crd_status status = CRD_OK;
    int64_t n_params = m->network->params.n_params;
    if (m->size.n_components == 1)
        return CRD_OK;
    status = crd_alloc_zeroed((void **)&m->differs, n_params, 1, "parameters that differ");
    if (status == CRD_OK && crd_comm_rank(m->comm) == 0)
        status = m->source.compare(m->differs, m->source.payload);
    CRD_TRY(crd_comm_agree(m->comm, status));
    crd_comm_broadcast(m->comm, m->differs, n_params);
cleanup:
    return status;
}

static crd_status allocate(crd_shared_model *m)
{
    crd_status status = CRD_OK;
    const model_size *size = &m->size;
    m->n_windows = size->n_held < size->n_components ? N_WINDOWS : 1;
    int64_t floats = m->n_windows * size->n_held * stride_of(size) + size->n_eps;
    CRD_TRY(crd_comm_agree(m->comm, crd_alloc_zeroed((void **)&m->places, size->n_components,
                                                     sizeof *m->places, "places of components")));
    CRD_TRY(crd_shared_create(&m->numbers, m->comm, floats * (int64_t)sizeof(float)));
    float *mu = crd_shared_data(m->numbers);
    m->view = (crd_model){
        .network = m->network,
        .bayesian = m->bayesian,
        .mu = mu,
        .sigma = size->has_sigma ? mu + size->n_floats : NULL,
        .deviations = size->rank > 0 ? mu + 2 * size->n_floats : NULL,
        .rank = size->rank,
        .eps = size->n_eps > 0 ? place_of(m, m->n_windows, 0) : NULL,
        .family = crd_families[size->i_family],
        .n_components = size->n_components,
        .n_chains = size->n_chains,
        .places = m->places,
        .is_streamed = crd_shared_model_is_streamed(m),
        .differs = m->differs,
    };
cleanup:
    return status;
}

static crd_status share_eps(crd_shared_model *m, const float *eps)
{
    int64_t n_bytes = m->size.n_eps * (int64_t)sizeof *eps;
    int64_t begin = (m->view.eps - m->view.mu) * (int64_t)sizeof *eps;
    if (eps != NULL)
        memcpy((char *)crd_shared_data(m->numbers) + begin, eps, (size_t)n_bytes);
    crd_shared_broadcast_part(m->numbers, begin, begin + n_bytes);
    return CRD_OK;
}

static crd_status open_model(crd_shared_model *m, const crd_shared_model_options *o)
{
    crd_status status = CRD_OK;
    int64_t most = o->node_bytes == 0 ? default_bytes(m->comm) : 0;
    int is_first = crd_comm_rank(m->comm) == 0;
    CRD_TRY(crd_comm_agree(m->comm, is_first ? measure(&m->size, m->posterior, o, most) : CRD_OK));
    CRD_TRY(share_network(m, m->comm, m->posterior));
    CRD_TRY(share_differs(m));
    CRD_TRY(allocate(m));
    if (!crd_shared_model_is_streamed(m)) {
        m->windows[0] = (window){0, m->size.n_components};
        CRD_TRY(publish(m, 0, is_first ? fill_window(m, 0) : CRD_OK));
        use(m, 0);
    }
    if (m->size.n_eps > 0)
        CRD_TRY(share_eps(m, o->eps));
cleanup:
    return status;
}

crd_status crd_shared_model_open(crd_shared_model **out, crd_comm *comm,
                                 const crd_posterior *posterior,
                                 const crd_shared_model_options *options)
{
    crd_shared_model *m = NULL;
    crd_status status = crd_comm_agree(comm, crd_alloc_zeroed((void **)&m, 1, sizeof *m, "model"));
    *out = NULL;
    if (status != CRD_OK) {
        crd_free(m);
        return status;
    }
    m->comm = comm;
    m->coming = -1;
    m->is_unfolded = options->unfolded;
    pthread_mutex_init(&m->reading.mutex, NULL);
    pthread_cond_init(&m->reading.changed, NULL);
    if (crd_comm_rank(comm) == 0) {
        m->posterior = posterior;
        m->source = *options->source;
    }
    status = open_model(m, options);
    if (status == CRD_OK)
        *out = m;
    else
        crd_shared_model_destroy(m);
    return status;
}

crd_status crd_shared_model_create(crd_shared_model **out, crd_comm *comm,
                                   const crd_posterior *posterior, const float *eps, int mean)
{
    const crd_numbers_source own = crd_posterior_source(posterior);
    const crd_shared_model_options options = {
        .source = &own, .eps = eps, .mean = mean != 0, .node_bytes = INT64_MAX, .draw_block = 1};
    return crd_shared_model_open(out, comm, posterior, &options);
}

void crd_shared_model_destroy(crd_shared_model *m)
{
    if (m == NULL)
        return;
    stop_reading(m);
    pthread_cond_destroy(&m->reading.changed);
    pthread_mutex_destroy(&m->reading.mutex);
    crd_shared_destroy(m->numbers);
    crd_free(m->places);
    crd_free(m->differs);
    crd_network_destroy(m->network);
    crd_free(m->bayesian);
    crd_free(m);
}

const crd_model *crd_shared_model_view(const crd_shared_model *m)
{
    return &m->view;
}

int64_t crd_shared_model_held(const crd_shared_model *m)
{
    return m->n_windows * m->size.n_held;
}

int64_t crd_shared_model_bytes(const crd_shared_model *m)
{
    return crd_shared_model_held(m) * stride_of(&m->size) * (int64_t)sizeof(float);
}

void crd_shared_model_reading(double *seconds, int64_t *n_read, crd_shared_model *m)
{
    pthread_mutex_lock(&m->reading.mutex);
    *seconds = m->read_s;
    *n_read = m->n_read;
    pthread_mutex_unlock(&m->reading.mutex);
}
