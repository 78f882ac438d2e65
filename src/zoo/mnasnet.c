/* MNASNet, its variant B1, as torchvision has it. Tan et al. 2019, "MnasNet: platform-aware neural
 * architecture search for mobile". */
#include "zoo/families.h"

enum { N_WIDTHS = 8 };

static int64_t conv_norm(crd_builder *b, int64_t x, const crd_zoo_conv *conv, int *n)
{
    x = crd_builder_conv(b, x, conv, "layers.%d", (*n)++);
    return crd_builder_batch_norm(b, x, "layers.%d", (*n)++);
}

static int64_t relu(crd_builder *b, int64_t x, int *n)
{
    return crd_builder_simple(b, x, "ReLU", "layers.%d", (*n)++);
}

typedef struct stack {
    int width; /* index of its channels */
    int64_t kernel, stride, expansion;
    int n;
} stack;

static int64_t add_block(crd_builder *b, int64_t input, const stack *s, int64_t out, int64_t stride)
{
    int n = 0;
    int64_t width = crd_builder_width(b, input), expanded = width * s->expansion;
    int64_t x = conv_norm(b, input, &(crd_zoo_conv){expanded, {1}}, &n);
    x = relu(b, x, &n);
    const crd_zoo_conv depthwise = {expanded, {s->kernel}, stride, {s->kernel / 2}, expanded};
    x = conv_norm(b, x, &depthwise, &n);
    x = relu(b, x, &n);
    x = conv_norm(b, x, &(crd_zoo_conv){out, {1}}, &n);
    return stride == 1 && width == out ? crd_builder_pair(b, x, input, "Add", "add") : x;
}

/* config: alpha, which multiplies the channels. */
static void build(crd_builder *b, const crd_zoo_size *size, const void *config)
{
    static const double channels[N_WIDTHS] = {32, 16, 24, 40, 80, 96, 192, 320};
    static const stack stacks[] = {{2, 3, 2, 3, 3}, {3, 5, 2, 3, 3}, {4, 5, 2, 6, 3},
                                   {5, 3, 1, 6, 2}, {6, 5, 2, 6, 4}, {7, 3, 1, 6, 1}};
    int64_t widths[N_WIDTHS];
    for (int i = 0; i < N_WIDTHS; i++)
        widths[i] = crd_zoo_round_channels(channels[i] * *(const double *)config, 8);
    int n = 0;
    b->norm_momentum = 1 - 0.9997;
    int64_t x = conv_norm(b, 0, &(crd_zoo_conv){widths[0], {3}, 2, {1}}, &n);
    x = relu(b, x, &n);
    x = conv_norm(b, x, &(crd_zoo_conv){widths[0], {3}, 1, {1}, widths[0]}, &n);
    x = relu(b, x, &n);
    x = conv_norm(b, x, &(crd_zoo_conv){widths[1], {1}}, &n);
    for (size_t s = 0; s < sizeof stacks / sizeof *stacks; s++, n++)
        for (int i = 0; i < stacks[s].n; i++) {
            size_t outside = crd_builder_enter(b, "layers.%d.%d", n, i);
            x = add_block(b, x, &stacks[s], widths[stacks[s].width], i == 0 ? stacks[s].stride : 1);
            crd_builder_leave(b, outside);
        }
    x = conv_norm(b, x, &(crd_zoo_conv){1280, {1}}, &n);
    x = relu(b, x, &n);
    x = crd_builder_features(b, x);
    x = crd_builder_drop(b, x, "Dropout", 0.2, "classifier.0");
    crd_builder_linear(b, x, size->n_classes, "classifier.1");
}

#define MNASNET(name, alpha, resize)                                                               \
    {                                                                                              \
        {CRD_IMAGENET(name, "MNASNet-B1 (Tan et al. 2019), " #alpha " the width, torchvision",     \
                      224, resize)},                                                               \
            build, &(const double)                                                                 \
        {                                                                                          \
            alpha                                                                                  \
        }                                                                                          \
    }

const crd_family_member crd_family_mnasnet[] = {
    MNASNET("mnasnet0_5", 0.5, 256),
    MNASNET("mnasnet0_75", 0.75, 232),
    MNASNET("mnasnet1_0", 1.0, 256),
    MNASNET("mnasnet1_3", 1.3, 232),
    {.arch = {0}},
};
