/* DenseNet as torchvision has it. Huang et al. 2017, "Densely connected convolutional networks".
 * A layer reads what all layers before it in its block have made: one concatenation that grows. */
#include "zoo/families.h"

enum { N_BLOCKS = 4, BOTTLENECK = 4 };

typedef struct config {
    int64_t growth, stem;
    int n_layers[N_BLOCKS];
} config;

static int64_t add_layer(crd_builder *b, int64_t input, int64_t growth)
{
    int64_t x = crd_builder_batch_norm(b, input, "norm1");
    x = crd_builder_simple(b, x, "ReLU", "relu1");
    x = crd_builder_conv(b, x, &(crd_zoo_conv){BOTTLENECK * growth, {1}}, "conv1");
    x = crd_builder_batch_norm(b, x, "norm2");
    x = crd_builder_simple(b, x, "ReLU", "relu2");
    x = crd_builder_conv(b, x, &(crd_zoo_conv){growth, {3}, 1, {1}}, "conv2");
    return crd_builder_concat(b, (const int64_t[]){input, x}, 2, "cat");
}

static int64_t add_transition(crd_builder *b, int64_t x)
{
    int64_t channels = crd_builder_width(b, x);
    x = crd_builder_batch_norm(b, x, "norm");
    x = crd_builder_simple(b, x, "ReLU", "relu");
    x = crd_builder_conv(b, x, &(crd_zoo_conv){channels / 2, {1}}, "conv");
    return crd_builder_pool(b, x, "AvgPool2d", &(crd_zoo_pool){2, 2, 0}, "pool");
}

static void build(crd_builder *b, const crd_zoo_size *size, const void *member)
{
    const config *c = member;
    size_t outside = crd_builder_enter(b, "features");
    int64_t x = crd_builder_conv(b, 0, &(crd_zoo_conv){c->stem, {7}, 2, {3}}, "conv0");
    x = crd_builder_batch_norm(b, x, "norm0");
    x = crd_builder_simple(b, x, "ReLU", "relu0");
    x = crd_builder_pool(b, x, "MaxPool2d", &(crd_zoo_pool){3, 2, 1}, "pool0");
    for (int block = 0; block < N_BLOCKS; block++) {
        size_t features = 0;
        for (int i = 0; i < c->n_layers[block]; i++) {
            features = crd_builder_enter(b, "denseblock%d.denselayer%d", block + 1, i + 1);
            x = add_layer(b, x, c->growth);
            crd_builder_leave(b, features);
        }
        if (block + 1 < N_BLOCKS) {
            features = crd_builder_enter(b, "transition%d", block + 1);
            x = add_transition(b, x);
            crd_builder_leave(b, features);
        }
    }
    x = crd_builder_batch_norm(b, x, "norm5");
    crd_builder_leave(b, outside);
    x = crd_builder_simple(b, x, "ReLU", "relu");
    x = crd_builder_features(b, x);
    crd_builder_linear(b, x, size->n_classes, "classifier");
}

#define DENSENET(depth, ...)                                                                       \
    {                                                                                              \
        {CRD_IMAGENET("densenet" #depth, "DenseNet-" #depth " (Huang et al. 2017), torchvision",   \
                      224, 256)},                                                                  \
            build, &(const config)                                                                 \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

const crd_family_member crd_family_densenet[] = {
    DENSENET(121, 32, 64, {6, 12, 24, 16}),
    DENSENET(161, 48, 96, {6, 12, 36, 24}),
    DENSENET(169, 32, 64, {6, 12, 32, 32}),
    DENSENET(201, 32, 64, {6, 12, 48, 32}),
    {.arch = {0}},
};
