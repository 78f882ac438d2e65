/* Lowerings of convolutions, of norms of channels and of poolings. */
#include <math.h>
#include <string.h>

#include "import/onnx/onnx_index.h"
#include "import/onnx/onnx_lower.h"
#include "import/onnx/onnx_window.h"

/* A window over (height, width); one of one dimension moves along the width. */
static void to_plane(crd_onnx_window *w)
{
    if (w->n != 1)
        return;
    int64_t *const lists[] = {w->kernel, w->stride, w->dilation, w->before,
                              w->after,  w->more,   w->size};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        lists[i][1] = lists[i][0];
        lists[i][0] = i < 3 || i == 6;
    }
    w->n = 2;
}

#define PAIR(list) (double)(list)[0], (double)(list)[1]

static crd_status emit_conv(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                            const crd_onnx_window *w, int64_t input)
{
    const crd_shape *weight = crd_onnx_shape_of(lowering->graph, node, 1);
    const crd_shape *in = crd_onnx_shape_of(lowering->graph, node, 0);
    const crd_attr attrs[] = {
        CRD_ATTR("in_channels", (double)in->dims[1]),
        CRD_ATTR("out_channels", (double)weight->dims[0]),
        CRD_ATTR("kernel_size", PAIR(w->kernel)),
        CRD_ATTR("stride", PAIR(w->stride)),
        CRD_ATTR("padding", PAIR(w->before)),
        CRD_ATTR("padding_end", PAIR(w->after)),
        CRD_ATTR("dilation", PAIR(w->dilation)),
        CRD_ATTR("groups", (double)crd_onnx_attr_int(node, "group", 1)),
        CRD_ATTR("bias", crd_onnx_is_given(node, 2)),
        CRD_ATTR_END,
    };
    return crd_onnx_emit(op, lowering, node,
                         &(crd_onnx_emission){"Conv2d", attrs, &input, 1, .weight = 1});
}

#define THREE(list) (double)(list)[0], (double)(list)[1], (double)(list)[2]
/* An attribute of a window of two or three dimensions, which is_volume says. */
#define AXES(name, list)                                                                           \
    is_volume ? (crd_attr)CRD_ATTR(name, THREE(list)) : (crd_attr)CRD_ATTR(name, PAIR(list))

static crd_status emit_conv3d(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                              const crd_onnx_window *w, int64_t input)
{
    const crd_attr attrs[] = {
        CRD_ATTR("in_channels", (double)crd_onnx_shape_of(lowering->graph, node, 0)->dims[1]),
        CRD_ATTR("out_channels", (double)crd_onnx_shape_of(lowering->graph, node, 1)->dims[0]),
        CRD_ATTR("kernel_size", THREE(w->kernel)),
        CRD_ATTR("stride", THREE(w->stride)),
        CRD_ATTR("padding", THREE(w->before)),
        CRD_ATTR("padding_end", THREE(w->after)),
        CRD_ATTR("dilation", THREE(w->dilation)),
        CRD_ATTR("groups", (double)crd_onnx_attr_int(node, "group", 1)),
        CRD_ATTR("bias", crd_onnx_is_given(node, 2)),
        CRD_ATTR_END,
    };
    return crd_onnx_emit(op, lowering, node,
                         &(crd_onnx_emission){"Conv3d", attrs, &input, 1, .weight = 1});
}

CRD_ONNX_LOWER(conv)
{
    crd_status status = CRD_OK;
    crd_onnx_window w;
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    int64_t op;
    CRD_TRY(crd_onnx_window_of(&w, node, crd_onnx_shape_of(lowering->graph, node, 0),
                               crd_onnx_shape_of(lowering->graph, node, 1)));
    if (w.n > 3)
        return crd_onnx_lack(lowering, node, "of more than 3 dimensions");
    if (crd_onnx_constant(lowering->graph, node, 1) == NULL ||
        (crd_onnx_is_given(node, 2) && crd_onnx_constant(lowering->graph, node, 2) == NULL))
        return crd_onnx_lack(lowering, node, "its weights are not constant");
    to_plane(&w);
    CRD_TRY((w.n == 3 ? emit_conv3d : emit_conv)(&op, lowering, node, &w, in.op));
    CRD_TRY(crd_onnx_give_input(lowering, node, 1, op, CRD_SLOT_WEIGHT));
    if (crd_onnx_is_given(node, 2))
        CRD_TRY(crd_onnx_give_input(lowering, node, 2, op, CRD_SLOT_BIAS));
    CRD_TRY(crd_onnx_put(lowering, node, 0, op));
cleanup:
    return status;
}

