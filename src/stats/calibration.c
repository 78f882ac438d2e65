/* Metrics against labels as order-free sums of integers. */
#include <float.h>
#include <math.h>

#include "base/softmax.h"
#include "credence/metrics.h"

/* The largest square, that of an NLL of 87.4 nats, is below 2^13: 2^24 images of it below 2^63. */
enum { BITS = 26, N_WIDTHS = CRD_METRICS_N_BINS - 1 };

/* What lies where in an accumulator. */
enum {
    N_IMAGES,
    N_CORRECT,
    NLL,
    NLL_SQUARE,
    BRIER,
    BRIER_SQUARE,
    GAP_SQUARE, /* of correct (0 or 1) less confidence */
    BIN_COUNT,
    BIN_CORRECT = BIN_COUNT + CRD_METRICS_N_BINS,
    BIN_CONFIDENCE = BIN_CORRECT + CRD_METRICS_N_BINS,
};

static int64_t fixed(double value)
{
    return llrint(ldexp(value, BITS));
}

static double real(int64_t sum)
{
    return ldexp((double)sum, -BITS);
}

int crd_metrics_bin_of(double confidence)
{
    return (int)(confidence * N_WIDTHS);
}

void crd_metrics_add(int64_t sums[CRD_METRICS_N_SUMS], const float *probs, int64_t n_classes,
                     int64_t label)
{
    int64_t top = crd_argmax(probs, n_classes);
    double brier = 0, nll = -log(fmax((double)probs[label], (double)FLT_MIN));
    for (int64_t c = 0; c < n_classes; c++) {
        double error = (double)probs[c] - (c == label);
        brier += error * error;
    }
    /* Rounding may have carried a softmax slightly past 1. */
    double confidence = fmin((double)probs[top], 1);
    double gap = (top == label) - confidence;
    int bin = crd_metrics_bin_of(confidence);
    sums[N_IMAGES]++;
    sums[N_CORRECT] += top == label;
    sums[NLL] += fixed(nll);
    sums[NLL_SQUARE] += fixed(nll * nll);
    sums[BRIER] += fixed(brier);
    sums[BRIER_SQUARE] += fixed(brier * brier);
    sums[GAP_SQUARE] += fixed(gap * gap);
    sums[BIN_COUNT + bin]++;
    sums[BIN_CORRECT + bin] += top == label;
    sums[BIN_CONFIDENCE + bin] += fixed(confidence);
}

void crd_metrics_bins(crd_metrics_bin out[CRD_METRICS_N_BINS],
                      const int64_t sums[CRD_METRICS_N_SUMS])
{
    for (int b = 0; b < CRD_METRICS_N_BINS; b++) {
        double n = (double)sums[BIN_COUNT + b];
        out[b] = (crd_metrics_bin){.n_images = sums[BIN_COUNT + b],
                                   .confidence = real(sums[BIN_CONFIDENCE + b]) / n,
                                   .accuracy = (double)sums[BIN_CORRECT + b] / n};
    }
}

/* Standard error of a mean, from the sum of squares; rounding must not make it the root of a
 * negative number. */
static double error_of(double mean, double squares, int64_t n)
{
    if (n < 2)
        return NAN;
    return sqrt(fmax(squares - (double)n * mean * mean, 0) / (double)(n - 1) / (double)n);
}

void crd_metrics_finish(crd_metrics *out, const int64_t sums[CRD_METRICS_N_SUMS])
{
    const int64_t n = sums[N_IMAGES];
    const double correct = (double)sums[N_CORRECT];
    double gaps = 0;
    for (int b = 0; b < CRD_METRICS_N_BINS; b++)
        gaps += fabs((double)sums[BIN_CORRECT + b] - real(sums[BIN_CONFIDENCE + b]));
    *out = (crd_metrics){.n_images = n,
                         .accuracy = correct / (double)n,
                         .nll = real(sums[NLL]) / (double)n,
                         .brier = real(sums[BRIER]) / (double)n,
                         .ece = gaps / (double)n};
    out->accuracy_se = error_of(out->accuracy, correct, n);
    out->nll_se = error_of(out->nll, real(sums[NLL_SQUARE]), n);
    out->brier_se = error_of(out->brier, real(sums[BRIER_SQUARE]), n);
    /* ECE is the mean of plus or minus gap, with one sign in a bin. */
    out->ece_se = error_of(out->ece, real(sums[GAP_SQUARE]), n);
}
