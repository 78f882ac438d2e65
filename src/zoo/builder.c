/* The builder: every function is one request to the graph, unless there was a fault before. */
#include "zoo/builder.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void crd_builder_init(crd_builder *builder, const char *arch, const crd_zoo_size *size)
{
    crd_shape input = crd_shape_make(3, size->in_channels, size->image_size, size->image_size);
    *builder = (crd_builder){.norm_eps = 1e-5, .norm_momentum = 0.1};
    builder->status = crd_network_create(&builder->network, arch, &input);
}

/* Prefix, path and `end` to `out`. */
static void join(char out[CRD_ZOO_NAME_SIZE], crd_builder *b, const char *path, va_list values,
                 const char *end)
{
    char name[CRD_ZOO_NAME_SIZE];
    int length = vsnprintf(name, sizeof name, path, values);
    if (length >= 0)
        length = (int)(strlen(b->prefix) + (size_t)length + strlen(end));
    if (b->status == CRD_OK && (length < 0 || length >= CRD_ZOO_NAME_SIZE))
        b->status = CRD_FAIL(CRD_ERR_INPUT, "module path '%.40s...' has %d bytes, allowed are %d",
                             name, length, CRD_ZOO_NAME_SIZE - 1);
    if (b->status == CRD_OK) {
        char joined[2 * CRD_ZOO_NAME_SIZE];
        snprintf(joined, sizeof joined, "%s%s%s", b->prefix, name, end);
        memcpy(out, joined, (size_t)length + 1);
    }
}

/* The rest of a function that begins with a module's path: enters it. */
#define ENTER(outside, builder)                                                                    \
    do {                                                                                           \
        va_list values;                                                                            \
        va_start(values, path);                                                                    \
        outside = strlen((builder)->prefix);                                                       \
        join((builder)->prefix, builder, path, values, ".");                                       \
        va_end(values);                                                                            \
    } while (0)

size_t crd_builder_enter(crd_builder *b, const char *path, ...)
{
    size_t outside;
    ENTER(outside, b);
    return outside;
}

void crd_builder_leave(crd_builder *b, size_t outside)
{
    b->prefix[outside] = '\0';
}

int64_t crd_builder_width(const crd_builder *b, int64_t op)
{
    return b->status == CRD_OK ? crd_network_op_shape(b->network, op)->dims[0] : 1;
}

static int64_t append(crd_builder *b, const crd_op_request *request, const char *path,
                      va_list values)
{
    char name[CRD_ZOO_NAME_SIZE] = "";
    int64_t index = 0;
    crd_op_request named = *request;
    join(name, b, path, values, "");
    named.name = name;
    if (b->status == CRD_OK)
        b->status = crd_network_add(&index, b->network, &named);
    return b->status == CRD_OK ? index : 0;
}

/* The rest of a function that appends one op: its index, from its last two arguments. */
#define APPEND(result, builder, ...)                                                               \
    do {                                                                                           \
        va_list values;                                                                            \
        va_start(values, path);                                                                    \
        result = append(builder, &(crd_op_request){__VA_ARGS__}, path, values);                    \
        va_end(values);                                                                            \
    } while (0)

int64_t crd_builder_op(crd_builder *b, const char *kind, const crd_attr *attrs,
                       const int64_t *inputs, int n_inputs, const char *path, ...)
{
    int64_t index;
    APPEND(index, b, .kind = kind, .attrs = attrs, .inputs = inputs, .n_inputs = n_inputs);
    return index;
}

#define ONE(key, value) CRD_ATTR(key, (double)(value))
#define TWO(key, a, b) CRD_ATTR(key, (double)(a), (double)(b))

/* What "SAME" needs around a dimension: the half before it, and the rest after it. */
static void pad_same(int64_t padding[2], const crd_builder *b, int64_t x, int dim, int64_t kernel,
                     int64_t stride)
{
    int64_t n = b->status == CRD_OK ? crd_network_op_shape(b->network, x)->dims[1 + dim] : 1;
    int64_t room = ((n + stride - 1) / stride - 1) * stride + kernel - n;
    padding[0] = room > 0 ? room / 2 : 0;
    padding[1] = room > 0 ? room - room / 2 : 0;
}

int64_t crd_builder_conv(crd_builder *b, int64_t x, const crd_zoo_conv *conv, const char *path, ...)
{
    int64_t index, stride = conv->stride == 0 ? 1 : conv->stride;
    const int64_t *kernel = conv->kernel, *padding = conv->padding;
    int64_t sizes[2] = {kernel[0], kernel[1] == 0 ? kernel[0] : kernel[1]};
    int64_t before[2] = {padding[0], kernel[1] == 0 ? padding[0] : padding[1]};
    crd_attr attrs[] = {
        ONE("in_channels", crd_builder_width(b, x)),
        ONE("out_channels", conv->out),
        TWO("kernel_size", sizes[0], sizes[1]),
        TWO("stride", stride, stride),
        TWO("padding", before[0], before[1]),
        ONE("groups", conv->groups == 0 ? 1 : conv->groups),
        ONE("bias", conv->bias),
        CRD_ATTR_END,
        CRD_ATTR_END,
    };
    if (conv->is_same) {
        int64_t rows[2], columns[2];
        pad_same(rows, b, x, 0, sizes[0], stride);
        pad_same(columns, b, x, 1, sizes[1], stride);
        attrs[4] = (crd_attr)TWO("padding", rows[0], columns[0]);
        attrs[7] = (crd_attr)TWO("padding_end", rows[1], columns[1]);
    }
    APPEND(index, b, .kind = "Conv2d", .attrs = attrs, .inputs = &x, .n_inputs = 1);
    return index;
}

