/** How good predictive probabilities are against labels: accuracy, NLL, Brier score, ECE, each with
 * its error.
 *
 * Images are accumulated as integers in units of 2^-26, so that sums over images, ranks and
 * restarts are exact in any order. Room: stats.
 */
#ifndef CREDENCE_METRICS_H
#define CREDENCE_METRICS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Most images of an accumulator: what keeps every sum below 2^63. */
#define CRD_METRICS_MAX_IMAGES (INT64_C(1) << 24)
/** Bins of the ECE: [k / 15, (k + 1) / 15), and one for a confidence of exactly 1, as
 * torchmetrics has it. */
#define CRD_METRICS_N_BINS 16
/** Length of an accumulator. All zero: nothing seen. Accumulators add element by element. */
#define CRD_METRICS_N_SUMS (7 + 3 * CRD_METRICS_N_BINS)

/** Bin of a confidence in [0, 1]. */
int crd_metrics_bin_of(double confidence);

/** Adds an image: its probs[n_classes], finite, and its label in 0 .. n_classes - 1. Equal
 * probabilities: the prediction is the lowest class. A probability below 2^-126 counts as that
 * in the NLL: 87.3 nats. */
void crd_metrics_add(int64_t sums[CRD_METRICS_N_SUMS], const float *probs, int64_t n_classes,
                     int64_t label);

/** Means over images and their standard errors; NaN without images, errors NaN below 2. The
 * images are the sample: the errors say nothing of the draws or of training. */
typedef struct crd_metrics {
    int64_t n_images;
    double accuracy, accuracy_se;
    double nll, nll_se;     /**< nats an image */
    double brier, brier_se; /**< sum over classes of the squared error: 0 to 2 */
    /** Expected calibration error with the largest probability as confidence. Never negative, so
     * biased upwards: a calibrated model has an ECE of the order of its error. The error is the
     * linearised one, that of a mean over images whose bins keep their sign. */
    double ece, ece_se;
} crd_metrics;

/** Metrics from finished sums. Collective: no. */
void crd_metrics_finish(crd_metrics *out, const int64_t sums[CRD_METRICS_N_SUMS]);

/** Reliability diagram, bin by bin: images, their mean confidence and accuracy (NaN where there
 * are none). */
typedef struct crd_metrics_bin {
    int64_t n_images;
    double confidence, accuracy;
} crd_metrics_bin;

/** The diagram from finished sums. Collective: no. */
void crd_metrics_bins(crd_metrics_bin out[CRD_METRICS_N_BINS],
                      const int64_t sums[CRD_METRICS_N_SUMS]);

#ifdef __cplusplus
}
#endif
#endif
