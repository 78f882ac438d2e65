/* Which algorithm computes a convolution, and what the algorithms share. */
#include "conv/method.h"

#include <string.h>

#include "kernels/kernels.h"

enum { LINE_FLOATS = 16 };

static const crd_conv_method *const methods[] = {&crd_conv_direct,      &crd_conv_winograd,
                                                 &crd_conv_gemm,        &crd_conv_depthwise,
                                                 &crd_conv_direct_bf16, &crd_conv_winograd_bf16};

bool crd_conv_allows(const crd_conv *conv, const crd_conv_method *method)
{
    const crd_format *format = method->format;
    if (format->precision != CRD_FP32 && format->precision != conv->precision)
        return false;
    return method->fits(conv) && (conv->transposed_of == NULL || format->carries_gradients);
}

const crd_conv_method *crd_conv_choose(const crd_conv *conv)
{
    const crd_conv_method *best = NULL;
    double best_cost = 0;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (!crd_conv_allows(conv, methods[i]))
            continue;
        double cost = methods[i]->cost(conv, methods[i]->format);
        if (best == NULL || cost < best_cost) {
            best = methods[i];
            best_cost = cost;
        }
    }
    return best;
}

int64_t crd_conv_scratch_floats(const crd_conv *conv)
{
    const crd_conv_method *chosen = crd_conv_choose(conv);
    return chosen->scratch_floats(conv, chosen->format);
}

void crd_conv_forward(const crd_conv *conv, const crd_conv_args *args)
{
    const crd_conv_method *chosen = crd_conv_choose(conv);
    int64_t n_calls = chosen->runs_all_groups ? 1 : conv->groups;
    for (int64_t group = 0; group < n_calls; group++)
        chosen->run(conv, chosen->format, args, group);
}

bool crd_conv_is_pointwise(const crd_conv *conv)
{
    for (int i = 0; i < 2; i++)
        if (conv->kernel_size[i] != 1 || conv->stride[i] != 1 || conv->padding[i] != 0)
            return false;
    /* A gradient's convolution may leave pixels out at the end. */
    return conv->out_height == conv->height && conv->out_width == conv->width;
}

int64_t crd_conv_in_plane(const crd_conv *conv)
{
    return conv->n_images * conv->height * conv->width;
}

int64_t crd_conv_out_plane(const crd_conv *conv)
{
    return conv->n_images * conv->out_height * conv->out_width;
}

void crd_conv_gather_row(float *out, const float *row, int64_t n, int64_t stride, int64_t shift,
                         int64_t width)
{
    int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    int64_t end = shift >= width ? 0 : (width - 1 - shift) / stride + 1;
    first = first < n ? first : n;
    end = end < first ? first : end < n ? end : n;
    for (int64_t i = 0; i < first; i++)
        out[i] = 0;
    if (stride == 1 && first < end)
        memcpy(out + first, row + first + shift, (size_t)(end - first) * sizeof *out);
    else if (stride == 2)
        crd_kernels_get()->elementwise->every_second(out + first, row + 2 * first + shift,
                                                     end - first);
    else
        for (int64_t i = first; i < end; i++)
            out[i] = row[i * stride + shift];
    for (int64_t i = end; i < n; i++)
        out[i] = 0;
}

void crd_conv_pad_rows(float *out, int64_t row_floats, const float *in, const crd_conv *conv,
                       int64_t top, int64_t left, int64_t n_rows)
{
    int64_t first = top < 0 ? -top : 0, end = conv->height - top;
    end = end < n_rows ? end : n_rows;
    if (first >= end)
        first = end = n_rows; /* all outside */
    memset(out, 0, (size_t)(first * row_floats) * sizeof *out);
    crd_kernels_get()->conv->copy_rows(out + first * row_floats, row_floats, row_floats,
                                       in + (top + first) * conv->width, conv->width, left,
                                       end - first);
    memset(out + end * row_floats, 0, (size_t)((n_rows - end) * row_floats) * sizeof *out);
}

int64_t crd_conv_n_panels(const crd_conv *conv)
{
    return (conv->n_out + CRD_LANES - 1) / CRD_LANES;
}

int crd_conv_panel_lanes(const crd_conv *conv, int64_t panel)
{
    int64_t left = conv->n_out - panel * CRD_LANES;
    return left < CRD_LANES ? (int)left : CRD_LANES;
}

void crd_conv_finish_panel(const float *strip, const crd_conv *conv, const crd_conv_args *args,
                           int64_t group, int64_t panel, int64_t first, int64_t n)
{
    int64_t channel = group * conv->n_out + panel * CRD_LANES, plane = crd_conv_out_plane(conv);
    int64_t at = channel * plane + first;
    int n_channels = crd_conv_panel_lanes(conv, panel);
    const crd_kernels *kernels = crd_kernels_get();
    crd_epilogue epilogue = args->epilogue;
    if (epilogue.bias != NULL)
        epilogue.bias += channel;
    if (epilogue.residual != NULL)
        epilogue.residual += at;
    kernels->conv->unpack(args->out + at, plane, strip, n, n_channels, &epilogue);
    if (epilogue.activation.kind > CRD_RELU)
        crd_conv_activate_panel(conv, args, group, panel, first, n);
}

void crd_conv_activate_panel(const crd_conv *conv, const crd_conv_args *args, int64_t group,
                             int64_t panel, int64_t first, int64_t n)
{
    const crd_activation *activation = &args->epilogue.activation;
    int64_t channel = group * conv->n_out + panel * CRD_LANES, plane = crd_conv_out_plane(conv);
    float *out = args->out + channel * plane + first;
    for (int c = 0; c < crd_conv_panel_lanes(conv, panel); c++, out += plane)
        crd_kernels_get()->elementwise->activate(out, out, n, activation);
}

float *crd_scratch_floats(crd_scratch *scratch, int64_t n)
{
    float *part = scratch->base == NULL ? NULL : scratch->base + scratch->n_floats;
    scratch->n_floats += (n + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
    return part;
}

int64_t *crd_scratch_indices(crd_scratch *scratch, int64_t n)
{
    return (int64_t *)(void *)crd_scratch_floats(scratch,
                                                 n * (int64_t)(sizeof(int64_t) / sizeof(float)));
}

int64_t crd_conv_odd_lines(int64_t n)
{
    return ((n + LINE_FLOATS - 1) / LINE_FLOATS | 1) * LINE_FLOATS;
}
