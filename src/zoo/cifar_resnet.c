/* Residual networks for small images with parameter-free shortcuts ("option A"): He et al. 2016,
 * section 4.2; parameter names of bayesian-torch's models. */
#include <stddef.h>

#include "zoo/families.h"

enum { N_STAGES = 3, STEM_CHANNELS = 16 };

static int64_t add_block(crd_builder *b, const char *prefix, int64_t planes, int64_t stride,
                         int64_t input)
{
    int64_t shortcut = input;
    int64_t x =
        crd_builder_conv(b, prefix, "conv1", &(crd_zoo_conv){planes, 3, stride, 1, 1, 0}, input);
    x = crd_builder_batch_norm(b, prefix, "bn1", x);
    x = crd_builder_simple(b, "ReLU", prefix, "relu1", x);
    x = crd_builder_conv(b, prefix, "conv2", &(crd_zoo_conv){planes, 3, 1, 1, 1, 0}, x);
    x = crd_builder_batch_norm(b, prefix, "bn2", x);
    if (stride != 1)
        shortcut = crd_builder_pad_shortcut(b, prefix, "shortcut", stride, planes / 4, input);
    x = crd_builder_add(b, prefix, "skip_add", x, shortcut);
    return crd_builder_simple(b, "ReLU", prefix, "relu2", x);
}

/* config: residual blocks of each stage. */
static void build(crd_builder *b, const crd_zoo_size *size, const void *config)
{
    const int64_t *n_blocks = config;
    int64_t x = crd_builder_conv(b, "", "conv1", &(crd_zoo_conv){STEM_CHANNELS, 3, 1, 1, 1, 0}, 0);
    x = crd_builder_batch_norm(b, "", "bn1", x);
    x = crd_builder_simple(b, "ReLU", "", "relu1", x);
    for (int stage = 0; stage < N_STAGES; stage++)
        for (int64_t block = 0; block < *n_blocks; block++) {
            char prefix[CRD_ZOO_NAME_SIZE];
            crd_builder_path(prefix, b, "layer%d.%lld.", stage + 1, (long long)block);
            int64_t stride = stage > 0 && block == 0 ? 2 : 1;
            x = add_block(b, prefix, (int64_t)STEM_CHANNELS << stage, stride, x);
        }
    x = crd_builder_global_pool(b, "avgpool", x);
    x = crd_builder_simple(b, "Flatten", "", "flatten", x);
    crd_builder_linear(b, "linear", size->n_classes, x);
}

#define CIFAR_RESNET(depth, n)                                                                     \
    {                                                                                              \
        .arch = {"cifar_resnet" #depth,                                                            \
                 "CIFAR ResNet-" #depth " (He et al. 2016, 4.2), bayesian-torch",                  \
                 3,                                                                                \
                 32,                                                                               \
                 10,                                                                               \
                 0,                                                                                \
                 NULL,                                                                             \
                 NULL},                                                                            \
        .build = build, .config = &(const int64_t)                                                 \
        {                                                                                          \
            n                                                                                      \
        }                                                                                          \
    }

const crd_family_member crd_family_cifar_resnet[] = {
    CIFAR_RESNET(8, 1),  CIFAR_RESNET(14, 2), CIFAR_RESNET(20, 3),   CIFAR_RESNET(32, 5),
    CIFAR_RESNET(44, 7), CIFAR_RESNET(56, 9), CIFAR_RESNET(110, 18), {.arch = {0}},
};
