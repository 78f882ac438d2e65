#include "zoo/builder.h"

#include <stdio.h>

void crd_builder_init(crd_builder *builder, const char *arch, const crd_zoo_size *size)
{
    crd_shape input = crd_shape_make(3, size->in_channels, size->image_size, size->image_size);
    builder->status = crd_network_create(&builder->network, arch, &input);
}

int64_t crd_builder_width(const crd_builder *builder, int64_t node)
{
    return builder->status == CRD_OK ? builder->network->nodes[node].shape.dims[0] : 1;
}

static int64_t append(crd_builder *builder, const char *kind, const char *prefix, const char *name,
                      const crd_attrs *attrs, const int64_t *inputs, int n_inputs)
{
    char path[CRD_ZOO_NAME_SIZE];
    int64_t index = 0;
    if (builder->status != CRD_OK)
        return 0;
    snprintf(path, sizeof path, "%s%s", prefix, name);
    builder->status =
        crd_network_add(&index, builder->network, kind, path, attrs, inputs, n_inputs);
    return index;
}

int64_t crd_builder_conv(crd_builder *builder, const char *prefix, const char *name,
                         const crd_zoo_conv *conv, int64_t input)
{
    crd_attrs attrs = {.conv2d = {.in_channels = crd_builder_width(builder, input),
                                  .out_channels = conv->out_channels,
                                  .kernel_size = {conv->kernel_size, conv->kernel_size},
                                  .stride = {conv->stride, conv->stride},
                                  .padding = {conv->padding, conv->padding},
                                  .dilation = {1, 1},
                                  .groups = conv->groups,
                                  .bias = conv->bias}};
    return append(builder, "Conv2d", prefix, name, &attrs, &input, 1);
}

int64_t crd_builder_batch_norm(crd_builder *builder, const char *prefix, const char *name,
                               int64_t input)
{
    crd_attrs attrs = {.batch_norm2d = {.num_features = crd_builder_width(builder, input),
                                        .eps = 1e-5,
                                        .momentum = 0.1}};
    return append(builder, "BatchNorm2d", prefix, name, &attrs, &input, 1);
}

int64_t crd_builder_linear(crd_builder *builder, const char *name, int64_t out_features,
                           int64_t input)
{
    crd_attrs attrs = {.linear = {.in_features = crd_builder_width(builder, input),
                                  .out_features = out_features,
                                  .bias = 1}};
    return append(builder, "Linear", "", name, &attrs, &input, 1);
}

int64_t crd_builder_max_pool(crd_builder *builder, const char *name, int64_t kernel_size,
                             int64_t stride, int64_t padding, int64_t input)
{
    crd_attrs attrs = {.pool2d = {.kernel_size = {kernel_size, kernel_size},
                                  .stride = {stride, stride},
                                  .padding = {padding, padding}}};
    return append(builder, "MaxPool2d", "", name, &attrs, &input, 1);
}

int64_t crd_builder_global_pool(crd_builder *builder, const char *name, int64_t input)
{
    crd_attrs attrs = {.adaptive_pool2d = {.output_size = {1, 1}}};
    return append(builder, "AdaptiveAvgPool2d", "", name, &attrs, &input, 1);
}

int64_t crd_builder_dropout(crd_builder *builder, const char *name, double p, int64_t input)
{
    crd_attrs attrs = {.dropout = {.p = p}};
    return append(builder, "Dropout", "", name, &attrs, &input, 1);
}

int64_t crd_builder_pad_shortcut(crd_builder *builder, const char *prefix, const char *name,
                                 int64_t stride, int64_t pad_channels, int64_t input)
{
    crd_attrs attrs = {
        .pad_shortcut = {.stride = stride, .pad_channels = {pad_channels, pad_channels}}};
    return append(builder, "PadShortcut", prefix, name, &attrs, &input, 1);
}

int64_t crd_builder_simple(crd_builder *builder, const char *kind, const char *prefix,
                           const char *name, int64_t input)
{
    return append(builder, kind, prefix, name, NULL, &input, 1);
}

int64_t crd_builder_add(crd_builder *builder, const char *prefix, const char *name, int64_t a,
                        int64_t b)
{
    return append(builder, "Add", prefix, name, NULL, (const int64_t[]){a, b}, 2);
}
