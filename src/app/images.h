/** Images of a run's inputs to tensors, with bad ones refused or skipped. Private to this room. */
#ifndef CRD_APP_IMAGES_H
#define CRD_APP_IMAGES_H

#include "credence/comm.h"
#include "credence/dataset.h"

/** Where tensors come from. */
typedef struct crd_image_source {
    crd_dataset *dataset;            /**< owned */
    crd_preprocessing preprocessing; /**< to be set before loading */
    char **names;                    /**< [n_images] owned */
    int64_t n_images;
    int skip_bad; /**< 1: an image that cannot be read is marked, not an error */
} crd_image_source;

/** Opens the data sets of n arguments. Errors: of crd_dataset_open. Close it in any case. */
crd_status crd_images_open(crd_image_source *out, const char *const *arguments, int n,
                           int skip_bad);
/** Opens the same on the other ranks of rank 0's node, where rank 0 has opened it and set its
 * preprocessing, so that they can share the reading, and what its digests say that they must
 * find. Collective: on comm; arguments and skip_bad equal on all ranks. Errors: also
 * CRD_ERR_INPUT if the images are not the same any more. Close it on all ranks. */
crd_status crd_images_share(crd_image_source *source, crd_comm *comm, const char *const *arguments,
                            int n, int skip_bad);
void crd_images_close(crd_image_source *source);

/** Numbers in one image's tensor. */
int64_t crd_images_floats(const crd_image_source *source);

/** Fills tensors[n][channels][height][width] with images [first, first + n); skipped[i] = 1 where
 * image i could not be read, its tensor is zero then. `payload` is a crd_image_source. Errors:
 * of crd_dataset_load, unless bad images are skipped. */
crd_status crd_images_load(float *tensors, int8_t *skipped, int64_t first, int64_t n,
                           void *payload);

/** Warns of the skipped ones of images [first, + n), and why each cannot be read. Returns their
 * number. */
int64_t crd_images_warn(crd_image_source *source, const int8_t *skipped, int64_t first, int64_t n);

#endif
