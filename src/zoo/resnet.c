/* Residual networks as torchvision names them. He et al. 2016, "Deep residual learning for image
 * recognition"; Xie et al. 2017, "Aggregated residual transformations"; Zagoruyko and Komodakis
 * 2016, "Wide residual networks". */
#include "zoo/families.h"

enum { EXPANSION = 4, N_STAGES = 4, STEM_CHANNELS = 64 };

typedef struct config {
    int bottleneck;          /* 1: blocks of three convolutions, 0: of two */
    int64_t groups;          /* of the middle convolution */
    int64_t width_per_group; /* channels of a group in the first stage; 64 is the plain ResNet */
    int64_t n_blocks[N_STAGES];
} config;

static int64_t conv_norm(crd_builder *b, int64_t x, int number, const crd_zoo_conv *conv)
{
    x = crd_builder_conv(b, x, conv, "conv%d", number);
    return crd_builder_batch_norm(b, x, "bn%d", number);
}

/* One block of `planes` inner channels. torchvision calls one relu module several times; the later
 * calls get a number, as torch.fx has it. */
static int64_t add_block(crd_builder *b, int64_t input, const config *c, int64_t planes,
                         int64_t stride)
{
    int64_t x = input, shortcut = input, out_channels = planes;
    if (c->bottleneck) {
        int64_t width = planes * c->width_per_group / 64 * c->groups;
        out_channels = planes * EXPANSION;
        x = conv_norm(b, x, 1, &(crd_zoo_conv){width, {1}});
        x = crd_builder_simple(b, x, "ReLU", "relu");
        /* The stride is on the 3x3 convolution: torchvision's ResNet "V1.5". */
        x = conv_norm(b, x, 2, &(crd_zoo_conv){width, {3}, stride, {1}, c->groups});
        x = crd_builder_simple(b, x, "ReLU", "relu_1");
        x = conv_norm(b, x, 3, &(crd_zoo_conv){out_channels, {1}});
    } else {
        x = conv_norm(b, x, 1, &(crd_zoo_conv){planes, {3}, stride, {1}});
        x = crd_builder_simple(b, x, "ReLU", "relu");
        x = conv_norm(b, x, 2, &(crd_zoo_conv){planes, {3}, 1, {1}});
    }
    if (stride != 1 || crd_builder_width(b, input) != out_channels) {
        const crd_zoo_conv project = {out_channels, {1}, stride};
        shortcut = crd_builder_conv(b, input, &project, "downsample.0");
        shortcut = crd_builder_batch_norm(b, shortcut, "downsample.1");
    }
    x = crd_builder_pair(b, x, shortcut, "Add", "add");
    return crd_builder_simple(b, x, "ReLU", c->bottleneck ? "relu_2" : "relu_1");
}

static void build(crd_builder *b, const crd_zoo_size *size, const void *member)
{
    const config *c = member;
    int64_t x = conv_norm(b, 0, 1, &(crd_zoo_conv){STEM_CHANNELS, {7}, 2, {3}});
    x = crd_builder_simple(b, x, "ReLU", "relu");
    x = crd_builder_pool(b, x, "MaxPool2d", &(crd_zoo_pool){3, 2, 1}, "maxpool");
    for (int stage = 0; stage < N_STAGES; stage++)
        for (int block = 0; block < c->n_blocks[stage]; block++) {
            size_t outside = crd_builder_enter(b, "layer%d.%d", stage + 1, block);
            int64_t stride = stage > 0 && block == 0 ? 2 : 1;
            x = add_block(b, x, c, (int64_t)STEM_CHANNELS << stage, stride);
            crd_builder_leave(b, outside);
        }
    x = crd_builder_features(b, x);
    crd_builder_linear(b, x, size->n_classes, "fc");
}

#define RESNET(name, summary, resize, ...)                                                         \
    {                                                                                              \
        {CRD_IMAGENET(name, summary, 224, resize)}, build, &(const config)                         \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

const crd_family_member crd_family_resnet[] = {
    RESNET("resnet18", "ResNet-18 (He et al. 2016), torchvision", 256, 0, 1, 64, {2, 2, 2, 2}),
    RESNET("resnet34", "ResNet-34 (He et al. 2016), torchvision", 256, 0, 1, 64, {3, 4, 6, 3}),
    RESNET("resnet50", "ResNet-50 (He et al. 2016), torchvision", 256, 1, 1, 64, {3, 4, 6, 3}),
    RESNET("resnet101", "ResNet-101 (He et al. 2016), torchvision", 256, 1, 1, 64, {3, 4, 23, 3}),
    RESNET("resnet152", "ResNet-152 (He et al. 2016), torchvision", 256, 1, 1, 64, {3, 8, 36, 3}),
    RESNET("resnext50_32x4d", "ResNeXt-50 32x4d (Xie et al. 2017), torchvision", 256, 1, 32, 4,
           {3, 4, 6, 3}),
    RESNET("resnext101_32x8d", "ResNeXt-101 32x8d (Xie et al. 2017), torchvision", 256, 1, 32, 8,
           {3, 4, 23, 3}),
    RESNET("resnext101_64x4d", "ResNeXt-101 64x4d (Xie et al. 2017), torchvision", 232, 1, 64, 4,
           {3, 4, 23, 3}),
    RESNET("wide_resnet50_2", "Wide ResNet-50-2 (Zagoruyko 2016), torchvision", 256, 1, 1, 128,
           {3, 4, 6, 3}),
    RESNET("wide_resnet101_2", "Wide ResNet-101-2 (Zagoruyko 2016), torchvision", 256, 1, 1, 128,
           {3, 4, 23, 3}),
    {.arch = {0}},
};
