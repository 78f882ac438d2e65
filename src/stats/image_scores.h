/** Scores of images, from all draws and from half-samples of them: means over images with their two
 * errors, and paired differences of two methods. For other rooms. */
#ifndef CRD_STATS_IMAGE_SCORES_H
#define CRD_STATS_IMAGE_SCORES_H

#include "credence/detection.h"

typedef struct crd_image_scores {
    int n_scores;
    int64_t n_images, n_samples;
    double *values;  /**< [n_scores][n_images] of all draws */
    double *samples; /**< [n_samples][n_scores] of half-samples, sums over images; the first: all */
    int64_t n_groups; /**< with draws: stats/group_error.h */
} crd_image_scores;

/** n_samples 0: there are no errors of draws. Errors: out of memory. Clear it in any case. */
crd_status crd_image_scores_init(crd_image_scores *out, int n_scores, int64_t n_images,
                                 int64_t n_samples);
void crd_image_scores_clear(crd_image_scores *scores);
/** Scores own[n_scores] of half-sample i of an image; the first is that of all draws. */
void crd_image_scores_put(crd_image_scores *scores, int64_t image, int64_t i, const double *own);

/** Is half-sample i of both of the same draws? */
int crd_image_scores_are_paired(const crd_image_scores *a, const crd_image_scores *b);
/** A score's mean over images; with is_root its root. */
crd_mc_estimate crd_image_scores_mean(const crd_image_scores *scores, int i, int is_root);
/** Mean (or its root) of `a` less that of `b`, on the same images: se of the paired differences;
 * mcse of them too where half-samples are paired, else the draws of both count as independent. */
crd_mc_estimate crd_image_scores_difference(const crd_image_scores *a, const crd_image_scores *b,
                                            int i, int is_root);

#endif
