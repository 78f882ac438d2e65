/* EfficientNet and EfficientNet V2 as torchvision has them. Tan and Le 2019, "EfficientNet:
 * rethinking model scaling for convolutional neural networks"; Tan and Le 2021, "EfficientNetV2:
 * smaller models and faster training". */
#include <math.h>

#include "zoo/families.h"

/* A stage of inverted residuals: MBConv, or FusedMBConv, which expands by its wide convolution. */
typedef struct stage {
    bool is_fused;
    int64_t expansion, kernel, stride, out;
    int n;
} stage;

typedef struct config {
    const stage *stages; /* ends with kernel 0 */
    int64_t stem, last;  /* channels; last 0: four times those of the last stage */
    double width, depth; /* multiply channels and blocks */
    double dropout, eps, momentum;
} config;

static const double stochastic_depth = 0.2; /* of the last block; it grows from 0 */

static int64_t add_mbconv(crd_builder *b, int64_t x, const stage *s, int64_t out, int64_t stride)
{
    static const char *const scale[] = {"SiLU", "Sigmoid"};
    int n = 0;
    int64_t width = crd_builder_width(b, x);
    int64_t expanded = crd_zoo_round_channels((double)(width * s->expansion), 8);
    if (expanded != width)
        x = crd_builder_conv_block(b, x, (crd_zoo_conv){expanded, {1}}, "SiLU", "block.%d", n++);
    const crd_zoo_conv depthwise = {expanded, {s->kernel}, stride, .groups = expanded};
    x = crd_builder_conv_block(b, x, depthwise, "SiLU", "block.%d", n++);
    x = crd_builder_squeeze_excite(b, x, width < 4 ? 1 : width / 4, scale, "block.%d", n++);
    return crd_builder_conv_block(b, x, (crd_zoo_conv){out, {1}}, NULL, "block.%d", n);
}

static int64_t add_fused(crd_builder *b, int64_t x, const stage *s, int64_t out, int64_t stride)
{
    int64_t width = crd_builder_width(b, x);
    int64_t expanded = crd_zoo_round_channels((double)(width * s->expansion), 8);
    const crd_zoo_conv wide = {expanded == width ? out : expanded, {s->kernel}, stride};
    x = crd_builder_conv_block(b, x, wide, "SiLU", "block.0");
    if (expanded == width)
        return x;
    return crd_builder_conv_block(b, x, (crd_zoo_conv){out, {1}}, NULL, "block.1");
}

static int64_t add_block(crd_builder *b, int64_t input, const stage *s, int64_t out, int64_t stride,
                         double p)
{
    int64_t x =
        s->is_fused ? add_fused(b, input, s, out, stride) : add_mbconv(b, input, s, out, stride);
    if (stride != 1 || crd_builder_width(b, input) != out)
        return x;
    x = crd_builder_drop(b, x, "StochasticDepth", p, "stochastic_depth");
    return crd_builder_pair(b, x, input, "Add", "add");
}

static int count_blocks(const config *c, const stage *s)
{
    return (int)ceil(s->n * c->depth);
}

static void build(crd_builder *b, const crd_zoo_size *size, const void *member)
{
    const config *c = member;
    int n_blocks = 0, n_stages = 0, i_block = 0;
    for (; c->stages[n_stages].kernel > 0; n_stages++)
        n_blocks += count_blocks(c, &c->stages[n_stages]);
    b->norm_eps = c->eps;
    b->norm_momentum = c->momentum;
    const crd_zoo_conv stem = {crd_zoo_round_channels((double)c->stem * c->width, 8), {3}, 2};
    int64_t x = crd_builder_conv_block(b, 0, stem, "SiLU", "features.0");
    for (int i = 0; i < n_stages; i++) {
        const stage *s = &c->stages[i];
        int64_t out = crd_zoo_round_channels((double)s->out * c->width, 8);
        for (int block = 0; block < count_blocks(c, s); block++) {
            double p = stochastic_depth * i_block++ / n_blocks;
            size_t outside = crd_builder_enter(b, "features.%d.%d", i + 1, block);
            x = add_block(b, x, s, out, block == 0 ? s->stride : 1, p);
            crd_builder_leave(b, outside);
        }
    }
    const crd_zoo_conv last = {c->last > 0 ? c->last : 4 * crd_builder_width(b, x), {1}};
    x = crd_builder_conv_block(b, x, last, "SiLU", "features.%d", n_stages + 1);
    x = crd_builder_features(b, x);
    x = crd_builder_drop(b, x, "Dropout", c->dropout, "classifier.0");
    crd_builder_linear(b, x, size->n_classes, "classifier.1");
}

