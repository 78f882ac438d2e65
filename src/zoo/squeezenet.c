/* SqueezeNet as torchvision has it. Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with
 * 50x fewer parameters". Its classes come out of a convolution. */
#include "zoo/families.h"

/* Expanded channels of each 3x3 and 1x1 half; the squeeze has a quarter. 0: a pooling. */
enum { POOL = 0 };

typedef struct config {
    crd_zoo_conv stem;
    int64_t fires[12];
} config;

static int64_t add_fire(crd_builder *b, int64_t x, int64_t channels)
{
    int64_t halves[2];
    x = crd_builder_conv(b, x, &(crd_zoo_conv){channels / 4, {1}, .bias = true}, "squeeze");
    x = crd_builder_simple(b, x, "ReLU", "squeeze_activation");
    for (int i = 0; i < 2; i++) {
        const crd_zoo_conv expand = {channels, {1 + 2 * i}, 1, {i}, .bias = true};
        int side = 1 + 2 * i;
        halves[i] = crd_builder_conv(b, x, &expand, "expand%dx%d", side, side);
        halves[i] = crd_builder_simple(b, halves[i], "ReLU", "expand%dx%d_activation", side, side);
    }
    return crd_builder_concat(b, halves, 2, "cat");
}

static void build(crd_builder *b, const crd_zoo_size *size, const void *member)
{
    const config *c = member;
    const crd_zoo_pool pool = {3, 2, 0, .ceil_mode = true};
    int64_t x = crd_builder_conv(b, 0, &c->stem, "features.0");
    x = crd_builder_simple(b, x, "ReLU", "features.1");
    x = crd_builder_pool(b, x, "MaxPool2d", &pool, "features.2");
    for (int i = 0; c->fires[i] >= 0; i++) {
        if (c->fires[i] == POOL) {
            x = crd_builder_pool(b, x, "MaxPool2d", &pool, "features.%d", 3 + i);
            continue;
        }
        size_t outside = crd_builder_enter(b, "features.%d", 3 + i);
        x = add_fire(b, x, c->fires[i]);
        crd_builder_leave(b, outside);
    }
    x = crd_builder_drop(b, x, "Dropout", 0.5, "classifier.0");
    const crd_zoo_conv classes = {size->n_classes, {1}, .bias = true};
    x = crd_builder_conv(b, x, &classes, "classifier.1");
    x = crd_builder_simple(b, x, "ReLU", "classifier.2");
    x = crd_builder_adaptive_pool(b, x, 1, "classifier.3");
    crd_builder_simple(b, x, "Flatten", "flatten");
}

const crd_family_member crd_family_squeezenet[] = {
    {{CRD_IMAGENET("squeezenet1_0", "SqueezeNet 1.0 (Iandola et al. 2016), torchvision", 224, 256)},
     build,
     &(const config){{96, {7}, 2, .bias = true},
                     {64, 64, 128, POOL, 128, 192, 192, 256, POOL, 256, -1}}},
    {{CRD_IMAGENET("squeezenet1_1", "SqueezeNet 1.1 (Iandola et al. 2016), torchvision", 224, 256)},
     build,
     &(const config){{64, {3}, 2, .bias = true},
                     {64, 64, POOL, 128, 128, POOL, 192, 192, 256, 256, -1}}},
    {.arch = {0}},
};
