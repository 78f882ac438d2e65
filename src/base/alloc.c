/* Memory that is counted: how much is in use, and the peak. Large blocks are aligned, moved apart
 * by cache lines, and put into huge pages. A control group's limit is seen before a block is asked
 * for. It is no pool: every block comes from the system and goes back to it. */
#define _DEFAULT_SOURCE /* madvise */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"

/* Every block is preceded by one alignment unit, which holds its size, so that freeing can be
 * counted, and where its memory begins. */
typedef struct header {
    char *raw;
    size_t bytes;
} header;

static _Atomic int64_t n_allocations, n_large, bytes_now, bytes_peak;

/* Large blocks come from the system at the same place of a page. Loops over the same elements
 * of many arrays would have them all in the same few sets of the cache, so they are moved apart
 * by whole cache lines. */
static size_t take_shift(size_t bytes)
{
    enum { LARGE = 1 << 20, N_SHIFTS = 8, SHIFT = 9 * CRD_ALIGNMENT };
    return bytes < LARGE ? 0 : (size_t)(atomic_fetch_add(&n_large, 1) % N_SHIFTS * SHIFT);
}

static void count_bytes(int64_t change)
{
    int64_t now = atomic_fetch_add(&bytes_now, change) + change;
    int64_t peak = atomic_load(&bytes_peak);
    while (now > peak && !atomic_compare_exchange_weak(&bytes_peak, &peak, now)) {
    }
}

/* A large block in pages of 2 MiB takes a small part of the page faults. Advice: nothing
 * depends on it. */
static void ask_for_huge_pages(char *raw, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    const size_t huge = (size_t)1 << 21;
    uintptr_t begin = ((uintptr_t)raw + huge - 1) / huge * huge;
    uintptr_t end = ((uintptr_t)raw + bytes) / huge * huge;
    if (begin < end)
        madvise((void *)begin, end - begin, MADV_HUGEPAGE);
#else
    (void)raw;
    (void)bytes;
#endif
}

/* The kernel ends a process that takes more than its control group leaves. Small blocks are not
 * worth the look. */
static crd_status check_group(size_t bytes, const char *what)
{
    enum { LARGE = 8 << 20 };
    int64_t left = bytes < LARGE ? INT64_MAX : crd_memory_left();
    if (left >= (int64_t)bytes)
        return CRD_OK;
    return CRD_FAIL(CRD_ERR_INTERNAL,
                    "%s: out of memory (%zu bytes, and the limit of the control group, a batch "
                    "job's or a container's, leaves %lld)",
                    what, bytes, (long long)left);
}

crd_status crd_alloc_zeroed(void **out, int64_t count, size_t size, const char *what)
{
    *out = NULL;
    if (count < 0 || (size != 0 && (uint64_t)count > (SIZE_MAX / 2 - 2 * CRD_ALIGNMENT) / size))
        return CRD_FAIL(CRD_ERR_INTERNAL, "%s: %lld elements of %zu bytes are too many", what,
                        (long long)count, size);
    size_t bytes = (size_t)count * size;
    if (check_group(bytes, what) != CRD_OK)
        return CRD_ERR_INTERNAL;
    size_t front = CRD_ALIGNMENT + take_shift(bytes);
    size_t padded = (bytes + CRD_ALIGNMENT - 1) / CRD_ALIGNMENT * CRD_ALIGNMENT + front;
    char *raw = aligned_alloc(CRD_ALIGNMENT, padded);
    if (raw == NULL)
        return CRD_FAIL(CRD_ERR_INTERNAL, "%s: out of memory (%zu bytes)", what, bytes);
    ask_for_huge_pages(raw, padded);
    memset(raw, 0, padded);
    *out = raw + front;
    const header h = {raw, bytes};
    memcpy((char *)*out - CRD_ALIGNMENT, &h, sizeof h);
    atomic_fetch_add(&n_allocations, 1);
    count_bytes((int64_t)bytes);
    return CRD_OK;
}

crd_status crd_alloc_probe(int64_t bytes, const char *what)
{
    void *room =
        mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return CRD_FAIL(CRD_ERR_INTERNAL,
                        "%s: out of memory: it needs %lld MiB of addresses (see ulimit -v, and "
                        "h_vmem of Grid Engine)",
                        what, (long long)(bytes >> 20));
    munmap(room, (size_t)bytes);
    return CRD_OK;
}

crd_status crd_alloc_grow(void **block, int64_t old_count, int64_t new_count, size_t size,
                          const char *what)
{
    void *bigger;
    crd_status status = crd_alloc_zeroed(&bigger, new_count, size, what);
    if (status != CRD_OK)
        return status;
    if (*block != NULL)
        memcpy(bigger, *block, (size_t)old_count * size);
    crd_free(*block);
    *block = bigger;
    return CRD_OK;
}

crd_status crd_alloc_string(char **out, const char *text)
{
    size_t bytes = strlen(text) + 1;
    crd_status status = crd_alloc_zeroed((void **)out, (int64_t)bytes, 1, "text");
    if (status == CRD_OK)
        memcpy(*out, text, bytes);
    return status;
}

void crd_free(void *block)
{
    if (block == NULL)
        return;
    header h;
    memcpy(&h, (char *)block - CRD_ALIGNMENT, sizeof h);
    count_bytes(-(int64_t)h.bytes);
    free(h.raw);
}

int64_t crd_alloc_count(void)
{
    return atomic_load(&n_allocations);
}

int64_t crd_alloc_bytes(void)
{
    return atomic_load(&bytes_now);
}

int64_t crd_alloc_peak_bytes(void)
{
    return atomic_load(&bytes_peak);
}
