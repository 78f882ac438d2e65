/** The ranks of a run, and what they do together.
 *
 * rank and size are MPI's. Ranks that share memory form a node; the first rank of a node is its
 * leader. No rank leaves alone: a collective function is a local half, crd_comm_agree, and a
 * collective half. Errors of MPI itself end the job (MPI's default handler). Room: comm.
 */
#ifndef CREDENCE_COMM_H
#define CREDENCE_COMM_H

#include <stdint.h>

#include "credence/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_comm crd_comm;

/** A communicator of this process alone; needs no MPI. Destroy it. */
crd_status crd_comm_create_self(crd_comm **out);
/** Initialises MPI (also without mpirun: one rank) and gives the communicator of all ranks. The
 * environment's CREDENCE_RANKS_PER_NODE makes nodes of at most that many ranks (for tests).
 * Errors: CRD_ERR_USAGE for a bad value of it. Collective: on all processes of the job.
 * crd_comm_destroy finalises MPI then. See also credence/mpi.h. */
crd_status crd_comm_create_world(crd_comm **out);
/** The ranks of `comm` with the same `color`, from 0 on, in their order: a communicator of their
 * own. Collective: on comm. Destroy it before comm. */
crd_status crd_comm_split(crd_comm **out, crd_comm *comm, int color);
/** Name and version of the MPI library that runs. Static. Collective: no. */
const char *crd_comm_mpi_library(void);
/** Collective: on comm. NULL is allowed. Shared blocks and counters must be destroyed before. */
void crd_comm_destroy(crd_comm *comm);
/** Ends the whole job at once, on any rank's word, with this exit code. Only for what cannot be
 * agreed on. */
void crd_comm_abort(crd_comm *comm, int code);

/** Place of this process. Nodes are numbered by their leaders' ranks. */
int crd_comm_rank(const crd_comm *comm);
int crd_comm_size(const crd_comm *comm);
int crd_comm_node(const crd_comm *comm);
int crd_comm_n_nodes(const crd_comm *comm);
int crd_comm_node_rank(const crd_comm *comm);
/** Name of the machine this process runs on. Borrowed. */
const char *crd_comm_host(const crd_comm *comm);
/** Ranks on each node: [n_nodes]. Borrowed; equal on all ranks. */
const int *crd_comm_node_sizes(const crd_comm *comm);
/** Cores that the ranks of this rank's node may use between them, as they are bound; 0 if that
 * is not known. Collective: on comm; synchronises. */
crd_status crd_comm_count_cores(int *n_cores, crd_comm *comm);
/** Where this node has more ranks than cores: asks the system for turns of 0.1 s, as every
 * change of the rank that runs costs the caches. Linux before 6.12 continues with its own, of a
 * few milliseconds. Collective: on comm; synchronises. */
crd_status crd_comm_ask_long_slices(crd_comm *comm);

/** All ranks get the status and message of the lowest rank whose `local` is not CRD_OK; CRD_OK
 * if none. Collective: on comm; synchronises. Cost: one allreduce of an int; a broadcast more
 * after a failure. */
crd_status crd_comm_agree(crd_comm *comm, crd_status local);

/** data[n_bytes] of rank 0 on all ranks. Collective: on comm; n_bytes equal on all ranks. */
void crd_comm_broadcast(crd_comm *comm, void *data, int64_t n_bytes);
/** Rank 0 gets the sums (the maxima) over all ranks in place; other ranks' values are left as
 * they are. Exact and independent of the order. Collective: on comm; n equal on all ranks. */
void crd_comm_reduce_sum(crd_comm *comm, int64_t *values, int64_t n);
void crd_comm_reduce_max(crd_comm *comm, int64_t *values, int64_t n);

/** Sums over all ranks on all ranks, begun: returns at once; nobody may touch values[n] until
 * crd_comm_sum_end. Several may be under way, begun in the same order on all ranks. Exact and
 * independent of the order. Collective: on comm. */
void crd_comm_sum_begin(crd_comm *comm, int64_t *values, int64_t n);
/** Waits for all of them, letting MPI work. Collective: on comm. */
void crd_comm_sum_end(crd_comm *comm);