int64_t crd_builder_batch_norm(crd_builder *b, int64_t x, const char *path, ...)
{
    int64_t index;
    const crd_attr attrs[] = {ONE("num_features", crd_builder_width(b, x)),
                              CRD_ATTR("eps", b->norm_eps), CRD_ATTR("momentum", b->norm_momentum),
                              CRD_ATTR_END};
    APPEND(index, b, .kind = "BatchNorm2d", .attrs = attrs, .inputs = &x, .n_inputs = 1);
    return index;
}

int64_t crd_builder_linear(crd_builder *b, int64_t x, int64_t out_features, const char *path, ...)
{
    int64_t index;
    const crd_attr attrs[] = {ONE("in_features", crd_builder_width(b, x)),
                              ONE("out_features", out_features), CRD_ATTR_END};
    APPEND(index, b, .kind = "Linear", .attrs = attrs, .inputs = &x, .n_inputs = 1);
    return index;
}

int64_t crd_builder_simple(crd_builder *b, int64_t x, const char *kind, const char *path, ...)
{
    int64_t index;
    APPEND(index, b, .kind = kind, .inputs = &x, .n_inputs = 1);
    return index;
}

int64_t crd_builder_pair(crd_builder *builder, int64_t a, int64_t b, const char *kind,
                         const char *path, ...)
{
    int64_t index;
    const int64_t inputs[] = {a, b};
    APPEND(index, builder, .kind = kind, .inputs = inputs, .n_inputs = 2);
    return index;
}

int64_t crd_builder_concat(crd_builder *b, const int64_t *inputs, int n_inputs, const char *path,
                           ...)
{
    int64_t index;
    APPEND(index, b, .kind = "Concat", .inputs = inputs, .n_inputs = n_inputs);
    return index;
}

int64_t crd_builder_pool(crd_builder *b, int64_t x, const char *kind, const crd_zoo_pool *pool,
                         const char *path, ...)
{
    int64_t index;
    const crd_attr attrs[] = {TWO("kernel_size", pool->kernel, pool->kernel),
                              TWO("stride", pool->stride, pool->stride),
                              TWO("padding", pool->padding, pool->padding),
                              ONE("ceil_mode", pool->ceil_mode), CRD_ATTR_END};
    APPEND(index, b, .kind = kind, .attrs = attrs, .inputs = &x, .n_inputs = 1);
    return index;
}

int64_t crd_builder_adaptive_pool(crd_builder *b, int64_t x, int64_t size, const char *path, ...)
{
    int64_t index;
    const crd_attr attrs[] = {TWO("output_size", size, size), CRD_ATTR_END};
    APPEND(index, b, .kind = "AdaptiveAvgPool2d", .attrs = attrs, .inputs = &x, .n_inputs = 1);
    return index;
}

int64_t crd_builder_drop(crd_builder *b, int64_t x, const char *kind, double p, const char *path,
                         ...)
{
    int64_t index;
    const crd_attr attrs[] = {CRD_ATTR("p", p), CRD_ATTR_END};
    APPEND(index, b, .kind = kind, .attrs = attrs, .inputs = &x, .n_inputs = 1);
    return index;
}

int64_t crd_builder_conv_block(crd_builder *b, int64_t x, crd_zoo_conv conv, const char *activation,
                               const char *path, ...)
{
    size_t outside;
    ENTER(outside, b);
    for (int i = 0; i < 2; i++)
        conv.padding[i] = conv.kernel[i] / 2;
    x = crd_builder_conv(b, x, &conv, "0");
    x = crd_builder_batch_norm(b, x, "1");
    if (activation != NULL)
        x = crd_builder_simple(b, x, activation, "2");
    crd_builder_leave(b, outside);
    return x;
}

int64_t crd_builder_squeeze_excite(crd_builder *b, int64_t x, int64_t squeeze_channels,
                                   const char *const activations[2], const char *path, ...)
{
    size_t outside;
    int64_t n_channels = crd_builder_width(b, x);
    ENTER(outside, b);
    int64_t scale = crd_builder_adaptive_pool(b, x, 1, "avgpool");
    const crd_zoo_conv squeeze = {squeeze_channels, {1}, .bias = true};
    const crd_zoo_conv excite = {n_channels, {1}, .bias = true};
    scale = crd_builder_conv(b, scale, &squeeze, "fc1");
    scale = crd_builder_simple(b, scale, activations[0], "activation");
    scale = crd_builder_conv(b, scale, &excite, "fc2");
    scale = crd_builder_simple(b, scale, activations[1], "scale_activation");
    x = crd_builder_pair(b, scale, x, "Mul", "mul");
    crd_builder_leave(b, outside);
    return x;
}

int64_t crd_builder_features(crd_builder *b, int64_t x)
{
    x = crd_builder_adaptive_pool(b, x, 1, "avgpool");
    return crd_builder_simple(b, x, "Flatten", "flatten");
}

int64_t crd_zoo_round_channels(double channels, int64_t divisor)
{
    int64_t rounded = (int64_t)(channels + (double)divisor / 2) / divisor * divisor;
    rounded = rounded < divisor ? divisor : rounded;
    return (double)rounded < 0.9 * channels ? rounded + divisor : rounded;
}
