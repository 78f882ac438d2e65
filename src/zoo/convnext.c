/* ConvNeXt as torchvision has it. Liu et al. 2022, "A ConvNet for the 2020s". Its norms and linear
 * layers run over the channels of every pixel. */
#include <stdio.h>

#include "zoo/families.h"

enum { N_STAGES = 4 };

typedef struct config {
    int64_t stem; /* channels of the first stage; each next one has twice as many */
    int n_blocks[N_STAGES];
    double stochastic_depth; /* of the last block; it grows from 0 */
} config;

static int64_t layer_norm(crd_builder *b, int64_t x, const char *path)
{
    const crd_attr attrs[] = {CRD_ATTR("normalized_shape", (double)crd_builder_width(b, x)),
                              CRD_ATTR("eps", 1e-6), CRD_ATTR_END};
    return crd_builder_op(b, "LayerNorm", attrs, &x, 1, "%s", path);
}

static int64_t add_block(crd_builder *b, int64_t input, double p, const char *path)
{
    size_t outside = crd_builder_enter(b, "%s", path);
    int64_t width = crd_builder_width(b, input);
    const crd_zoo_conv depthwise = {width, {7}, 1, {3}, width, .bias = true};
    int64_t x = crd_builder_conv(b, input, &depthwise, "block.0");
    x = layer_norm(b, x, "block.2");
    x = crd_builder_linear(b, x, 4 * width, "block.3");
    x = crd_builder_simple(b, x, "GELU", "block.4");
    x = crd_builder_linear(b, x, width, "block.5");
    crd_builder_leave(b, outside);
    x = crd_builder_simple(b, x, "LayerScale", "%s", path);
    x = crd_builder_drop(b, x, "StochasticDepth", p, "%s.stochastic_depth", path);
    return crd_builder_pair(b, x, input, "Add", "%s.add", path);
}

static void build(crd_builder *b, const crd_zoo_size *size, const void *member)
{
    const config *c = member;
    int n_blocks = 0, i_block = 0;
    char path[CRD_ZOO_NAME_SIZE];
    for (int stage = 0; stage < N_STAGES; stage++)
        n_blocks += c->n_blocks[stage];
    int64_t x = 0;
    for (int stage = 0; stage < N_STAGES; stage++) {
        const crd_zoo_conv down = {
            c->stem << stage, {stage == 0 ? 4 : 2}, stage == 0 ? 4 : 2, .bias = true};
        if (stage == 0) {
            x = crd_builder_conv(b, x, &down, "features.0.0");
            x = layer_norm(b, x, "features.0.1");
        } else {
            snprintf(path, sizeof path, "features.%d.0", 2 * stage);
            x = layer_norm(b, x, path);
            x = crd_builder_conv(b, x, &down, "features.%d.1", 2 * stage);
        }
        for (int i = 0; i < c->n_blocks[stage]; i++) {
            snprintf(path, sizeof path, "features.%d.%d", 2 * stage + 1, i);
            x = add_block(b, x, c->stochastic_depth * i_block++ / (n_blocks - 1), path);
        }
    }
    x = crd_builder_adaptive_pool(b, x, 1, "avgpool");
    x = layer_norm(b, x, "classifier.0");
    x = crd_builder_simple(b, x, "Flatten", "classifier.1");
    crd_builder_linear(b, x, size->n_classes, "classifier.2");
}

#define CONVNEXT(size, resize, ...)                                                                \
    {                                                                                              \
        {CRD_IMAGENET("convnext_" size, "ConvNeXt (Liu et al. 2022), torchvision", 224, resize)},  \
            build, &(const config)                                                                 \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

const crd_family_member crd_family_convnext[] = {
    CONVNEXT("tiny", 236, 96, {3, 3, 9, 3}, 0.1),
    CONVNEXT("small", 230, 96, {3, 3, 27, 3}, 0.4),
    CONVNEXT("base", 232, 128, {3, 3, 27, 3}, 0.5),
    CONVNEXT("large", 232, 192, {3, 3, 27, 3}, 0.5),
    {.arch = {0}},
};
