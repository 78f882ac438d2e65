/** Samples chains from the posterior of a prior and data, in files: what `credence sample` does.
 *
 * Rank 0 opens everything, takes the output's lock, and keeps the checkpoint "OUTPUT.ckpt" and the
 * draws so far, "OUTPUT.ckpt.draws". Room: app.
 */
#ifndef CREDENCE_SAMPLE_FILES_H
#define CREDENCE_SAMPLE_FILES_H

#include <stdbool.h>

#include "credence/files.h"
#include "credence/run.h"
#include "credence/sample.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What is sampled, on what, and how. All borrowed. Equal on all ranks. */
typedef struct crd_sample_files_options {
    const char *posterior;   /**< its file: network, prior, what is Bayesian, where chains begin */
    const char *const *data; /**< [n_data] specifications: credence/dataset.h */
    int n_data;
    /** A posterior or ensemble of the same network: chain c begins at the mean of its component c
     * mod their number. NULL: at draw c of `posterior`. */
    const char *start;
    const char *loss; /**< data term: "cross-entropy", "gaussian-nll", "mse" */
    double noise_sd;  /**< mse: standard deviation of the values' noise */
    /** loss, likelihood_scale and n_images are set by the run; batch_size -1: all for samplers that
     * need all, else 128. */
    crd_sample_options sample;
    const char *output; /**< posterior of the draws to write */
    bool resume;        /**< continue from the checkpoint, if it is there */
    crd_record record;
} crd_sample_files_options;

/** Cross-entropy, 4 chains of the sampler of that name with its defaults, micro-batches of 32
 * images, noise 1, checkpoints every 10 minutes. Errors: CRD_ERR_USAGE: no such sampler. */
crd_status crd_sample_files_options_init(crd_sample_files_options *out, const char *sampler);

/** What rank 0 knows of the run. All borrowed. */
typedef struct crd_sampling_info {
    const crd_posterior *posterior;
    int64_t n_images, n_weights; /**< n_weights: that are sampled */
    int64_t n_steps;             /**< of a chain */
    const char *checkpoint;      /**< path */
    int64_t draws_bytes;         /**< of all draws */
} crd_sampling_info;

/** Called on rank 0 only. Every member may be NULL, on all ranks alike. */
typedef struct crd_sample_files_hooks {
    /** All is ready for the first step. */
    void (*ready)(const crd_sampling_info *info, void *payload);
    /** Steps done and all, of each chain. */
    void (*progress)(int64_t step, int64_t n_steps, void *payload);
    /** The output is written: the chains, bare, and what their file says of them. */
    crd_status (*end)(const crd_posterior *chains, const crd_chain_report *report, void *payload);
    /** Something may be logged next: a progress line makes room. */
    void (*pause)(void *payload);
    void *payload;
} crd_sample_files_hooks;

/** Runs it. Collective: on comm; all ranks return the same status. Errors: of crd_posterior_read,
 * crd_dataset_open, crd_dataset_match, crd_sample, the hooks and the output; CRD_ERR_INPUT: nothing
 * Bayesian, dropout in prediction, a start of another network; CRD_ERR_RESUME: the checkpoint is of
 * another run. CRD_STOPPED: stopped as asked, with a checkpoint. */
crd_status crd_sample_files(crd_comm *comm, const crd_sample_files_options *options,
                            const crd_sample_files_hooks *hooks);

#ifdef __cplusplus
}
#endif
#endif
