/* RegNet X and Y (with squeeze-and-excitation) as torchvision has them. Radosavovic et al. 2020,
 * "Designing network design spaces": widths and depths of stages follow from four numbers. */
#include <math.h>

#include "zoo/families.h"

enum { MAX_BLOCKS = 32, STEM_CHANNELS = 32 };

typedef struct config {
    int depth;            /* blocks in all */
    double w_0, w_a, w_m; /* width of block j before rounding: w_0 + w_a j, to powers of w_m */
    int64_t group_width;
    bool has_se;
} config;

/* Channels of each block: the paper's section 3.3, then multiples of 8 and of a group. */
static void find_widths(int64_t widths[MAX_BLOCKS], const config *c)
{
    for (int i = 0; i < c->depth; i++) {
        double power = nearbyint(log((c->w_0 + c->w_a * i) / c->w_0) / log(c->w_m));
        int64_t width = (int64_t)(8 * nearbyint(c->w_0 * pow(c->w_m, power) / 8));
        int64_t group = width < c->group_width ? width : c->group_width;
        widths[i] = crd_zoo_round_channels((double)width, group);
    }
}

static int64_t add_block(crd_builder *b, int64_t input, const config *c, int64_t width,
                         int64_t stride)
{
    static const char *const scale[] = {"ReLU", "Sigmoid"};
    int64_t in = crd_builder_width(b, input), shortcut = input;
    int64_t group = width < c->group_width ? width : c->group_width;
    if (stride != 1 || in != width)
        shortcut =
            crd_builder_conv_block(b, input, (crd_zoo_conv){width, {1}, stride}, NULL, "proj");
    int64_t x = crd_builder_conv_block(b, input, (crd_zoo_conv){width, {1}}, "ReLU", "f.a");
    const crd_zoo_conv grouped = {width, {3}, stride, .groups = width / group};
    x = crd_builder_conv_block(b, x, grouped, "ReLU", "f.b");
    if (c->has_se)
        x = crd_builder_squeeze_excite(b, x, (int64_t)nearbyint(0.25 * (double)in), scale, "f.se");
    x = crd_builder_conv_block(b, x, (crd_zoo_conv){width, {1}}, NULL, "f.c");
    x = crd_builder_pair(b, shortcut, x, "Add", "add");
    return crd_builder_simple(b, x, "ReLU", "activation");
}

static void build(crd_builder *b, const crd_zoo_size *size, const void *member)
{
    const config *c = member;
    int64_t widths[MAX_BLOCKS];
    find_widths(widths, c);
    const crd_zoo_conv stem = {STEM_CHANNELS, {3}, 2};
    int64_t x = crd_builder_conv_block(b, 0, stem, "ReLU", "stem");
    for (int i = 0, stage = 0, block = 0; i < c->depth; i++, block++) {
        bool is_first = i == 0 || widths[i] != widths[i - 1];
        stage += is_first;
        block = is_first ? 0 : block;
        size_t outside =
            crd_builder_enter(b, "trunk_output.block%d.block%d-%d", stage, stage, block);
        x = add_block(b, x, c, widths[i], is_first ? 2 : 1);
        crd_builder_leave(b, outside);
    }
    x = crd_builder_features(b, x);
    crd_builder_linear(b, x, size->n_classes, "fc");
}

#define REGNET(name, ...)                                                                          \
    {                                                                                              \
        {CRD_IMAGENET("regnet_" name, "RegNet (Radosavovic et al. 2020), torchvision", 224, 256)}, \
            build, &(const config)                                                                 \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

const crd_family_member crd_family_regnet[] = {
    REGNET("x_400mf", 22, 24, 24.48, 2.54, 16),
    REGNET("x_800mf", 16, 56, 35.73, 2.28, 16),
    REGNET("x_1_6gf", 18, 80, 34.01, 2.25, 24),
    REGNET("x_3_2gf", 25, 88, 26.31, 2.25, 48),
    REGNET("x_8gf", 23, 80, 49.56, 2.88, 120),
    REGNET("x_16gf", 22, 216, 55.59, 2.1, 128),
    REGNET("x_32gf", 23, 320, 69.86, 2.0, 168),
    REGNET("y_400mf", 16, 48, 27.89, 2.09, 8, true),
    REGNET("y_800mf", 14, 56, 38.84, 2.4, 16, true),
    REGNET("y_1_6gf", 27, 48, 20.71, 2.65, 24, true),
    REGNET("y_3_2gf", 21, 80, 42.63, 2.66, 24, true),
    REGNET("y_8gf", 17, 192, 76.82, 2.19, 56, true),
    REGNET("y_16gf", 18, 200, 106.23, 2.48, 112, true),
    REGNET("y_32gf", 20, 232, 115.89, 2.53, 232, true),
    /* torchvision has no weights of this one at 224 pixels. */
    {{CRD_IMAGENET("regnet_y_128gf", "RegNet (Radosavovic et al. 2020), torchvision", 384, 384),
      .is_bicubic = true},
     build,
     &(const config){27, 456, 160.83, 2.52, 264, true}},
    {.arch = {0}},
};
