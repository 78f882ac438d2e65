/* Ranks compare a digest (FNV-1a) of the same computation. Those that differ from the most
 * frequent one are named; on a tie rank 0 is right. */
#include "engine/rank_check.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/compare.h"
#include "kernels/kernels.h"

int64_t crd_rank_check_digest(const void *values, int64_t n_bytes)
{
    /* FNV-1a by words: any flipped bit changes it. */
    uint64_t digest = UINT64_C(0xcbf29ce484222325);
    for (int64_t at = 0; at < n_bytes; at += (int64_t)sizeof(uint32_t)) {
        uint32_t bits;
        memcpy(&bits, (const char *)values + at, sizeof bits);
        digest = (digest ^ bits) * UINT64_C(0x100000001b3);
    }
    return (int64_t)digest;
}

/* The most frequent of sorted values[n]; of equally frequent ones `favourite`, if it is one of
 * them. */
static int64_t most_frequent(const int64_t *values, int n, int64_t favourite, int *count)
{
    int64_t best = values[0];
    *count = 0;
    for (int i = 0, j; i < n; i = j) {
        for (j = i; j < n && values[j] == values[i]; j++) {
        }
        if (j - i > *count || (j - i == *count && values[i] == favourite)) {
            best = values[i];
            *count = j - i;
        }
    }
    return best;
}

crd_status crd_rank_check_compare(crd_comm *comm, int64_t digest)
{
    crd_status status = CRD_OK;
    int size = crd_comm_size(comm), n_agreeing;
    int64_t *all = NULL;
    CRD_TRY(crd_comm_agree(
        comm, crd_alloc_zeroed((void **)&all, size, sizeof *all, "digests of the ranks")));
    all[crd_comm_rank(comm)] = digest;
    crd_comm_sum_begin(comm, all, size);
    crd_comm_sum_end(comm);
    int64_t of_rank_0 = all[0];
    qsort(all, (size_t)size, sizeof *all, crd_compare_int64);
    if (digest != most_frequent(all, size, of_rank_0, &n_agreeing))
        status = CRD_FAIL(CRD_ERR_INTERNAL,
                          "rank %d (host %s, kernels %s, BLAS core %s) computes other bits than %d "
                          "of %d ranks: leave its node out or, if the CPU types differ, set "
                          "CREDENCE_KERNELS and OPENBLAS_CORETYPE alike on all",
                          crd_comm_rank(comm), crd_comm_host(comm), crd_kernels_get()->name,
                          crd_gemm_core(), n_agreeing, size);
    CRD_TRY(crd_comm_agree(comm, status));
cleanup:
    crd_free(all);
    return status;
}