/** What communication has cost this rank since the start. */
typedef struct crd_comm_cost {
    int64_t calls;  /**< operations begun: each at least one message over the network */
    int64_t bytes;  /**< handed to MPI for sending */
    double seconds; /**< inside MPI, waiting for others included */
} crd_comm_cost;
crd_comm_cost crd_comm_get_cost(const crd_comm *comm);

/** A block of memory of which every node holds one copy, shared by its ranks. */
typedef struct crd_shared crd_shared;

/** Creates a zeroed block of n_bytes on every node. Collective: on comm. All ranks fail
 * together. */
crd_status crd_shared_create(crd_shared **out, crd_comm *comm, int64_t n_bytes);
/** Collective: on comm. NULL is allowed if it is NULL on all ranks. */
void crd_shared_destroy(crd_shared *shared);
/** The node's copy, aligned to 64 bytes at least. Borrowed. */
void *crd_shared_data(const crd_shared *shared);

/** Copies the first n_bytes of rank 0's node to all nodes; afterwards every rank sees them. What
 * rank 0's node peers wrote before is seen too. Collective: on comm, synchronises. */
void crd_shared_broadcast(crd_shared *shared, int64_t n_bytes);
/** The same of bytes [begin, end), and perhaps of some around them. */
void crd_shared_broadcast_part(crd_shared *shared, int64_t begin, int64_t end);
/** The same as crd_shared_broadcast, begun: returns once all ranks of the node are there. Until
 * crd_shared_end nobody may touch the block. Collective: on comm. At most one is under way for a
 * block. */
void crd_shared_begin(crd_shared *shared, int64_t n_bytes);
/** Lets MPI get on with it; call it now and then. Collective: no. */
void crd_shared_progress(crd_shared *shared);
/** Waits for it. Collective: on comm, synchronises. */
void crd_shared_end(crd_shared *shared);

/** Brings bytes [begin[k], begin[k + 1]) of node k's copy into rank 0's node's copy, for all k.
 * begin[n_nodes + 1] equal on all ranks. Collective: on comm, synchronises. */
void crd_shared_gather(crd_shared *shared, const int64_t *begin);

/** A counter on every node, shared by its ranks. */
typedef struct crd_counter crd_counter;

/** Collective: on comm. All ranks fail together. */
crd_status crd_counter_create(crd_counter **out, crd_comm *comm);
/** Collective: on comm. */
void crd_counter_destroy(crd_counter *counter);
/** Sets this node's counter. Collective: on comm, synchronises; value equal on the ranks of a
 * node. */
void crd_counter_reset(crd_counter *counter, int64_t value);
/** The node's counter before it was increased by one. Collective: no. */
int64_t crd_counter_next(crd_counter *counter);

/** A word that any rank may raise while all work, and that all see soon: on the same node at
 * once, on others when the first ranks of the nodes between have looked (a tree of nodes, no
 * rank waits). */
typedef struct crd_alarm crd_alarm;
/** Highest level of an alarm. */
#define CRD_ALARM_MAX 7

/** Level 0. Collective: on comm. All ranks fail together. */
crd_status crd_alarm_create(crd_alarm **out, crd_comm *comm);
/** Collective: on comm. NULL is allowed if it is NULL on all ranks. */
void crd_alarm_destroy(crd_alarm *alarm);
/** Raises the level to at least `level`, 1 .. CRD_ALARM_MAX. Collective: no. */
void crd_alarm_raise(crd_alarm *alarm, int level);
/** The level as known here; lets it travel, so call it now and then. Collective: no. Cost: an
 * atomic load; on the first rank of a node, with several nodes, a test of its messages. */
int crd_alarm_get(crd_alarm *alarm);
/** For a rank that has nothing left to do: 1 when all ranks have called it; 0 after a short
 * sleep if some have not: call it again. The level travels meanwhile, and may still be raised. */
int crd_alarm_arrived(crd_alarm *alarm);
/** After crd_alarm_arrived was 1: all ranks get the highest level that any has raised, and it is
 * 0 from then on. Collective: on comm. Cost: one allreduce of an int, and two node barriers. */
int crd_alarm_settle(crd_alarm *alarm);

#ifdef __cplusplus
}
#endif
#endif
