/* The builder: every function is one request to the graph, unless there was a fault before. */
#include "zoo/builder.h"

#include <stdarg.h>
#include <stdio.h>

void crd_builder_init(crd_builder *builder, const char *arch, const crd_zoo_size *size)
{
    crd_shape input = crd_shape_make(3, size->in_channels, size->image_size, size->image_size);
    builder->status = crd_network_create(&builder->network, arch, &input);
}

const char *crd_builder_path(char out[CRD_ZOO_NAME_SIZE], crd_builder *builder, const char *format,
                             ...)
{
    va_list values;
    va_start(values, format);
    int length = vsnprintf(out, CRD_ZOO_NAME_SIZE, format, values);
    va_end(values);
    if (builder->status == CRD_OK && (length < 0 || length >= CRD_ZOO_NAME_SIZE))
        builder->status =
            CRD_FAIL(CRD_ERR_INPUT, "module path '%.40s...' has %d bytes, allowed are %d", out,
                     length, CRD_ZOO_NAME_SIZE - 1);
    return out;
}

int64_t crd_builder_width(const crd_builder *builder, int64_t op)
{
    return builder->status == CRD_OK ? crd_network_op_shape(builder->network, op)->dims[0] : 1;
}

int64_t crd_builder_op(crd_builder *builder, const char *prefix, const crd_op_request *request)
{
    char path[CRD_ZOO_NAME_SIZE];
    int64_t index = 0;
    crd_op_request named = *request;
    named.name = crd_builder_path(path, builder, "%s%s", prefix, request->name);
    if (builder->status == CRD_OK)
        builder->status = crd_network_add(&index, builder->network, &named);
    return builder->status == CRD_OK ? index : 0;
}

static int64_t append(crd_builder *builder, const char *kind, const char *prefix, const char *name,
                      const crd_attr *attrs, int64_t input)
{
    return crd_builder_op(builder, prefix, &(crd_op_request){kind, name, attrs, &input, 1});
}

int64_t crd_builder_conv(crd_builder *builder, const char *prefix, const char *name,
                         const crd_zoo_conv *conv, int64_t input)
{
    double kernel = (double)conv->kernel_size, stride = (double)conv->stride;
    double padding = (double)conv->padding;
    const crd_attr attrs[] = {
        CRD_ATTR("in_channels", (double)crd_builder_width(builder, input)),
        CRD_ATTR("out_channels", (double)conv->out_channels),
        CRD_ATTR("kernel_size", kernel, kernel),
        CRD_ATTR("stride", stride, stride),
        CRD_ATTR("padding", padding, padding),
        CRD_ATTR("groups", (double)conv->groups),
        CRD_ATTR("bias", conv->bias),
        CRD_ATTR_END,
    };
    return append(builder, "Conv2d", prefix, name, attrs, input);
}

int64_t crd_builder_batch_norm(crd_builder *builder, const char *prefix, const char *name,
                               int64_t input)
{
    const crd_attr attrs[] = {CRD_ATTR("num_features", (double)crd_builder_width(builder, input)),
                              CRD_ATTR_END};
    return append(builder, "BatchNorm2d", prefix, name, attrs, input);
}

int64_t crd_builder_linear(crd_builder *builder, const char *name, int64_t out_features,
                           int64_t input)
{
    const crd_attr attrs[] = {CRD_ATTR("in_features", (double)crd_builder_width(builder, input)),
                              CRD_ATTR("out_features", (double)out_features), CRD_ATTR_END};
    return append(builder, "Linear", "", name, attrs, input);
}

int64_t crd_builder_max_pool(crd_builder *builder, const char *name, int64_t kernel_size,
                             int64_t stride, int64_t padding, int64_t input)
{
    const crd_attr attrs[] = {CRD_ATTR("kernel_size", (double)kernel_size, (double)kernel_size),
                              CRD_ATTR("stride", (double)stride, (double)stride),
                              CRD_ATTR("padding", (double)padding, (double)padding), CRD_ATTR_END};
    return append(builder, "MaxPool2d", "", name, attrs, input);
}

int64_t crd_builder_global_pool(crd_builder *builder, const char *name, int64_t input)
{
    const crd_attr attrs[] = {CRD_ATTR("output_size", 1, 1), CRD_ATTR_END};
    return append(builder, "AdaptiveAvgPool2d", "", name, attrs, input);
}

int64_t crd_builder_dropout(crd_builder *builder, const char *name, double p, int64_t input)
{
    const crd_attr attrs[] = {CRD_ATTR("p", p), CRD_ATTR_END};
    return append(builder, "Dropout", "", name, attrs, input);
}

int64_t crd_builder_pad_shortcut(crd_builder *builder, const char *prefix, const char *name,
                                 int64_t stride, int64_t pad_channels, int64_t input)
{
    const crd_attr attrs[] = {CRD_ATTR("stride", (double)stride),
                              CRD_ATTR("pad_channels", (double)pad_channels, (double)pad_channels),
                              CRD_ATTR_END};
    return append(builder, "PadShortcut", prefix, name, attrs, input);
}

int64_t crd_builder_simple(crd_builder *builder, const char *kind, const char *prefix,
                           const char *name, int64_t input)
{
    return append(builder, kind, prefix, name, NULL, input);
}

int64_t crd_builder_add(crd_builder *builder, const char *prefix, const char *name, int64_t a,
                        int64_t b)
{
    const int64_t inputs[] = {a, b};
    return crd_builder_op(builder, prefix, &(crd_op_request){"Add", name, NULL, inputs, 2});
}
