/** Attributes of ops in tests: lists of them in short, and what an op was given. */
#ifndef CRD_TESTS_UNIT_TEST_OPS_H
#define CRD_TESTS_UNIT_TEST_OPS_H

#include <string.h>

#include "graph/graph.h"

typedef struct attr_list {
    crd_attr list[12];
} attr_list;
#define ATTRS(...) ((attr_list){{__VA_ARGS__, CRD_ATTR_END}})

typedef struct conv2d_attrs {
    int64_t in_channels, out_channels;
    int64_t kernel_size[2], stride[2], padding[2], dilation[2];
    int64_t groups, bias;
} conv2d_attrs;

typedef struct pool2d_attrs {
    int64_t kernel_size[2], stride[2], padding[2];
    int64_t ceil_mode;
} pool2d_attrs;

#define ONE(key, value) CRD_ATTR(key, (double)(value))
#define TWO(key, values) CRD_ATTR(key, (double)(values)[0], (double)(values)[1])

static inline attr_list conv2d_list(conv2d_attrs a)
{
    return ATTRS(ONE("in_channels", a.in_channels), ONE("out_channels", a.out_channels),
                 TWO("kernel_size", a.kernel_size), TWO("stride", a.stride),
                 TWO("padding", a.padding), TWO("dilation", a.dilation), ONE("groups", a.groups),
                 ONE("bias", a.bias));
}

static inline attr_list pool2d_list(pool2d_attrs a)
{
    return ATTRS(TWO("kernel_size", a.kernel_size), TWO("stride", a.stride),
                 TWO("padding", a.padding), ONE("ceil_mode", a.ceil_mode));
}

static inline attr_list linear_list(int64_t in_features, int64_t out_features, int64_t bias)
{
    return ATTRS(ONE("in_features", in_features), ONE("out_features", out_features),
                 ONE("bias", bias));
}

static inline attr_list batch_norm_list(int64_t num_features, double eps)
{
    return ATTRS(ONE("num_features", num_features), ONE("eps", eps), ONE("momentum", 0.1));
}

static inline attr_list adaptive_list(int64_t height, int64_t width)
{
    return ATTRS(CRD_ATTR("output_size", (double)height, (double)width));
}

static inline attr_list pad_shortcut_list(int64_t stride, int64_t before, int64_t after)
{
    return ATTRS(ONE("stride", stride), CRD_ATTR("pad_channels", (double)before, (double)after));
}

static inline crd_status network_add(int64_t *index, crd_network *network, const char *kind,
                                     const char *name, const attr_list *attrs,
                                     const int64_t *inputs, int n_inputs)
{
    return crd_network_add(
        index, network,
        &(crd_op_request){kind, name, attrs == NULL ? NULL : attrs->list, inputs, n_inputs});
}

/** Number i of an attribute of an op. */
static inline double attr_of(const crd_graph_op *op, const char *name, int i)
{
    const crd_attr_spec *spec = op->kind->attrs;
    while (strcmp(spec->name, name) != 0)
        spec++;
    return crd_op_get_attr(op, spec).values[i];
}

static inline void attrs_of(int64_t out[2], const crd_graph_op *op, const char *name)
{
    for (int i = 0; i < 2; i++)
        out[i] = (int64_t)attr_of(op, name, i);
}

static inline conv2d_attrs conv2d_of(const crd_graph_op *op)
{
    conv2d_attrs a = {.in_channels = (int64_t)attr_of(op, "in_channels", 0),
                      .out_channels = (int64_t)attr_of(op, "out_channels", 0),
                      .groups = (int64_t)attr_of(op, "groups", 0),
                      .bias = (int64_t)attr_of(op, "bias", 0)};
    attrs_of(a.kernel_size, op, "kernel_size");
    attrs_of(a.stride, op, "stride");
    attrs_of(a.padding, op, "padding");
    attrs_of(a.dilation, op, "dilation");
    return a;
}

static inline pool2d_attrs pool2d_of(const crd_graph_op *op)
{
    pool2d_attrs a = {.ceil_mode = (int64_t)attr_of(op, "ceil_mode", 0)};
    attrs_of(a.kernel_size, op, "kernel_size");
    attrs_of(a.stride, op, "stride");
    attrs_of(a.padding, op, "padding");
    return a;
}

#endif
