/* Residual networks as torchvision names them. He et al. 2016, "Deep residual learning for image
 * recognition"; Xie et al. 2017, "Aggregated residual transformations"; Zagoruyko and Komodakis
 * 2016, "Wide residual networks". */
#include <stdio.h>

#include "zoo/families.h"

enum { EXPANSION = 4, N_STAGES = 4, STEM_CHANNELS = 64 };

/* ImageNet's channels: torchvision's IMAGENET1K_V1 transform. */
static const float imagenet_mean[] = {0.485f, 0.456f, 0.406f},
                   imagenet_sd[] = {0.229f, 0.224f, 0.225f};

typedef struct config {
    int bottleneck;          /* 1: blocks of three convolutions, 0: of two */
    int64_t groups;          /* of the middle convolution */
    int64_t width_per_group; /* channels of a group in the first stage; 64 is the plain ResNet */
    int64_t n_blocks[N_STAGES];
} config;

static int64_t conv_norm(crd_builder *b, const char *prefix, int number, const crd_zoo_conv *conv,
                         int64_t input)
{
    char name[16];
    snprintf(name, sizeof name, "conv%d", number);
    int64_t x = crd_builder_conv(b, prefix, name, conv, input);
    snprintf(name, sizeof name, "bn%d", number);
    return crd_builder_batch_norm(b, prefix, name, x);
}

/* One block of `planes` inner channels. torchvision calls one relu module several times; the later
 * calls get a number, as torch.fx has it. */
static int64_t add_block(crd_builder *b, const char *prefix, const config *c, int64_t planes,
                         int64_t stride, int64_t input)
{
    int64_t x = input, shortcut = input, out_channels = planes;
    if (c->bottleneck) {
        int64_t width = planes * c->width_per_group / 64 * c->groups;
        out_channels = planes * EXPANSION;
        x = conv_norm(b, prefix, 1, &(crd_zoo_conv){width, 1, 1, 0, 1, 0}, x);
        x = crd_builder_simple(b, "ReLU", prefix, "relu", x);
        /* The stride is on the 3x3 convolution: torchvision's ResNet "V1.5". */
        x = conv_norm(b, prefix, 2, &(crd_zoo_conv){width, 3, stride, 1, c->groups, 0}, x);
        x = crd_builder_simple(b, "ReLU", prefix, "relu_1", x);
        x = conv_norm(b, prefix, 3, &(crd_zoo_conv){out_channels, 1, 1, 0, 1, 0}, x);
    } else {
        x = conv_norm(b, prefix, 1, &(crd_zoo_conv){planes, 3, stride, 1, 1, 0}, x);
        x = crd_builder_simple(b, "ReLU", prefix, "relu", x);
        x = conv_norm(b, prefix, 2, &(crd_zoo_conv){planes, 3, 1, 1, 1, 0}, x);
    }
    if (stride != 1 || crd_builder_width(b, input) != out_channels) {
        const crd_zoo_conv project = {out_channels, 1, stride, 0, 1, 0};
        shortcut = crd_builder_conv(b, prefix, "downsample.0", &project, input);
        shortcut = crd_builder_batch_norm(b, prefix, "downsample.1", shortcut);
    }
    x = crd_builder_add(b, prefix, "add", x, shortcut);
    return crd_builder_simple(b, "ReLU", prefix, c->bottleneck ? "relu_2" : "relu_1", x);
}

static void build(crd_builder *b, const crd_zoo_size *size, const void *member)
{
    const config *c = member;
    int64_t x = conv_norm(b, "", 1, &(crd_zoo_conv){STEM_CHANNELS, 7, 2, 3, 1, 0}, 0);
    x = crd_builder_simple(b, "ReLU", "", "relu", x);
    x = crd_builder_max_pool(b, "maxpool", 3, 2, 1, x);
    for (int stage = 0; stage < N_STAGES; stage++)
        for (int64_t block = 0; block < c->n_blocks[stage]; block++) {
            char prefix[CRD_ZOO_NAME_SIZE];
            crd_builder_path(prefix, b, "layer%d.%lld.", stage + 1, (long long)block);
            int64_t stride = stage > 0 && block == 0 ? 2 : 1;
            x = add_block(b, prefix, c, (int64_t)STEM_CHANNELS << stage, stride, x);
        }
    x = crd_builder_global_pool(b, "avgpool", x);
    x = crd_builder_simple(b, "Flatten", "", "flatten", x);
    crd_builder_linear(b, "fc", size->n_classes, x);
}

#define RESNET(name, summary, ...)                                                                 \
    {                                                                                              \
        {name, summary, 3, 224, 1000, 256, imagenet_mean, imagenet_sd}, build, &(const config)     \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

const crd_family_member crd_family_resnet[] = {
    RESNET("resnet18", "ResNet-18 (He et al. 2016), torchvision", 0, 1, 64, {2, 2, 2, 2}),
    RESNET("resnet34", "ResNet-34 (He et al. 2016), torchvision", 0, 1, 64, {3, 4, 6, 3}),
    RESNET("resnet50", "ResNet-50 (He et al. 2016), torchvision", 1, 1, 64, {3, 4, 6, 3}),
    RESNET("resnet101", "ResNet-101 (He et al. 2016), torchvision", 1, 1, 64, {3, 4, 23, 3}),
    RESNET("resnet152", "ResNet-152 (He et al. 2016), torchvision", 1, 1, 64, {3, 8, 36, 3}),
    RESNET("resnext50_32x4d", "ResNeXt-50 32x4d (Xie et al. 2017), torchvision", 1, 32, 4,
           {3, 4, 6, 3}),
    RESNET("resnext101_32x8d", "ResNeXt-101 32x8d (Xie et al. 2017), torchvision", 1, 32, 8,
           {3, 4, 23, 3}),
    RESNET("resnext101_64x4d", "ResNeXt-101 64x4d (Xie et al. 2017), torchvision", 1, 64, 4,
           {3, 4, 23, 3}),
    RESNET("wide_resnet50_2", "Wide ResNet-50-2 (Zagoruyko 2016), torchvision", 1, 1, 128,
           {3, 4, 6, 3}),
    RESNET("wide_resnet101_2", "Wide ResNet-101-2 (Zagoruyko 2016), torchvision", 1, 1, 128,
           {3, 4, 23, 3}),
    {.arch = {0}},
};
