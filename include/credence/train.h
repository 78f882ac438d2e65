/** The training engine: local gradients of micro-batches and draws, summed without order, one
 * update for all ranks.
 *
 * A step takes a batch of images; it is cut into micro-batches, and each is run with each of the
 * step's draws: these are the units, and they follow from the options only. Their gradients are
 * summed in fixed point, so the posterior after a step is the same, bit for bit, for every number
 * of ranks. With local_steps > 1 each rank takes that many steps on its own share of the batches
 * and the parameter updates are averaged then (local SGD): that depends on the number of ranks. The
 * engine opens no file and prints nothing. Room: engine.
 */
#ifndef CREDENCE_TRAIN_H
#define CREDENCE_TRAIN_H

#include <stdbool.h>

#include "credence/collect.h"
#include "credence/comm.h"
#include "credence/gradient_options.h"
#include "credence/loss.h"
#include "credence/optim.h"
#include "credence/sampler.h"
#include "credence/train_state.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_train_options {
    crd_gradient_options gradient; /**< estimator, seed, micro_batch, batch_norm_train, mean */
    const crd_loss *loss;
    const crd_model
        *teacher; /**< mse-distill: the deterministic network is its mean; else NULL. Borrowed */
    char calibration[8]; /**< additional term: "", "avuc", "eau", "eac" */
    double calibration_beta, uncertainty_threshold, error_threshold;
    int64_t n_images;   /**< of the training set */
    int64_t batch_size; /**< images of a step; the last batch of an epoch may be short */
    int64_t n_draws;    /**< of each micro-batch, no two of a run the same: mean of their losses */
    int64_t n_epochs;
    crd_kl_reduction kl; /**< CRD_KL_SUM with weight 1 / n_images is the true ELBO */
    double kl_weight; /**< factor of the KL divergence in the loss; ivon: 1 / ess, whatever it is */
    int64_t kl_anneal_epochs; /**< the weight grows linearly over these epochs; 0: at once */
    /** ivon: not with gradient.mean, clip_norm, keep_gradients, local_steps above 1, CRD_KL_MEAN */
    crd_optimizer_options optimizer;
    crd_schedule schedule;
    double clip_norm; /**< largest norm of the gradient; 0: no clipping */
    /** A step's gradient is the sum of all so far, as when zero_grad() is never called; with
     * KL weight 0 and local_steps 1 only */
    bool keep_gradients;
    int64_t local_steps;         /**< 1: every step is averaged */
    crd_collect_options collect; /**< with gradient.mean and local_steps 1 only */
    int64_t validate_every;      /**< epochs; 0: never */
    double checkpoint_s;         /**< seconds between checkpoints; 0: none */
    double max_time_s;           /**< stop with a checkpoint after this; 0: no limit */
} crd_train_options;

/** What credence/train_files.h says of its options, where the engine has the same: kl_weight is
 * -1, for the caller to set; loss and n_images are too. Collective: no. */
void crd_train_options_init(crd_train_options *out);

/** What the engine asks for; called on rank 0 only, except where said. */
typedef struct crd_train_hooks {
    /** Images at places [first, first + n) of epoch `epoch`: images[n][channels][height][width],
     * labels[n] (-1: none), and, where the loss compares with values of the data set,
     * values[n][..]. Called in a thread of its own, one call at a time; must not call MPI. */
    crd_status (*load)(float *images, int64_t *labels, float *values, int64_t epoch, int64_t first,
                       int64_t n, void *payload);
    /** Keeps the state; called between steps. An error is reported by the hook and does not end
     * the run. With this hook (on all ranks alike) the run obeys checkpoint_s, max_time_s and
     * crd_interrupt_post on any rank. */
    void (*checkpoint)(const crd_train_state *state, void *payload);
    /** An epoch is over and in the history. May be NULL. */
    void (*epoch)(const crd_train_state *state, void *payload);
    /** Collective, on all ranks: fills in the figures, equal on all ranks. May be NULL. */
    crd_status (*validate)(double validation[CRD_N_VALIDATIONS], const crd_train_state *state,
                           void *payload);
    /** The posterior has the smallest validation NLL (else MSE) so far. May be NULL. */
    void (*best)(const crd_train_state *state, void *payload);
    /** After each step: done and all steps of the run. May be NULL. */
    void (*progress)(int64_t step, int64_t n_steps, double data_term, void *payload);
    void *payload;
} crd_train_hooks;

/** What a run cost; equal on all ranks but for wall_s. */
typedef struct crd_train_report {
    int64_t n_steps; /**< made in this call */
    int64_t n_ranks;
    double wall_s; /**< this rank's */
    /** Seconds of a rank inside communication: exchanging and waiting for others. What moves on
     * while it computes is not in it. Mean and most over the ranks. */
    double comm_s_mean, comm_s_max;
    /** Bytes that a rank has handed over for others: sums, broadcasts, batches. An MPI library
     * sends them about twice for a sum over many ranks. */
    int64_t comm_bytes_mean, comm_bytes_max;
} crd_train_report;

/** Trains from `state` on until options->n_epochs are done; nothing is done if they are. By ivon
 * the posterior gets the prior that weight decay means, N(0, 1 / (ess weight_decay)), and its
 * sigmas come from the Hessian in the state, which begins with hess_init, and not from its rho.
 * Collective: on comm; options equal on all ranks, state equal on all ranks
 * (crd_train_state_share) and equal afterwards. One rank with a unit a step makes its updates
 * while the gradient is on its way, without sums. With keep_gradients the state has room for
 * them (crd_train_state_keep_gradients), and always for the history of n_epochs
 * (crd_train_state_reserve); a run that collects has a collection on rank 0
 * (crd_train_state_collect), which grows. Returns CRD_STOPPED when max_time_s was reached, after a
 * checkpoint. Errors: CRD_ERR_NUMERIC: the loss is not finite: message with step; the state is
 * that of the step before if the loss is at fault, and not to be used if a gradient, a
 * parameter or a kept sum is. */
crd_status crd_train(crd_train_report *report, crd_comm *comm, crd_train_state *state,
                     const crd_train_options *options, const crd_train_hooks *hooks);

/** Brings rank 0's posterior and state (moments, counters, history) to all ranks; there
 * *posterior and *state are made. Collective: on comm; all ranks fail together. Destroy the
 * posterior, clear the state. */
crd_status crd_train_state_share(crd_train_state *state, crd_posterior **posterior, crd_comm *comm);

#ifdef __cplusplus
}
#endif
#endif
