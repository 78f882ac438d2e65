/* Small networks for images of digits. */
#include <stddef.h>

#include "zoo/families.h"

/* LeCun et al. 1998, "Gradient-based learning applied to document recognition", with today's ReLU
 * and max pooling; the padding makes of 28 pixels the paper's 32. */
static void build_lenet(crd_builder *b, const crd_zoo_size *size, const void *config)
{
    (void)config;
    int64_t x = crd_builder_conv(b, "", "conv1", &(crd_zoo_conv){6, 5, 1, 2, 1, 1}, 0);
    x = crd_builder_simple(b, "ReLU", "", "relu1", x);
    x = crd_builder_max_pool(b, "pool1", 2, 2, 0, x);
    x = crd_builder_conv(b, "", "conv2", &(crd_zoo_conv){16, 5, 1, 0, 1, 1}, x);
    x = crd_builder_simple(b, "ReLU", "", "relu2", x);
    x = crd_builder_max_pool(b, "pool2", 2, 2, 0, x);
    x = crd_builder_simple(b, "Flatten", "", "flatten", x);
    x = crd_builder_linear(b, "fc1", 120, x);
    x = crd_builder_simple(b, "ReLU", "", "relu3", x);
    x = crd_builder_linear(b, "fc2", 84, x);
    x = crd_builder_simple(b, "ReLU", "", "relu4", x);
    crd_builder_linear(b, "fc3", size->n_classes, x);
}

/* bayesian-torch's SCNN, up to its log-softmax. */
static void build_simple_cnn(crd_builder *b, const crd_zoo_size *size, const void *config)
{
    (void)config;
    int64_t x = crd_builder_conv(b, "", "conv1", &(crd_zoo_conv){32, 3, 1, 0, 1, 1}, 0);
    x = crd_builder_simple(b, "ReLU", "", "relu1", x);
    x = crd_builder_conv(b, "", "conv2", &(crd_zoo_conv){64, 3, 1, 0, 1, 1}, x);
    x = crd_builder_simple(b, "ReLU", "", "relu2", x);
    x = crd_builder_max_pool(b, "pool", 2, 2, 0, x);
    x = crd_builder_dropout(b, "dropout1", 0.25, x);
    x = crd_builder_simple(b, "Flatten", "", "flatten", x);
    x = crd_builder_linear(b, "fc1", 128, x);
    x = crd_builder_simple(b, "ReLU", "", "relu3", x);
    x = crd_builder_dropout(b, "dropout2", 0.5, x);
    crd_builder_linear(b, "fc2", size->n_classes, x);
}

const crd_family_member crd_family_small[] = {
    {.arch = {"lenet", "LeNet-5 (LeCun et al. 1998) with ReLU and max pooling", 1, 28, 10, 0, NULL,
              NULL},
     .build = build_lenet},
    {.arch = {"simple_cnn", "simple CNN for MNIST, bayesian-torch", 1, 28, 10, 0, NULL, NULL},
     .build = build_simple_cnn},
    {.arch = {0}},
};
