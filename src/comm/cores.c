/* The cores that the ranks of a node may use between them. */
#define _GNU_SOURCE /* sched_getaffinity: Linux's own */
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

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
