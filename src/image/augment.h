/** Random changes of training images: each a function of its address and of nothing else. */
#ifndef CRD_IMAGE_AUGMENT_H
#define CRD_IMAGE_AUGMENT_H

#include "image/resize.h"

/** Address of one image's changes: image number `image` in epoch `epoch`, both below 2^32. */
typedef struct crd_visit {
    uint64_t seed;
    int64_t epoch, image;
} crd_visit;

/** How often a random part is tried before the middle of the image is taken. */
#define CRD_CROP_TRIES 10

/** torchvision's RandomResizedCrop.get_params, scale 0.08-1 and ratio 3/4-4/3: the part of a
 * width x height image that is taken. uniforms: numbers in [0, 1) of each try, for area, ratio, top
 * and left. */
crd_window crd_crop_window(int64_t width, int64_t height, const double uniforms[CRD_CROP_TRIES][4]);

/** RandomResizedCrop(height, width): a random part of `in`, resized so. *out is empty on
 * error. */
crd_status crd_image_crop_random(crd_image *out, const crd_image *in,
                                 const crd_preprocessing *preprocessing, const crd_visit *visit);

/** RandomCrop((height, width), padding), then RandomHorizontalFlip if `flip`, of a transformed
 * image tensor[channels][height][width]. What comes from outside is what a pixel of zero
 * becomes. */
void crd_tensor_move_random(float *tensor, const crd_preprocessing *preprocessing, int64_t padding,
                            int flip, const crd_visit *visit);

#endif
