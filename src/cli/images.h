/** Image files to tensors: decode and transform, with bad files refused or skipped. */
#ifndef CRD_CLI_IMAGES_H
#define CRD_CLI_IMAGES_H

#include "cli/inputs.h"
#include "credence/image.h"

/** Where tensors come from; borrowed by crd_images_load. */
typedef struct crd_image_source {
    const crd_inputs *inputs;
    const crd_preprocessing *preprocessing;
    int skip_bad; /**< 1: a file that cannot be read is logged and marked, not an error */
    int64_t n_skipped;
} crd_image_source;

/** Numbers in one image's tensor. */
int64_t crd_image_source_floats(const crd_image_source *source);

/** Fills tensors[n][channels][crop][crop] with images [first, first + n); skipped[i] = 1 where image
 * i could not be read, its tensor is zero then. `payload` is a crd_image_source. Errors: of
 * crd_image_read, unless bad files are skipped. */
crd_status crd_images_load(float *tensors, int8_t *skipped, int64_t first, int64_t n,
                           void *payload);

#endif
