/* ShuffleNet V2 as torchvision has it. Ma et al. 2018, "ShuffleNet V2: practical guidelines for
 * efficient CNN architecture design". */
#include "zoo/families.h"

enum { N_STAGES = 3, STEM_CHANNELS = 24 };

typedef struct config {
    int64_t channels[N_STAGES], last;
} config;

static int64_t conv_norm(crd_builder *b, int64_t x, const char *path, int at,
                         const crd_zoo_conv *conv)
{
    x = crd_builder_conv(b, x, conv, "%s.%d", path, at);
    return crd_builder_batch_norm(b, x, "%s.%d", path, at + 1);
}

static int64_t conv_norm_relu(crd_builder *b, int64_t x, const char *path, int at,
                              const crd_zoo_conv *conv)
{
    x = conv_norm(b, x, path, at, conv);
    return crd_builder_simple(b, x, "ReLU", "%s.%d", path, at + 2);
}

/* Half of the channels. */
static int64_t take_half(crd_builder *b, int64_t x, int which)
{
    int64_t half = crd_builder_width(b, x) / 2;
    const crd_attr attrs[] = {CRD_ATTR("start", (double)(which * half)),
                              CRD_ATTR("length", (double)half), CRD_ATTR_END};
    return crd_builder_op(b, "Narrow", attrs, &x, 1, "chunk%d", which);
}

static int64_t add_block(crd_builder *b, int64_t x, int64_t channels, int64_t stride)
{
    int64_t width = crd_builder_width(b, x), half = channels / 2, branches[2];
    const crd_zoo_conv reduce = {half, {1}}, depthwise = {half, {3}, stride, {1}, half};
    if (stride > 1) {
        branches[0] = conv_norm(b, x, "branch1", 0, &(crd_zoo_conv){width, {3}, 2, {1}, width});
        branches[0] = conv_norm_relu(b, branches[0], "branch1", 2, &reduce);
    } else {
        branches[0] = take_half(b, x, 0);
        x = take_half(b, x, 1);
    }
    x = conv_norm_relu(b, x, "branch2", 0, &reduce);
    x = conv_norm(b, x, "branch2", 3, &depthwise);
    branches[1] = conv_norm_relu(b, x, "branch2", 5, &reduce);
    x = crd_builder_concat(b, branches, 2, "cat");
    const crd_attr groups[] = {CRD_ATTR("groups", 2), CRD_ATTR_END};
    return crd_builder_op(b, "ChannelShuffle", groups, &x, 1, "shuffle");
}

static void build(crd_builder *b, const crd_zoo_size *size, const void *member)
{
    static const int n_blocks[N_STAGES] = {4, 8, 4};
    const config *c = member;
    const crd_zoo_conv stem = {STEM_CHANNELS, {3}, 2, {1}};
    int64_t x = conv_norm_relu(b, 0, "conv1", 0, &stem);
    x = crd_builder_pool(b, x, "MaxPool2d", &(crd_zoo_pool){3, 2, 1}, "maxpool");
    for (int stage = 0; stage < N_STAGES; stage++)
        for (int i = 0; i < n_blocks[stage]; i++) {
            size_t outside = crd_builder_enter(b, "stage%d.%d", stage + 2, i);
            x = add_block(b, x, c->channels[stage], i == 0 ? 2 : 1);
            crd_builder_leave(b, outside);
        }
    x = conv_norm_relu(b, x, "conv5", 0, &(crd_zoo_conv){c->last, {1}});
    x = crd_builder_features(b, x);
    crd_builder_linear(b, x, size->n_classes, "fc");
}

#define SHUFFLENET(name, width, resize, ...)                                                       \
    {                                                                                              \
        {CRD_IMAGENET("shufflenet_v2_" name,                                                       \
                      "ShuffleNet V2 (Ma et al. 2018), " width " the width, torchvision", 224,     \
                      resize)},                                                                    \
            build, &(const config)                                                                 \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

const crd_family_member crd_family_shufflenet[] = {
    SHUFFLENET("x0_5", "0.5", 256, {48, 96, 192}, 1024),
    SHUFFLENET("x1_0", "1.0", 256, {116, 232, 464}, 1024),
    SHUFFLENET("x1_5", "1.5", 232, {176, 352, 704}, 1024),
    SHUFFLENET("x2_0", "2.0", 232, {244, 488, 976}, 2048),
    {.arch = {0}},
};
