/** Quantiles: of the normal and of the beta distribution, and of numbers. For other rooms. */
#ifndef CRD_STATS_QUANTILE_H
#define CRD_STATS_QUANTILE_H

#include <stdint.h>

/** x with P(Z < x) = p, Z ~ N(0, 1), to 1e-14. 0 < p < 1. */
double crd_normal_quantile(double p);
/** P(X < x), X ~ Beta(a, b): the regularised incomplete beta function. a, b > 0. */
double crd_beta_below(double x, double a, double b);
/** x with P(X < x) = p, X ~ Beta(a, b), a, b >= 1, to 1e-12. 0 < p < 1. */
double crd_beta_quantile(double p, double a, double b);

/** Quantile of sorted[n], n > 0, between two of them linearly: type 7, with the roundings of
 * scipy.stats.mstats.mquantiles(alphap=1, betap=1). */
double crd_sorted_quantile(const double *sorted, int64_t n, double p);

#endif
