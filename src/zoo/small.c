/* Small networks for images of digits. */
#include "zoo/families.h"

/* LeCun et al. 1998, "Gradient-based learning applied to document recognition", with today's ReLU
 * and max pooling; the padding makes of 28 pixels the paper's 32. */
static void build_lenet(crd_builder *b, const crd_zoo_size *size, const void *config)
{
    (void)config;
    const crd_zoo_pool halve = {2, 2, 0};
    int64_t x = crd_builder_conv(b, 0, &(crd_zoo_conv){6, {5}, 1, {2}, .bias = true}, "conv1");
    x = crd_builder_simple(b, x, "ReLU", "relu1");
    x = crd_builder_pool(b, x, "MaxPool2d", &halve, "pool1");
    x = crd_builder_conv(b, x, &(crd_zoo_conv){16, {5}, .bias = true}, "conv2");
    x = crd_builder_simple(b, x, "ReLU", "relu2");
    x = crd_builder_pool(b, x, "MaxPool2d", &halve, "pool2");
    x = crd_builder_simple(b, x, "Flatten", "flatten");
    x = crd_builder_linear(b, x, 120, "fc1");
    x = crd_builder_simple(b, x, "ReLU", "relu3");
    x = crd_builder_linear(b, x, 84, "fc2");
    x = crd_builder_simple(b, x, "ReLU", "relu4");
    crd_builder_linear(b, x, size->n_classes, "fc3");
}

/* As LeNet-5 was, with tanh and average pooling, of half the pixels and about a twentieth of the
 * weights: smooth and small enough for Hamiltonian Monte Carlo with all images of a gradient. */
static void build_lenet_small(crd_builder *b, const crd_zoo_size *size, const void *config)
{
    (void)config;
    const crd_zoo_pool halve = {2, 2, 0};
    int64_t x = crd_builder_conv(b, 0, &(crd_zoo_conv){6, {5}, 1, {2}, .bias = true}, "conv1");
    x = crd_builder_simple(b, x, "Tanh", "tanh1");
    x = crd_builder_pool(b, x, "AvgPool2d", &halve, "pool1");
    x = crd_builder_conv(b, x, &(crd_zoo_conv){12, {3}, 1, {1}, .bias = true}, "conv2");
    x = crd_builder_simple(b, x, "Tanh", "tanh2");
    x = crd_builder_pool(b, x, "AvgPool2d", &halve, "pool2");
    x = crd_builder_simple(b, x, "Flatten", "flatten");
    x = crd_builder_linear(b, x, 24, "fc1");
    x = crd_builder_simple(b, x, "Tanh", "tanh3");
    crd_builder_linear(b, x, size->n_classes, "fc2");
}

/* bayesian-torch's SCNN, up to its log-softmax. */
static void build_simple_cnn(crd_builder *b, const crd_zoo_size *size, const void *config)
{
    (void)config;
    int64_t x = crd_builder_conv(b, 0, &(crd_zoo_conv){32, {3}, .bias = true}, "conv1");
    x = crd_builder_simple(b, x, "ReLU", "relu1");
    x = crd_builder_conv(b, x, &(crd_zoo_conv){64, {3}, .bias = true}, "conv2");
    x = crd_builder_simple(b, x, "ReLU", "relu2");
    x = crd_builder_pool(b, x, "MaxPool2d", &(crd_zoo_pool){2, 2, 0}, "pool");
    x = crd_builder_drop(b, x, "Dropout", 0.25, "dropout1");
    x = crd_builder_simple(b, x, "Flatten", "flatten");
    x = crd_builder_linear(b, x, 128, "fc1");
    x = crd_builder_simple(b, x, "ReLU", "relu3");
    x = crd_builder_drop(b, x, "Dropout", 0.5, "dropout2");
    crd_builder_linear(b, x, size->n_classes, "fc2");
}

#define DIGITS(name_, pixels, summary_)                                                            \
    .arch = {.name = (name_),                                                                      \
             .summary = (summary_),                                                                \
             .in_channels = 1,                                                                     \
             .image_size = (pixels),                                                               \
             .n_classes = 10}

const crd_family_member crd_family_small[] = {
    {DIGITS("lenet", 28, "LeNet-5 (LeCun et al. 1998) with ReLU and max pooling"),
     .build = build_lenet},
    {DIGITS("lenet_small", 14,
            "LeNet of tanh, average pooling and 3,682 weights, for references by HMC"),
     .build = build_lenet_small},
    {DIGITS("simple_cnn", 28, "simple CNN for MNIST, bayesian-torch"), .build = build_simple_cnn},
    {.arch = {0}},
};
