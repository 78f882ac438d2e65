/** The families of architectures, one a file. */
#ifndef CRD_ZOO_FAMILIES_H
#define CRD_ZOO_FAMILIES_H

#include "credence/zoo.h"
#include "zoo/builder.h"

/** An entry of a family's table, which ends with a NULL name. */
typedef struct crd_family_member {
    crd_arch arch;
    void (*build)(crd_builder *builder, const crd_zoo_size *size,
                  const struct crd_family_member *member);
    int64_t n_blocks[4];     /**< residual blocks of each stage */
    int bottleneck;          /**< 1: blocks of three convolutions, 0: of two */
    int64_t groups;          /**< of the middle convolution */
    int64_t width_per_group; /**< channels of a group in the first stage; 64 is the plain ResNet */
} crd_family_member;

extern const crd_family_member crd_family_resnet[], crd_family_cifar_resnet[], crd_family_small[];

#endif
