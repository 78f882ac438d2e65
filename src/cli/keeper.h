/** The checkpoints of a prediction: OUTPUT.ckpt, the one before it, and with --save-draws
 * OUTPUT.ckpt.draws. Rank 0 only. */
#ifndef CRD_CLI_KEEPER_H
#define CRD_CLI_KEEPER_H

#include "cli/provenance.h"
#include "cli/run_key.h"
#include "credence/predict.h"

typedef struct crd_keeper {
    char *path, *draws_path;
    char key[CRD_RUN_KEY_SIZE];
    crd_predict_state state;   /**< where the run goes on; n_images 0: a new run */
    crd_prediction_file *file; /**< borrowed */
    const crd_provenance *provenance;
    crd_draws_file *draws; /**< NULL without --save-draws */
    int64_t batch, block, n_draws;
    int64_t n_images, n_outputs;
    int64_t n_kept; /**< units in the newest checkpoint; -1: there is none */
    int has_failed; /**< 1: the last attempt to write one */
} crd_keeper;

/** Opens them for the run whose rows go to `file`. With --resume, rows of finished images go to
 * `rows`, and draws that are there into the file. Close it in any case. */
crd_status crd_keeper_open(crd_keeper *keeper, const crd_cli *cli, crd_prediction_file *file,
                           const crd_prediction_meta *meta, const crd_provenance *provenance,
                           crd_dataset *data, const crd_predict_options *options,
                           crd_prediction_rows *rows, void *payload);
/** A unit's outputs, as a crd_predict_sink gets them. */
crd_status crd_keeper_draws(crd_keeper *keeper, const float *outputs, int64_t first_draw,
                            int64_t n_draws, int64_t first_image, int64_t n_images);
/** Writes a checkpoint; a failure is a warning. */
void crd_keeper_keep(crd_keeper *keeper, const crd_predict_state *state);
/** Adds to an error where the run can go on from. Returns the status. */
crd_status crd_keeper_conclude(const crd_keeper *keeper, crd_status status);
/** is_done: the output is in its place, so they are removed. */
void crd_keeper_close(crd_keeper *keeper, int is_done);

#endif
