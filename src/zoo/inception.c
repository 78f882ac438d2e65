/* GoogLeNet and Inception v3 as torchvision has them. Szegedy et al. 2015, "Going deeper with
 * convolutions"; Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision".
 * Without the auxiliary heads, which only training runs. torchvision's weights come with an input
 * transform of the network's own, ImageNet's channels to (pixel - 0.5) / 0.5: that is the transform
 * here. */
#include <string.h>

#include "zoo/families.h"

static const float half[] = {0.5f, 0.5f, 0.5f};
static const crd_zoo_pool three = {3, 2, 0};

/* BasicConv2d: convolution, batch norm and ReLU. */
static int64_t basic(crd_builder *b, int64_t x, crd_zoo_conv conv, const char *name, int number)
{
    size_t outside =
        number < 0 ? crd_builder_enter(b, "%s", name) : crd_builder_enter(b, "%s%d", name, number);
    x = crd_builder_conv(b, x, &conv, "conv");
    x = crd_builder_batch_norm(b, x, "bn");
    x = crd_builder_simple(b, x, "ReLU", "relu");
    crd_builder_leave(b, outside);
    return x;
}

/* --- GoogLeNet --- */

/* Channels of the branches: 1x1; 3x3 reduced and 3x3; "5x5", which is 3x3 there, likewise; after
 * the pooling. Zeros: a pooling between modules. */
static const struct {
    const char *name;
    int64_t channels[6];
} modules[] = {
    {"inception3a", {64, 96, 128, 16, 32, 32}},
    {"inception3b", {128, 128, 192, 32, 96, 64}},
    {"maxpool3", {0}},
    {"inception4a", {192, 96, 208, 16, 48, 64}},
    {"inception4b", {160, 112, 224, 24, 64, 64}},
    {"inception4c", {128, 128, 256, 24, 64, 64}},
    {"inception4d", {112, 144, 288, 32, 64, 64}},
    {"inception4e", {256, 160, 320, 32, 128, 128}},
    {"maxpool4", {0}},
    {"inception5a", {256, 160, 320, 32, 128, 128}},
    {"inception5b", {384, 192, 384, 48, 128, 128}},
};

static int64_t add_module(crd_builder *b, int64_t x, const int64_t channels[6])
{
    int64_t branches[4];
    branches[0] = basic(b, x, (crd_zoo_conv){channels[0], {1}}, "branch1", -1);
    for (int i = 1; i <= 2; i++) {
        const char *name = i == 1 ? "branch2." : "branch3.";
        branches[i] = basic(b, x, (crd_zoo_conv){channels[2 * i - 1], {1}}, name, 0);
        branches[i] = basic(b, branches[i], (crd_zoo_conv){channels[2 * i], {3}, 1, {1}}, name, 1);
    }
    const crd_zoo_pool around = {3, 1, 1, .ceil_mode = true};
    branches[3] = crd_builder_pool(b, x, "MaxPool2d", &around, "branch4.0");
    branches[3] = basic(b, branches[3], (crd_zoo_conv){channels[5], {1}}, "branch4.", 1);
    return crd_builder_concat(b, branches, 4, "cat");
}

static void build_googlenet(crd_builder *b, const crd_zoo_size *size, const void *config)
{
    (void)config;
    crd_zoo_pool pool = {3, 2, 0, .ceil_mode = true};
    b->norm_eps = 0.001;
    int64_t x = basic(b, 0, (crd_zoo_conv){64, {7}, 2, {3}}, "conv", 1);
    x = crd_builder_pool(b, x, "MaxPool2d", &pool, "maxpool1");
    x = basic(b, x, (crd_zoo_conv){64, {1}}, "conv", 2);
    x = basic(b, x, (crd_zoo_conv){192, {3}, 1, {1}}, "conv", 3);
    x = crd_builder_pool(b, x, "MaxPool2d", &pool, "maxpool2");
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        if (modules[i].channels[0] == 0) {
            pool.kernel = strcmp(modules[i].name, "maxpool4") == 0 ? 2 : 3;
            x = crd_builder_pool(b, x, "MaxPool2d", &pool, "%s", modules[i].name);
            continue;
        }
        size_t outside = crd_builder_enter(b, "%s", modules[i].name);
        x = add_module(b, x, modules[i].channels);
        crd_builder_leave(b, outside);
    }
    x = crd_builder_features(b, x);
    x = crd_builder_drop(b, x, "Dropout", 0.2, "dropout");
    crd_builder_linear(b, x, size->n_classes, "fc");
}

