/** Memory that the ranks of a node share. */
#ifndef CRD_COMM_NODE_MEMORY_H
#define CRD_COMM_NODE_MEMORY_H

#include <stdatomic.h>

#include "comm/comm_mpi.h"

typedef struct crd_node_memory {
    void *data;
    int64_t n_bytes;
    MPI_Win window; /* MPI_WIN_NULL: the memory is the leader's file */
} crd_node_memory;

/** n_bytes of zeros on each node; all are there, none is left to the first touch. Collective: on
 * comm. All ranks fail together. Errors: CRD_ERR_INTERNAL naming host and reason. */
crd_status crd_node_memory_create(crd_node_memory *out, crd_comm *comm, int64_t n_bytes);
/** Collective: on the node. */
void crd_node_memory_destroy(crd_node_memory *memory);

/** What ranks of the node wrote before a barrier is seen by those that call this after it, as
 * long as the writers called it before. */
static inline void crd_node_memory_sync(const crd_node_memory *memory)
{
    if (memory->window != MPI_WIN_NULL)
        MPI_Win_sync(memory->window);
    atomic_thread_fence(memory_order_seq_cst);
}

#endif
