/* Depthwise convolution, every output channel of one input channel: a sum of shifted images. The
 * pixels of an image are copied to a strip with their padding, those of equal remainder by the
 * stride side by side, so that the terms of a sum lie at the same distances from all outputs; the
 * outputs are then computed along one line that runs through all rows, and what it gives between
 * rows is left out. Its gradient at the weights runs along the same line. */
#include <string.h>

#include "base/integers.h"
#include "conv/backward.h"
#include "kernels/kernels.h"

/* What kernels may read and write beyond the end of a line; weights fetched at once. */
enum { SLACK = 64, WEIGHT_FLOATS = 4096 };
/* Rows are padded this many at a time before they are split; a row this long fills the lanes. */
enum { ROWS_AT_ONCE = 8, LONG_ROW = 12 };

/* A strip: [phase of rows][phase of columns][row][column], and the line of outputs. */
typedef struct layout {
    int64_t n_phases[2];
    int64_t n_rows, pitch; /* of a phase */
    int64_t n_taps;
    int64_t n_line;  /* outputs along the line, those between rows too */
    int64_t n_strip; /* floats */
    int64_t at_once; /* groups whose weights are fetched together */
    bool is_split;   /* two phases both ways */
} layout;

static layout lay_out(const crd_conv *conv)
{
    int64_t reach[2];
    layout l = {.n_taps = conv->kernel_size[0] * conv->kernel_size[1]};
    for (int i = 0; i < 2; i++) {
        reach[i] = (conv->kernel_size[i] - 1) * conv->dilation[i];
        l.n_phases[i] = crd_smaller(conv->stride[i], reach[i] + 1);
    }
    l.n_rows = conv->out_height + reach[0] / conv->stride[0];
    l.pitch = conv->out_width + reach[1] / conv->stride[1];
    l.n_line = (conv->out_height - 1) * l.pitch + conv->out_width;
    l.n_strip = l.n_phases[0] * l.n_phases[1] * l.n_rows * l.pitch;
    l.is_split = l.n_phases[0] == 2 && l.n_phases[1] == 2;
    int64_t most = conv->transposed_of != NULL ? 1 : WEIGHT_FLOATS / (conv->n_out * l.n_taps);
    l.at_once = crd_smaller(crd_larger(most, 1), conv->groups);
    return l;
}

typedef struct parts {
    int64_t *terms;          /* [tap] distance in the strip from an output's place */
    int64_t *in_at, *out_at; /* of pieces of rows */
    float *strip, *line, *weights;
    float *padded; /* some rows, if they are split */
    int64_t n_floats;
} parts;

/* Rows are cut into whole registers and a rest. */
static int64_t n_pieces(const crd_conv *conv)
{
    return conv->out_height * crd_divide_up(conv->out_width, CRD_LANES);
}

static parts cut(const crd_conv *conv, const layout *l, float *scratch)
{
    crd_scratch room = {scratch, 0};
    parts p = {0};
    p.terms = crd_scratch_indices(&room, l->n_taps);
    p.in_at = crd_scratch_indices(&room, n_pieces(conv));
    p.out_at = crd_scratch_indices(&room, n_pieces(conv));
    p.strip = crd_scratch_floats(&room, l->n_strip + SLACK);
    p.padded = crd_scratch_floats(&room, l->is_split ? ROWS_AT_ONCE * 2 * l->pitch + SLACK : 0);
    p.line = crd_scratch_floats(&room, l->n_line + SLACK);
    p.weights = crd_scratch_floats(&room, l->at_once * crd_conv_weights_room(conv));
    p.n_floats = room.n_floats;
    return p;
}

static bool fits(const crd_conv *conv)
{
    return conv->groups > 1 && conv->n_in == 1;
}

/* A load with each multiply-add; copies of pixels in and out. */
static double cost(const crd_conv *conv, const crd_format *format)
{
    (void)format;
    double pixels = (double)crd_conv_out_plane(conv) * (double)conv->n_out;
    return pixels * ((double)conv->n_terms * 2 + 8) / CRD_LANES;
}

static int64_t scratch_floats(const crd_conv *conv, const crd_format *format)
{
    (void)format;
    const layout l = lay_out(conv);
    return cut(conv, &l, NULL).n_floats;
}

static void fill_terms(int64_t *terms, const crd_conv *conv, const layout *l)
{
    for (int64_t tap = 0; tap < l->n_taps; tap++) {
        int64_t y = tap / conv->kernel_size[1] * conv->dilation[0];
        int64_t x = tap % conv->kernel_size[1] * conv->dilation[1];
        int64_t phase = y % conv->stride[0] * l->n_phases[1] + x % conv->stride[1];
        terms[tap] = (phase * l->n_rows + y / conv->stride[0]) * l->pitch + x / conv->stride[1];
    }
}

