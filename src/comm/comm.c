/* The communicator's common half: checks, agreement, counted and watched waiting, and collective
 * functions that cut their data into blocks. What moves the bytes is a body: comm_mpi.c, or
 * comm_self.c for one process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "comm/comm_body.h"

void crd_comm_init(crd_comm *comm, const crd_comm_ops *ops)
{
    comm->ops = ops;
    if (gethostname(comm->host, sizeof comm->host) != 0)
        comm->host[0] = '\0';
    comm->host[sizeof comm->host - 1] = '\0'; /* cut, it need not end */
}

crd_status crd_comm_read_fault(crd_comm *comm)
{
    const char *text = getenv("CREDENCE_FAULT");
    int rank, used = 0;
    long long step;
    if (text == NULL)
        return CRD_OK;
    if (sscanf(text, "%d:%lld%n", &rank, &step, &used) != 2 || step < 1 ||
        (text[used] != '\0' && strcmp(text + used, ":stall") != 0))
        return CRD_FAIL(CRD_ERR_USAGE, "CREDENCE_FAULT: '%s' is not RANK:STEP or RANK:STEP:stall",
                        text);
    comm->fault_step = rank == comm->rank ? step : 0;
    comm->fault_stalls = text[used] != '\0';
    return CRD_OK;
}

/* Between the two a rank waits for others: the watchdog does not hold it against it. */
static void begin_waiting(crd_comm *comm)
{
    if (comm->activity != NULL)
        atomic_store(&comm->activity->is_waiting, 1);
}

static void end_waiting(crd_comm *comm)
{
    if (comm->activity == NULL)
        return;
    atomic_fetch_add(&comm->activity->beat, 1);
    atomic_store(&comm->activity->is_waiting, 0);
}

void crd_comm_destroy(crd_comm *comm)
{
    if (comm == NULL)
        return;
    comm->ops->destroy(comm);
    crd_free(comm->node_sizes);
    crd_free(comm);
}

crd_status crd_comm_split(crd_comm **out, crd_comm *comm, int color)
{
    return comm->ops->split(out, comm, color);
}

void crd_comm_abort(crd_comm *comm, int code)
{
    comm->ops->abort(comm, code);
}

int crd_comm_rank(const crd_comm *comm)
{
    return comm->rank;
}

int crd_comm_size(const crd_comm *comm)
{
    return comm->size;
}

int crd_comm_node(const crd_comm *comm)
{
    return comm->node;
}

int crd_comm_n_nodes(const crd_comm *comm)
{
    return comm->n_nodes;
}

int crd_comm_node_rank(const crd_comm *comm)
{
    return comm->node_rank;
}

const char *crd_comm_host(const crd_comm *comm)
{
    return comm->host;
}

const int *crd_comm_node_sizes(const crd_comm *comm)
{
    return comm->node_sizes;
}

crd_status crd_comm_agree(crd_comm *comm, crd_status local)
{
    if (comm->fault_step > 0 && ++comm->n_steps == comm->fault_step) {
        while (comm->fault_stalls)
            pause();
        local = CRD_FAIL(CRD_ERR_INTERNAL, "fault at step %lld of rank %d, as asked for",
                         (long long)comm->n_steps, comm->rank);
    }
    begin_waiting(comm);
    local = comm->ops->agree(comm, local);
    end_waiting(comm);
    return local;
}

void crd_comm_broadcast(crd_comm *comm, void *data, int64_t n_bytes)
{
    begin_waiting(comm);
    comm->ops->broadcast(comm, data, n_bytes);
    end_waiting(comm);
}

void crd_comm_reduce_sum(crd_comm *comm, int64_t *values, int64_t n)
{
    begin_waiting(comm);
    comm->ops->reduce(comm, values, n, 0);
    end_waiting(comm);
}

void crd_comm_reduce_max(crd_comm *comm, int64_t *values, int64_t n)
{
    begin_waiting(comm);
    comm->ops->reduce(comm, values, n, 1);
    end_waiting(comm);
}

void crd_comm_sum_begin(crd_comm *comm, int64_t *values, int64_t n)
{
    comm->ops->sum_begin(comm, values, n);
}

void crd_comm_sum_end(crd_comm *comm)
{
    begin_waiting(comm);
    comm->ops->sum_end(comm);
    end_waiting(comm);
}

crd_comm_cost crd_comm_get_cost(const crd_comm *comm)
{
    return comm->cost;
}

/* Blocks are whole pages, so that transfers can be counted in pages and an int suffices for MPI. */
enum { PAGE = CRD_SHARED_PAGE };

crd_status crd_shared_create(crd_shared **out, crd_comm *comm, int64_t n_bytes)
{
    crd_status status = crd_alloc_zeroed((void **)out, 1, sizeof **out, "shared block");
    if (status == CRD_OK && (n_bytes < 0 || n_bytes > INT64_MAX - PAGE))
        status = CRD_FAIL(CRD_ERR_INTERNAL, "shared block of %lld bytes", (long long)n_bytes);
    status = crd_comm_agree(comm, status);
    if (status == CRD_OK) {
        **out = (crd_shared){.comm = comm, .n_bytes = (n_bytes / PAGE + 1) * PAGE};
        status = comm->ops->shared_create(*out);
    }
    if (status != CRD_OK) {
        crd_free(*out);
        *out = NULL;
    }
    return status;
}

