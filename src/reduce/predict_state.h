/** What a prediction carries from unit to unit: what its checkpoint holds. For engine, io and
 * app. */
#ifndef CRD_REDUCE_PREDICT_STATE_H
#define CRD_REDUCE_PREDICT_STATE_H

#include "credence/predictive.h"

/** How far a run has come, between two units: what a checkpoint holds. It follows from the
 * options and from the units done, never from the ranks. A run goes through the images in
 * windows, and through the draws of a window in rounds. */
typedef struct crd_predict_state crd_predict_state;
struct crd_predict_state {
    int64_t first_image, n_images; /**< the current window; the images before it are finished */
    int64_t first_block,
        n_blocks;               /**< draw blocks of the current round; those before it are done */
    int64_t n_units;            /**< of the round */
    uint64_t *done;             /**< [(n_units + 63) / 64] unit i: bit i % 64 of word i / 64 */
    int64_t *sums;              /**< [n_images][crd_reduction_n_sums] over the draws done */
    int64_t *maxima;            /**< [n_images][crd_reduction_n_maxima] */
    const crd_summary *summary; /**< the window's rows over the draws done; not read on resuming */
    int64_t n_units_done, n_units_all; /**< of the run; not read on resuming */
};

/** Frees done, sums and maxima of a state that was read (crd_prediction_resume). */
void crd_predict_state_clear(crd_predict_state *state);

#endif
