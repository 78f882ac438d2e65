/* EfficientNet-Lite 0 to 4: EfficientNets without squeeze-and-excitation, with ReLU6 and "same"
 * padding, for small devices. Architecture and transform of Google's efficientnet/lite (2020);
 * parameter names of PyPI's efficientnet-lite-pytorch. */
#include <math.h>

#include "zoo/families.h"

static const struct {
    int n;
    int64_t kernel, stride, expansion, out;
} stages[] = {{1, 3, 1, 1, 16},  {2, 3, 2, 6, 24},  {2, 5, 2, 6, 40}, {3, 3, 2, 6, 80},
              {3, 5, 1, 6, 112}, {4, 5, 2, 6, 192}, {1, 3, 1, 6, 320}};
enum { N_STAGES = sizeof stages / sizeof *stages };

typedef struct config {
    double width, depth, dropout;
} config;

static int64_t conv_norm(crd_builder *b, int64_t x, crd_zoo_conv conv, const char *name,
                         const char *norm)
{
    conv.is_same = true;
    x = crd_builder_conv(b, x, &conv, "%s", name);
    return crd_builder_batch_norm(b, x, "%s", norm);
}

static int64_t add_block(crd_builder *b, int64_t input, int stage, int64_t out, int64_t stride)
{
    int64_t x = input, width = crd_builder_width(b, x), expanded = width * stages[stage].expansion;
    if (stages[stage].expansion != 1) {
        x = conv_norm(b, x, (crd_zoo_conv){expanded, {1}}, "_expand_conv", "_bn0");
        x = crd_builder_simple(b, x, "ReLU6", "_swish");
    }
    const crd_zoo_conv depthwise = {expanded, {stages[stage].kernel}, stride, .groups = expanded};
    x = conv_norm(b, x, depthwise, "_depthwise_conv", "_bn1");
    x = crd_builder_simple(b, x, "ReLU6", "_swish_1");
    x = conv_norm(b, x, (crd_zoo_conv){out, {1}}, "_project_conv", "_bn2");
    return stride == 1 && width == out ? crd_builder_pair(b, x, input, "Add", "add") : x;
}

/* Stem and head are not scaled, and of the first and the last stage not the depth. */
static void build(crd_builder *b, const crd_zoo_size *size, const void *member)
{
    const config *c = member;
    int n = 0;
    b->norm_eps = 0.001;
    b->norm_momentum = 0.01;
    int64_t x = conv_norm(b, 0, (crd_zoo_conv){32, {3}, 2}, "_conv_stem", "_bn0");
    x = crd_builder_simple(b, x, "ReLU6", "_swish");
    for (int stage = 0; stage < N_STAGES; stage++) {
        bool is_inner = stage > 0 && stage + 1 < N_STAGES;
        int n_blocks = is_inner ? (int)ceil(c->depth * stages[stage].n) : stages[stage].n;
        int64_t out = crd_zoo_round_channels((double)stages[stage].out * c->width, 8);
        for (int i = 0; i < n_blocks; i++) {
            size_t outside = crd_builder_enter(b, "_blocks.%d", n++);
            x = add_block(b, x, stage, out, i == 0 ? stages[stage].stride : 1);
            crd_builder_leave(b, outside);
        }
    }
    x = conv_norm(b, x, (crd_zoo_conv){1280, {1}}, "_conv_head", "_bn1");
    x = crd_builder_simple(b, x, "ReLU6", "_swish_1");
    x = crd_builder_features(b, x);
    x = crd_builder_drop(b, x, "Dropout", c->dropout, "_dropout");
    crd_builder_linear(b, x, size->n_classes, "_fc");
}

/* Pixels of 0 to 255 to (pixel - 127) / 128. */
static const float mean[] = {127 / 255.0f, 127 / 255.0f, 127 / 255.0f};
static const float sd[] = {128 / 255.0f, 128 / 255.0f, 128 / 255.0f};

/* Google cuts a square that is the image size of image size + 32, and then resizes it. */
#define LITE(number, size, ...)                                                                    \
    {                                                                                              \
        {.name = "efficientnet_lite" #number,                                                      \
         .summary = "EfficientNet-Lite" #number " (Google 2020), efficientnet-lite-pytorch",       \
         .in_channels = 3,                                                                         \
         .image_size = (size),                                                                     \
         .n_classes = 1000,                                                                        \
         .resize = (size) + 32,                                                                    \
         .is_bicubic = true,                                                                       \
         .mean = mean,                                                                             \
         .sd = sd},                                                                                \
            build, &(const config)                                                                 \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

const crd_family_member crd_family_efficientnet_lite[] = {
    LITE(0, 224, 1.0, 1.0, 0.2), LITE(1, 240, 1.0, 1.1, 0.2), LITE(2, 260, 1.1, 1.2, 0.3),
    LITE(3, 280, 1.2, 1.4, 0.3), LITE(4, 300, 1.4, 1.8, 0.3), {.arch = {0}},
};
