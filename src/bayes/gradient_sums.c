/* One pass over the values: scaled, rounded, checked, by a kernel. */
#include "bayes/gradient_sums.h"

#include <math.h>

#include "kernels/kernels.h"

static const float limit = (float)(1 << CRD_GRADIENT_RANGE_BITS);

/* Says which product is out of range. */
static crd_status out_of_range(const float *values, const float *factors, int64_t n,
                               const char *what, const char *name, int64_t first)
{
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

crd_status crd_gradient_sums_add(int64_t *sums, int adds, const float *values, const float *factors,
                                 int64_t n, double weight, const char *what, const char *name,
                                 int64_t first)
{
    double scale = ldexp(weight, CRD_GRADIENT_BITS);
    if (crd_kernels_get()->param->accumulate(sums, values, factors, n, scale, limit, adds))
        return CRD_OK;
    return out_of_range(values, factors, n, what, name, first);
}

crd_status crd_gradient_round(float *grads, const float *values, const float *factors, int64_t n,
                              const char *what, const char *name, int64_t first)
{
    float scale = ldexpf(1, CRD_GRADIENT_BITS);
    if (crd_kernels_get()->param->round(grads, values, factors, n, scale, limit))
        return CRD_OK;
    return out_of_range(values, factors, n, what, name, first);
}
