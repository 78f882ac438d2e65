/* The cores that the ranks of a node may use between them, and their turns on them. */
#define _GNU_SOURCE /* sched_getaffinity, syscall: Linux's own */
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "credence/comm.h"

crd_status crd_comm_count_cores(int *n_cores, crd_comm *comm)
{
    crd_status status = CRD_OK;
    crd_shared *shared = NULL;
    cpu_set_t mine;
    *n_cores = 0;
    CRD_TRY(crd_shared_create(&shared, comm, CPU_SETSIZE));
    _Atomic unsigned char *is_used = crd_shared_data(shared); /* [CPU_SETSIZE] */
    if (sched_getaffinity(0, sizeof mine, &mine) == 0)
        for (size_t i = 0; i < CPU_SETSIZE; i++)
            if (CPU_ISSET(i, &mine))
                atomic_store(&is_used[i], 1);
    /* All have marked theirs. */
    CRD_TRY(crd_comm_agree(comm, CRD_OK));
    for (int i = 0; i < CPU_SETSIZE; i++)
        *n_cores += atomic_load(&is_used[i]);
cleanup:
    crd_shared_destroy(shared);
    return status;
}

/* What sched_setattr(2) reads first; the C library has neither. */
typedef struct turn_attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
} turn_attributes;

crd_status crd_comm_ask_long_slices(crd_comm *comm)
{
    int n_cores;
    crd_status status = crd_comm_count_cores(&n_cores, comm);
    if (status != CRD_OK || n_cores == 0 ||
        crd_comm_node_sizes(comm)[crd_comm_node(comm)] <= n_cores)
        return status;
    turn_attributes mine = {.size = sizeof mine};
    if (syscall(SYS_sched_getattr, 0, &mine, sizeof mine, 0) == 0 && mine.policy == SCHED_OTHER) {
        mine.runtime_ns = 100000000;
        (void)syscall(SYS_sched_setattr, 0, &mine, 0); /* a wish */
    }
    return CRD_OK;
}
