/** What a training run carries from step to step: what a checkpoint holds. Room: bayes. */
#ifndef CREDENCE_TRAIN_STATE_H
#define CREDENCE_TRAIN_STATE_H

#include "credence/collect.h"
#include "credence/posterior.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Figures of a validation; NaN: not validated, or without a meaning. */
enum {
    CRD_VALIDATION_ACCURACY, /**< classification */
    CRD_VALIDATION_NLL,      /**< nats an image; regression: a value, with gaussian-nll */
    CRD_VALIDATION_ECE,      /**< classification */
    CRD_VALIDATION_MSE,      /**< regression: of the mean over draws */
    CRD_N_VALIDATIONS
};

/** One epoch in the history. */
typedef struct crd_epoch {
    int64_t epoch, step; /**< counted from 1 and since the start, when the epoch was over */
    double loss;         /**< data term + kl_weight * KL, mean over the steps */
    double data_term;    /**< mean over the epoch's images and draws */
    /** Nats, at the end of the epoch; NaN: not in the loss. */
    double kl_sum, kl_mean;
    /** weight of the KL against the true ELBO's: 1 is Bayes; 0: not in the loss */
    double temperature;
    double lr;
    double accuracy; /**< of the epoch's draws on its images; NaN without labels */
    double seconds;  /**< of its steps */
    double validation[CRD_N_VALIDATIONS]; /**< of the predictive distribution */
    double validation_seconds;            /**< of that; NaN: not validated */
} crd_epoch;

/** All that a run carries from step to step: what a checkpoint holds. */
typedef struct crd_train_state {
    crd_posterior *posterior; /**< borrowed; mu and rho are trained in place */
    int n_states;             /**< moment vectors of the optimizer: 0, 1 or 2 */
    /** Moments: [2 * n_floats] each, mu block, then rho block; ivon: momentum, then Hessian.
     * Owned. */
    float *states[2];
    /** [2 * n_floats] sum of the gradients of all steps, where it is kept; else NULL. Owned. */
    float *kept;
    /** Networks collected so far, on rank 0 of a run that collects; else NULL. Owned. */
    struct crd_collection *collection;
    int64_t step;         /**< steps done */
    int64_t epoch, batch; /**< epochs done; batches done of the running one */
    /** of the running epoch: data term * rows, right rows, rows (images * draws), labelled rows */
    double sums[4];
    crd_epoch *history; /**< [history_capacity], of which `epoch` are over; owned */
    int64_t history_capacity;
    double best; /**< smallest validation NLL, or MSE where there is none, so far; NaN: none */
} crd_train_state;

/** What the best epoch has least of: the validation NLL, else MSE; NaN: not validated. */
double crd_epoch_score(const crd_epoch *epoch);
/** The epoch in epochs[n] with the smallest score, the first of equals; NULL: none was
 * validated. */
const crd_epoch *crd_epoch_best(const crd_epoch *epochs, int64_t n);

/** A state before the first step: zeroed moments and history. `posterior` is borrowed. */
crd_status crd_train_state_init(crd_train_state *state, crd_posterior *posterior, int n_states,
                                int64_t n_epochs);
/** Makes room for the sum of the gradients, which is zero. */
crd_status crd_train_state_keep_gradients(crd_train_state *state);
/** Makes room for the history of n_epochs in all, if there is less. */
crd_status crd_train_state_reserve(crd_train_state *state, int64_t n_epochs);
/** Makes an empty collection. Rank 0 only. Errors: CRD_ERR_USAGE: of its options. */
crd_status crd_train_state_collect(crd_train_state *state, const crd_collect_options *options);
void crd_train_state_clear(crd_train_state *state);

#ifdef __cplusplus
}
#endif
#endif
