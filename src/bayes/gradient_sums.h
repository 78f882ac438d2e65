/** Gradient sums in fixed point: exact, so that no order of units changes them. */
#ifndef CRD_BAYES_GRADIENT_SUMS_H
#define CRD_BAYES_GRADIENT_SUMS_H

#include "bayes/gradient.h"

/** sums[i] = round(weight * values[i] * factors[i] * 2^CRD_GRADIENT_BITS), or += if `adds`; factors
 * NULL stands for ones. Errors: CRD_ERR_NUMERIC naming what and name, and the element, the first
 * being number `first`: values[i] * factors[i] is not finite, or 2^CRD_GRADIENT_RANGE_BITS and
 * more; sums are undefined then. */
crd_status crd_gradient_sums_add(int64_t *sums, int adds, const float *values, const float *factors,
                                 int64_t n, double weight, const char *what, const char *name,
                                 int64_t first);

/** What these sums alone would be read as, in one pass: grads[i] = values[i] * factors[i] rounded
 * to a multiple of 2^-CRD_GRADIENT_BITS. The rest as above, grads for sums. */
crd_status crd_gradient_round(float *grads, const float *values, const float *factors, int64_t n,
                              const char *what, const char *name, int64_t first);

#endif
