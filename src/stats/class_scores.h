/** What a row of probabilities is worth against a label, and how it agrees with another row: scores
 * for stats/image_scores.h. For other rooms. */
#ifndef CRD_STATS_CLASS_SCORES_H
#define CRD_STATS_CLASS_SCORES_H

#include "credence/agreement.h"
#include "stats/image_scores.h"

/** Against a label. A probability below 2^-126 counts as that in the NLL, as in credence/metrics.h;
 * the confidence is the largest probability, the prediction the lowest class that has it. */
enum {
    CRD_CLASS_CORRECT, /**< 0 or 1 */
    CRD_CLASS_NLL,     /**< nats */
    CRD_CLASS_BRIER,
    CRD_CLASS_CONFIDENCE,
    CRD_N_CLASS_SCORES
};
void crd_class_scores_of(double out[CRD_N_CLASS_SCORES], const double *probs, int64_t n_classes,
                         int64_t label);

/** Against the row of a reference: credence/agreement.h. */
enum {
    CRD_PAIR_AGREEMENT,       /**< 1: the same prediction, else 0 */
    CRD_PAIR_TOTAL_VARIATION, /**< half the sum of absolute differences: 0 to 1 */
    CRD_PAIR_KL, /**< of the reference from the row, sum r log(r / p), in nats; floor as above */
    CRD_N_PAIR_SCORES
};
void crd_pair_scores_of(double out[CRD_N_PAIR_SCORES], const double *probs, const double *reference,
                        int64_t n_classes);
/** The figures of pair scores. */
crd_agreement crd_agreement_of(const crd_image_scores *pairs);

/** For the expected calibration error (credence/metrics.h) of confidences that image scores hold:
 * what half-samples add up to, bin by bin. */
typedef struct crd_ece_sums {
    double *gaps; /**< [n_samples][CRD_METRICS_N_BINS] of correct less confidence */
} crd_ece_sums;

crd_status crd_ece_sums_init(crd_ece_sums *out, int64_t n_samples);
void crd_ece_sums_clear(crd_ece_sums *sums);
/** Adds half-sample i of an image. */
void crd_ece_sums_add(crd_ece_sums *sums, int64_t i, const double own[CRD_N_CLASS_SCORES]);

/** ECE of one method, se linearised as in crd_metrics. */
crd_mc_estimate crd_ece_of(const crd_image_scores *scores, const crd_ece_sums *sums);
/** ECE of `a` less that of `b`: se by paired resamples of the images (stats/bootstrap.h); mcse as
 * crd_image_scores_difference has it. Errors: out of memory. */
crd_status crd_ece_difference(crd_mc_estimate *out, const crd_image_scores *a,
                              const crd_ece_sums *sums_a, const crd_image_scores *b,
                              const crd_ece_sums *sums_b, uint64_t seed);

#endif
