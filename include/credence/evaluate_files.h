/** Measures a posterior on labelled images: what `credence evaluate` does. Room: app.
 */
#ifndef CREDENCE_EVALUATE_FILES_H
#define CREDENCE_EVALUATE_FILES_H

#include <stdbool.h>

#include "credence/agreement.h"
#include "credence/detection.h"
#include "credence/metrics.h"
#include "credence/predict.h"
#include "credence/run.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What is measured, and how. All borrowed. Equal on all ranks. */
typedef struct crd_evaluate_files_options {
    const char *posterior;   /**< its file */
    const char *const *data; /**< [n_data] specifications of labelled images: credence/dataset.h */
    int n_data;
    const char *unknown; /**< images of another kind, to be told from these; NULL: none */
    /** Predictive probabilities of another method for the same images in the same order, to be
     * compared with: CSV, HDF5, or a prediction of ours (src/io/probs_table.h); NULL: none. */
    const char *reference;
    /** File of scores to write, image by image, with those against the reference, which is needed;
     * NULL: none. */
    const char *output;
    crd_record record; /**< for its provenance */
    /** sampler.estimator NULL: the one that the posterior is meant for. n_images, outputs, n_top
     * and keep_sums are set by the run. */
    crd_predict_options predict;
} crd_evaluate_files_options;

/** 100 draws in blocks of 8, batches of 8 images. */
void crd_evaluate_files_options_init(crd_evaluate_files_options *out);

/** Scores of a single image: a high one asks for doubt. */
enum {
    CRD_SCORE_CONFIDENCE, /**< largest probability, negated */
    CRD_SCORE_ENTROPY,
    CRD_SCORE_INFORMATION,
    CRD_N_SCORES
};

/** Every figure with its error over images. */
typedef struct crd_evaluation {
    const char *estimator; /**< static */
    int64_t n_images, n_classes, n_draws;
    int64_t n_unknown; /**< images of another kind; 0: none were given */
    double seconds;
    crd_figure
        figures[CRD_MAX_FIELDS]; /**< of a reducer that judges its rows; the rest is of classes */
    int n_figures;               /**< 0: classes */
    crd_metrics metrics;
    crd_metrics_bin bins[CRD_METRICS_N_BINS];
    crd_estimate entropy, aleatoric, epistemic; /**< means over images, nats */
    crd_estimate avu;
    crd_selection selection;
    crd_detection ood[CRD_N_SCORES];
    crd_agreement reference; /**< against options.reference, which is the second */
} crd_evaluation;

/** Called on rank 0 only; every member may be NULL. */
typedef struct crd_evaluate_files_hooks {
    /** Prediction of the labelled images, or of the unknown ones, begins, and is over. */
    void (*begin)(bool is_unknown, void *payload);
    void (*end)(void *payload);
    /** See crd_predict_sink. */
    void (*progress)(int64_t n_done, int64_t n_units, void *payload);
    void *payload;
} crd_evaluate_files_hooks;

/** Measures; *out is filled on rank 0. Collective: on comm; all ranks return the same status.
 * Errors: of crd_posterior_read, crd_dataset_open, crd_dataset_match, crd_predict; CRD_ERR_USAGE:
 * more than CRD_METRICS_MAX_IMAGES images; unknown images or a reference with a posterior of
 * regression; an output without a reference. CRD_ERR_INPUT: a reference that cannot be read, or is
 * not of so many images and classes. */
crd_status crd_evaluate_files(crd_evaluation *out, crd_comm *comm,
                              const crd_evaluate_files_options *options,
                              const crd_evaluate_files_hooks *hooks);

#ifdef __cplusplus
}
#endif
#endif
