/* Residual networks for CIFAR with filter response norm and SiLU, a projection where the size
 * changes, and "same" padding: those whose posterior Izmailov et al. 2021, "What are Bayesian
 * neural network posteriors really like?", sample (google-research/bnn_hmc). Names of modules are
 * those of the other CIFAR ResNets, with frn for bn; the original counts its modules. */
#include "zoo/families.h"

enum { N_STAGES = 3, STEM_CHANNELS = 16 };

static int64_t conv_norm(crd_builder *b, int64_t x, crd_zoo_conv conv, const char *name,
                         const char *norm)
{
    conv.bias = conv.is_same = true;
    x = crd_builder_conv(b, x, &conv, "%s", name);
    const crd_attr attrs[] = {CRD_ATTR("num_features", (double)crd_builder_width(b, x)),
                              CRD_ATTR_END};
    return crd_builder_op(b, "FilterResponseNorm2d", attrs, &x, 1, "%s", norm);
}

static int64_t add_block(crd_builder *b, int64_t input, int64_t planes, int64_t stride)
{
    int64_t shortcut = input;
    int64_t x = conv_norm(b, input, (crd_zoo_conv){planes, {3}, stride}, "conv1", "frn1");
    x = crd_builder_simple(b, x, "SiLU", "silu1");
    x = conv_norm(b, x, (crd_zoo_conv){planes, {3}}, "conv2", "frn2");
    if (stride != 1)
        shortcut =
            conv_norm(b, input, (crd_zoo_conv){planes, {1}, stride}, "shortcut.0", "shortcut.1");
    x = crd_builder_pair(b, x, shortcut, "Add", "add");
    return crd_builder_simple(b, x, "SiLU", "silu2");
}

/* config: residual blocks of each stage. */
static void build(crd_builder *b, const crd_zoo_size *size, const void *config)
{
    const int *n_blocks = config;
    int64_t x = conv_norm(b, 0, (crd_zoo_conv){STEM_CHANNELS, {3}}, "conv1", "frn1");
    x = crd_builder_simple(b, x, "SiLU", "silu1");
    for (int stage = 0; stage < N_STAGES; stage++)
        for (int block = 0; block < *n_blocks; block++) {
            size_t outside = crd_builder_enter(b, "layer%d.%d", stage + 1, block);
            int64_t stride = stage > 0 && block == 0 ? 2 : 1;
            x = add_block(b, x, (int64_t)STEM_CHANNELS << stage, stride);
            crd_builder_leave(b, outside);
        }
    x = crd_builder_features(b, x);
    crd_builder_linear(b, x, size->n_classes, "linear");
}

#define FRN_RESNET(depth, n)                                                                       \
    {                                                                                              \
        .arch = {.name = "cifar_resnet" #depth "_frn",                                             \
                 .summary = "CIFAR ResNet-" #depth " with FRN and SiLU (Izmailov et al. 2021)",    \
                 .in_channels = 3,                                                                 \
                 .image_size = 32,                                                                 \
                 .n_classes = 10},                                                                 \
        .build = build, .config = &(const int)                                                     \
        {                                                                                          \
            n                                                                                      \
        }                                                                                          \
    }

const crd_family_member crd_family_frn_resnet[] = {
    FRN_RESNET(20, 3), FRN_RESNET(32, 5),   FRN_RESNET(44, 7),
    FRN_RESNET(56, 9), FRN_RESNET(110, 18), {.arch = {0}},
};
