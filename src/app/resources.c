/* Memory of this process, cores of this machine, and a batch job's limits with room to spare. */
#include "app/resources.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* Of a job's time limit: jobs/slurm.sh is told to stop 5 to 6 minutes before the end. */
enum { SPARE_MINUTES = 10 };

int64_t crd_resources_own_bytes(void)
{
    struct rusage usage;
    char line[256];
    long long shared_kb = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "RssShmem: %lld", &shared_kb) == 1)
            break;
    if (status != NULL)
        fclose(status);
    if (getrusage(RUSAGE_SELF, &usage) != 0 || usage.ru_maxrss < shared_kb)
        return 0;
    return ((int64_t)usage.ru_maxrss - shared_kb) * 1024;
}

int64_t crd_resources_cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? n : 1;
}

crd_plan_job crd_resources_job(int64_t n_ranks, double seconds, double rank_bytes)
{
    return (crd_plan_job){.n_ranks = n_ranks,
                          .minutes = (int64_t)(1.5 * seconds / 60) + SPARE_MINUTES,
                          .mib_per_rank = (int64_t)(1.25 * rank_bytes / (1 << 20)) + 1};
}
