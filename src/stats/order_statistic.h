/** Single places of a sorted order, without sorting. For other rooms. */
#ifndef CRD_STATS_ORDER_STATISTIC_H
#define CRD_STATS_ORDER_STATISTIC_H

#include <stdint.h>

#include "credence/status.h"

/** out[k]: what would stand at places[k] of values[n] if these were sorted; places 0 .. n - 1 in
 * any order, values from 0 on (no NaN). Cost: linear in n, whatever the values; room for n of
 * them. Errors: out of memory. */
crd_status crd_order_statistics(double *out, const double *values, int64_t n, const int64_t *places,
                                int n_places);

#endif