/* --- Inception v3 --- */

static int64_t around(crd_builder *b, int64_t x, int64_t channels)
{
    x = crd_builder_pool(b, x, "AvgPool2d", &(crd_zoo_pool){3, 1, 1}, "avg_pool2d");
    return basic(b, x, (crd_zoo_conv){channels, {1}}, "branch_pool", -1);
}

/* A chain of convolutions: PATH_1, PATH_2, ... */
static int64_t chain(crd_builder *b, int64_t x, const char *path, int n, const crd_zoo_conv *convs)
{
    for (int i = 0; i < n; i++)
        x = basic(b, x, convs[i], path, i + 1);
    return x;
}
#define CHAIN(b, x, path, ...)                                                                     \
    chain(b, x, path, (int)(sizeof((crd_zoo_conv[]){__VA_ARGS__}) / sizeof(crd_zoo_conv)),         \
          (const crd_zoo_conv[]){__VA_ARGS__})

static int64_t module_a(crd_builder *b, int64_t x, int64_t pooled)
{
    int64_t branches[4];
    branches[0] = basic(b, x, (crd_zoo_conv){64, {1}}, "branch1x1", -1);
    branches[1] = CHAIN(b, x, "branch5x5_", {48, {1}}, {64, {5}, 1, {2}});
    branches[2] = CHAIN(b, x, "branch3x3dbl_", {64, {1}}, {96, {3}, 1, {1}}, {96, {3}, 1, {1}});
    branches[3] = around(b, x, pooled);
    return crd_builder_concat(b, branches, 4, "cat");
}

static int64_t module_b(crd_builder *b, int64_t x, int64_t unused)
{
    (void)unused;
    int64_t branches[3];
    branches[0] = basic(b, x, (crd_zoo_conv){384, {3}, 2}, "branch3x3", -1);
    branches[1] = CHAIN(b, x, "branch3x3dbl_", {64, {1}}, {96, {3}, 1, {1}}, {96, {3}, 2});
    branches[2] = crd_builder_pool(b, x, "MaxPool2d", &three, "max_pool2d");
    return crd_builder_concat(b, branches, 3, "cat");
}

#define ROW                                                                                        \
    {1, 7}, 1,                                                                                     \
    {                                                                                              \
        0, 3                                                                                       \
    }
#define COLUMN                                                                                     \
    {7, 1}, 1,                                                                                     \
    {                                                                                              \
        3, 0                                                                                       \
    }

static int64_t module_c(crd_builder *b, int64_t x, int64_t c)
{
    int64_t branches[4];
    branches[0] = basic(b, x, (crd_zoo_conv){192, {1}}, "branch1x1", -1);
    branches[1] = CHAIN(b, x, "branch7x7_", {c, {1}}, {c, ROW}, {192, COLUMN});
    branches[2] =
        CHAIN(b, x, "branch7x7dbl_", {c, {1}}, {c, COLUMN}, {c, ROW}, {c, COLUMN}, {192, ROW});
    branches[3] = around(b, x, 192);
    return crd_builder_concat(b, branches, 4, "cat");
}

static int64_t module_d(crd_builder *b, int64_t x, int64_t unused)
{
    (void)unused;
    int64_t branches[3];
    branches[0] = CHAIN(b, x, "branch3x3_", {192, {1}}, {320, {3}, 2});
    branches[1] = CHAIN(b, x, "branch7x7x3_", {192, {1}}, {192, ROW}, {192, COLUMN}, {192, {3}, 2});
    branches[2] = crd_builder_pool(b, x, "MaxPool2d", &three, "max_pool2d");
    return crd_builder_concat(b, branches, 3, "cat");
}

