/** Recomputes batch norm's statistics of a posterior in a file: what `credence refresh` does. Room:
 * app.
 */
#ifndef CREDENCE_REFRESH_FILES_H
#define CREDENCE_REFRESH_FILES_H

#include "credence/comm.h"
#include "credence/dataset.h"
#include "credence/run.h"

#ifdef __cplusplus
extern "C" {
#endif

/** All borrowed. Equal on all ranks. */
typedef struct crd_refresh_files_options {
    const char *posterior;   /**< its file */
    const char *const *data; /**< [n_data] specifications of images; labels are not needed */
    int n_data;
    int64_t micro_batch; /**< images that statistics are of */
    int64_t n_images;    /**< so many of the images at random; 0: all */
    /** 0: every component at its means; else draws 0 .. n_draws - 1 */
    int64_t n_draws;
    uint64_t seed; /**< of the images' order, of dropout, and of the draws */
    const char *output;
    crd_record record;
} crd_refresh_files_options;

/** What was done; rank 0 only. */
typedef struct crd_refresh_info {
    int64_t n_images, n_components, n_statistics; /**< components: of the new file */
} crd_refresh_info;

/** Reads the posterior, makes the statistics of every component at its means (without its
 * deviations) from the images (credence/refresh.h), and writes it to `output`: the rest stays as it
 * was. With n_draws it is networks drawn from it (crd_model_draw) that get statistics of their own,
 * and an ensemble of them, a member a draw, that is written. Collective: on comm; all ranks return
 * the same status. Errors: of crd_posterior_open, crd_dataset_open, crd_refresh_statistics and the
 * output; CRD_ERR_INPUT: the network has no batch norm, or, with draws, dropout in prediction;
 * CRD_ERR_USAGE: more images than there are; draws of deterministic networks. Memory: the means of
 * all components once a node, beside rank 0's posterior; with draws all its numbers once a node,
 * and the draws' statistics on rank 0. Cost: crd_refresh_statistics', in passes over the images of
 * as many networks as have 2^24 statistics. */
crd_status crd_refresh_files(crd_refresh_info *out, crd_comm *comm,
                             const crd_refresh_files_options *options);

#ifdef __cplusplus
}
#endif
#endif
