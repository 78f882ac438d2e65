/** Scores of images, each from all draws and from all but those of a group: means over images with
 * their two errors, and paired differences of two methods. For other rooms. */
#ifndef CRD_STATS_IMAGE_SCORES_H
#define CRD_STATS_IMAGE_SCORES_H

#include "credence/detection.h"

typedef struct crd_image_scores {
    int n_scores;
    int64_t n_images, n_groups;
    double *values;  /**< [n_scores][n_images] */
    double *without; /**< [n_groups][n_scores] sums over images, without the group's draws */
    int64_t *draws;  /**< [n_groups] sums over images */
} crd_image_scores;

/** n_groups 0: there are no errors of draws. Errors: out of memory. Clear it in any case. */
crd_status crd_image_scores_init(crd_image_scores *out, int n_scores, int64_t n_images,
                                 int64_t n_groups);
void crd_image_scores_clear(crd_image_scores *scores);

/** Scores scores[n_scores] of an image, of all draws. */
void crd_image_scores_put(crd_image_scores *scores, int64_t image, const double *own);
/** The same without the n_draws > 0 draws of a group. */
void crd_image_scores_put_without(crd_image_scores *scores, int64_t group, const double *own,
                                  int64_t n_draws);

/** 1 if both have the same groups of draws. */
int crd_image_scores_are_paired(const crd_image_scores *a, const crd_image_scores *b);

/** A score's mean over images; with is_root its root. */
crd_mc_estimate crd_image_scores_mean(const crd_image_scores *scores, int i, int is_root);
/** Mean (or its root) of `a` less that of `b`, on the same images: se of the paired differences.
 * With as many groups in both, whose draws have the same numbers, mcse is of the paired difference
 * too; else the draws of both count as independent. */
crd_mc_estimate crd_image_scores_difference(const crd_image_scores *a, const crd_image_scores *b,
                                            int i, int is_root);

#endif