CRD_ONNX_LOWER(conv_transpose)
{
    crd_status status = CRD_OK;
    crd_onnx_window w;
    crd_onnx_node_call of;
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    const crd_shape *weight = crd_onnx_shape_of(lowering->graph, node, 1);
    CRD_TRY(crd_onnx_node_call_of(&of, lowering, node, 3));
    CRD_TRY(crd_onnx_transposed_window(&w, &of.call));
    if (w.n > 3)
        return crd_onnx_lack(lowering, node, "of more than 3 dimensions");
    if (of.in[1].constant == NULL || (crd_onnx_is_given(node, 2) && of.in[2].constant == NULL))
        return crd_onnx_lack(lowering, node, "its weights are not constant");
    to_plane(&w);
    double groups = (double)crd_onnx_attr_int(node, "group", 1);
    crd_shape image = crd_onnx_network_shape(&of.in[0].shape);
    bool is_volume = w.n == 3;
    int64_t more[3] = {0};
    for (int d = 0; d < w.n; d++)
        more[d] = w.size[d] - ((image.dims[1 + d] - 1) * w.stride[d] - 2 * w.before[d] +
                               w.dilation[d] * (w.kernel[d] - 1) + 1);
    const crd_attr attrs[] = {
        CRD_ATTR("in_channels", (double)weight->dims[0]),
        CRD_ATTR("out_channels", (double)weight->dims[1] * groups),
        AXES("kernel_size", w.kernel),
        AXES("stride", w.stride),
        AXES("padding", w.before),
        AXES("output_padding", more),
        AXES("dilation", w.dilation),
        CRD_ATTR("groups", groups),
        CRD_ATTR("bias", crd_onnx_is_given(node, 2)),
        CRD_ATTR_END,
    };
    int64_t op;
    CRD_TRY(crd_onnx_emit(&op, lowering, node,
                          &(crd_onnx_emission){is_volume ? "ConvTranspose3d" : "ConvTranspose2d",
                                               attrs, &in.op, 1, .weight = 1}));
    CRD_TRY(crd_onnx_give_input(lowering, node, 1, op, CRD_SLOT_WEIGHT));
    if (crd_onnx_is_given(node, 2))
        CRD_TRY(crd_onnx_give_input(lowering, node, 2, op, CRD_SLOT_BIAS));
    CRD_TRY(crd_onnx_put(lowering, node, 0, op));
cleanup:
    return status;
}

/* The vectors of a norm: scale, shift, mean, variance. */
CRD_ONNX_LOWER(batch_norm)
{
    crd_status status = CRD_OK;
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    const crd_shape *shape = crd_onnx_shape_of(lowering->graph, node, 0);
    int64_t op = in.op;
    if (!crd_onnx_has_constants(lowering, node, 5))
        return crd_onnx_lack(lowering, node, "its vectors are not constant");
    if (crd_onnx_attr_int(node, "training_mode", 0) != 0)
        return crd_onnx_lack(lowering, node, "training_mode");
    const crd_attr attrs[] = {
        CRD_ATTR("num_features", (double)shape->dims[1]),
        CRD_ATTR("eps", crd_onnx_attr_real(node, "epsilon", 1e-5)),
        /* ONNX's is the share that stays, torch's that which comes. */
        CRD_ATTR("momentum", fmin(fmax(1 - crd_onnx_attr_real(node, "momentum", 0.9), 0), 1)),
        CRD_ATTR_END,
    };
    CRD_TRY(crd_onnx_emit(&op, lowering, node,
                          &(crd_onnx_emission){"BatchNorm2d", attrs, &op, 1, .weight = 1}));
    for (int k = 1; k < 5; k++)
        CRD_TRY(crd_onnx_give_input(lowering, node, k, op, k - 1));
    CRD_TRY(crd_onnx_put(lowering, node, 0, op));
cleanup:
    return status;
}

static crd_status emit_group_norm(crd_onnx_lowering *lowering, const crd_onnx_node *node,
                                  int64_t groups)
{
    crd_status status = CRD_OK;
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    const crd_shape *shape = crd_onnx_shape_of(lowering->graph, node, 0);
    int64_t op;
    if (!crd_onnx_has_constants(lowering, node, 3))
        return crd_onnx_lack(lowering, node, "its vectors are not constant");
    if (crd_onnx_constant(lowering->graph, node, 1)->count != shape->dims[1])
        return crd_onnx_lack(lowering, node, "of a scale for each group");
    const crd_attr attrs[] = {
        CRD_ATTR("num_groups", (double)groups), CRD_ATTR("num_channels", (double)shape->dims[1]),
        CRD_ATTR("eps", crd_onnx_attr_real(node, "epsilon", 1e-5)), CRD_ATTR_END};
    CRD_TRY(crd_onnx_emit(&op, lowering, node,
                          &(crd_onnx_emission){"GroupNorm", attrs, &in.op, 1, .weight = 1}));
    CRD_TRY(crd_onnx_give_input(lowering, node, 1, op, 0));
    CRD_TRY(crd_onnx_give_input(lowering, node, 2, op, 1));
    CRD_TRY(crd_onnx_put(lowering, node, 0, op));
cleanup:
    return status;
}

