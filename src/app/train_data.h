/** What a training run reads: images to train on with their labels or targets, and images to
 * validate on. Rank 0 only. Private to this room. */
#ifndef CRD_APP_TRAIN_DATA_H
#define CRD_APP_TRAIN_DATA_H

#include "app/image_set.h"
#include "app/train_validate.h"
#include "credence/train_files.h"

typedef struct crd_train_data {
    crd_dataset *dataset; /**< owned */
    crd_image_set images; /**< to train on */
    int64_t *labels;      /**< [images.n_images] owned; -1: none */
    int64_t n_values;     /**< of a target; 0: the loss takes none from the data */
    crd_augmentation augmentation;
    int is_augmented;
    uint64_t seed;
} crd_train_data;

/** Opens the data sets and holds out what is to be held out; `preprocessing` must outlive it. Close
 * it in any case. Errors: of crd_dataset_open; CRD_ERR_USAGE. */
crd_status crd_train_data_open(crd_train_data *out, crd_validation *validation,
                               const crd_train_files_options *options,
                               const crd_preprocessing *preprocessing);
/** Matches labels, or checks targets, of both for the outputs that `posterior` has now; classes
 * without names get the sub-folders'. Errors: CRD_ERR_INPUT naming the image. */
crd_status crd_train_data_match(crd_train_data *data, crd_validation *validation, const char *loss,
                                crd_posterior *posterior);
void crd_train_data_close(crd_train_data *data);

/** See crd_train_hooks.load. */
crd_status crd_train_data_load(crd_train_data *data, float *images, int64_t *labels, float *values,
                               int64_t epoch, int64_t first, int64_t n);

#endif
