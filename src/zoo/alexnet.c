/* AlexNet as torchvision has it. Krizhevsky 2014, "One weird trick for parallelizing convolutional
 * neural networks". */
#include "zoo/families.h"

static const struct {
    crd_zoo_conv conv;
    bool is_pooled;
} layers[] = {
    {{64, {11}, 4, {2}, .bias = true}, true},  {{192, {5}, 1, {2}, .bias = true}, true},
    {{384, {3}, 1, {1}, .bias = true}, false}, {{256, {3}, 1, {1}, .bias = true}, false},
    {{256, {3}, 1, {1}, .bias = true}, true},
};

static void build(crd_builder *b, const crd_zoo_size *size, const void *config)
{
    (void)config;
    int n = 0;
    int64_t x = 0;
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        x = crd_builder_conv(b, x, &layers[i].conv, "features.%d", n++);
        x = crd_builder_simple(b, x, "ReLU", "features.%d", n++);
        if (layers[i].is_pooled)
            x = crd_builder_pool(b, x, "MaxPool2d", &(crd_zoo_pool){3, 2, 0}, "features.%d", n++);
    }
    x = crd_builder_adaptive_pool(b, x, 6, "avgpool");
    x = crd_builder_simple(b, x, "Flatten", "flatten");
    for (int i = 0; i < 2; i++) {
        x = crd_builder_drop(b, x, "Dropout", 0.5, "classifier.%d", 3 * i);
        x = crd_builder_linear(b, x, 4096, "classifier.%d", 3 * i + 1);
        x = crd_builder_simple(b, x, "ReLU", "classifier.%d", 3 * i + 2);
    }
    crd_builder_linear(b, x, size->n_classes, "classifier.6");
}

const crd_family_member crd_family_alexnet[] = {
    {{CRD_IMAGENET("alexnet", "AlexNet (Krizhevsky 2014), torchvision", 224, 256)}, .build = build},
    {.arch = {0}},
};
