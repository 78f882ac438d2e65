/** A posterior that is open, for programs that predict images in memory, again and again. Needs no
 * MPI: with crd_comm_create_self all work is done in this process. Room: app.
 */
#ifndef CREDENCE_PREDICTOR_H
#define CREDENCE_PREDICTOR_H

#include "credence/posterior.h"
#include "credence/predict.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_predictor crd_predictor;

/** Reads the posterior in `path`. `options` (copied; crd_predict_options_init) hold for every call:
 * estimator NULL: the one that the posterior is meant for; n_images and outputs are set. `comm` is
 * borrowed. Collective: on comm. Errors: of crd_posterior_read. Destroy it. */
crd_status crd_predictor_create(crd_predictor **out, crd_comm *comm, const char *path,
                                const crd_predict_options *options);
/** Collective: on its comm. NULL is allowed, on all ranks alike. */
void crd_predictor_destroy(crd_predictor *predictor);

/** What was read: classes, preprocessing; bare: its numbers are the ranks'. Borrowed; NULL on all
 * ranks but 0. Collective: no. */
const crd_posterior *crd_predictor_posterior(const crd_predictor *predictor);

/** Predicts images[n_images][channels][height][width], as crd_image_to_tensor makes them with the
 * posterior's preprocessing; rank 0's count. *rows, on rank 0, says what comes out
 * (crd_class_rows_view, crd_value_rows_view): borrowed until the next call. The same as the rows of
 * crd_predict_files. Collective: on its comm, n_images equal on all ranks. Errors: of
 * crd_predict. */
crd_status crd_predictor_run(const crd_summary **rows, crd_predictor *predictor,
                             const float *images, int64_t n_images);

#ifdef __cplusplus
}
#endif
#endif