/* A row and a column of the same input side by side. */
static int64_t fork(crd_builder *b, int64_t x, const char *row, const char *column, const char *cat)
{
    int64_t both[2];
    both[0] = basic(b, x, (crd_zoo_conv){384, {1, 3}, 1, {0, 1}}, row, -1);
    both[1] = basic(b, x, (crd_zoo_conv){384, {3, 1}, 1, {1, 0}}, column, -1);
    return crd_builder_concat(b, both, 2, "%s", cat);
}

static int64_t module_e(crd_builder *b, int64_t x, int64_t unused)
{
    (void)unused;
    int64_t branches[4];
    branches[0] = basic(b, x, (crd_zoo_conv){320, {1}}, "branch1x1", -1);
    branches[1] = CHAIN(b, x, "branch3x3_", {384, {1}});
    branches[1] = fork(b, branches[1], "branch3x3_2a", "branch3x3_2b", "cat");
    branches[2] = CHAIN(b, x, "branch3x3dbl_", {448, {1}}, {384, {3}, 1, {1}});
    branches[2] = fork(b, branches[2], "branch3x3dbl_3a", "branch3x3dbl_3b", "cat_1");
    branches[3] = around(b, x, 192);
    return crd_builder_concat(b, branches, 4, "cat_2");
}

static const struct {
    const char *name;
    int64_t (*add)(crd_builder *b, int64_t x, int64_t channels);
    int64_t channels;
} mixed[] = {
    {"Mixed_5b", module_a, 32},  {"Mixed_5c", module_a, 64},  {"Mixed_5d", module_a, 64},
    {"Mixed_6a", module_b, 0},   {"Mixed_6b", module_c, 128}, {"Mixed_6c", module_c, 160},
    {"Mixed_6d", module_c, 160}, {"Mixed_6e", module_c, 192}, {"Mixed_7a", module_d, 0},
    {"Mixed_7b", module_e, 0},   {"Mixed_7c", module_e, 0},
};

static void build_inception_v3(crd_builder *b, const crd_zoo_size *size, const void *config)
{
    (void)config;
    b->norm_eps = 0.001;
    int64_t x = basic(b, 0, (crd_zoo_conv){32, {3}, 2}, "Conv2d_1a_3x3", -1);
    x = basic(b, x, (crd_zoo_conv){32, {3}}, "Conv2d_2a_3x3", -1);
    x = basic(b, x, (crd_zoo_conv){64, {3}, 1, {1}}, "Conv2d_2b_3x3", -1);
    x = crd_builder_pool(b, x, "MaxPool2d", &three, "maxpool1");
    x = basic(b, x, (crd_zoo_conv){80, {1}}, "Conv2d_3b_1x1", -1);
    x = basic(b, x, (crd_zoo_conv){192, {3}}, "Conv2d_4a_3x3", -1);
    x = crd_builder_pool(b, x, "MaxPool2d", &three, "maxpool2");
    for (size_t i = 0; i < sizeof mixed / sizeof *mixed; i++) {
        size_t outside = crd_builder_enter(b, "%s", mixed[i].name);
        x = mixed[i].add(b, x, mixed[i].channels);
        crd_builder_leave(b, outside);
    }
    x = crd_builder_features(b, x);
    x = crd_builder_drop(b, x, "Dropout", 0.5, "dropout");
    crd_builder_linear(b, x, size->n_classes, "fc");
}

#define INCEPTION(name_, summary_, size, resize_, ...)                                             \
    {                                                                                              \
        .name = (name_), .summary = (summary_), .in_channels = 3, .image_size = (size),            \
        .n_classes = 1000, .resize = (resize_), .mean = half, .sd = half,                          \
        .passed_over = (const char *const[])                                                       \
        {                                                                                          \
            __VA_ARGS__, NULL                                                                      \
        }                                                                                          \
    }

const crd_family_member crd_family_inception[] = {
    {INCEPTION("googlenet", "GoogLeNet (Szegedy et al. 2015), torchvision", 224, 256, "aux1.",
               "aux2."),
     .build = build_googlenet},
    {INCEPTION("inception_v3", "Inception v3 (Szegedy et al. 2016), torchvision", 299, 342,
               "AuxLogits."),
     .build = build_inception_v3},
    {.arch = {0}},
};
