/* MobileNet V2 and V3 as torchvision has them. Sandler et al. 2018, "MobileNetV2: inverted
 * residuals and linear bottlenecks"; Howard et al. 2019, "Searching for MobileNetV3". */
#include "zoo/families.h"

/* V3's inverted residual: kernel of the depthwise convolution, channels, squeeze-and-excitation or
 * not, Hardswish or ReLU. */
typedef struct block {
    int64_t kernel, expanded, out;
    bool has_se, is_hard;
    int64_t stride;
} block;

/* --- V2 --- */

static int64_t add_block_v2(crd_builder *b, int64_t input, int64_t expansion, int64_t out,
                            int64_t stride)
{
    int n = 0;
    int64_t x = input, width = crd_builder_width(b, input), expanded = width * expansion;
    if (expansion != 1)
        x = crd_builder_conv_block(b, x, (crd_zoo_conv){expanded, {1}}, "ReLU6", "conv.%d", n++);
    const crd_zoo_conv depthwise = {expanded, {3}, stride, .groups = expanded};
    x = crd_builder_conv_block(b, x, depthwise, "ReLU6", "conv.%d", n++);
    x = crd_builder_conv(b, x, &(crd_zoo_conv){out, {1}}, "conv.%d", n++);
    x = crd_builder_batch_norm(b, x, "conv.%d", n++);
    return stride == 1 && width == out ? crd_builder_pair(b, x, input, "Add", "add") : x;
}

static void build_v2(crd_builder *b, const crd_zoo_size *size, const void *config)
{
    (void)config;
    static const struct {
        int64_t expansion, out;
        int n;
        int64_t stride;
    } stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                  {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    int n = 1;
    int64_t x = crd_builder_conv_block(b, 0, (crd_zoo_conv){32, {3}, 2}, "ReLU6", "features.0");
    for (size_t stage = 0; stage < sizeof stages / sizeof *stages; stage++)
        for (int i = 0; i < stages[stage].n; i++) {
            size_t outside = crd_builder_enter(b, "features.%d", n++);
            x = add_block_v2(b, x, stages[stage].expansion, stages[stage].out,
                             i == 0 ? stages[stage].stride : 1);
            crd_builder_leave(b, outside);
        }
    x = crd_builder_conv_block(b, x, (crd_zoo_conv){1280, {1}}, "ReLU6", "features.%d", n);
    x = crd_builder_features(b, x);
    x = crd_builder_drop(b, x, "Dropout", 0.2, "classifier.0");
    crd_builder_linear(b, x, size->n_classes, "classifier.1");
}

/* --- V3 --- */

typedef struct config {
    const block *blocks; /* ends with kernel 0 */
    int64_t hidden;      /* features of the classifier */
} config;

static int64_t add_block_v3(crd_builder *b, int64_t input, const block *c)
{
    static const char *const scale[] = {"ReLU", "Hardsigmoid"};
    const char *activation = c->is_hard ? "Hardswish" : "ReLU";
    int n = 0;
    int64_t x = input, width = crd_builder_width(b, input);
    if (c->expanded != width)
        x = crd_builder_conv_block(b, x, (crd_zoo_conv){c->expanded, {1}}, activation, "block.%d",
                                   n++);
    const crd_zoo_conv depthwise = {c->expanded, {c->kernel}, c->stride, .groups = c->expanded};
    x = crd_builder_conv_block(b, x, depthwise, activation, "block.%d", n++);
    if (c->has_se) {
        int64_t squeezed = crd_zoo_round_channels((double)(c->expanded / 4), 8);
        x = crd_builder_squeeze_excite(b, x, squeezed, scale, "block.%d", n++);
    }
    x = crd_builder_conv_block(b, x, (crd_zoo_conv){c->out, {1}}, NULL, "block.%d", n);
    return c->stride == 1 && width == c->out ? crd_builder_pair(b, x, input, "Add", "add") : x;
}

static void build_v3(crd_builder *b, const crd_zoo_size *size, const void *member)
{
    const config *c = member;
    int n = 1;
    b->norm_eps = 0.001;
    b->norm_momentum = 0.01;
    const crd_zoo_conv stem = {16, {3}, 2};
    int64_t x = crd_builder_conv_block(b, 0, stem, "Hardswish", "features.0");
    for (const block *k = c->blocks; k->kernel > 0; k++) {
        size_t outside = crd_builder_enter(b, "features.%d", n++);
        x = add_block_v3(b, x, k);
        crd_builder_leave(b, outside);
    }
    const crd_zoo_conv last = {6 * crd_builder_width(b, x), {1}};
    x = crd_builder_conv_block(b, x, last, "Hardswish", "features.%d", n);
    x = crd_builder_features(b, x);
    x = crd_builder_linear(b, x, c->hidden, "classifier.0");
    x = crd_builder_simple(b, x, "Hardswish", "classifier.1");
    x = crd_builder_drop(b, x, "Dropout", 0.2, "classifier.2");
    crd_builder_linear(b, x, size->n_classes, "classifier.3");
}

/* kernel, expanded, out, squeeze-and-excitation, Hardswish, stride */
static const block large[] = {
    {3, 16, 16, 0, 0, 1},   {3, 64, 24, 0, 0, 2},   {3, 72, 24, 0, 0, 1},   {5, 72, 40, 1, 0, 2},
    {5, 120, 40, 1, 0, 1},  {5, 120, 40, 1, 0, 1},  {3, 240, 80, 0, 1, 2},  {3, 200, 80, 0, 1, 1},
    {3, 184, 80, 0, 1, 1},  {3, 184, 80, 0, 1, 1},  {3, 480, 112, 1, 1, 1}, {3, 672, 112, 1, 1, 1},
    {5, 672, 160, 1, 1, 2}, {5, 960, 160, 1, 1, 1}, {5, 960, 160, 1, 1, 1}, {0},
};
static const block small[] = {
    {3, 16, 16, 1, 0, 2},  {3, 72, 24, 0, 0, 2},  {3, 88, 24, 0, 0, 1},  {5, 96, 40, 1, 1, 2},
    {5, 240, 40, 1, 1, 1}, {5, 240, 40, 1, 1, 1}, {5, 120, 48, 1, 1, 1}, {5, 144, 48, 1, 1, 1},
    {5, 288, 96, 1, 1, 2}, {5, 576, 96, 1, 1, 1}, {5, 576, 96, 1, 1, 1}, {0},
};

const crd_family_member crd_family_mobilenet[] = {
    {{CRD_IMAGENET("mobilenet_v2", "MobileNet V2 (Sandler et al. 2018), torchvision", 224, 256)},
     .build = build_v2},
    {{CRD_IMAGENET("mobilenet_v3_large", "MobileNet V3 large (Howard et al. 2019), torchvision",
                   224, 256)},
     build_v3,
     &(const config){large, 1280}},
    {{CRD_IMAGENET("mobilenet_v3_small", "MobileNet V3 small (Howard et al. 2019), torchvision",
                   224, 256)},
     build_v3,
     &(const config){small, 1024}},
    {.arch = {0}},
};
