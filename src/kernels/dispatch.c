/* The table of kernels of this process, chosen once by what the CPU has or by CREDENCE_KERNELS.
 * All sets give the same draws; sums may differ in their last bits. */
#include "kernels/variants.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool always(void)
{
    return true;
}

#ifdef CRD_KERNELS_X86
static bool has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
}

static bool has_avx512_bf16(void)
{
    return has_avx512() && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
}
#endif

const crd_variant crd_variants[] = {
    {&crd_kernels_ref, crd_peak_loop_ref, crd_peak_loop_ref, always},
#ifdef CRD_KERNELS_X86
    {&crd_kernels_avx2, crd_peak_loop_avx2, crd_peak_loop_avx2, has_avx2},
    {&crd_kernels_avx512, crd_peak_loop_avx512, crd_peak_loop_avx512, has_avx512},
    {&crd_kernels_avx512_bf16, crd_peak_loop_avx512, crd_peak_loop_avx512_bf16, has_avx512_bf16},
#endif
#ifdef CRD_KERNELS_NEON
    {&crd_kernels_neon, crd_peak_loop_neon, crd_peak_loop_neon, always},
#endif
};
const int crd_n_variants = sizeof crd_variants / sizeof crd_variants[0];

const crd_kernels *crd_kernels_choose(void)
{
    const char *name = getenv("CREDENCE_KERNELS");
    for (int i = crd_n_variants - 1; i >= 0; i--)
        if ((name == NULL || strcmp(name, crd_variants[i].table->name) == 0) &&
            crd_variants[i].runs_here())
            return crd_variants[i].table;
    return NULL;
}

const crd_kernels *crd_kernels_get(void)
{
    /* Threads that come here first together choose the same table, so the race is harmless. */
    static _Atomic(const crd_kernels *) chosen;
    const crd_kernels *table = atomic_load_explicit(&chosen, memory_order_acquire);
    if (table == NULL) {
        table = crd_kernels_choose();
        if (table == NULL)
            table = &crd_kernels_ref; /* crd_kernels_check tells the user */
        atomic_store_explicit(&chosen, table, memory_order_release);
    }
    return table;
}

int crd_kernels_all(const crd_kernels **tables, int capacity)
{
    int n = 0;
    for (int i = 0; i < crd_n_variants && n < capacity; i++)
        if (crd_variants[i].runs_here())
            tables[n++] = crd_variants[i].table;
    return n;
}

crd_status crd_kernels_check(void)
{
    if (crd_kernels_choose() != NULL)
        return CRD_OK;
    char allowed[64] = "";
    size_t used = 0;
    for (int i = 0; i < crd_n_variants; i++)
        if (crd_variants[i].runs_here() && used < sizeof allowed)
            used += (size_t)snprintf(allowed + used, sizeof allowed - used, "%s%s",
                                     used > 0 ? ", " : "", crd_variants[i].table->name);
    return CRD_FAIL(CRD_ERR_USAGE, "CREDENCE_KERNELS: '%s' is not one of this CPU's: %s",
                    getenv("CREDENCE_KERNELS"), allowed);
}

void crd_normal_fill(float *out, int64_t n, int64_t first, const crd_stream *stream)
{
    crd_kernels_get()->normal_fill(out, n, first, stream);
}
