/* Windows: kernels, strides, paddings, and the sizes that they give. */
#include "import/onnx/onnx_window.h"

#include <math.h>

#include "base/integers.h"

enum { MOST = 65536 };

/* A list of one number an axis; the fallback where it is missing. */
static crd_status axis_numbers(int64_t *out, const crd_onnx_node *node, const char *name, int n,
                               int64_t fallback, int64_t least)
{
    const crd_onnx_attr *attr = crd_onnx_attr_find(node, name);
    for (int d = 0; d < n; d++)
        out[d] = fallback;
    if (attr == NULL || attr->n == 0)
        return CRD_OK;
    if (attr->n != n || attr->ints == NULL)
        return CRD_ONNX_FAIL("%s has %lld numbers, needed are %d", name, (long long)attr->n, n);
    for (int d = 0; d < n; d++) {
        out[d] = attr->ints[d];
        if (out[d] < least || out[d] > MOST)
            return CRD_ONNX_FAIL("%s is %lld, allowed are %lld to %d", name, (long long)out[d],
                                 (long long)least, MOST);
    }
    return CRD_OK;
}

static crd_status kernel_of(crd_onnx_window *w, const crd_onnx_node *node, const crd_shape *weight)
{
    crd_status status = axis_numbers(w->kernel, node, "kernel_shape", w->n, 0, 1);
    for (int d = 0; status == CRD_OK && d < w->n; d++) {
        if (w->kernel[d] == 0 && weight != NULL)
            w->kernel[d] = weight->dims[2 + d];
        if (w->kernel[d] < 1 || (weight != NULL && w->kernel[d] != weight->dims[2 + d]))
            return CRD_ONNX_FAIL("%s", "kernel_shape is missing, or not that of the weights");
    }
    return status;
}

static int64_t reach(const crd_onnx_window *w, int d)
{
    return w->dilation[d] * (w->kernel[d] - 1) + 1;
}

/* SAME: as many positions as there are strides; the odd one lies after (UPPER) or before. */
static void pad_same(crd_onnx_window *w, int d, int64_t size, bool is_upper)
{
    int64_t wanted = crd_divide_up(size, w->stride[d]);
    int64_t all = crd_larger((wanted - 1) * w->stride[d] + reach(w, d) - size, 0);
    w->before[d] = is_upper ? all / 2 : all - all / 2;
    w->after[d] = all - w->before[d];
}

crd_status crd_onnx_window_of(crd_onnx_window *w, const crd_onnx_node *node, const crd_shape *image,
                              const crd_shape *weight)
{
    crd_status status = CRD_OK;
    const char *rule = crd_onnx_attr_text(node, "auto_pad", "NOTSET");
    int64_t pads[2 * CRD_MAX_DIMS];
    *w = (crd_onnx_window){.n = image->n_dims - 2};
    if (w->n < 1 || (weight != NULL && weight->n_dims != image->n_dims))
        CRD_TRY(CRD_ONNX_FAIL("%s", "its input is no image, or its weights do not fit it"));
    CRD_TRY(kernel_of(w, node, weight));
    CRD_TRY(axis_numbers(w->stride, node, "strides", w->n, 1, 1));
    CRD_TRY(axis_numbers(w->dilation, node, "dilations", w->n, 1, 1));
    CRD_TRY(axis_numbers(w->more, node, "output_padding", w->n, 0, 0));
    CRD_TRY(axis_numbers(pads, node, "pads", 2 * w->n, 0, 0));
    w->is_ceil = crd_onnx_attr_int(node, "ceil_mode", 0) != 0;
    for (int d = 0; d < w->n; d++) {
        int64_t size = image->dims[2 + d];
        w->before[d] = rule[0] == 'N' ? pads[d] : 0;
        w->after[d] = rule[0] == 'N' ? pads[w->n + d] : 0;
        if (rule[0] == 'S')
            pad_same(w, d, size, rule[5] == 'U');
        int64_t room = size + w->before[d] + w->after[d] - reach(w, d);
        w->size[d] =
            room < 0 ? 0
                     : (w->is_ceil ? crd_divide_up(room, w->stride[d]) : room / w->stride[d]) + 1;
        /* A window that begins in the padding after the image does not count. */
        if (w->is_ceil && (w->size[d] - 1) * w->stride[d] >= size + w->before[d])
            w->size[d]--;
    }
cleanup:
    return status;
}

/* Channels and sizes with those of the images. */
static crd_status put_sizes(crd_onnx_call *call, int64_t channels, const crd_onnx_window *w)
{
    call->out[0].shape = call->in[0].shape;
    call->out[0].shape.dims[1] = channels;
    for (int d = 0; d < w->n; d++) {
        if (w->size[d] < 1)
            return CRD_ONNX_FAIL("%s", "its input is smaller than its kernel");
        call->out[0].shape.dims[2 + d] = w->size[d];
    }
    return CRD_OK;
}

CRD_ONNX_SHAPE(conv)
{
    crd_onnx_window w;
    const crd_shape *weight = &call->in[1].shape;
    crd_status status = crd_onnx_window_of(&w, call->node, &call->in[0].shape, weight);
    return status == CRD_OK ? put_sizes(call, weight->dims[0], &w) : status;
}

