/** Data terms: what a draw's logits cost, and the gradient. Room: bayes.
 *
 * All are means over the images given, in nats where they are likelihoods; evaluated in double.
 * dlogits is the gradient of that mean.
 */
#ifndef CREDENCE_LOSS_H
#define CREDENCE_LOSS_H

#include <stdint.h>

#include "credence/outputs.h"
#include "credence/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A data term; opaque, static, chosen by name. */
typedef struct crd_loss crd_loss;

/** What it compares the logits with. */
typedef enum crd_target {
    CRD_TARGET_LABEL, /**< int64 class a row */
    /** float values a row: n_outputs of them, or half as many for gaussian-nll */
    CRD_TARGET_VALUES
} crd_target;

/** Names, NULL-terminated: "cross-entropy"; "mse" (on values); "mse-distill" (the same, on
 * the logits of the deterministic network); "gaussian-nll" (outputs are means, then log
 * variances). */
const char *const *crd_loss_names(void);
/** Errors: CRD_ERR_USAGE naming all. */
crd_status crd_loss_find(const crd_loss **out, const char *name);
crd_target crd_loss_target(const crd_loss *loss);
/** What the outputs of a network are that was trained with it. */
crd_output_kind crd_loss_outputs(const crd_loss *loss);
/** *out = values a row for a network of n_outputs outputs; 0 for labels. Errors: CRD_ERR_USAGE:
 * gaussian-nll with an odd number of outputs. */
crd_status crd_loss_n_values(int64_t *out, const crd_loss *loss, int64_t n_outputs);

/** *value = mean loss of logits[n][n_outputs]; dlogits (may be NULL) is overwritten with its
 * gradient. labels (all in 0 .. n_outputs - 1) or values[n][width] by the target kind. Source:
 * torch.nn.functional's cross_entropy, mse_loss (mean over all elements), gaussian_nll_loss
 * (full, eps 1e-6; mean over all values). */
void crd_loss_eval(double *value, float *dlogits, const crd_loss *loss, const float *logits,
                   const int64_t *labels, const float *values, int64_t n, int64_t n_outputs);

/** Names of the calibration terms, NULL-terminated: "avuc", "eau", "eac". */
const char *const *crd_calibration_loss_names(void);
/** May this calibration term go with this data term? avuc: cross-entropy; eau, eac:
 * cross-entropy or gaussian-nll. Errors: CRD_ERR_USAGE: it may not, or an unknown name. */
crd_status crd_calibration_loss_check(const char *name, const crd_loss *loss);

/** Calibration terms of bayesian-torch, -beta log(agreement) of the n rows together, by name;
 * *value and dlogits as above. With labels (else NULL), of each image: error = 1 - probability
 * of its label, uncertainty = entropy in nats, confidence = largest probability. With values
 * (labels NULL) of each predicted normal distribution, outputs as for gaussian-nll: error =
 * |mean - value|, uncertainty = standard deviation, confidence = exp(-standard deviation).
 * Certain is an uncertainty up to uncertainty_threshold; for "eac" a confidence above it.
 * error_threshold parts good from bad for "eau" and "eac". The thresholds are constants: no
 * gradient goes through the grouping. Errors: CRD_ERR_USAGE: unknown name; avuc without labels. */
crd_status crd_calibration_loss_eval(double *value, float *dlogits, const char *name,
                                     const float *logits, const int64_t *labels,
                                     const float *values, int64_t n, int64_t n_outputs, double beta,
                                     double uncertainty_threshold, double error_threshold);

#ifdef __cplusplus
}
#endif
#endif