void crd_shared_destroy(crd_shared *shared)
{
    if (shared == NULL)
        return;
    shared->comm->ops->shared_destroy(shared);
    crd_free(shared);
}

void *crd_shared_data(const crd_shared *shared)
{
    return shared->data;
}

void crd_shared_broadcast(crd_shared *shared, int64_t n_bytes)
{
    crd_shared_begin(shared, n_bytes);
    crd_shared_end(shared);
}

static void begin_part(crd_shared *shared, int64_t first_page, int64_t n_pages)
{
    begin_waiting(shared->comm);
    shared->comm->ops->node_barrier(shared->comm);
    end_waiting(shared->comm);
    shared->comm->ops->shared_begin(shared, first_page, n_pages);
}

void crd_shared_begin(crd_shared *shared, int64_t n_bytes)
{
    begin_part(shared, 0, (n_bytes + PAGE - 1) / PAGE);
}

void crd_shared_broadcast_part(crd_shared *shared, int64_t begin, int64_t end)
{
    begin_part(shared, begin / PAGE, (end + PAGE - 1) / PAGE - begin / PAGE);
    crd_shared_end(shared);
}

void crd_shared_progress(crd_shared *shared)
{
    shared->comm->ops->shared_progress(shared);
}

void crd_shared_end(crd_shared *shared)
{
    begin_waiting(shared->comm);
    shared->comm->ops->shared_end(shared);
    end_waiting(shared->comm);
}

void crd_shared_gather(crd_shared *shared, const int64_t *begin)
{
    begin_waiting(shared->comm);
    shared->comm->ops->node_barrier(shared->comm);
    shared->comm->ops->shared_gather(shared, begin);
    shared->comm->ops->node_barrier(shared->comm);
    end_waiting(shared->comm);
}

/* A lock-free int64 is address-free: processes that map the same memory may share it (C11
 * 7.17.5). */
struct crd_counter {
    crd_shared *shared;
    _Atomic int64_t *value;
};

crd_status crd_counter_create(crd_counter **out, crd_comm *comm)
{
    crd_status status = crd_alloc_zeroed((void **)out, 1, sizeof **out, "counter");
    status = crd_comm_agree(comm, status);
    if (status == CRD_OK)
        status = crd_shared_create(&(*out)->shared, comm, sizeof *(*out)->value);
    if (status == CRD_OK) {
        (*out)->value = crd_shared_data((*out)->shared);
    } else {
        crd_free(*out);
        *out = NULL;
    }
    return status;
}

void crd_counter_destroy(crd_counter *counter)
{
    if (counter == NULL)
        return;
    crd_shared_destroy(counter->shared);
    crd_free(counter);
}

void crd_counter_reset(crd_counter *counter, int64_t value)
{
    crd_comm *comm = counter->shared->comm;
    begin_waiting(comm);
    comm->ops->node_barrier(comm);
    if (comm->node_rank == 0)
        atomic_store(counter->value, value);
    comm->ops->node_barrier(comm);
    end_waiting(comm);
}

int64_t crd_counter_next(crd_counter *counter)
{
    return atomic_fetch_add(counter->value, 1);
}

crd_status crd_alarm_create(crd_alarm **out, crd_comm *comm)
{
    crd_status status = crd_alloc_zeroed((void **)out, 1, sizeof **out, "alarm");
    status = crd_comm_agree(comm, status);
    if (status == CRD_OK) {
        (*out)->comm = comm;
        status = crd_shared_create(&(*out)->shared, comm, sizeof *(*out)->level);
    }
    if (status == CRD_OK) {
        (*out)->level = crd_shared_data((*out)->shared);
        status = crd_comm_agree(comm, comm->ops->alarm_open(*out));
        if (status != CRD_OK) {
            crd_alarm_destroy(*out);
            *out = NULL;
            return status;
        }
    }
    if (status != CRD_OK) {
        crd_free(*out);
        *out = NULL;
    }
    return status;
}

void crd_alarm_destroy(crd_alarm *alarm)
{
    if (alarm == NULL)
        return;
    if (alarm->body != NULL)
        alarm->comm->ops->alarm_close(alarm);
    crd_shared_destroy(alarm->shared);
    crd_free(alarm);
}

void crd_alarm_raise(crd_alarm *alarm, int level)
{
    crd_atomic_raise(alarm->level, level);
    alarm->comm->ops->alarm_travel(alarm);
}

int crd_alarm_get(crd_alarm *alarm)
{
    alarm->comm->ops->alarm_travel(alarm);
    return (int)atomic_load(alarm->level);
}

int crd_alarm_arrived(crd_alarm *alarm)
{
    begin_waiting(alarm->comm);
    int arrived = alarm->comm->ops->alarm_arrived(alarm);
    if (arrived)
        end_waiting(alarm->comm);
    return arrived;
}

int crd_alarm_settle(crd_alarm *alarm)
{
    begin_waiting(alarm->comm);
    int level = alarm->comm->ops->alarm_settle(alarm);
    end_waiting(alarm->comm);
    return level;
}