/* output_shape, where it is given, is met by more or less padding. */
static crd_status transposed_sizes(crd_onnx_window *w, const crd_onnx_call *call)
{
    int64_t wanted[CRD_MAX_DIMS];
    const char *rule = crd_onnx_attr_text(call->node, "auto_pad", "NOTSET");
    crd_status status = axis_numbers(wanted, call->node, "output_shape", w->n, 0, 1);
    for (int d = 0; status == CRD_OK && d < w->n; d++) {
        int64_t full =
            (call->in[0].shape.dims[2 + d] - 1) * w->stride[d] + reach(w, d) + w->more[d];
        if (wanted[d] == 0 && rule[0] == 'S')
            wanted[d] = call->in[0].shape.dims[2 + d] * w->stride[d];
        if (wanted[d] > 0) {
            int64_t all = full - wanted[d];
            if (all < 0)
                w->more[d] -= all;
            all = crd_larger(all, 0);
            w->before[d] = rule[0] == 'S' && rule[5] == 'U' ? all / 2 : all - all / 2;
            w->after[d] = all - w->before[d];
            w->size[d] = wanted[d];
        } else
            w->size[d] = full - w->before[d] - w->after[d];
    }
    return status;
}

crd_status crd_onnx_transposed_window(crd_onnx_window *out, const crd_onnx_call *call)
{
    crd_status status = crd_onnx_window_of(out, call->node, &call->in[0].shape, &call->in[1].shape);
    return status == CRD_OK ? transposed_sizes(out, call) : status;
}

CRD_ONNX_SHAPE(conv_transpose)
{
    crd_onnx_window w;
    crd_status status = crd_onnx_transposed_window(&w, call);
    if (status != CRD_OK)
        return status;
    int64_t groups = crd_onnx_attr_int(call->node, "group", 1), channels;
    if (groups < 1 || __builtin_mul_overflow(call->in[1].shape.dims[1], groups, &channels))
        return CRD_ONNX_FAIL("group is %lld", (long long)groups);
    return put_sizes(call, channels, &w);
}

CRD_ONNX_SHAPE(pool)
{
    crd_onnx_window w;
    crd_status status = crd_onnx_window_of(&w, call->node, &call->in[0].shape, NULL);
    for (int k = 1; k < call->n_out; k++)
        call->out[k].type = CRD_ONNX_INT64;
    return status == CRD_OK ? put_sizes(call, call->in[0].shape.dims[1], &w) : status;
}

CRD_ONNX_SHAPE(global_pool)
{
    call->out[0].shape = call->in[0].shape;
    for (int d = 2; d < call->in[0].shape.n_dims; d++)
        call->out[0].shape.dims[d] = 1;
    return CRD_OK;
}

CRD_ONNX_SHAPE(first_only)
{
    call->out[0].shape = call->in[0].shape;
    return CRD_OK;
}

/* Resize has inputs X, roi, scales, sizes since opset 11; X, scales in 10; Upsample X, scales or an
 * attribute. */
crd_status crd_onnx_scales(double scales[CRD_MAX_DIMS], bool *is_known, const crd_onnx_call *call)
{
    const crd_shape *in = &call->in[0].shape;
    const crd_onnx_attr *attr = crd_onnx_attr_find(call->node, "scales");
    const crd_onnx_attr *axes = crd_onnx_attr_find(call->node, "axes");
    bool is_new = call->opset >= 11 && call->node->kind->rule == 0;
    int k = is_new ? 2 : 1;
    bool by_size = is_new && call->n_in > 3 && call->in[3].is_given;
    const crd_onnx_arg *arg = by_size ? &call->in[3] : call->n_in > k ? &call->in[k] : NULL;
    const crd_onnx_tensor *numbers = arg == NULL ? NULL : arg->constant;
    int n = axes != NULL ? (int)axes->n : in->n_dims;
    for (int d = 0; d < CRD_MAX_DIMS; d++)
        scales[d] = 1;
    *is_known = numbers != NULL || attr != NULL;
    if (!*is_known)
        return CRD_OK;
    if ((numbers != NULL ? numbers->count : attr->n) != n || (attr != NULL && attr->floats == NULL))
        return CRD_ONNX_FAIL("scales or sizes do not have %d numbers", n);
    for (int i = 0; i < n; i++) {
        int d = i;
        crd_status status = axes == NULL || axes->ints == NULL
                                ? CRD_OK
                                : crd_onnx_axis(&d, axes->ints[i], in->n_dims);
        if (status != CRD_OK)
            return status;
        double number = numbers != NULL ? crd_onnx_get(numbers, i) : attr->floats[i];
        scales[d] = by_size ? number / (double)in->dims[d] : number;
        if (!(scales[d] > 0 && scales[d] * (double)in->dims[d] <= INT32_MAX))
            return CRD_ONNX_FAIL("scale %g of axis %d", scales[d], d);
    }
    return CRD_OK;
}

CRD_ONNX_SHAPE(resize)
{
    double scales[CRD_MAX_DIMS];
    bool is_known;
    crd_status status = crd_onnx_scales(scales, &is_known, call);
    if (status != CRD_OK || !is_known)
        return status;
    call->out[0].shape = call->in[0].shape;
    for (int d = 0; d < call->in[0].shape.n_dims; d++) {
        int64_t size = (int64_t)floor((double)call->in[0].shape.dims[d] * scales[d] + 1e-7);
        call->out[0].shape.dims[d] = size;
    }
    return CRD_OK;
}
