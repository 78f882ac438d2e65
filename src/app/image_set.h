/** Images of a data set in an order of their own: all, those to train on, or those held out.
 * Rank 0 only. Private to this room. */
#ifndef CRD_APP_IMAGE_SET_H
#define CRD_APP_IMAGE_SET_H

#include "credence/dataset.h"
#include "credence/posterior.h"

typedef struct crd_image_set {
    crd_dataset *dataset;                   /**< borrowed */
    const crd_preprocessing *preprocessing; /**< borrowed */
    int64_t *numbers;         /**< [n_images] in the data set; owned. NULL: the set's own */
    int64_t n_images, floats; /**< floats of an image's tensor */
    float *kept;              /**< [n_images][floats] tensors; owned. NULL: read each time */
    uint8_t *is_kept;         /**< [n_images] */
} crd_image_set;

/** All images of `dataset`. Tensors of a small set stay in memory after they were read once.
 * Errors: out of memory. Clear it in any case. */
crd_status crd_image_set_init(crd_image_set *out, crd_dataset *dataset,
                              const crd_preprocessing *preprocessing);
/** Holds out `share` of all images, at least one, chosen by the seed: `held` has them, `rest`
 * the others. Errors: CRD_ERR_USAGE: nothing would be left. Clear both in any case. */
crd_status crd_image_set_split(crd_image_set *rest, crd_image_set *held, crd_dataset *dataset,
                               const crd_preprocessing *preprocessing, double share, uint64_t seed);
void crd_image_set_clear(crd_image_set *set);

/** Number in the data set of the image at `place`. */
int64_t crd_image_set_number(const crd_image_set *set, int64_t place);
/** The tensor of the image at `place`, changed by `augmentation` unless that is NULL. One call
 * at a time for a set. Errors: of crd_dataset_load. */
crd_status crd_image_set_load(float *out, crd_image_set *set, int64_t place,
                              const crd_augmentation *augmentation, uint64_t seed, int64_t epoch);
/** Has the form of crd_predict_source's load; payload: the set. No image is skipped. */
crd_status crd_image_set_load_all(float *tensors, int8_t *skipped, int64_t first, int64_t n,
                                  void *payload);

/** labels[n_images] of the images, in the set's order, for `posterior`'s classes; regression:
 * NULL, and the targets are checked. Errors: of crd_dataset_match and
 * crd_dataset_check_targets. */
crd_status crd_image_set_match(int64_t **labels, const crd_image_set *set,
                               const crd_posterior *posterior);

#endif