CRD_ONNX_LOWER(group_norm)
{
    return emit_group_norm(lowering, node, crd_onnx_attr_int(node, "num_groups", 1));
}

CRD_ONNX_LOWER(instance_norm)
{
    return emit_group_norm(lowering, node, crd_onnx_shape_of(lowering->graph, node, 0)->dims[1]);
}

CRD_ONNX_LOWER(lrn)
{
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    const crd_attr attrs[] = {CRD_ATTR("size", (double)crd_onnx_attr_int(node, "size", 1)),
                              CRD_ATTR("alpha", crd_onnx_attr_real(node, "alpha", 1e-4)),
                              CRD_ATTR("beta", crd_onnx_attr_real(node, "beta", 0.75)),
                              CRD_ATTR("k", crd_onnx_attr_real(node, "bias", 1)), CRD_ATTR_END};
    int64_t op;
    if (crd_onnx_attr_int(node, "size", 1) % 2 == 0)
        return crd_onnx_lack(lowering, node, "of an even size, whose odd channel torch has before");
    crd_status status = crd_onnx_emit_one(&op, lowering, node, "LocalResponseNorm", attrs, in.op);
    return status != CRD_OK ? status : crd_onnx_put(lowering, node, 0, op);
}

/* Pooling of volumes, of which depth is 1 for an image. */
static crd_status emit_pool3d(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                              const crd_onnx_window *w, int64_t input)
{
    bool is_max = node->kind->rule == 0;
    const crd_attr counts =
        CRD_ATTR("count_include_pad", crd_onnx_attr_int(node, "count_include_pad", 0) != 0);
    const crd_attr attrs[] = {
        CRD_ATTR("kernel_size", THREE(w->kernel)), CRD_ATTR("stride", THREE(w->stride)),
        CRD_ATTR("padding", THREE(w->before)),     CRD_ATTR("padding_end", THREE(w->after)),
        CRD_ATTR("dilation", THREE(w->dilation)),  CRD_ATTR("ceil_mode", w->is_ceil),
        is_max ? (crd_attr)CRD_ATTR_END : counts,  CRD_ATTR_END,
    };
    return crd_onnx_emit_one(op, lowering, node, is_max ? "MaxPool3d" : "AvgPool3d", attrs, input);
}

/* A window that the pooling of images lacks: that of volumes of depth 1 has it. */
static crd_status emit_pool_by_volume(int64_t *op, crd_onnx_lowering *lowering,
                                      const crd_onnx_node *node, const crd_onnx_window *w,
                                      int64_t input)
{
    crd_status status = CRD_OK;
    crd_onnx_window of3 = {
        .n = 3, .kernel = {1}, .stride = {1}, .dilation = {1}, .is_ceil = w->is_ceil};
    for (int d = 0; d < 2; d++) {
        of3.kernel[1 + d] = w->kernel[d];
        of3.stride[1 + d] = w->stride[d];
        of3.dilation[1 + d] = w->dilation[d];
        of3.before[1 + d] = w->before[d];
        of3.after[1 + d] = w->after[d];
    }
    const int64_t *in = crd_onnx_op_shape(lowering, input)->dims;
    const crd_attr volume[] = {CRD_ATTR("shape", (double)in[0], 1, (double)in[1], (double)in[2]),
                               CRD_ATTR_END};
    const crd_attr image[] = {
        CRD_ATTR("shape", (double)in[0], (double)w->size[0], (double)w->size[1]), CRD_ATTR_END};
    CRD_TRY(crd_onnx_emit_one(op, lowering, node, "Reshape", volume, input));
    CRD_TRY(emit_pool3d(op, lowering, node, &of3, *op));
    CRD_TRY(crd_onnx_emit_one(op, lowering, node, "Reshape", image, *op));
cleanup:
    return status;
}

