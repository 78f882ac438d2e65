/* Scores of single images' probabilities, in doubles; and the calibration error, which is no mean
 * over images: its paired difference is resampled. */
#include "stats/class_scores.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "credence/metrics.h"
#include "stats/bootstrap.h"
#include "stats/group_error.h"

static int64_t top_of(const double *probs, int64_t n)
{
    int64_t top = 0;
    for (int64_t c = 1; c < n; c++)
        top = probs[c] > probs[top] ? c : top;
    return top;
}

static double log_of(double probability)
{
    return log(fmax(probability, (double)FLT_MIN));
}

void crd_class_scores_of(double out[CRD_N_CLASS_SCORES], const double *probs, int64_t n_classes,
                         int64_t label)
{
    const int64_t top = top_of(probs, n_classes);
    double brier = 0;
    for (int64_t c = 0; c < n_classes; c++) {
        double error = probs[c] - (c == label);
        brier += error * error;
    }
    out[CRD_CLASS_CORRECT] = top == label;
    out[CRD_CLASS_NLL] = -log_of(probs[label]);
    out[CRD_CLASS_BRIER] = brier;
    out[CRD_CLASS_CONFIDENCE] = fmin(probs[top], 1); /* rounding may have carried it past */
}

void crd_pair_scores_of(double out[CRD_N_PAIR_SCORES], const double *probs, const double *reference,
                        int64_t n_classes)
{
    double distance = 0, kl = 0;
    for (int64_t c = 0; c < n_classes; c++) {
        distance += fabs(probs[c] - reference[c]) / 2;
        if (reference[c] > 0)
            kl += reference[c] * (log(reference[c]) - log_of(probs[c]));
    }
    out[CRD_PAIR_AGREEMENT] = top_of(probs, n_classes) == top_of(reference, n_classes);
    out[CRD_PAIR_TOTAL_VARIATION] = distance;
    out[CRD_PAIR_KL] = kl;
}

crd_agreement crd_agreement_of(const crd_image_scores *pairs)
{
    return (crd_agreement){crd_image_scores_mean(pairs, CRD_PAIR_AGREEMENT, 0),
                           crd_image_scores_mean(pairs, CRD_PAIR_TOTAL_VARIATION, 0),
                           crd_image_scores_mean(pairs, CRD_PAIR_KL, 0)};
}

crd_status crd_ece_sums_init(crd_ece_sums *out, int64_t n_samples)
{
    return crd_alloc_zeroed((void **)&out->gaps, n_samples * CRD_METRICS_N_BINS, sizeof *out->gaps,
                            "bins");
}

void crd_ece_sums_clear(crd_ece_sums *sums)
{
    crd_free(sums->gaps);
    *sums = (crd_ece_sums){0};
}

void crd_ece_sums_add(crd_ece_sums *sums, int64_t i, const double own[CRD_N_CLASS_SCORES])
{
    sums->gaps[i * CRD_METRICS_N_BINS + crd_metrics_bin_of(own[CRD_CLASS_CONFIDENCE])] +=
        own[CRD_CLASS_CORRECT] - own[CRD_CLASS_CONFIDENCE];
}

static double ece_of_bins(const double gaps[CRD_METRICS_N_BINS], double n_images)
{
    double sum = 0;
    for (int b = 0; b < CRD_METRICS_N_BINS; b++)
        sum += fabs(gaps[b]);
    return sum / n_images;
}

static double gap_of(const crd_image_scores *s, int64_t i, int *bin)
{
    const double confidence = s->values[CRD_CLASS_CONFIDENCE * s->n_images + i];
    *bin = crd_metrics_bin_of(confidence);
    return s->values[CRD_CLASS_CORRECT * s->n_images + i] - confidence;
}

/* Images count `weights` times; NULL: once. */
static double ece_of_images(const crd_image_scores *s, const uint8_t *weights)
{
    double gaps[CRD_METRICS_N_BINS] = {0}, n = 0;
    int bin;
    for (int64_t i = 0; i < s->n_images; i++) {
        double weight = weights != NULL ? weights[i] : 1;
        double gap = gap_of(s, i, &bin);
        gaps[bin] += weight * gap;
        n += weight;
    }
    return ece_of_bins(gaps, n);
}

/* sums_b NULL: of a alone. */
static double error_of_draws(const crd_image_scores *a, const crd_ece_sums *sums_a,
                             const crd_ece_sums *sums_b)
{
    double *figures = NULL, error = NAN;
    const double n = (double)a->n_images;
    if (crd_alloc_zeroed((void **)&figures, a->n_samples, sizeof *figures, "figures") != CRD_OK)
        return NAN;
    for (int64_t r = 0; r < a->n_samples; r++) {
        figures[r] = ece_of_bins(sums_a->gaps + r * CRD_METRICS_N_BINS, n);
        if (sums_b != NULL)
            figures[r] -= ece_of_bins(sums_b->gaps + r * CRD_METRICS_N_BINS, n);
    }
    error = crd_half_sample_error(figures, a->n_samples, a->n_groups);
    crd_free(figures);
    return error;
}

crd_mc_estimate crd_ece_of(const crd_image_scores *s, const crd_ece_sums *sums)
{
    const double value = ece_of_images(s, NULL);
    double square = 0;
    int bin;
    for (int64_t i = 0; i < s->n_images; i++)
        square += gap_of(s, i, &bin) * gap_of(s, i, &bin);
    const double n = (double)s->n_images;
    return (crd_mc_estimate){value,
                             n > 1 ? sqrt(fmax(square - n * value * value, 0) / (n - 1) / n) : NAN,
                             error_of_draws(s, sums, NULL)};
}

crd_status crd_ece_difference(crd_mc_estimate *out, const crd_image_scores *a,
                              const crd_ece_sums *sums_a, const crd_image_scores *b,
                              const crd_ece_sums *sums_b, uint64_t seed)
{
    crd_status status = CRD_OK;
    const int64_t n = a->n_images;
    uint8_t *weights = NULL;
    double differences[CRD_N_RESAMPLES];
    CRD_ALLOC(&weights, n, "resampling");
    for (int r = 0; r < CRD_N_RESAMPLES; r++) {
        int64_t n_left = 0;
        crd_bootstrap_weights(weights, n, r, seed);
        for (int64_t i = 0; i < n; i++)
            n_left += weights[i];
        differences[r] = n_left > 0 ? ece_of_images(a, weights) - ece_of_images(b, weights) : 0;
    }
    const crd_mc_estimate of_a = crd_ece_of(a, sums_a), of_b = crd_ece_of(b, sums_b);
    out->value = of_a.value - of_b.value;
    out->se = crd_estimate_mean(differences, CRD_N_RESAMPLES).se * sqrt(CRD_N_RESAMPLES);
    out->mcse = crd_image_scores_are_paired(a, b) ? error_of_draws(a, sums_a, sums_b)
                                                  : hypot(of_a.mcse, of_b.mcse);
cleanup:
    crd_free(weights);
    return status;
}
