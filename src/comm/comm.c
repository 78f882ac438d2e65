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

void crd_comm_destroy(crd_comm *comm)
{
    if (comm == NULL)
        return;
    comm->ops->destroy(comm);
    crd_free(comm->node_sizes);
    crd_free(comm);
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
    return comm->ops->agree(comm, local);
}

void crd_comm_broadcast(crd_comm *comm, void *data, int64_t n_bytes)
{
    comm->ops->broadcast(comm, data, n_bytes);
}

void crd_comm_reduce_sum(crd_comm *comm, int64_t *values, int64_t n)
{
    comm->ops->reduce(comm, values, n, 0);
}

void crd_comm_reduce_max(crd_comm *comm, int64_t *values, int64_t n)
{
    comm->ops->reduce(comm, values, n, 1);
}

void crd_comm_sum_begin(crd_comm *comm, int64_t *values, int64_t n)
{
    comm->ops->sum_begin(comm, values, n);
}

void crd_comm_sum_end(crd_comm *comm)
{
    comm->ops->sum_end(comm);
}

crd_comm_cost crd_comm_get_cost(const crd_comm *comm)
{
    return comm->cost;
}

/* Blocks are whole pages, so that transfers can be counted in pages and an int suffices for MPI. */
enum { PAGE = 4096 };

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
    shared->comm->ops->node_barrier(shared->comm);
    crd_shared_begin(shared, n_bytes);
    crd_shared_end(shared);
}

void crd_shared_begin(crd_shared *shared, int64_t n_bytes)
{
    shared->comm->ops->shared_begin(shared, n_bytes);
}

void crd_shared_progress(crd_shared *shared)
{
    shared->comm->ops->shared_progress(shared);
}

void crd_shared_end(crd_shared *shared)
{
    shared->comm->ops->shared_end(shared);
}

void crd_shared_gather(crd_shared *shared, const int64_t *begin)
{
    shared->comm->ops->node_barrier(shared->comm);
    shared->comm->ops->shared_gather(shared, begin);
    shared->comm->ops->node_barrier(shared->comm);
}

/* A lock-free int64 is address-free: processes that map the same memory may share it (C11 7.17.5). */
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
    comm->ops->node_barrier(comm);
    if (comm->node_rank == 0)
        atomic_store(counter->value, value);
    comm->ops->node_barrier(comm);
}

int64_t crd_counter_next(crd_counter *counter)
{
    return atomic_fetch_add(counter->value, 1);
}

int64_t crd_counter_get(const crd_counter *counter)
{
    return atomic_load(counter->value);
}

void crd_counter_raise(crd_counter *counter, int64_t value)
{
    crd_atomic_raise(counter->value, value);
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
        if (status != CRD_OK)
            crd_shared_destroy((*out)->shared);
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
    return alarm->comm->ops->alarm_arrived(alarm);
}

int crd_alarm_settle(crd_alarm *alarm)
{
    return alarm->comm->ops->alarm_settle(alarm);
}