static crd_status emit_pool2d(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                              const crd_onnx_window *w, int64_t input)
{
    bool is_max = node->kind->rule == 0;
    for (int d = 0; d < 2; d++)
        if (w->dilation[d] > 1 || w->before[d] != w->after[d] || 2 * w->before[d] > w->kernel[d])
            return emit_pool_by_volume(op, lowering, node, w, input);
    const crd_attr counts =
        CRD_ATTR("count_include_pad", crd_onnx_attr_int(node, "count_include_pad", 0) != 0);
    const crd_attr attrs[] = {
        CRD_ATTR("kernel_size", PAIR(w->kernel)), CRD_ATTR("stride", PAIR(w->stride)),
        CRD_ATTR("padding", PAIR(w->before)),     CRD_ATTR("ceil_mode", w->is_ceil),
        is_max ? (crd_attr)CRD_ATTR_END : counts, CRD_ATTR_END};
    return crd_onnx_emit_one(op, lowering, node, is_max ? "MaxPool2d" : "AvgPool2d", attrs, input);
}

/* rule 0: MaxPool, 1: AveragePool. */
CRD_ONNX_LOWER(pool)
{
    crd_status status = CRD_OK;
    crd_onnx_window w;
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    int64_t op;
    CRD_TRY(crd_onnx_window_of(&w, node, crd_onnx_shape_of(lowering->graph, node, 0), NULL));
    if (w.n > 3)
        return crd_onnx_lack(lowering, node, "of more than 3 dimensions");
    if (in.op < 0 || node->n_outputs > 1)
        return crd_onnx_lack(lowering, node, "its indices are asked for");
    to_plane(&w);
    for (int d = 0; d < w.n; d++)
        if ((w.before[d] > w.after[d] ? w.before[d] : w.after[d]) >
            w.dilation[d] * (w.kernel[d] - 1))
            return crd_onnx_lack(lowering, node, "with a padding that leaves windows empty");
    CRD_TRY((w.n == 3 ? emit_pool3d : emit_pool2d)(&op, lowering, node, &w, in.op));
    CRD_TRY(crd_onnx_put(lowering, node, 0, op));
cleanup:
    return status;
}

CRD_ONNX_LOWER(global_pool)
{
    crd_status status = CRD_OK;
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    const crd_shape *shape = crd_onnx_shape_of(lowering->graph, node, 0);
    crd_shape plane = crd_onnx_network_shape(shape);
    const crd_attr average[] = {CRD_ATTR("output_size", 1, 1), CRD_ATTR_END};
    const crd_attr maximum[] = {
        CRD_ATTR("kernel_size", (double)plane.dims[1], (double)plane.dims[2]),
        CRD_ATTR("stride", (double)plane.dims[1], (double)plane.dims[2]),
        CRD_ATTR("padding", 0, 0),
        CRD_ATTR_END,
    };
    const crd_attr volume[] = {CRD_ATTR("output_size", 1, 1, 1), CRD_ATTR_END};
    int64_t op;
    if ((plane.n_dims != 3 && plane.n_dims != 4))
        return crd_onnx_lack(lowering, node, "its input is no image");
    bool is_max = node->kind->kind[0] == 'M';
    if (plane.n_dims == 4)
        CRD_TRY(crd_onnx_emit_one(&op, lowering, node,
                                  is_max ? "AdaptiveMaxPool3d" : "AdaptiveAvgPool3d", volume,
                                  in.op));
    else
        CRD_TRY(crd_onnx_emit_one(&op, lowering, node, node->kind->kind, is_max ? maximum : average,
                                  in.op));
    CRD_TRY(crd_onnx_put(lowering, node, 0, op));
cleanup:
    return status;
}

CRD_ONNX_LOWER(prelu)
{
    crd_status status = CRD_OK;
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    const crd_onnx_tensor *slope = crd_onnx_constant(lowering->graph, node, 1);
    const crd_shape *shape = crd_onnx_shape_of(lowering->graph, node, 0);
    int64_t channels = shape->dims[1], op;
    if (slope == NULL || in.op < 0 || shape->n_dims < 2)
        return crd_onnx_lack(lowering, node, "its slope is not constant");
    /* (channels, 1 ...) or (1, channels, 1 ...), or one number. */
    int at = slope->shape.n_dims - shape->n_dims + 1;
    bool is_each = at >= 0 && slope->shape.dims[at] == channels && slope->count == channels;
    if (!is_each && slope->count != 1)
        return crd_onnx_lack(lowering, node, "its slope is neither one number nor one a channel");
    const crd_attr attrs[] = {CRD_ATTR("num_parameters", (double)slope->count), CRD_ATTR_END};
    CRD_TRY(crd_onnx_emit(&op, lowering, node,
                          &(crd_onnx_emission){"PReLU", attrs, &in.op, 1, .weight = 1}));
    CRD_TRY(crd_onnx_give_input(lowering, node, 1, op, 0));
    CRD_TRY(crd_onnx_put(lowering, node, 0, op));
cleanup:
    return status;
}
