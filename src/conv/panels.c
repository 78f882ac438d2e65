/* The weights of a convolution as its algorithms read them: as they are, or transposed in one that
 * carries a gradient back. */
#include <string.h>

#include "base/integers.h"
#include "conv/method.h"
#include "kernels/kernels.h"

enum { LINE_FLOATS = 16, ROWS_AHEAD = 4 };

static int64_t kernel_pixels(const crd_conv *conv)
{
    return conv->kernel_size[0] * conv->kernel_size[1];
}

/* Kernel pixel (y, x) of a transposed convolution as one of the convolution it transposes. */
static int64_t source_pixel(const crd_conv *conv, int64_t y, int64_t x)
{
    return (conv->flip.last[0] - y * conv->flip.step[0]) * conv->transposed_of->kernel_size[1] +
           conv->flip.last[1] - x * conv->flip.step[1];
}

int64_t crd_conv_weights_room(const crd_conv *conv)
{
    return conv->n_out * conv->n_terms + CRD_WEIGHT_SLACK;
}

const float *crd_conv_weights(float *room, const crd_conv *conv, const crd_conv_args *args,
                              int64_t group)
{
    int64_t n_weights = conv->n_out * conv->n_terms;
    if (conv->transposed_of == NULL)
        return crd_weight_source_get(room, &args->weight, group * n_weights, n_weights);
    const crd_conv *source = conv->transposed_of;
    int64_t n_source_taps = kernel_pixels(source);
    const float *from = args->weight.values + group * source->n_out * source->n_terms;
    float *to = room;
    for (int64_t out = 0; out < conv->n_out; out++)
        for (int64_t in = 0; in < conv->n_in; in++)
            for (int64_t y = 0; y < conv->kernel_size[0]; y++)
                for (int64_t x = 0; x < conv->kernel_size[1]; x++)
                    *to++ =
                        from[in * source->n_terms + out * n_source_taps + source_pixel(conv, y, x)];
    return room;
}

int64_t crd_conv_panel_room(const crd_conv *conv)
{
    if (conv->transposed_of != NULL)
        return CRD_LANES * kernel_pixels(conv->transposed_of);
    return CRD_LANES * conv->n_terms + CRD_WEIGHT_SLACK;
}

const float *crd_conv_panel_rows(float *room, const crd_conv *conv, const crd_conv_args *args,
                                 int64_t group, int64_t panel)
{
    const crd_conv *source = conv->transposed_of;
    if (source != NULL)
        return args->weight.values + group * source->n_out * source->n_terms +
               panel * CRD_LANES * kernel_pixels(source);
    int64_t channel = group * conv->n_out + panel * CRD_LANES;
    return crd_weight_source_get(room, &args->weight, channel * conv->n_terms,
                                 crd_conv_panel_lanes(conv, panel) * conv->n_terms);
}

/* 16 neighbouring input channels of the source are the panel's lanes; they lie side by side for
 * each of its output channels, which become terms. From one of these to the next it is too far for
 * the hardware to foresee. */
static void turn_transposed(float *out, float *room, const float *from, const crd_conv *conv,
                            int n_lanes, int64_t n)
{
    const crd_conv *source = conv->transposed_of;
    int64_t n_source_taps = kernel_pixels(source);
    for (int64_t in = 0; in < n; in++, from += source->n_terms) {
        for (int64_t i = 0; i <= n_lanes * n_source_taps; i += LINE_FLOATS)
            __builtin_prefetch(from + ROWS_AHEAD * source->n_terms + i);
        if (n_source_taps == 1) {
            for (int c = 0; c < CRD_LANES; c++)
                out[c] = c < n_lanes ? from[c] : 0;
            out += CRD_LANES;
            continue;
        }
        crd_kernels_get()->conv->pack(room, from, n_source_taps, n_source_taps, n_lanes);
        for (int64_t y = 0; y < conv->kernel_size[0]; y++)
            for (int64_t x = 0; x < conv->kernel_size[1]; x++, out += CRD_LANES)
                memcpy(out, room + source_pixel(conv, y, x) * CRD_LANES, CRD_LANES * sizeof *out);
    }
}

void crd_conv_turn_rows(float *out, float *room, const float *rows, const crd_conv *conv,
                        int64_t panel, int64_t first, int64_t n)
{
    int n_lanes = crd_conv_panel_lanes(conv, panel);
    if (conv->transposed_of != NULL)
        turn_transposed(out, room, rows + first * conv->transposed_of->n_terms, conv, n_lanes, n);
    else
        crd_kernels_get()->conv->pack(out, rows + first * kernel_pixels(conv), conv->n_terms,
                                      n * kernel_pixels(conv), n_lanes);
}

static void make_panel(float *out, float *room, const crd_conv *conv, const crd_conv_args *args,
                       int64_t group, int64_t panel)
{
    const float *rows = crd_conv_panel_rows(room, conv, args, group, panel);
    crd_conv_turn_rows(out, room, rows, conv, panel, 0, conv->n_in);
}

int64_t crd_conv_words_room(const crd_conv *conv, const crd_format *format)
{
    int64_t turned = CRD_LANES * CRD_CHANNELS_AT_ONCE * kernel_pixels(conv);
    return crd_conv_panel_room(conv) + (format->round == NULL ? 0 : turned);
}

void crd_conv_make_words(void *out, float *room, const crd_conv *conv, const crd_format *format,
                         const crd_conv_args *args, int64_t group, int64_t panel)
{
    if (format->round == NULL) {
        make_panel(out, room, conv, args, group, panel);
        return;
    }
    uint32_t *words = out;
    int64_t step = kernel_pixels(conv) * CRD_LANES;
    float *turned = room + crd_conv_panel_room(conv);
    const float *rows = crd_conv_panel_rows(room, conv, args, group, panel);
    for (int64_t first = 0; first < conv->n_in; first += CRD_CHANNELS_AT_ONCE) {
        int64_t n = crd_smaller(CRD_CHANNELS_AT_ONCE, conv->n_in - first);
        crd_conv_turn_rows(turned, room, rows, conv, panel, first, n);
        for (int64_t in = 0; in < n; in += format->channels, words += step) {
            const float *planes[CRD_FORMAT_MAX_CHANNELS] = {NULL};
            for (int64_t i = 0; i < format->channels && in + i < n; i++)
                planes[i] = turned + (in + i) * step;
            format->round(words, planes, step);
        }
    }
}
