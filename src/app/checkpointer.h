/** The checkpoints of a prediction: OUTPUT.ckpt, the one before it, and with --save-draws
 * OUTPUT.ckpt.draws. Rank 0 only. Private to this room. */
#ifndef CRD_APP_CHECKPOINTER_H
#define CRD_APP_CHECKPOINTER_H

#include "app/run_key.h"
#include "credence/predict.h"
#include "io/prediction_checkpoint.h"

typedef struct crd_checkpointer {
    char *path, *draws_path;
    char key[CRD_RUN_KEY_SIZE];
    crd_predict_state state;   /**< where the run continues; n_images 0: a new run */
    crd_prediction_file *file; /**< borrowed */
    const crd_provenance *provenance;
    crd_draws_file *draws; /**< NULL without --save-draws */
    int64_t batch, block, n_draws;
    int64_t n_images, n_outputs;
    int64_t n_kept; /**< units in the newest checkpoint; -1: there is none */
    int has_failed; /**< 1: the last attempt to write one */
} crd_checkpointer;

/** What is to be kept, and of which run. All borrowed. */
typedef struct crd_checkpointer_run {
    const char *output; /**< path of the prediction file */
    const char *key;    /**< of crd_run_key_make */
    int resumes;
    crd_prediction_file *file;
    const crd_prediction_meta *meta;
    const crd_provenance *provenance;
    const crd_predict_options *options;
} crd_checkpointer_run;

/** Opens them for the run. If it resumes, rows of finished images go to `rows`, and draws that are
 * there into the file. Close it in any case. */
crd_status crd_checkpointer_open(crd_checkpointer *checkpointer, const crd_checkpointer_run *run,
                                 crd_prediction_rows *rows, void *payload);
/** A unit's outputs, as a crd_predict_sink gets them. */
crd_status crd_checkpointer_add_draws(crd_checkpointer *checkpointer, const float *outputs,
                                      int64_t first_draw, int64_t n_draws, int64_t first_image,
                                      int64_t n_images);
/** Writes a checkpoint; a failure is a warning. */
void crd_checkpointer_write(crd_checkpointer *checkpointer, const crd_predict_state *state);
/** Adds to an error where the run can continue from. Returns the status. */
crd_status crd_checkpointer_conclude(const crd_checkpointer *checkpointer, crd_status status);
/** is_done: the output is in its place, so they are removed. */
void crd_checkpointer_close(crd_checkpointer *checkpointer, int is_done);

#endif
