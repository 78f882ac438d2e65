/* VGG as torchvision has it, without and with batch norm. Simonyan and Zisserman 2015, "Very deep
 * convolutional networks for large-scale image recognition". */
#include "zoo/families.h"

enum { N_STAGES = 5 };

typedef struct config {
    int n_convs[N_STAGES];
    bool has_norm;
} config;

static void build(crd_builder *b, const crd_zoo_size *size, const void *member)
{
    const config *c = member;
    int n = 0;
    int64_t x = 0;
    for (int stage = 0; stage < N_STAGES; stage++) {
        int64_t channels = stage < 3 ? (int64_t)64 << stage : 512;
        for (int i = 0; i < c->n_convs[stage]; i++) {
            const crd_zoo_conv conv = {channels, {3}, 1, {1}, .bias = true};
            x = crd_builder_conv(b, x, &conv, "features.%d", n++);
            if (c->has_norm)
                x = crd_builder_batch_norm(b, x, "features.%d", n++);
            x = crd_builder_simple(b, x, "ReLU", "features.%d", n++);
        }
        x = crd_builder_pool(b, x, "MaxPool2d", &(crd_zoo_pool){2, 2, 0}, "features.%d", n++);
    }
    x = crd_builder_adaptive_pool(b, x, 7, "avgpool");
    x = crd_builder_simple(b, x, "Flatten", "flatten");
    for (int i = 0; i < 2; i++) {
        x = crd_builder_linear(b, x, 4096, "classifier.%d", 3 * i);
        x = crd_builder_simple(b, x, "ReLU", "classifier.%d", 3 * i + 1);
        x = crd_builder_drop(b, x, "Dropout", 0.5, "classifier.%d", 3 * i + 2);
    }
    crd_builder_linear(b, x, size->n_classes, "classifier.6");
}

#define VGG(depth, ...)                                                                            \
    {{CRD_IMAGENET("vgg" #depth, "VGG-" #depth " (Simonyan 2015), torchvision", 224, 256)},        \
     build,                                                                                        \
     &(const config){{__VA_ARGS__}, false}},                                                       \
    {                                                                                              \
        {CRD_IMAGENET("vgg" #depth "_bn",                                                          \
                      "VGG-" #depth " with batch norm (Simonyan 2015), torchvision", 224, 256)},   \
            build, &(const config)                                                                 \
        {                                                                                          \
            {__VA_ARGS__}, true                                                                    \
        }                                                                                          \
    }

const crd_family_member crd_family_vgg[] = {
    VGG(11, 1, 1, 2, 2, 2), VGG(13, 2, 2, 2, 2, 2), VGG(16, 2, 2, 3, 3, 3),
    VGG(19, 2, 2, 4, 4, 4), {.arch = {0}},
};
