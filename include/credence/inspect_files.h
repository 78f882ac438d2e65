/** What a posterior holds, in numbers: what `credence inspect` says of it, and `credence convert`
 * of what it made. Room: app. */
#ifndef CREDENCE_INSPECT_FILES_H
#define CREDENCE_INSPECT_FILES_H

#include <stdbool.h>

#include "credence/files.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Of all parameters of a posterior that is no ensemble. */
typedef struct crd_posterior_facts {
    int64_t n_bayesian, n_fixed; /**< numbers, batch norm statistics among the fixed ones */
    int64_t n_bayesian_tensors;
    double kl_sum, kl_mean; /**< crd_posterior_kl, nats */
} crd_posterior_facts;

/** Of a Bayesian tensor. Quantiles are the nearest values below. */
typedef struct crd_tensor_facts {
    int64_t param; /**< in the network's params */
    double sigma_min, sigma_median, sigma_max;
    double snr_5, snr_50, snr_95; /**< quantiles of |mu| / sigma, in percent */
    double kl;                    /**< to its prior, nats */
} crd_tensor_facts;

/** A posterior or checkpoint file. All owned. */
typedef struct crd_inspection {
    crd_file_kind kind;
    crd_posterior *posterior;
    crd_train_state state; /**< of a checkpoint; else all zero */
    crd_epoch *history;    /**< [n_epochs]; NULL where there is none */
    int64_t n_epochs;
    bool is_normal;            /**< else its components have facts, it has none */
    crd_posterior_facts facts; /**< unless it is an ensemble */
    crd_tensor_facts *tensors; /**< [n_tensors] */
    int64_t n_tensors;
} crd_inspection;

/** Fills *out. Collective: no. */
void crd_posterior_facts_fill(crd_posterior_facts *out, const crd_posterior *posterior);

/** Reads the file, which is of this kind, and measures what it holds. Errors: of crd_posterior_read
 * and crd_checkpoint_read; CRD_ERR_INPUT: another kind of file. Destroy it. Cost: linear in the
 * numbers. Collective: no. */
crd_status crd_inspect_posterior(crd_inspection **out, const char *path, crd_file_kind kind);
/** NULL is allowed. */
void crd_inspection_destroy(crd_inspection *inspection);

/** Has an op's weight a posterior, in any component? */
bool crd_inspection_is_bayesian(const crd_inspection *inspection, int64_t op);

#ifdef __cplusplus
}
#endif
#endif
