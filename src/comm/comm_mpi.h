/** What the sources of the MPI body share. */
#ifndef CRD_COMM_COMM_MPI_H
#define CRD_COMM_COMM_MPI_H

#include "base/clock.h"
#include "comm/comm_body.h"
#include "credence/mpi.h"

/* Sums that may be under way; one more waits for the first ones. */
enum { MAX_SUMS = 64 };

typedef struct crd_mpi_body {
    MPI_Comm all;     /* ours: a duplicate */
    MPI_Comm node;    /* ranks that share memory with this one */
    MPI_Comm leaders; /* first ranks of the nodes, ordered by rank; MPI_COMM_NULL on the others */
    MPI_Datatype page;
    MPI_Request sums[MAX_SUMS];
    int n_sums;
    int owns_mpi; /* we called MPI_Init */
} crd_mpi_body;

static inline crd_mpi_body *crd_mpi_body_of(const crd_comm *comm)
{
    return comm->body;
}

/* Counts operations begun, bytes handed over (a rank alone sends none) and the time since
 * start_s. */
static inline void crd_mpi_count(crd_comm *comm, int64_t calls, int64_t n_bytes, double start_s)
{
    comm->cost.calls += comm->size > 1 ? calls : 0;
    comm->cost.bytes += comm->size > 1 ? n_bytes : 0;
    comm->cost.seconds += crd_clock_now_s() - start_s;
}

/* alarm_mpi.c: operations of crd_comm_ops. */
crd_status crd_mpi_alarm_open(crd_alarm *alarm);
void crd_mpi_alarm_close(crd_alarm *alarm);
void crd_mpi_alarm_travel(crd_alarm *alarm);
int crd_mpi_alarm_arrived(crd_alarm *alarm);
int crd_mpi_alarm_settle(crd_alarm *alarm);

#endif
