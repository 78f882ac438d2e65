#include "bayes/gradient_sums.h"

#include <math.h>

static const float limit = (float)(1 << CRD_GRADIENT_RANGE_BITS);

crd_status crd_gradient_sums_add(int64_t *sums, const float *values, int64_t n, double weight,
                                 const char *what, const char *name)
{
    int is_bad = 0;
    for (int64_t i = 0; i < n; i++)
        is_bad |= !(fabsf(values[i]) < limit);
    for (int64_t i = 0; is_bad && i < n; i++)
        if (!(fabsf(values[i]) < limit))
            return CRD_FAIL(CRD_ERR_NUMERIC,
                            "%s of %s: element %lld is %g; it must be a number below %g", what,
                            name, (long long)i, (double)values[i], (double)limit);
    double scale = ldexp(weight, CRD_GRADIENT_BITS);
    for (int64_t i = 0; i < n; i++) {
        double x = (double)values[i] * scale;
        /* Truncation of x +- 1/2: a conversion in one instruction, where llrint is a call. */
        sums[i] += (int64_t)(x + (x < 0 ? -0.5 : 0.5));
    }
    return CRD_OK;
}
