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
/** Draws of chains in batches: group c * n_batches + b has those of chain c from b * n_draws on,
 * n_draws of them or, if it is the chain's last or unfinished, fewer. */
typedef struct crd_batches {
    int64_t n_chains, n_batches, n_draws, n_each; /**< n_each: as of crd_group_error */
} crd_batches;

/** crd_group_error of draws that resemble their neighbours: sd / sqrt(effective sample size) of the
 * means of the batches that are complete (crd_chain_mcse: between chains, and along them, what
 * resemblance is left between batches included), for as many draws as there are. Below 4
 * complete batches a chain crd_group_error of the chains. Batches of one draw: ArviZ's mcse. At
 * most CRD_CHAIN_MCSE_DRAWS groups. */
double crd_batch_error(const double *sums, const int64_t *draws, const crd_batches *batches);
/** Relative standard error of a standard deviation of n >= 2 normal numbers. */
double crd_error_of_sd(int64_t n);

/** Balanced half-samples, for a statistic that is no mean, and perhaps not even smooth (is the most
 * probable class the same?): it is computed anew with one half of the groups counting half as much
 * again and the other half as much less, and with the two changed about. The root mean square of
 * the differences of such pairs is its error. Which halves: the signs of a Hadamard matrix, so that
 * the error of what is linear is that of crd_group_error for groups of one size. Source: McCarthy,
 * "Pseudo-replication: half samples", Review of the International Statistical Institute 37 (1969);
 * Fay's weights, as in Judkins, Journal of Official Statistics 6 (1990). */

/** Samples of so many groups: pairs, of which the first are twice all groups. */
int64_t crd_half_samples(int64_t n_groups);
/** What samples differ from all groups by, in rows[crd_half_samples(n_groups)][width]: given in the
 * first n_groups rows what a group adds to a mean less its share of that mean, so that they add up
 * to 0. Whatever the groups' sizes, the weight of none becomes negative. */
void crd_half_sample_gaps(double *rows, int64_t width, int64_t n_groups);
/** Standard error from the statistic of each sample, values[n]. NaN below two groups with draws, of
 * which there are n_filled. */
double crd_half_sample_error(const double *values, int64_t n, int64_t n_filled);

#endif
