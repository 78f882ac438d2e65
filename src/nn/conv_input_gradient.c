/* The gradient at the input of a convolution is a convolution of the gradient at its output, with the
 * kernel reversed and the channels in and out exchanged, and so goes through the same algorithms.
 * With a stride, input pixels of one phase, those of equal (y + padding) % stride, meet only every
 * stride-th pixel of the kernel: each phase is a convolution of its own, with stride 1, onto every
 * stride-th pixel. Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning",
 * 2016, chapter 4. */
#include <string.h>

#include "nn/layer_conv.h"

/* A phase along one dimension. */
typedef struct phase {
    int64_t n_taps, last_tap; /* kernel pixels it meets; the last of them */
    int64_t first, n;         /* input pixels: the first, and how many, every stride-th */
    int64_t padding;
} phase;

static phase take_phase(const crd_conv *conv, int dim, int64_t index)
{
    const crd_conv2d_attrs *a = &conv->attrs;
    int64_t stride = a->stride[dim], padding = a->padding[dim], kernel = a->kernel_size[dim];
    int64_t extent = dim == 0 ? conv->height : conv->width;
    phase p = {.first = ((index - padding) % stride + stride) % stride};
    p.n = p.first < extent ? (extent - 1 - p.first) / stride + 1 : 0;
    p.n_taps = index < kernel ? (kernel - 1 - index) / stride + 1 : 0;
    p.last_tap = index + (p.n_taps - 1) * stride;
    p.padding = (p.n_taps - 1) * a->dilation[dim] - (p.first + padding) / stride;
    return p;
}

static int64_t count_phases(const crd_conv *conv)
{
    return conv->attrs.stride[0] * conv->attrs.stride[1];
}

/* The convolution of phase `index`; returns 0 if no pixel of the input or the kernel is in it. */
static int make_phase(crd_conv *out, phase phases[2], const crd_conv *conv, int64_t index)
{
    phases[0] = take_phase(conv, 0, index / conv->attrs.stride[1]);
    phases[1] = take_phase(conv, 1, index % conv->attrs.stride[1]);
    *out = (crd_conv){.attrs = conv->attrs,
                      .n_images = conv->n_images,
                      .n_in = conv->n_out,
                      .n_out = conv->n_in,
                      .height = conv->out_height,
                      .width = conv->out_width,
                      .out_height = phases[0].n,
                      .out_width = phases[1].n,
                      .n_terms = conv->n_out * phases[0].n_taps * phases[1].n_taps,
                      .forward = conv};
    out->attrs.in_channels = conv->attrs.out_channels;
    out->attrs.out_channels = conv->attrs.in_channels;
    for (int i = 0; i < 2; i++) {
        out->attrs.kernel_size[i] = phases[i].n_taps;
        out->attrs.stride[i] = 1;
        out->attrs.padding[i] = phases[i].padding;
        out->tap_last[i] = phases[i].last_tap;
        out->tap_step[i] = conv->attrs.stride[i];
    }
    return crd_conv_out_plane(out) > 0 && out->n_terms > 0;
}

/* Where both are larger than 1 the kernel pixels of a phase are not every stride-th ones. */
int crd_conv_input_gradient_fits(const crd_conv *conv)
{
    for (int i = 0; i < 2; i++)
        if (conv->attrs.stride[i] > 1 && conv->attrs.dilation[i] > 1)
            return 0;
    return 1;
}

/* Where a phase is computed before its pixels are spread. */
static int64_t phase_floats(const crd_conv *conv)
{
    crd_scratch room = {0};
    if (count_phases(conv->forward) > 1)
        crd_scratch_floats(&room, conv->attrs.out_channels * crd_conv_out_plane(conv));
    return room.n_floats;
}

int64_t crd_conv_input_gradient_scratch_floats(const crd_conv *conv)
{
    int64_t most = 0;
    for (int64_t i = 0; i < count_phases(conv); i++) {
        crd_conv phase_conv;
        phase phases[2];
        if (!make_phase(&phase_conv, phases, conv, i))
            continue;
        int64_t floats = phase_floats(&phase_conv) + crd_conv_scratch_floats(&phase_conv);
        most = most > floats ? most : floats;
    }
    return most;
}

/* Pixels of a phase to where they belong. */
static void spread(float *din, int adds, const float *pixels, const crd_conv *conv,
                   const phase phases[2])
{
    const int64_t *stride = conv->attrs.stride;
    for (int64_t map = 0; map < conv->attrs.in_channels * conv->n_images; map++)
        for (int64_t y = 0; y < phases[0].n; y++, pixels += phases[1].n) {
            int64_t in_y = map * conv->height + phases[0].first + y * stride[0];
            float *row = din + in_y * conv->width + phases[1].first;
            for (int64_t x = 0; x < phases[1].n; x++)
                row[x * stride[1]] = adds ? row[x * stride[1]] + pixels[x] : pixels[x];
        }
}

void crd_conv_input_gradient(float *din, int adds, const crd_conv *conv, const crd_layer_args *args,
                             const float *dout)
{
    const crd_conv2d_attrs *a = &conv->attrs;
    int in_one = count_phases(conv) == 1;
    if (!adds && (a->kernel_size[0] < a->stride[0] || a->kernel_size[1] < a->stride[1])) {
        /* Some pixels are under no kernel. */
        memset(din, 0, (size_t)(a->in_channels * crd_conv_in_plane(conv)) * sizeof *din);
        adds = 1;
    }
    for (int64_t i = 0; i < count_phases(conv); i++) {
        crd_conv phase_conv;
        phase phases[2];
        if (!make_phase(&phase_conv, phases, conv, i))
            continue;
        float *pixels = in_one ? din : args->scratch;
        const crd_layer_args pass = {
            .out = pixels,
            .in = {dout},
            .params = {[CRD_PARAM_WEIGHT] = args->params[CRD_PARAM_WEIGHT]},
            .residual = in_one && adds ? din : NULL,
            .n_images = args->n_images,
            .scratch = args->scratch + phase_floats(&phase_conv)};
        crd_conv_forward(&phase_conv, &pass);
        if (!in_one)
            spread(din, adds, pixels, conv, phases);
    }
}