/* Every second column and every second row to a phase of their own. */
static void fill_split(const parts *p, const float *in, const crd_conv *conv, const layout *l)
{
    int64_t width = 2 * l->pitch, phase = l->n_rows * l->pitch;
    for (int64_t row = 0; row < l->n_rows; row += ROWS_AT_ONCE / 2) {
        int64_t n = crd_smaller(ROWS_AT_ONCE / 2, l->n_rows - row);
        crd_conv_pad_rows(p->padded, width, in, conv, 2 * row - conv->padding[0], -conv->padding[1],
                          2 * n);
        for (int y = 0; y < 2; y++) {
            float *to = p->strip + 2 * y * phase + row * l->pitch;
            crd_kernels_get()->conv->split_rows(to, to + phase, l->pitch, l->pitch,
                                                p->padded + y * width, 2 * width, n);
        }
    }
}

/* Rows as they are. The padding between them stays as the plane before left it, or is 0. */
static void fill_whole(float *strip, const float *in, const crd_conv *conv, const layout *l)
{
    int64_t top = conv->padding[0], left = conv->padding[1];
    if (top < 0 || left < 0) {
        crd_conv_pad_rows(strip, l->pitch, in, conv, -top, -left, l->n_rows);
        return;
    }
    int64_t n = crd_smaller(conv->width, l->pitch - left);
    crd_kernels_get()->conv->copy_rows(strip + top * l->pitch + left, l->pitch, n, in, conv->width,
                                       0, crd_smaller(conv->height, l->n_rows - top));
}

/* Pixels of one channel of one image. */
static void fill_strip(const parts *p, const float *in, const crd_conv *conv, const layout *l)
{
    float *strip = p->strip;
    if (l->is_split) {
        fill_split(p, in, conv, l);
        return;
    }
    if (conv->stride[0] == 1 && conv->stride[1] == 1) {
        fill_whole(strip, in, conv, l);
        return;
    }
    for (int64_t phase = 0; phase < l->n_phases[0] * l->n_phases[1]; phase++)
        for (int64_t row = 0; row < l->n_rows; row++, strip += l->pitch) {
            int64_t y = row * conv->stride[0] + phase / l->n_phases[1] - conv->padding[0];
            if (y < 0 || y >= conv->height)
                memset(strip, 0, (size_t)l->pitch * sizeof *strip);
            else
                crd_conv_gather_row(strip, in + y * conv->width, l->pitch, conv->stride[1],
                                    phase % l->n_phases[1] - conv->padding[1], conv->width);
        }
}

/* The line's rows to an image of the output, through the epilogue but for the bias. */
static void finish(float *out, float *line, const crd_conv *conv, const layout *l,
                   const crd_epilogue *epilogue)
{
    const crd_kernels *kernels = crd_kernels_get();
    int64_t n = conv->out_height * conv->out_width;
    if (epilogue->residual == NULL) {
        const crd_epilogue activation = {.activation = epilogue->activation};
        crd_epilogue_apply(line, &activation, l->n_line);
        kernels->conv->copy_rows(out, conv->out_width, conv->out_width, line, l->pitch, 0,
                                 conv->out_height);
        return;
    }
    for (int64_t y = 0; y < conv->out_height; y++)
        kernels->elementwise->add(out + y * conv->out_width, line + y * l->pitch,
                                  epilogue->residual + y * conv->out_width, conv->out_width);
    const crd_epilogue activation = {.activation = epilogue->activation};
    crd_epilogue_apply(out, &activation, n);
}

/* An output channel of an image along the line. */
static void run_line(const crd_conv *conv, const layout *l, const parts *p, float *out,
                     const crd_epilogue *epilogue, const float *weights)
{
    float bias = epilogue->bias == NULL ? 0 : *epilogue->bias;
    crd_kernels_get()->conv->sum_shifted(p->line, bias, p->strip, l->n_line, p->terms, weights,
                                         l->n_taps);
    finish(out, p->line, conv, l, epilogue);
}

static void fill_pieces(const parts *p, const crd_conv *conv, const layout *l)
{
    int64_t whole = conv->out_width / CRD_LANES, n_whole = whole * conv->out_height;
    for (int64_t y = 0; y < conv->out_height; y++)
        for (int64_t x = 0; x * CRD_LANES < conv->out_width; x++) {
            int64_t i = x < whole ? y * whole + x : n_whole + y;
            p->in_at[i] = y * l->pitch + x * CRD_LANES;
            p->out_at[i] = y * conv->out_width + x * CRD_LANES;
        }
}

