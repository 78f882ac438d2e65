/* One pass over the values: scaled, rounded to int64, checked, by a kernel. */
#include "bayes/gradient_sums.h"

#include <math.h>

#include "kernels/kernels.h"

static const float limit = (float)(1 << CRD_GRADIENT_RANGE_BITS);

crd_status crd_gradient_sums_add(int64_t *sums, int adds, const float *values, const float *factors,
                                 int64_t n, double weight, const char *what, const char *name,
                                 int64_t first)
{
    double scale = ldexp(weight, CRD_GRADIENT_BITS);
    if (crd_kernels_get()->param->accumulate(sums, values, factors, n, scale, limit, adds))
        return CRD_OK;
    int64_t i = 0;
    float value = NAN;
    for (; i < n; i++) {
        value = factors != NULL ? values[i] * factors[i] : values[i];
        if (!(fabsf(value) < limit))
            break;
    }
    return CRD_FAIL(CRD_ERR_NUMERIC, "%s of %s: element %lld is %g; it must be a number below %g",
                    what, name, (long long)(first + i), (double)value, (double)limit);
}
