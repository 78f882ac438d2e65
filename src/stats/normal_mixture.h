/** The mixture of normals that draws of a regression give, in equal shares: quantiles and scores.
 * Without noise the components are points: an empirical distribution. For other rooms. */
#ifndef CRD_STATS_NORMAL_MIXTURE_H
#define CRD_STATS_NORMAL_MIXTURE_H

#include <stdbool.h>
#include <stdint.h>

/** A view. n >= 1. */
typedef struct crd_normal_mixture {
    int64_t n;
    bool has_noise;
    const double *mean, *sd; /**< [n]; sd is positive with noise, else 0 */
    const double *sorted;    /**< [n] the means, ascending */
} crd_normal_mixture;

double crd_normal_below(double z); /**< P(Z < z), Z ~ N(0, 1) */

/** Distribution function and density at x. With noise only. */
double crd_normal_mixture_at(double *density, const crd_normal_mixture *m, double x);
/** Quantile of the means, between two of them linearly: numpy's and R's type 7. */
double crd_normal_mixture_mean_quantile(const crd_normal_mixture *m, double p);
/** Quantile of the mixture. With noise only. */
double crd_normal_mixture_quantile(const crd_normal_mixture *m, double p);

/** -log of the density at the target. With noise only. */
double crd_normal_mixture_nll(const crd_normal_mixture *m, double target);
/** Continuous ranked probability score: E|X - target| - E|X - X'| / 2. Source, for normals: Grimit,
 * Gneiting, Berrocal and Johnson, "The continuous ranked probability score for circular variables
 * and its application to mesoscale forecast ensemble verification", Q. J. R. Meteorol. Soc. 132
 * (2006). */
double crd_normal_mixture_crps(const crd_normal_mixture *m, double target);
/** 1 if the target lies in the central interval of this probability; NaN: of one point there is
 * none. */
double crd_normal_mixture_covers(const crd_normal_mixture *m, double target, double probability);

#endif
