/** Photographs to tensors: JPEG decoding as Pillow does it, the transform as torchvision does it on
 * a Pillow image, bit for bit. Room: image.
 */
#ifndef CREDENCE_IMAGE_H
#define CREDENCE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "credence/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum crd_interpolation { CRD_BILINEAR = 0, CRD_BICUBIC = 1 } crd_interpolation;
/** Names for files and options, NULL-terminated: "bilinear", "bicubic". */
const char *const *crd_interpolation_names(void);

#define CRD_MAX_CHANNELS 3

/** A transform: Resize(resize), CenterCrop(crop), ToTensor, Normalize(mean, sd). A property of a
 * posterior. */
typedef struct crd_preprocessing {
    int64_t channels;   /**< 3: convert("RGB"); 1: convert("L") */
    int64_t resize;     /**< short side after resizing, pixels; 0: no resizing */
    int64_t crop;       /**< height of what is cut from the middle, pixels */
    int64_t crop_width; /**< its width; 0: as its height, a square */
    crd_interpolation interpolation;
    float mean[CRD_MAX_CHANNELS], sd[CRD_MAX_CHANNELS]; /**< of values in [0, 1] */
} crd_preprocessing;

/** torchvision's for ImageNet: 3 channels, resize 256, crop 224, bilinear, its mean and sd. */
crd_preprocessing crd_preprocessing_imagenet(void);
/** Width of the cut; numbers of one image's tensor. */
int64_t crd_preprocessing_width(const crd_preprocessing *preprocessing);
int64_t crd_preprocessing_floats(const crd_preprocessing *preprocessing);
/** Errors: CRD_ERR_INPUT naming the field that is out of range. */
crd_status crd_preprocessing_check(const crd_preprocessing *preprocessing);

/** A decoded image: 8 bits, interleaved, row by row, no padding. Owned: clear it. */
typedef struct crd_image {
    int64_t width, height, channels;
    uint8_t *pixels;
} crd_image;
void crd_image_clear(crd_image *image);

/** More pixels than this are refused: 200 million. */
#define CRD_IMAGE_MAX_PIXELS 200000000
/** No photograph below that is larger; larger files are refused. */
#define CRD_IMAGE_MAX_FILE_BYTES ((int64_t)1 << 30)

/** Decodes a JPEG file or buffer as PIL.Image.open(..).convert("RGB") (channels 3) or convert("L")
 * (1) does. EXIF orientation and colour profiles are ignored, as torchvision ignores them. `name`
 * is for messages. Errors: CRD_ERR_INPUT: missing, empty, not a JPEG, truncated or corrupt, too
 * large. *out is empty then. */
crd_status crd_image_read(crd_image *out, const char *path, int64_t channels);
crd_status crd_image_decode(crd_image *out, const uint8_t *bytes, size_t n_bytes, int64_t channels,
                            const char *name);

/** Size of a JPEG file from its header, without pixels; channels 1 or 3. Errors: CRD_ERR_INPUT,
 * CRD_ERR_IO: it is not found. */
crd_status crd_image_measure(crd_image *out, const char *path);

/** Pillow's Image.resize((width, height)) with its antialiasing filter. */
crd_status crd_image_resize(crd_image *out, const crd_image *in, int64_t width, int64_t height,
                            crd_interpolation interpolation);

/** The whole transform: out[channels][height][width] of the cut. image->channels must be
 * preprocessing->channels. */
crd_status crd_image_to_tensor(float *out, const crd_image *image,
                               const crd_preprocessing *preprocessing);

#ifdef __cplusplus
}
#endif
#endif
