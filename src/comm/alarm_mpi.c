/* The alarm between nodes. The nodes' leaders are a tree in which each knows its parent and its
 * children; a level that is new to a leader goes to all of them. Every leader always has one
 * receive open for each neighbour; when the alarm is settled an end mark follows the levels, so
 * that none is left under way. */
#include <time.h>

#include "base/alloc.h"
#include "comm/comm_mpi.h"

enum { FAN_OUT = 8, MAX_NEIGHBOURS = FAN_OUT + 1, END_MARK = -1, TAG = 1 };

typedef struct mpi_alarm {
    int n_neighbours; /* 0 on ranks that lead no node */
    int neighbours[MAX_NEIGHBOURS];
    int received[MAX_NEIGHBOURS];
    MPI_Request receives[MAX_NEIGHBOURS];
    /* What has been sent since the last settling: levels rise, so they are few. */
    int sent[CRD_ALARM_MAX + 2];
    int n_sent;
    MPI_Request sends[(CRD_ALARM_MAX + 2) * MAX_NEIGHBOURS];
    MPI_Request arrival; /* a barrier under way; MPI_REQUEST_NULL: none */
    int is_arriving;
    long sleep_ns;
} mpi_alarm;

static MPI_Comm leaders_of(const crd_alarm *alarm)
{
    return crd_mpi_body_of(alarm->comm)->leaders;
}

static void open_receive(crd_alarm *alarm, int i)
{
    mpi_alarm *a = alarm->body;
    MPI_Irecv(&a->received[i], 1, MPI_INT, a->neighbours[i], TAG, leaders_of(alarm),
              &a->receives[i]);
}

static void send_to_all(crd_alarm *alarm, int value)
{
    mpi_alarm *a = alarm->body;
    a->sent[a->n_sent] = value;
    for (int i = 0; i < a->n_neighbours; i++)
        MPI_Isend(&a->sent[a->n_sent], 1, MPI_INT, a->neighbours[i], TAG, leaders_of(alarm),
                  &a->sends[a->n_sent * a->n_neighbours + i]);
    a->n_sent++;
    alarm->comm->cost.calls += a->n_neighbours;
}

crd_status crd_mpi_alarm_open(crd_alarm *alarm)
{
    const crd_comm *comm = alarm->comm;
    crd_status status = crd_alloc_zeroed(&alarm->body, 1, sizeof(mpi_alarm), "alarm");
    if (status != CRD_OK)
        return status;
    mpi_alarm *a = alarm->body;
    a->arrival = MPI_REQUEST_NULL;
    if (comm->node_rank != 0)
        return CRD_OK;
    if (comm->node > 0)
        a->neighbours[a->n_neighbours++] = (comm->node - 1) / FAN_OUT;
    for (int child = FAN_OUT * comm->node + 1;
         child <= FAN_OUT * comm->node + FAN_OUT && child < comm->n_nodes; child++)
        a->neighbours[a->n_neighbours++] = child;
    for (int i = 0; i < a->n_neighbours; i++)
        open_receive(alarm, i);
    return CRD_OK;
}

void crd_mpi_alarm_close(crd_alarm *alarm)
{
    mpi_alarm *a = alarm->body;
    for (int i = 0; i < a->n_neighbours; i++) {
        MPI_Cancel(&a->receives[i]);
        MPI_Wait(&a->receives[i], MPI_STATUS_IGNORE);
    }
    crd_free(a);
}

void crd_mpi_alarm_travel(crd_alarm *alarm)
{
    mpi_alarm *a = alarm->body;
    int i, is_there = a->n_neighbours > 0;
    while (is_there) {
        MPI_Testany(a->n_neighbours, a->receives, &i, &is_there, MPI_STATUS_IGNORE);
        is_there = is_there && i != MPI_UNDEFINED;
        /* Never an end mark: nobody sends it before all ranks have arrived. */
        if (is_there) {
            crd_atomic_raise(alarm->level, a->received[i]);
            open_receive(alarm, i);
        }
    }
    int level = (int)atomic_load(alarm->level);
    if (a->n_neighbours > 0 && level > (a->n_sent > 0 ? a->sent[a->n_sent - 1] : 0))
        send_to_all(alarm, level);
}

int crd_mpi_alarm_arrived(crd_alarm *alarm)
{
    enum { SHORTEST_NS = 20000, LONGEST_NS = 2000000 };
    mpi_alarm *a = alarm->body;
    double start = crd_clock_now_s();
    int done, is_first = !a->is_arriving;
    if (is_first) {
        MPI_Ibarrier(crd_mpi_body_of(alarm->comm)->all, &a->arrival);
        a->is_arriving = 1;
        a->sleep_ns = SHORTEST_NS;
    }
    crd_mpi_alarm_travel(alarm);
    MPI_Test(&a->arrival, &done, MPI_STATUS_IGNORE);
    if (!done) {
        nanosleep(&(struct timespec){.tv_nsec = a->sleep_ns}, NULL);
        a->sleep_ns = a->sleep_ns < LONGEST_NS ? a->sleep_ns * 3 / 2 : LONGEST_NS;
    }
    crd_mpi_count(alarm->comm, is_first, 0, start);
    return done;
}

/* Takes what is under way from a neighbour, up to its end mark. All ranks know the highest
 * level by now. */
static void drain(crd_alarm *alarm, int i)
{
    mpi_alarm *a = alarm->body;
    while (a->received[i] != END_MARK) {
        MPI_Wait(&a->receives[i], MPI_STATUS_IGNORE);
        if (a->received[i] != END_MARK)
            open_receive(alarm, i);
    }
    a->received[i] = 0;
    open_receive(alarm, i);
}

int crd_mpi_alarm_settle(crd_alarm *alarm)
{
    mpi_alarm *a = alarm->body;
    crd_comm *comm = alarm->comm;
    crd_mpi_body *body = crd_mpi_body_of(comm);
    double start = crd_clock_now_s();
    int level = (int)atomic_load(alarm->level);
    MPI_Allreduce(MPI_IN_PLACE, &level, 1, MPI_INT, MPI_MAX, body->all);
    if (a->n_neighbours > 0)
        send_to_all(alarm, END_MARK);
    for (int i = 0; i < a->n_neighbours; i++)
        drain(alarm, i);
    MPI_Waitall(a->n_sent * a->n_neighbours, a->sends, MPI_STATUSES_IGNORE);
    a->n_sent = 0;
    a->is_arriving = 0;
    /* The second barrier: nobody raises it anew before it has been set to 0. */
    MPI_Barrier(body->node);
    if (comm->node_rank == 0)
        atomic_store(alarm->level, 0);
    MPI_Barrier(body->node);
    crd_mpi_count(comm, 1, sizeof level, start);
    return level;
}
