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
    uint64_t seed;       /**< of the images' order, and of dropout */
    const char *output;
    crd_record record;
} crd_refresh_files_options;

/** What was done; rank 0 only. */
typedef struct crd_refresh_info {
    int64_t n_images, n_components, n_statistics;
} crd_refresh_info;

/** Reads the posterior, makes the statistics of every component at its means (without its
 * deviations) from all images once (credence/refresh.h), and writes it to `output`: the rest stays
 * as it was. Collective: on comm; all ranks return the same status. Errors: of crd_posterior_read,
 * crd_dataset_open, crd_refresh_statistics and the output; CRD_ERR_INPUT: the network has no batch
 * norm. Memory: the means of all components once a node, beside rank 0's posterior. */
crd_status crd_refresh_files(crd_refresh_info *out, crd_comm *comm,
                             const crd_refresh_files_options *options);

#ifdef __cplusplus
}
#endif
#endif
