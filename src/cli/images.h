/** Images of a data set to tensors, with bad ones refused or skipped. */
#ifndef CRD_CLI_IMAGES_H
#define CRD_CLI_IMAGES_H

#include "credence/dataset.h"

/** Where tensors come from; borrowed by crd_images_load. */
typedef struct crd_image_source {
    crd_dataset *dataset;
    const crd_preprocessing *preprocessing;
    int skip_bad; /**< 1: an image that cannot be read is logged and marked, not an error */
    int64_t n_skipped;
} crd_image_source;

/** Numbers in one image's tensor. */
int64_t crd_image_source_floats(const crd_image_source *source);

/** Fills tensors[n][channels][crop][crop] with images [first, first + n); skipped[i] = 1 where image
 * i could not be read, its tensor is zero then. `payload` is a crd_image_source. Errors: of
 * crd_dataset_load, unless bad images are skipped. */
crd_status crd_images_load(float *tensors, int8_t *skipped, int64_t first, int64_t n,
                           void *payload);

/** Names of all images, to be kept. Free with crd_images_names_free, after an error too. */
crd_status crd_images_names(char ***out, crd_dataset *dataset);
/** NULL is allowed, for `dataset` too if `names` is NULL. */
void crd_images_names_free(char **names, const crd_dataset *dataset);

#endif
