/** Standard errors from groups of draws. For other rooms. */
#ifndef CRD_STATS_GROUP_ERROR_H
#define CRD_STATS_GROUP_ERROR_H

#include <stdint.h>

/** Standard error of the mean over all draws of a statistic of which the sum over each group's
 * draws is known: sums[n_groups], draws[n_groups] (0: an empty group). An observation is the sum of
 * `n_each` draws. For independent observations the mean square between groups is unbiased for the
 * variance of one, whatever the groups' sizes (one-way analysis of variance). Of groups that are
 * components it is their cluster standard error: with equal shares sd of the component means /
 * sqrt(components). NaN below two groups with draws. */
double crd_group_error(const double *sums, const int64_t *draws, int64_t n_groups, int64_t n_each);
/** Relative standard error of a standard deviation of n >= 2 normal numbers. */
double crd_error_of_sd(int64_t n);

#endif
