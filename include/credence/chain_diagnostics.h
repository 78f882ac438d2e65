/** Convergence diagnostics of chains: has a quantity mixed, and how many independent draws are its
 * dependent ones worth?
 *
 * draws[n_chains * n_draws] is a quantity in the states of chains, a chain one after the other.
 * Chains are split in halves; of an odd number of draws the middle one is left out. Where a figure
 * does not exist it is NaN: a NaN among the draws, R-hat of one chain, all but mean and sd of fewer
 * than 4 draws a chain.
 * Where all draws are equal an effective sample size is the number of draws (of both halves) and
 * R-hat is NaN; where each chain stands still at a place of its own, R-hat is infinite. These
 * conventions, and the figures to rounding, are those of ArviZ 0.23.
 * Source: Vehtari, Gelman, Simpson, Carpenter and Buerkner, "Rank-normalization, folding, and
 * localization: an improved R-hat for assessing convergence of MCMC", Bayesian Analysis 16 (2021).
 * All functions: Collective: no; errors: CRD_ERR_INTERNAL: out of memory. Cost: a sort, and
 * n_draws for each lag until the autocorrelation is lost in noise. Room: stats.
 */
#ifndef CREDENCE_CHAIN_DIAGNOSTICS_H
#define CREDENCE_CHAIN_DIAGNOSTICS_H

#include <stdint.h>

#include "credence/detection.h" /* crd_estimate */
#include "credence/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_chain_diagnostics {
    /** Rank-normalised split R-hat, the larger of that of the draws and of the folded draws
     * |x - median|: chains that differ in place or in width. Mixed chains are below 1.01. */
    double rhat;
    double ess_bulk; /**< effective sample size of the rank-normalised draws */
    double ess_tail; /**< the smaller of those of the quantiles 5 % and 95 % */
    double ess_mean; /**< that of the mean */
    crd_estimate
        mean;  /**< of all draws, with its Monte Carlo standard error: sd / sqrt(ess_mean) */
    double sd; /**< of all draws, (n - 1) */
} crd_chain_diagnostics;

/** All of them. n_chains and n_draws positive. */
crd_status crd_chain_diagnose(crd_chain_diagnostics *out, const double *draws, int64_t n_chains,
                              int64_t n_draws);

/** Most draws of crd_chain_mcse. */
#define CRD_CHAIN_MCSE_DRAWS 256
/** mean.se of crd_chain_diagnose alone, of n_chains * n_draws <= CRD_CHAIN_MCSE_DRAWS. Cost: no
 * memory, no sort. */
double crd_chain_mcse(const double *draws, int64_t n_chains, int64_t n_draws);

/** A quantile (numpy's and R's type 7) with its Monte Carlo standard error: half the width of the
 * interval that holds it with probability 0.683, between two of the sorted draws. 0 < p < 1. */
crd_status crd_chain_quantile(crd_estimate *out, const double *draws, int64_t n_chains,
                              int64_t n_draws, double p);

#ifdef __cplusplus
}
#endif
#endif
