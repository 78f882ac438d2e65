/** What the families of architectures, one a file, have in common. Private to this room. */
#ifndef CRD_ZOO_FAMILIES_H
#define CRD_ZOO_FAMILIES_H

#include "credence/zoo.h"
#include "zoo/builder.h"

/** An entry of a family's table, crd_family_NAME, which ends with a NULL name. */
typedef struct crd_family_member {
    crd_arch arch;
    void (*build)(crd_builder *builder, const crd_zoo_size *size, const void *config);
    const void *config; /**< what tells it from others of its family; only `build` knows its type */
} crd_family_member;

/** ImageNet's channels: those of torchvision's weights. */
extern const float crd_imagenet_mean[3], crd_imagenet_sd[3];

/** An arch for ImageNet, in torchvision's transform: image size, short side before the crop. */
#define CRD_IMAGENET(name_, summary_, size, resize_)                                               \
    .name = (name_), .summary = (summary_), .in_channels = 3, .image_size = (size),                \
    .n_classes = 1000, .resize = (resize_), .mean = crd_imagenet_mean, .sd = crd_imagenet_sd

#endif
