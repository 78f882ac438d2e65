/** Compares two posteriors on labelled images: what `credence compare` does.
 *
 * Both predict the same images with the same draw numbers of one seed (common random numbers), and
 * every figure is compared image by image: of the difference all that the two have in common is
 * gone. Room: app.
 */
#ifndef CREDENCE_COMPARE_FILES_H
#define CREDENCE_COMPARE_FILES_H

#include "credence/agreement.h"
#include "credence/predict.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What is compared, and how. All borrowed. Equal on all ranks. */
typedef struct crd_compare_files_options {
    const char *posteriors[2]; /**< their files: A, B */
    const char *const *data; /**< [n_data] specifications of labelled images: credence/dataset.h */
    int n_data;
    double confidence; /**< of the intervals, above 0 and below 1 */
    /** sampler.estimator NULL: each posterior's own. n_images, outputs, n_top and keep_sums are set
     * by the run. */
    crd_predict_options predict;
} crd_compare_files_options;

/** 100 draws in blocks of 8, batches of 8 images; intervals of 95 %. */
void crd_compare_files_options_init(crd_compare_files_options *out);

/** A figure of both, and its difference. */
typedef struct crd_compared {
    const char *key, *title; /**< for JSON, and for people; static */
    const char *units;       /**< "%": a share; NULL: that of the targets, or none */
    crd_mc_estimate of[2];
    /** A less B, with the errors of the paired difference: over images (of the ECE by resampling
     * them), and of the draws, where those are known: not of regression. */
    crd_mc_estimate difference;
    /** Interval of the difference: by the normal law with the root of both errors' squares; NaN
     * where there is no error. It says nothing of other figures, or of other trainings. */
    double low, high;
    int better; /**< 0: A, 1: B, if the interval excludes 0; else -1 */
} crd_compared;

typedef struct crd_comparison {
    const char *estimators[2]; /**< static */
    int64_t n_images, n_draws[2];
    int64_t n_classes; /**< 0: regression */
    double seconds;
    crd_compared figures[CRD_MAX_FIELDS];
    int n_figures;
    crd_agreement agreement; /**< of A and B, B the second: classification only. mcse NaN of more
                                  than 2^28 probabilities in half-samples of the draws */
} crd_comparison;

/** Called on rank 0 only; every member may be NULL. */
typedef struct crd_compare_files_hooks {
    /** Prediction with posterior i, 0 or 1, begins, and is over. */
    void (*begin)(int i, void *payload);
    void (*end)(void *payload);
    /** See crd_predict_sink. */
    void (*progress)(int64_t n_done, int64_t n_units, void *payload);
    void *payload;
} crd_compare_files_hooks;

/** Compares; *out is filled on rank 0. Collective: on comm; all ranks return the same status.
 * Errors: of crd_posterior_read, crd_dataset_open, crd_dataset_match, crd_predict; CRD_ERR_INPUT:
 * posteriors of other classes or outputs; CRD_ERR_USAGE: more than CRD_METRICS_MAX_IMAGES images.
 * Memory of rank 0: the probabilities of A, and up to 1 GiB of them in half-samples. */
crd_status crd_compare_files(crd_comparison *out, crd_comm *comm,
                             const crd_compare_files_options *options,
                             const crd_compare_files_hooks *hooks);

#ifdef __cplusplus
}
#endif
#endif
