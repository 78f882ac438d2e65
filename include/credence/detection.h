/** How well a score of an image sorts images: right from wrong ones, known from unknown ones; each
 * figure with its error.
 *
 * A figure is a function of the multiset of (score, flag); equal scores count as half before and
 * half after each other. Errors are standard deviations over 200 Poisson bootstraps of the images
 * (each image counts k times, k ~ Poisson(1)), whose random numbers are functions of seed and image
 * number. Like those of credence/metrics.h they say nothing of the draws or of training. All
 * functions: Collective: no; errors: out of memory; cost: O(n log n + 200 n). Room: stats.
 */
#ifndef CREDENCE_DETECTION_H
#define CREDENCE_DETECTION_H

#include <stdint.h>

#include "credence/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_estimate {
    double value, se; /**< NaN where there is none */
} crd_estimate;

/** Mean over images of what the draws' mean says of each: with the standard error over images, as
 * above, and that of the finite number of draws, from half-samples of them. */
typedef struct crd_mc_estimate {
    double value, se, mcse; /**< NaN where there is none */
} crd_mc_estimate;

/** Mean of values[n], n > 0, and its standard error, NaN of one. */
crd_estimate crd_estimate_mean(const double *values, int64_t n);

/** Detection of the flagged images by a high score. */
typedef struct crd_detection {
    crd_estimate auroc; /**< probability that a flagged image has the higher score */
    crd_estimate aupr;  /**< average precision: sum of precision * (step of recall) */
    /** share of unflagged ones above the highest threshold that keeps 95 % of the flagged ones */
    crd_estimate fpr95;
} crd_detection;

/** scores[n] finite, flags[n] 0 or 1: at least one of each, else NaN. */
crd_status crd_detection_eval(crd_detection *out, const double *scores, const int8_t *flags,
                              int64_t n, uint64_t seed);

/** What remains wrong when only the images of least doubt are answered. Source: Geifman and
 * El-Yaniv, "Selective classification for deep neural networks", NeurIPS 2017. */
typedef struct crd_selection {
    crd_estimate aurc;          /**< area under risk over coverage, from 1/n to 1, by its width */
    crd_estimate risk_at_80;    /**< share of wrong ones among the best 80 % */
    crd_estimate coverage_at_5; /**< largest share that can be answered with at most 5 % wrong */
} crd_selection;

/** doubts[n] finite, the surest lowest; is_right[n] 0 or 1; n below 2 gives NaN. */
crd_status crd_selection_eval(crd_selection *out, const double *doubts, const int8_t *is_right,
                              int64_t n, uint64_t seed);

/** Accuracy versus uncertainty: the share of images that are right and certain or wrong and
 * uncertain, where certain means an uncertainty up to a threshold; its mean (trapezoids) over
 * 21 thresholds from the smallest to the largest uncertainty. Source: Krishnan and Tickoo,
 * "Improving model calibration with accuracy versus uncertainty optimization", NeurIPS 2020. */
crd_status crd_avu_eval(crd_estimate *out, const double *uncertainties, const int8_t *is_right,
                        int64_t n, uint64_t seed);

#ifdef __cplusplus
}
#endif
#endif