/* And row by row. */
static void run_rows(const crd_conv *conv, const layout *l, const parts *p, float *out,
                     const crd_epilogue *epilogue, const float *weights)
{
    const crd_kernels *kernels = crd_kernels_get();
    const crd_row_products products = {.out = out,
                                       .out_at = p->out_at,
                                       .in_at = p->in_at,
                                       .n_whole = conv->out_width / CRD_LANES * conv->out_height,
                                       .n_pieces = n_pieces(conv),
                                       .rest = (int)(conv->out_width % CRD_LANES),
                                       .n_channels = 1,
                                       .lanes = 1,
                                       .bias_first = 1,
                                       .in = p->strip,
                                       .terms = p->terms,
                                       .n_terms = l->n_taps,
                                       .panel = weights,
                                       .epilogue = *epilogue};
    kernels->conv->multiply_rows(&products);
    if (epilogue->activation.kind > CRD_CLAMP)
        kernels->elementwise->activate(out, out, conv->out_height * conv->out_width,
                                       &epilogue->activation);
}

/* All images of one group; `weights` are [output channel][tap]. */
static void run_group(const crd_conv *conv, const layout *l, const parts *p,
                      const crd_conv_args *args, int64_t group, const float *weights)
{
    int64_t in_pixels = conv->height * conv->width;
    int64_t out_pixels = conv->out_height * conv->out_width;
    for (int64_t image = 0; image < conv->n_images; image++) {
        fill_strip(p, args->in + (group * conv->n_images + image) * in_pixels, conv, l);
        for (int64_t c = 0; c < conv->n_out; c++) {
            int64_t channel = group * conv->n_out + c;
            int64_t at = (channel * conv->n_images + image) * out_pixels;
            crd_epilogue epilogue = args->epilogue;
            if (epilogue.bias != NULL)
                epilogue.bias += channel;
            if (epilogue.residual != NULL)
                epilogue.residual += at;
            (conv->out_width >= LONG_ROW ? run_rows : run_line)(conv, l, p, args->out + at,
                                                                &epilogue, weights + c * l->n_taps);
        }
    }
}

static void run(const crd_conv *conv, const crd_format *format, const crd_conv_args *args,
                int64_t first)
{
    (void)format;
    const layout l = lay_out(conv);
    const parts p = cut(conv, &l, args->scratch);
    int64_t n_weights = conv->n_out * l.n_taps;
    fill_terms(p.terms, conv, &l);
    fill_pieces(&p, conv, &l);
    memset(p.strip, 0, (size_t)(l.n_strip + SLACK) * sizeof *p.strip);
    for (int64_t group = first; group < conv->groups; group += l.at_once) {
        int64_t n = crd_smaller(l.at_once, conv->groups - group);
        const float *weights =
            conv->transposed_of != NULL
                ? crd_conv_weights(p.weights, conv, args, group)
                : crd_weight_source_get(p.weights, &args->weight, group * n_weights, n * n_weights);
        for (int64_t i = 0; i < n; i++)
            run_group(conv, &l, &p, args, group + i, weights + i * n_weights);
    }
}

const crd_conv_method crd_conv_depthwise = {.name = "depthwise",
                                            .format = &crd_format_fp32,
                                            .runs_all_groups = true,
                                            .fits = fits,
                                            .cost = cost,
                                            .scratch_floats = scratch_floats,
                                            .run = run};

/* --- The gradient at the weights --- */

static double gradient_cost(const crd_conv *conv)
{
    return cost(conv, &crd_format_fp32);
}

static int64_t gradient_scratch_floats(const crd_conv *conv)
{
    return scratch_floats(conv, &crd_format_fp32);
}

/* dweight[tap] = sum over the line of dout, which is 0 between rows, times the pixel under the
 * tap. */
static void run_gradient(float *dweight, const crd_conv *conv, const crd_conv_args *args,
                         const float *dout, int64_t group)
{
    const layout l = lay_out(conv);
    const parts p = cut(conv, &l, args->scratch);
    const crd_conv_kernels *kernels = crd_kernels_get()->conv;
    fill_terms(p.terms, conv, &l);
    memset(p.strip, 0, (size_t)(l.n_strip + SLACK) * sizeof *p.strip);
    memset(p.line, 0, (size_t)(l.n_line + SLACK) * sizeof *p.line);
    dweight += group * conv->n_out * l.n_taps;
    memset(dweight, 0, (size_t)(conv->n_out * l.n_taps) * sizeof *dweight);
    for (int64_t image = 0; image < conv->n_images; image++) {
        int64_t in_pixels = conv->height * conv->width;
        fill_strip(&p, args->in + (group * conv->n_images + image) * in_pixels, conv, &l);
        for (int64_t c = 0; c < conv->n_out; c++) {
            int64_t at = ((group * conv->n_out + c) * conv->n_images + image) * conv->out_height;
            kernels->copy_rows(p.line, l.pitch, conv->out_width, dout + at * conv->out_width,
                               conv->out_width, 0, conv->out_height);
            kernels->sum_products(dweight + c * l.n_taps, p.strip, p.terms, l.n_taps, p.line,
                                  l.n_line);
        }
    }
}

const crd_conv_weight_gradient crd_conv_weight_gradient_depthwise = {.fits = fits,
                                                                     .cost = gradient_cost,
                                                                     .scratch_floats =
                                                                         gradient_scratch_floats,
                                                                     .run = run_gradient};
