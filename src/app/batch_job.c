/* What Slurm's environment says of this job, and warnings about ranks that share cores or leave
 * some idle. Only warnings: no job is refused for it. */
#include "app/batch_job.h"

#include <stdlib.h>
#include <string.h>

#include "credence/log.h"

const char *crd_batch_job_id(void)
{
    return getenv("SLURM_JOB_ID");
}

/** The message of the first node that has more ranks than cores for them. */
static crd_status find_crowded(crd_comm *comm, int n_cores)
{
    int n_ranks = crd_comm_node_sizes(comm)[crd_comm_node(comm)];
    if (n_cores == 0 || n_ranks <= n_cores || crd_comm_node_rank(comm) != 0)
        return CRD_OK;
    return CRD_FAIL(CRD_ERR_USAGE,
                    "%d ranks of host %s share %d core%s, and each could use one: ask for as many "
                    "cores as tasks, or see how the launcher binds them",
                    n_ranks, crd_comm_host(comm), n_cores, n_cores == 1 ? "" : "s");
}

crd_status crd_batch_job_check(crd_comm *comm)
{
    crd_status status = CRD_OK;
    int is_first = crd_comm_rank(comm) == 0, n_cores;
    int is_job = crd_batch_job_id() != NULL;
    const char *cores_asked = getenv("SLURM_CPUS_PER_TASK");
    crd_comm_broadcast(comm, &is_job, sizeof is_job);
    if (!is_job)
        return CRD_OK;
    CRD_TRY(crd_comm_count_cores(&n_cores, comm));
    if (crd_comm_agree(comm, find_crowded(comm, n_cores)) != CRD_OK && is_first)
        crd_log(CRD_LOG_WARN, "%s", crd_status_message());
    if (is_first && cores_asked != NULL && strcmp(cores_asked, "1") != 0)
        crd_log(CRD_LOG_WARN,
                "--cpus-per-task=%s: a rank uses one core, so more --ntasks instead would use them",
                cores_asked);
cleanup:
    return status;
}
