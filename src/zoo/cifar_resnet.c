/* Residual networks for small images with parameter-free shortcuts ("option A"): He et al. 2016,
 * section 4.2; parameter names of bayesian-torch's models. */
#include "zoo/families.h"

enum { N_STAGES = 3, STEM_CHANNELS = 16 };

static int64_t pad_shortcut(crd_builder *b, int64_t x, int64_t stride, int64_t pad_channels)
{
    const crd_attr attrs[] = {CRD_ATTR("stride", (double)stride),
                              CRD_ATTR("pad_channels", (double)pad_channels, (double)pad_channels),
                              CRD_ATTR_END};
    return crd_builder_op(b, "PadShortcut", attrs, &x, 1, "shortcut");
}

static int64_t add_block(crd_builder *b, int64_t input, int64_t planes, int64_t stride)
{
    int64_t shortcut = input;
    int64_t x = crd_builder_conv(b, input, &(crd_zoo_conv){planes, {3}, stride, {1}}, "conv1");
    x = crd_builder_batch_norm(b, x, "bn1");
    x = crd_builder_simple(b, x, "ReLU", "relu1");
    x = crd_builder_conv(b, x, &(crd_zoo_conv){planes, {3}, 1, {1}}, "conv2");
    x = crd_builder_batch_norm(b, x, "bn2");
    if (stride != 1)
        shortcut = pad_shortcut(b, input, stride, planes / 4);
    x = crd_builder_pair(b, x, shortcut, "Add", "skip_add");
    return crd_builder_simple(b, x, "ReLU", "relu2");
}

/* config: residual blocks of each stage. */
static void build(crd_builder *b, const crd_zoo_size *size, const void *config)
{
    const int *n_blocks = config;
    int64_t x = crd_builder_conv(b, 0, &(crd_zoo_conv){STEM_CHANNELS, {3}, 1, {1}}, "conv1");
    x = crd_builder_batch_norm(b, x, "bn1");
    x = crd_builder_simple(b, x, "ReLU", "relu1");
    for (int stage = 0; stage < N_STAGES; stage++)
        for (int block = 0; block < *n_blocks; block++) {
            size_t outside = crd_builder_enter(b, "layer%d.%d", stage + 1, block);
            int64_t stride = stage > 0 && block == 0 ? 2 : 1;
            x = add_block(b, x, (int64_t)STEM_CHANNELS << stage, stride);
            crd_builder_leave(b, outside);
        }
    x = crd_builder_features(b, x);
    crd_builder_linear(b, x, size->n_classes, "linear");
}

#define CIFAR_RESNET(depth, n)                                                                     \
    {                                                                                              \
        .arch = {.name = "cifar_resnet" #depth,                                                    \
                 .summary = "CIFAR ResNet-" #depth " (He et al. 2016, 4.2), bayesian-torch",       \
                 .in_channels = 3,                                                                 \
                 .image_size = 32,                                                                 \
                 .n_classes = 10},                                                                 \
        .build = build, .config = &(const int)                                                     \
        {                                                                                          \
            n                                                                                      \
        }                                                                                          \
    }

const crd_family_member crd_family_cifar_resnet[] = {
    CIFAR_RESNET(8, 1),  CIFAR_RESNET(14, 2), CIFAR_RESNET(20, 3),   CIFAR_RESNET(32, 5),
    CIFAR_RESNET(44, 7), CIFAR_RESNET(56, 9), CIFAR_RESNET(110, 18), {.arch = {0}},
};
