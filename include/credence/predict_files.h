/** Predicts images in files with a posterior in a file: what `credence predict` does.
 *
 * Rank 0 opens posterior, images and output; all ranks share one copy of the model a node. With an
 * output the run keeps checkpoints, and can continue from them; see credence/run.h for what an
 * output may be. Room: app.
 */
#ifndef CREDENCE_PREDICT_FILES_H
#define CREDENCE_PREDICT_FILES_H

#include <stdbool.h>

#include "credence/predict.h"
#include "credence/run.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What is predicted, and how. All borrowed. Equal on all ranks. */
typedef struct crd_predict_files_options {
    const char *posterior;     /**< its file */
    const char *const *inputs; /**< [n_inputs] specifications of images: credence/dataset.h */
    int n_inputs;
    bool
        skip_bad; /**< images that cannot be read are marked in their rows; else they end the run */
    /** sampler.estimator NULL: the one that the posterior is meant for. n_images, outputs,
     * first_draw, keep_sums and want_draws are set by the run. */
    crd_predict_options predict;
    int64_t part, n_parts;  /**< only draws of part 1 .. n_parts, in blocks; 0, 0: all draws */
    const char *import_eps; /**< file of one draw's noise, for parity checks; NULL: none */
    const char *output;     /**< prediction file to write; NULL: none, and no checkpoints */
    bool save_draws;        /**< the file also holds every draw's outputs */
    bool resume;            /**< continue from "OUTPUT.ckpt", if it is there */
    crd_record record;
} crd_predict_files_options;

/** Nothing to read or write, 100 draws in blocks of 8, batches of 8 images, 5 top classes. */
void crd_predict_files_options_init(crd_predict_files_options *out);

/** What rank 0 knows before work begins. All borrowed, until crd_predict_files returns. */
typedef struct crd_prediction_info {
    const crd_posterior *posterior;
    const crd_reduction *reduction; /**< of the rows */
    const char *estimator;
    int64_t n_images, first_draw, end_draw;
    const char *const *image_names; /**< [n_images] */
    int64_t n_units_before;         /**< done by the run that this one continues */
} crd_prediction_info;

/** Called on rank 0 only. Every member may be NULL, on all ranks alike. */
typedef struct crd_predict_files_hooks {
    /** The files are open, nothing is written. An error ends the run. */
    crd_status (*start)(const crd_prediction_info *info, void *payload);
    /** Rows of images [first_image, + rows->n_images), in order, all draws done. */
    crd_status (*rows)(const crd_summary *rows, int64_t first_image,
                       const crd_prediction_info *info, void *payload);
    /** outputs[n_draws][n_images][n_outputs] of a unit. */
    void (*draws)(const float *outputs, int64_t first_draw, int64_t n_draws, int64_t first_image,
                  int64_t n_images, void *payload);
    /** All is done and the output is in its place; what is borrowed is still there. */
    crd_status (*end)(const crd_predict_report *report, void *payload);
    /** See crd_predict_sink. */
    void (*progress)(int64_t n_done, int64_t n_units, void *payload);
    /** Something may be logged next: a progress line makes room. */
    void (*pause)(void *payload);
    void *payload;
} crd_predict_files_hooks;

/** Runs it. `report` (rank 0; NULL: not wanted) is filled by a stopped run too. Collective: on
 * comm; all ranks return the same status. Errors: of crd_posterior_read, crd_dataset_open,
 * crd_predict, the hooks and the output; CRD_ERR_INPUT: no image can be read; CRD_ERR_RESUME: the
 * checkpoint is of another run. CRD_STOPPED: stopped as asked, with a checkpoint. Of a failed run
 * no output is left, but its last checkpoint. */
crd_status crd_predict_files(crd_predict_report *report, crd_comm *comm,
                             const crd_predict_files_options *options,
                             const crd_predict_files_hooks *hooks);

#ifdef __cplusplus
}
#endif
#endif
