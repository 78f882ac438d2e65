/** Labelled images by number, in bounded memory: folders of JPEGs, IDX, CIFAR-10, HDF5; and their augmentation. Room: io.
 *
 * `specification` as on the command line: a folder (a sub-folder a class, sorted bytewise; or JPEG files without labels), a JPEG
 * file, idx:IMAGES[,LABELS] (MNIST family, gz or not), cifar10:FOLDER[:train|:test], or an HDF5 file with a dataset `images` (image, channel, height, width; uint8 or
 * float32) and optionally `labels`.
 */
#ifndef CREDENCE_DATASET_H
#define CREDENCE_DATASET_H

#include "credence/image.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_dataset crd_dataset;

/** Opens; reads names and labels, no images (IDX and CIFAR-10 are held as bytes: they are small).
 * Errors: CRD_ERR_INPUT naming file and reason; CRD_ERR_USAGE: an unknown form, all forms named. Collective: no. */
crd_status crd_dataset_open(crd_dataset **out, const char *const *specifications, int n);
void crd_dataset_close(crd_dataset *dataset);

/** Number of images. */
int64_t crd_dataset_n_images(const crd_dataset *dataset);
/** Name of image i: file path, or "IMAGES[17]". Borrowed. */
const char *crd_dataset_name(crd_dataset *dataset, int64_t i);
/** Class of image i, -1 if unknown. */
int64_t crd_dataset_label(const crd_dataset *dataset, int64_t i);
/** Classes by sub-folder names, or NULL where the source has none; *n their number. Borrowed. */
const char *const *crd_dataset_class_names(const crd_dataset *dataset, int64_t *n);
/** 1 if every image has a label. */
int crd_dataset_is_labelled(const crd_dataset *dataset);

/** Random changes of training images, each a function of (seed, epoch, image number) by Philox. */
typedef struct crd_augmentation {
    int flip;            /**< horizontal flip with probability 1/2 */
    int64_t padded_crop; /**< zero pixels of padding, then a random crop of the old size; 0: none */
    int random_resized_crop; /**< torchvision's RandomResizedCrop(crop), scale 0.08-1, ratio 3/4-4/3, instead of resize and centre crop */
} crd_augmentation;

/** Image i as the network sees it: out[channels][crop][crop]. augmentation NULL: none. float images of HDF5 are taken as they are (only their shape is
 * checked). Thread safe for different calls at the same time. Errors: CRD_ERR_INPUT naming the image. */
crd_status crd_dataset_load(float *out, crd_dataset *dataset, int64_t i,
                            const crd_preprocessing *preprocessing,
                            const crd_augmentation *augmentation, uint64_t seed, int64_t epoch);

/** Place in epoch `epoch` of a shuffled data set: a bijection of 0 .. n - 1 that is a function of (seed, epoch), evaluated in
 * constant memory (a Feistel network with cycle walking). */
int64_t crd_dataset_shuffled(int64_t place, int64_t n, uint64_t seed, int64_t epoch);

/** Digest of what the data set is: names and labels; for the check on resuming. */
uint64_t crd_dataset_digest(const crd_dataset *dataset);

#ifdef __cplusplus
}
#endif
#endif
