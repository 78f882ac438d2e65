/** The families of architectures, one a file. */
#ifndef CRD_ZOO_FAMILIES_H
#define CRD_ZOO_FAMILIES_H

#include "credence/zoo.h"
#include "zoo/builder.h"

/** An entry of a family's table, which ends with a NULL name. */
typedef struct crd_family_member {
    crd_arch arch;
    void (*build)(crd_builder *builder, const crd_zoo_size *size, const void *config);
    const void *config; /**< what tells it from others of its family; only `build` knows its type */
} crd_family_member;

extern const crd_family_member crd_family_resnet[], crd_family_cifar_resnet[], crd_family_small[];

#endif
