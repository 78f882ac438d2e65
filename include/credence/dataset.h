/** Labelled images by number, in bounded memory: folders of JPEGs, IDX, CIFAR-10, HDF5; and their
 * augmentation. Room: io.
 *
 * A specification, as on the command line, is one of
 * - a folder: sub-folders are classes, sorted bytewise, their JPEG files (.jpg, .jpeg) at any depth
 *   the images; or a folder of JPEG files without labels. Names with a leading dot are left out;
 *   other files are ignored, which the log says;
 * - a JPEG file, without label; looked at when it is loaded;
 * - idx:IMAGES[,LABELS]: files of uint8 of the MNIST family, gzipped or not, without or with
 *   labels;
 * - cifar10:FOLDER[:train|:test]: data_batch_1.bin .. data_batch_5.bin (train, the default) or
 *   test_batch.bin of the binary version;
 * - an HDF5 file with a dataset `images` (image, channel, height, width) of uint8 or float32 and
 *   perhaps `labels` (image) of uint8, int32 or int64, or `targets` (image, output) of float32 or
 *   float64; or what `credence preprocess` wrote.
 *
 * Several are joined in their order. Either all images have labels or none has; labels by number
 * and by sub-folder are not joined; the classes of several folders are the sorted union.
 */
#ifndef CREDENCE_DATASET_H
#define CREDENCE_DATASET_H

#include <stdbool.h>

#include "credence/image.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_dataset crd_dataset;

/** Opens; reads names and labels. Of JPEG files only names are held, of contiguous HDF5 images
 * nothing; IDX, CIFAR-10 and chunked HDF5 images are held as they are, at most 4 GiB a source.
 * At most 2^32 - 1 images. Errors: CRD_ERR_INPUT, CRD_ERR_IO naming file and reason;
 * CRD_ERR_USAGE: an unknown form, all forms named. Collective: no. */
crd_status crd_dataset_open(crd_dataset **out, const char *const *specifications, int n);
/** The same for runs that continue without what cannot be read: what _open would refuse with
 * CRD_ERR_INPUT is one image without a label that cannot be loaded. */
crd_status crd_dataset_open_readable(crd_dataset **out, const char *const *specifications, int n);
/** NULL is allowed. */
void crd_dataset_close(crd_dataset *dataset);

/** Number of images. */
int64_t crd_dataset_n_images(const crd_dataset *dataset);
/** Name of image i: file path, or "IMAGES[17]". Borrowed: valid until the next call. */
const char *crd_dataset_name(crd_dataset *dataset, int64_t i);
/** Class of image i, -1 if unknown. */
int64_t crd_dataset_label(const crd_dataset *dataset, int64_t i);
/** Classes by sub-folder names, or NULL where the source has none; *n their number. Borrowed. */
const char *const *crd_dataset_class_names(const crd_dataset *dataset, int64_t *n);
/** 1 if every image has a label, 0 if none has. */
int crd_dataset_is_labelled(const crd_dataset *dataset);

/** Labels as classes of a network: labels[n_images]. Labels by number are the class numbers.
 * Sub-folders are classes by name, if each has the name of one of class_names[n_classes] (may
 * be NULL); or by number, if each is a whole number below n_classes; or in sorted order
 * (torchvision's ImageFolder), only if there are as many as classes and none resembles one. The
 * log says which it was. src/io/label_rule.h has the whole rule. Errors: CRD_ERR_INPUT: there
 * are no labels; a sub-folder is no class, and the nearest is named; a label is not below
 * n_classes: the first image or sub-folder is named. */
crd_status crd_dataset_match(int64_t *labels, crd_dataset *dataset, const char *const *class_names,
                             int64_t n_classes);

/** 1 if every image has targets, as many of each. */
int crd_dataset_has_targets(const crd_dataset *dataset);
/** The values of image i, targets[n_values], which regression is to give; borrowed, finite. Only
 * of data sets that crd_dataset_check_targets accepts. */
const float *crd_dataset_target(const crd_dataset *dataset, int64_t i);
/** Are there n_values targets of every image? Errors: CRD_ERR_INPUT naming the first source
 * where there are not. */
crd_status crd_dataset_check_targets(crd_dataset *dataset, int64_t n_values);

/** Random changes of training images, each a function of (seed, epoch, image number) by Philox;
 * in the order random_resized_crop, padded_crop, flip. */
typedef struct crd_augmentation {
    bool flip;           /**< horizontal flip with probability 1/2 */
    int64_t padded_crop; /**< zero pixels of padding, up to the shorter side, then a random crop
                            of the old size; 0: none */
    /** torchvision's RandomResizedCrop(height, width), scale 0.08-1, ratio 3/4-4/3, instead of
     * resize and centre crop; not of float images */
    bool random_resized_crop;
} crd_augmentation;

/** Image i as the network sees it: out[channels][height][width]. Bytes go through the whole
 * transform as a decoded JPEG does: gray is replicated to three channels, colour becomes luma
 * for one. Float images of HDF5 are taken as they are (only that they have the network's shape
 * and are finite is checked). augmentation NULL: none. Thread safe for different calls at the
 * same time. Errors: CRD_ERR_INPUT, CRD_ERR_IO naming the image; CRD_ERR_USAGE: an augmentation
 * out of range. */
crd_status crd_dataset_load(float *out, crd_dataset *dataset, int64_t i,
                            const crd_preprocessing *preprocessing,
                            const crd_augmentation *augmentation, uint64_t seed, int64_t epoch);

/** Logs what the transform does that a user may not expect, from the sizes of the images (of the
 * first 1,000, if they are files): a warning if the crop keeps less than a quarter of an image,
 * or pads one; a line if colours become grey, or grey images are taken for colour. What cannot
 * be read is passed over. */
void crd_dataset_log_fit(const crd_dataset *dataset, const crd_preprocessing *preprocessing);

/** Digest of what the data set is: names, labels and targets; for the check on resuming. Cost:
 * all names are made. */
uint64_t crd_dataset_digest(const crd_dataset *dataset);

/** Digest of the images' stored bytes, for the same check: pixels, or JPEG files as they are.
 * What cannot be read counts as such; it is named when it is loaded. From then on
 * crd_dataset_load refuses an image whose bytes are others (CRD_ERR_IO). Errors:
 * CRD_ERR_INTERNAL: out of memory. Cost: the first call reads all of them, and decodes none; 8
 * bytes an image are kept. */
crd_status crd_dataset_image_digest(uint64_t *out, crd_dataset *dataset);
/** The digest of each image, [n_images], or NULL if they have not been asked for. Borrowed. */
uint64_t *crd_dataset_image_digests(crd_dataset *dataset);
/** The same images are expected as where these digests come from, [n_images]. Errors:
 * CRD_ERR_INTERNAL: out of memory. */
crd_status crd_dataset_expect_images(crd_dataset *dataset, const uint64_t *digests);

#ifdef __cplusplus
}
#endif
#endif
