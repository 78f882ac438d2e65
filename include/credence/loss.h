/** Data terms: what a draw's logits cost, and the gradient. Room: nn.
 *
 * All are means over the images given, in nats where they are likelihoods; evaluated in double. dlogits is the
 * gradient of that mean.
 */
#ifndef CREDENCE_LOSS_H
#define CREDENCE_LOSS_H

#include <stdint.h>

#include "credence/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A data term; opaque, static, chosen by name. */
typedef struct crd_loss crd_loss;

/** What it compares the logits with. */
typedef enum crd_target {
    CRD_TARGET_LABEL, /**< int64 class a row */
    CRD_TARGET_VALUES /**< float values a row: n_outputs of them, or half as many for gaussian-nll */
} crd_target;

/** Names, NULL behind the last: "cross-entropy"; "mse" (on values); "mse-distill" (the same, on the logits of the deterministic network);
 * "gaussian-nll" (outputs are means, then log variances). */
const char *const *crd_loss_names(void);
/** Errors: CRD_ERR_USAGE naming all. */
crd_status crd_loss_find(const crd_loss **out, const char *name);
crd_target crd_loss_target(const crd_loss *loss);

/** *value = mean loss of logits[n][n_outputs]; dlogits (may be NULL) is overwritten with its gradient. labels or values[n][width] by
 * the target kind. Source: torch.nn.functional's cross_entropy, mse_loss (mean over all elements), gaussian_nll_loss (full, eps 1e-6). */
void crd_loss_eval(double *value, float *dlogits, const crd_loss *loss, const float *logits,
                   const int64_t *labels, const float *values, int64_t n, int64_t n_outputs);

/** Additional calibration terms of bayesian-torch, by name: "avuc", "eau", "eac" (bayesian-torch.md 2.10), each -beta log(..) with
 * the threshold(s) given; same conventions. For n >= 2 rows. */
crd_status crd_calibration_loss_eval(double *value, float *dlogits, const char *name,
                                     const float *logits, const int64_t *labels,
                                     const float *values, int64_t n, int64_t n_outputs, double beta,
                                     double uncertainty_threshold, double error_threshold);

#ifdef __cplusplus
}
#endif
#endif
