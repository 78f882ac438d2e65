/* What a control group (a batch job's, a container's) leaves this process: beyond it the kernel
 * ends the process without a word. Of cgroup 2 and of the memory controller of cgroup 1; pages
 * of files count as free, as the kernel gives them up first. */
#include "base/memory.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The first number of a file, or the one after `key`; -1: there is none ("max"). */
static int64_t read_number(const char *folder, const char *file, const char *key)
{
    char path[PATH_MAX], line[256];
    int64_t number = -1;
    size_t length = key == NULL ? 0 : strlen(key);
    if (snprintf(path, sizeof path, "%s/%s", folder, file) >= (int)sizeof path)
        return -1;
    FILE *in = fopen(path, "re");
    while (in != NULL && number < 0 && fgets(line, sizeof line, in) != NULL)
        if ((key == NULL || strncmp(line, key, length) == 0) &&
            sscanf(line + length, "%" SCNd64, &number) != 1)
            number = -1;
    if (in != NULL)
        fclose(in);
    return number;
}

static int64_t left_in(const char *folder, const char *limit, const char *usage, const char *files)
{
    int64_t most = read_number(folder, limit, NULL), now = read_number(folder, usage, NULL);
    int64_t pages = read_number(folder, "memory.stat", files);
    if (most < 0 || now < 0)
        return INT64_MAX;
    int64_t left = most - now + (pages > 0 ? pages : 0);
    return left > 0 ? left : 0;
}

/* The least that the group at `path` and those above it leave; `path` is cut. */
static int64_t left_above(const char *mount, char *path, const char *limit, const char *usage,
                          const char *files)
{
    char folder[PATH_MAX];
    int64_t least = INT64_MAX;
    for (;;) {
        if (snprintf(folder, sizeof folder, "%s%s", mount, path) < (int)sizeof folder) {
            int64_t left = left_in(folder, limit, usage, files);
            least = left < least ? left : least;
        }
        char *slash = strrchr(path, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

int64_t crd_memory_left(void)
{
    char line[PATH_MAX];
    int64_t least = INT64_MAX;
    FILE *groups = fopen("/proc/self/cgroup", "re");
    while (groups != NULL && fgets(line, sizeof line, groups) != NULL) {
        char *controllers = strchr(line, ':'), *path;
        if (controllers == NULL || (path = strchr(controllers + 1, ':')) == NULL)
            continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        int64_t left = INT64_MAX;
        if (controllers[1] == '\0')
            left = left_above("/sys/fs/cgroup", path, "memory.max", "memory.current",
                              "inactive_file ");
        else if (strcmp(controllers + 1, "memory") == 0)
            left = left_above("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes",
                              "memory.usage_in_bytes", "total_inactive_file ");
        least = left < least ? left : least;
    }
    if (groups != NULL)
        fclose(groups);
    return least;
}

int64_t crd_memory_most(void)
{
    int64_t least = crd_memory_left();
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    struct rlimit space;
    if (pages > 0 && page > 0 && (int64_t)pages * page < least)
        least = (int64_t)pages * page;
    if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur < (rlim_t)least)
        least = (int64_t)space.rlim_cur;
    return least;
}
