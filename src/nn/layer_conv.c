/* Two-dimensional convolution: its shapes, and which algorithm computes it. */
#include "nn/layer_conv.h"

static const crd_attr_spec attrs[] = {
    {"in_channels", offsetof(crd_conv2d_attrs, in_channels), 1, 0, 1, CRD_NODE_MAX_ELEMENTS},
    {"out_channels", offsetof(crd_conv2d_attrs, out_channels), 1, 0, 1, CRD_NODE_MAX_ELEMENTS},
    {"kernel_size", offsetof(crd_conv2d_attrs, kernel_size), 2, 0, 1, CRD_NODE_MAX_WINDOW},
    {"stride", offsetof(crd_conv2d_attrs, stride), 2, 0, 1, CRD_NODE_MAX_WINDOW},
    {"padding", offsetof(crd_conv2d_attrs, padding), 2, 0, 0, CRD_NODE_MAX_WINDOW},
    {"dilation", offsetof(crd_conv2d_attrs, dilation), 2, 0, 1, CRD_NODE_MAX_WINDOW},
    {"groups", offsetof(crd_conv2d_attrs, groups), 1, 0, 1, CRD_NODE_MAX_ELEMENTS},
    {"bias", offsetof(crd_conv2d_attrs, bias), 1, 0, 0, 1},
    {0},
};

static crd_status infer(crd_shape *out, crd_shape params[CRD_NODE_MAX_PARAMS], const crd_node *node,
                        const crd_shape *const *in)
{
    crd_status status = CRD_OK;
    const crd_conv2d_attrs *a = &node->attrs.conv2d;
    char text[CRD_SHAPE_TEXT_SIZE];
    CRD_TRY(crd_layer_require_image(node, in[0]));
    if (in[0]->dims[0] != a->in_channels)
        CRD_TRY(CRD_NODE_FAIL(node, "in_channels is %lld, but its input has %lld channels",
                              (long long)a->in_channels, (long long)in[0]->dims[0]));
    if (a->in_channels % a->groups != 0 || a->out_channels % a->groups != 0)
        CRD_TRY(CRD_NODE_FAIL(node, "groups is %lld, which does not divide %lld and %lld channels",
                              (long long)a->groups, (long long)a->in_channels,
                              (long long)a->out_channels));
    int64_t size[2];
    for (int i = 0; i < 2; i++) {
        int64_t room =
            in[0]->dims[1 + i] + 2 * a->padding[i] - (a->dilation[i] * (a->kernel_size[i] - 1) + 1);
        size[i] = room < 0 ? 0 : room / a->stride[i] + 1;
        if (size[i] < 1)
            CRD_TRY(CRD_NODE_FAIL(node, "input %s is smaller than kernel_size (%lld, %lld)",
                                  crd_shape_text(text, in[0]), (long long)a->kernel_size[0],
                                  (long long)a->kernel_size[1]));
    }
    *out = crd_shape_make(3, a->out_channels, size[0], size[1]);
    params[CRD_PARAM_WEIGHT] = crd_shape_make(4, a->out_channels, a->in_channels / a->groups,
                                              a->kernel_size[0], a->kernel_size[1]);
    if (a->bias)
        params[CRD_PARAM_BIAS] = crd_shape_make(1, a->out_channels);
cleanup:
    return status;
}

static const crd_conv_method *const methods[] = {&crd_conv_direct, &crd_conv_winograd,
                                                 &crd_conv_gemm, &crd_conv_direct_bf16,
                                                 &crd_conv_winograd_bf16};

const crd_conv_method *crd_conv_choose(const crd_conv *conv)
{
    const crd_conv_method *best = NULL;
    double best_cost = 0;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (methods[i]->precision > conv->precision || !methods[i]->fits(conv))
            continue;
        double cost = methods[i]->cost(conv);
        if (best == NULL || cost < best_cost) {
            best = methods[i];
            best_cost = cost;
        }
    }
    return best;
}

int64_t crd_conv_scratch_floats(const crd_conv *conv)
{
    return crd_conv_choose(conv)->scratch_floats(conv);
}

void crd_conv_forward(const crd_conv *conv, const crd_layer_args *args)
{
    const crd_conv_method *chosen = crd_conv_choose(conv);
    for (int64_t group = 0; group < conv->attrs.groups; group++)
        chosen->forward(conv, args, group);
}

crd_conv crd_conv_make(const crd_node *node, const crd_shape *in, int64_t n_images)
{
    const crd_conv2d_attrs *a = &node->attrs.conv2d;
    return (crd_conv){
        .attrs = *a,
        .n_images = n_images,
        .n_in = a->in_channels / a->groups,
        .n_out = a->out_channels / a->groups,
        .height = in->dims[1],
        .width = in->dims[2],
        .out_height = node->shape.dims[1],
        .out_width = node->shape.dims[2],
        .n_terms = a->in_channels / a->groups * a->kernel_size[0] * a->kernel_size[1],
    };
}

static int64_t scratch_floats(const crd_node *node, const crd_shape *const *in, int64_t n_images,
                              crd_precision precision)
{
    crd_conv conv = crd_conv_make(node, in[0], n_images);
    conv.precision = precision;
    return crd_conv_scratch_floats(&conv);
}

static int64_t backward_scratch_floats(const crd_node *node, const crd_shape *const *in,
                                       int64_t n_images)
{
    crd_conv conv = crd_conv_make(node, in[0], n_images);
    return crd_conv_backward_scratch_floats(&conv);
}

static const char *method(const crd_node *node, const crd_shape *const *in, int64_t n_images,
                          crd_precision precision)
{
    crd_conv conv = crd_conv_make(node, in[0], n_images);
    conv.precision = precision;
    return crd_conv_choose(&conv)->name;
}

static void forward(const crd_node *node, const crd_layer_args *args)
{
    crd_conv conv = crd_conv_make(node, args->in_shape[0], args->n_images);
    conv.precision = args->precision;
    crd_conv_forward(&conv, args);
}

const crd_layer crd_layer_conv2d = {.name = "Conv2d",
                                    .n_inputs = 1,
                                    .is_weighted = 1,
                                    .has_epilogue = 1,
                                    .attrs = attrs,
                                    .infer = infer,
                                    .scratch_floats = scratch_floats,
                                    .backward_scratch_floats = backward_scratch_floats,
                                    .forward = forward,
                                    .method = method,
                                    .keeps_in = 1,
                                    .backward = crd_conv_backward};
