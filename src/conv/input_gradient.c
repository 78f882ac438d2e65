/* The gradient at the input of a convolution is a convolution of the gradient at its output, with
 * the kernel reversed and the channels in and out exchanged, and so goes through the same
 * algorithms. With a stride, input pixels of one phase, those of equal (y + padding) % stride, meet
 * only every stride-th pixel of the kernel: each phase is a convolution of its own, with stride 1,
 * onto every stride-th pixel. Source: Dumoulin and Visin, "A guide to convolution arithmetic for
 * deep learning", 2016, chapter 4. */
#include <string.h>

#include "conv/backward.h"

/* A phase along one dimension. */
typedef struct phase {
    int64_t n_taps, last_tap; /* kernel pixels it meets; the last of them */
    int64_t first, n;         /* input pixels: the first, and how many, every stride-th */
    int64_t padding;
} phase;

static phase take_phase(const crd_conv *conv, int dim, int64_t index)
{
    int64_t stride = conv->stride[dim], padding = conv->padding[dim],
            kernel = conv->kernel_size[dim];
    int64_t extent = dim == 0 ? conv->height : conv->width;
    phase p = {.first = ((index - padding) % stride + stride) % stride};
    p.n = p.first < extent ? (extent - 1 - p.first) / stride + 1 : 0;
    p.n_taps = index < kernel ? (kernel - 1 - index) / stride + 1 : 0;
    p.last_tap = index + (p.n_taps - 1) * stride;
    p.padding = (p.n_taps - 1) * conv->dilation[dim] - (p.first + padding) / stride;
    return p;
}

static int64_t count_phases(const crd_conv *conv)
{
    return conv->stride[0] * conv->stride[1];
}

/* The convolution of phase `index`; returns 0 if no pixel of the input or the kernel is in it. */
static int make_phase(crd_conv *out, phase phases[2], const crd_conv *conv, int64_t index)
{
    phases[0] = take_phase(conv, 0, index / conv->stride[1]);
    phases[1] = take_phase(conv, 1, index % conv->stride[1]);
    *out = (crd_conv){.in_channels = conv->out_channels,
                      .out_channels = conv->in_channels,
                      .groups = conv->groups,
                      .dilation = {conv->dilation[0], conv->dilation[1]},
                      .n_images = conv->n_images,
                      .n_in = conv->n_out,
                      .n_out = conv->n_in,
                      .height = conv->out_height,
                      .width = conv->out_width,
                      .out_height = phases[0].n,
                      .out_width = phases[1].n,
                      .n_terms = conv->n_out * phases[0].n_taps * phases[1].n_taps,
                      .transposed_of = conv};
    for (int i = 0; i < 2; i++) {
        out->kernel_size[i] = phases[i].n_taps;
        out->stride[i] = 1;
        out->padding[i] = phases[i].padding;
        out->flip.last[i] = phases[i].last_tap;
        out->flip.step[i] = conv->stride[i];
    }
    return crd_conv_out_plane(out) > 0 && out->n_terms > 0;
}

/* Where both are larger than 1 the kernel pixels of a phase are not every stride-th ones. */
bool crd_conv_input_gradient_fits(const crd_conv *conv)
{
    for (int i = 0; i < 2; i++)
        if (conv->stride[i] > 1 && conv->dilation[i] > 1)
            return false;
    return true;
}

/* Where a phase is computed before its pixels are spread. */
static int64_t phase_floats(const crd_conv *conv)
{
    crd_scratch room = {0};
    if (count_phases(conv->transposed_of) > 1)
        crd_scratch_floats(&room, conv->out_channels * crd_conv_out_plane(conv));
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
    const int64_t *stride = conv->stride;
    for (int64_t map = 0; map < conv->in_channels * conv->n_images; map++)
        for (int64_t y = 0; y < phases[0].n; y++, pixels += phases[1].n) {
            int64_t in_y = map * conv->height + phases[0].first + y * stride[0];
            float *row = din + in_y * conv->width + phases[1].first;
            for (int64_t x = 0; x < phases[1].n; x++)
                row[x * stride[1]] = adds ? row[x * stride[1]] + pixels[x] : pixels[x];
        }
}

void crd_conv_input_gradient(float *din, bool adds, const crd_conv *conv, const crd_conv_args *args,
                             const float *dout)
{
    int in_one = count_phases(conv) == 1;
    if (!adds &&
        (conv->kernel_size[0] < conv->stride[0] || conv->kernel_size[1] < conv->stride[1])) {
        /* Some pixels are under no kernel. */
        memset(din, 0, (size_t)(conv->in_channels * crd_conv_in_plane(conv)) * sizeof *din);
        adds = true;
    }
    for (int64_t i = 0; i < count_phases(conv); i++) {
        crd_conv phase_conv;
        phase phases[2];
        if (!make_phase(&phase_conv, phases, conv, i))
            continue;
        float *pixels = in_one ? din : args->scratch;
        const crd_conv_args pass = {.out = pixels,
                                    .in = dout,
                                    .weight = args->weight,
                                    .epilogue = {.residual = in_one && adds ? din : NULL},
                                    .scratch = args->scratch + phase_floats(&phase_conv)};
        crd_conv_forward(&phase_conv, &pass);
        if (!in_one)
            spread(din, adds, pixels, conv, phases);
    }
}
