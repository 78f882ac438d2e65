#include "bayes/gradient_sums.h"

#include <math.h>

static const float limit = (float)(1 << CRD_GRADIENT_RANGE_BITS);

/* Elements at once: they are still in the cache after the check. */
enum { BLOCK = 4096 };

static int are_in_range(const float *values, int64_t n)
{
    int is_bad = 0;
    for (int64_t i = 0; i < n; i++)
        is_bad |= !(fabsf(values[i]) < limit);
    return !is_bad;
}

crd_status crd_gradient_sums_add(int64_t *sums, const float *values, int64_t n, double weight,
                                 const char *what, const char *name)
{
    double scale = ldexp(weight, CRD_GRADIENT_BITS);
    for (int64_t first = 0; first < n; first += BLOCK) {
        int64_t end = first + BLOCK < n ? first + BLOCK : n;
        if (!are_in_range(values + first, end - first)) {
            int64_t i = first;
            while (fabsf(values[i]) < limit)
                i++;
            return CRD_FAIL(CRD_ERR_NUMERIC,
                            "%s of %s: element %lld is %g; it must be a number below %g", what,
                            name, (long long)i, (double)values[i], (double)limit);
        }
        /* Truncation of x +- 1/2: one instruction without a branch, where llrint is a call. */
        for (int64_t i = first; i < end; i++) {
            double x = (double)values[i] * scale;
            sums[i] += (int64_t)(x + copysign(0.5, x));
        }
    }
    return CRD_OK;
}
