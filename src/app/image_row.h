/** The probabilities of an image in half-samples of its draws. Private to this room. */
#ifndef CRD_APP_IMAGE_ROW_H
#define CRD_APP_IMAGE_ROW_H

#include "credence/predictive.h"

typedef struct crd_image_row {
    int64_t n_classes, n_samples;
    double *probs;    /**< [n_samples][n_classes] the first of all draws: probs_mean of files */
    int64_t n_groups; /**< with draws */
} crd_image_row;

/** Errors: out of memory. Clear it in any case. */
crd_status crd_image_row_init(crd_image_row *out, const crd_reduction *reduction);
void crd_image_row_clear(crd_image_row *row);
/** Of an image of a summary of classes that keeps its sums. */
void crd_image_row_take(crd_image_row *row, const crd_summary *summary, int64_t image);

#endif
