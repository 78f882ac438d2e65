/* One process: every collective is done when it is begun. */
#include <stdlib.h>

#include "base/alloc.h"
#include "comm/comm_body.h"

static crd_status self_split(crd_comm **out, crd_comm *comm, int color)
{
    (void)comm, (void)color;
    return crd_comm_create_self(out);
}

static void self_abort(crd_comm *comm, int code)
{
    (void)comm;
    _Exit(code);
}

static crd_status self_agree(crd_comm *comm, crd_status local)
{
    (void)comm;
    return local;
}

static void self_broadcast(crd_comm *comm, void *data, int64_t n_bytes)
{
    (void)comm, (void)data, (void)n_bytes;
}

static void self_reduce(crd_comm *comm, int64_t *values, int64_t n, int maximum)
{
    (void)comm, (void)values, (void)n, (void)maximum;
}

static void self_sum_begin(crd_comm *comm, int64_t *values, int64_t n)
{
    (void)comm, (void)values, (void)n;
}

static void self_nothing(crd_comm *comm)
{
    (void)comm;
}

static crd_status self_shared_create(crd_shared *shared)
{
    return crd_alloc_zeroed(&shared->data, shared->n_bytes, 1, "shared block");
}

static void self_shared_destroy(crd_shared *shared)
{
    crd_free(shared->data);
}

static void self_shared_begin(crd_shared *shared, int64_t first_page, int64_t n_pages)
{
    (void)shared, (void)first_page, (void)n_pages;
}

static void self_shared_nothing(crd_shared *shared)
{
    (void)shared;
}

static void self_shared_gather(crd_shared *shared, const int64_t *begin)
{
    (void)shared, (void)begin;
}

static crd_status self_alarm_open(crd_alarm *alarm)
{
    (void)alarm;
    return CRD_OK;
}

static void self_alarm_nothing(crd_alarm *alarm)
{
    (void)alarm;
}

static int self_alarm_arrived(crd_alarm *alarm)
{
    (void)alarm;
    return 1;
}

static int self_alarm_settle(crd_alarm *alarm)
{
    return (int)atomic_exchange(alarm->level, 0);
}

static const crd_comm_ops self_ops = {
    .destroy = self_nothing,
    .split = self_split,
    .abort = self_abort,
    .agree = self_agree,
    .broadcast = self_broadcast,
    .reduce = self_reduce,
    .sum_begin = self_sum_begin,
    .sum_end = self_nothing,
    .shared_create = self_shared_create,
    .shared_destroy = self_shared_destroy,
    .shared_begin = self_shared_begin,
    .shared_progress = self_shared_nothing,
    .shared_end = self_shared_nothing,
    .shared_gather = self_shared_gather,
    .node_barrier = self_nothing,
    .alarm_open = self_alarm_open,
    .alarm_close = self_alarm_nothing,
    .alarm_travel = self_alarm_nothing,
    .alarm_arrived = self_alarm_arrived,
    .alarm_settle = self_alarm_settle,
};

crd_status crd_comm_create_self(crd_comm **out)
{
    crd_status status = CRD_OK;
    crd_comm *comm = NULL;
    CRD_ALLOC(&comm, 1, "communicator");
    crd_comm_init(comm, &self_ops);
    comm->size = 1;
    comm->n_nodes = 1;
    CRD_ALLOC(&comm->node_sizes, 1, "communicator");
    comm->node_sizes[0] = 1;
    CRD_TRY(crd_comm_read_fault(comm));
cleanup:
    if (status != CRD_OK) {
        if (comm != NULL)
            crd_free(comm->node_sizes);
        crd_free(comm);
        comm = NULL;
    }
    *out = comm;
    return status;
}
