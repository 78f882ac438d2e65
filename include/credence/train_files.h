/** Trains a posterior in a file on images in files: what `credence train` does.
 *
 * Rank 0 opens posterior, data and output, and keeps checkpoints "OUTPUT.ckpt"; the best posterior
 * on validation images is written beside the output, as NEW.best.h5 beside NEW.h5. No two runs
 * may write one output at a time: the program locks it, these functions do not. Room: app.
 */
#ifndef CREDENCE_TRAIN_FILES_H
#define CREDENCE_TRAIN_FILES_H

#include <stdbool.h>

#include "credence/dataset.h"
#include "credence/run.h"
#include "credence/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What is trained, on what, and how. All borrowed. Equal on all ranks. */
typedef struct crd_train_files_options {
    const char *posterior;   /**< its file */
    const char *const *data; /**< [n_data] specifications: credence/dataset.h */
    int n_data;
    crd_augmentation augmentation;
    const char *validate;   /**< specification of images to validate on; NULL: none */
    double validate_share;  /**< or this share of the data, held out; 0: none */
    int64_t validate_draws; /**< of each of them */
    const char *loss;       /**< one of crd_loss_names */
    double temperature;     /**< 1; of what train leaves open: */
    /** gradient.estimator NULL: the one that the posterior is meant for. kl_weight below 0:
     * temperature / n_images for CRD_KL_SUM (at 1 the ELBO), else 1 / batch_size. optimizer.ess 0,
     * of ivon: n_images / temperature. loss, teacher and n_images are
     * set by the run. */
    crd_train_options train;
    const char *output;    /**< posterior to write */
    int64_t n_checkpoints; /**< 2: the newest and the one before it; 1; 0: none */
    bool resume;           /**< continue from the checkpoint, if it is there */
    crd_record record;
} crd_train_files_options;

/** Cross-entropy, the ELBO, 10 epochs of batches of 128 and micro-batches of 32 images, adam at
 * 1e-3, 4 draws of validation images each epoch, checkpoints every 10 minutes, two of them kept. */
void crd_train_files_options_init(crd_train_files_options *out);

/** What rank 0 knows of the run. All borrowed. */
typedef struct crd_training_info {
    const crd_posterior *posterior;
    int64_t n_images, n_validation;
    const char *checkpoint;   /**< path */
    int64_t checkpoint_bytes; /**< 0 until crd_train_files_hooks.ready */
} crd_training_info;

/** Called on rank 0 only. Every member may be NULL, on all ranks alike. */
typedef struct crd_train_files_hooks {
    /** Posterior and data are open. An error ends the run. */
    crd_status (*start)(const crd_training_info *info, void *payload);
    /** All is ready for the first step. */
    void (*ready)(const crd_training_info *info, void *payload);
    /** An epoch is over and in the history. */
    void (*epoch)(const crd_epoch *epoch, void *payload);
    /** The output is written. `best`: path of the best posterior, or NULL. */
    crd_status (*end)(const crd_train_state *state, const crd_train_report *report,
                      const char *best, void *payload);
    /** After each step: done and all steps of the run. */
    void (*progress)(int64_t step, int64_t n_steps, void *payload);
    /** Something may be logged next: a progress line makes room. */
    void (*pause)(void *payload);
    void *payload;
} crd_train_files_hooks;

/** Runs it. Collective: on comm; all ranks return the same status. Errors: of
 * crd_posterior_read, crd_dataset_open, crd_dataset_match, crd_train, the hooks and the output;
 * CRD_ERR_RESUME: the checkpoint is of another run. CRD_STOPPED: stopped as asked, with a
 * checkpoint. */
crd_status crd_train_files(crd_comm *comm, const crd_train_files_options *options,
                           const crd_train_files_hooks *hooks);

#ifdef __cplusplus
}
#endif
#endif