/* fused, expansion, kernel, stride, channels, blocks */
static const stage stages_b[] = {
    {0, 1, 3, 1, 16, 1},  {0, 6, 3, 2, 24, 2},  {0, 6, 5, 2, 40, 2},  {0, 6, 3, 2, 80, 3},
    {0, 6, 5, 1, 112, 3}, {0, 6, 5, 2, 192, 4}, {0, 6, 3, 1, 320, 1}, {0},
};
static const stage stages_v2_s[] = {
    {1, 1, 3, 1, 24, 2},
    {1, 4, 3, 2, 48, 4},
    {1, 4, 3, 2, 64, 4},
    {0, 4, 3, 2, 128, 6},
    {0, 6, 3, 1, 160, 9},
    {0, 6, 3, 2, 256, 15},
    {0},
};
static const stage stages_v2_m[] = {
    {1, 1, 3, 1, 24, 3},   {1, 4, 3, 2, 48, 5},   {1, 4, 3, 2, 80, 5},  {0, 4, 3, 2, 160, 7},
    {0, 6, 3, 1, 176, 14}, {0, 6, 3, 2, 304, 18}, {0, 6, 3, 1, 512, 5}, {0},
};
static const stage stages_v2_l[] = {
    {1, 1, 3, 1, 32, 4},   {1, 4, 3, 2, 64, 7},   {1, 4, 3, 2, 96, 7},  {0, 4, 3, 2, 192, 10},
    {0, 6, 3, 1, 224, 19}, {0, 6, 3, 2, 384, 25}, {0, 6, 3, 1, 640, 7}, {0},
};

static const float half[] = {0.5f, 0.5f, 0.5f};

/* Its number; image, short side; width, depth, dropout; eps and momentum of the norms. */
#define EFFICIENTNET(number, size, resize, ...)                                                    \
    {                                                                                              \
        {CRD_IMAGENET("efficientnet_b" #number,                                                    \
                      "EfficientNet-B" #number " (Tan and Le 2019), torchvision", size, resize),   \
         .is_bicubic = true},                                                                      \
            build, &(const config)                                                                 \
        {                                                                                          \
            stages_b, 32, 0, __VA_ARGS__                                                           \
        }                                                                                          \
    }
#define SUMMARY_V2(size) "EfficientNetV2-" size " (Tan and Le 2021), torchvision"

const crd_family_member crd_family_efficientnet[] = {
    EFFICIENTNET(0, 224, 256, 1.0, 1.0, 0.2, 1e-5, 0.1),
    EFFICIENTNET(1, 240, 256, 1.0, 1.1, 0.2, 1e-5, 0.1),
    EFFICIENTNET(2, 288, 288, 1.1, 1.2, 0.3, 1e-5, 0.1),
    EFFICIENTNET(3, 300, 320, 1.2, 1.4, 0.3, 1e-5, 0.1),
    EFFICIENTNET(4, 380, 384, 1.4, 1.8, 0.4, 1e-5, 0.1),
    EFFICIENTNET(5, 456, 456, 1.6, 2.2, 0.4, 0.001, 0.01),
    EFFICIENTNET(6, 528, 528, 1.8, 2.6, 0.5, 0.001, 0.01),
    EFFICIENTNET(7, 600, 600, 2.0, 3.1, 0.5, 0.001, 0.01),
    {{CRD_IMAGENET("efficientnet_v2_s", SUMMARY_V2("S"), 384, 384)},
     build,
     &(const config){stages_v2_s, 24, 1280, 1, 1, 0.2, 0.001, 0.1}},
    {{CRD_IMAGENET("efficientnet_v2_m", SUMMARY_V2("M"), 480, 480)},
     build,
     &(const config){stages_v2_m, 24, 1280, 1, 1, 0.3, 0.001, 0.1}},
    {{.name = "efficientnet_v2_l",
      .summary = SUMMARY_V2("L"),
      .in_channels = 3,
      .image_size = 480,
      .n_classes = 1000,
      .resize = 480,
      .is_bicubic = true,
      .mean = half,
      .sd = half},
     build,
     &(const config){stages_v2_l, 32, 1280, 1, 1, 0.4, 0.001, 0.1}},
    {.arch = {0}},
};
