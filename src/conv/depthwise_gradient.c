/* The gradient at the weights of a depthwise convolution. The pixels of an image are copied to a
 * strip with their padding, those of equal remainder by the stride side by side, so that the terms
 * of a sum lie at the same distances from all outputs; the sums then run along one line through all
 * rows, which has zeros between them. */
#include <string.h>

#include "base/integers.h"
#include "conv/backward.h"
#include "kernels/kernels.h"

/* What kernels may read beyond the end of a line. */
enum { SLACK = 64 };
/* Rows are padded this many at a time before they are split. */
enum { ROWS_AT_ONCE = 8 };

/* A strip: [phase of rows][phase of columns][row][column], and the line of outputs. */
typedef struct layout {
    int64_t n_phases[2];
    int64_t n_rows, pitch; /* of a phase */
    int64_t n_taps;
    int64_t n_line;  /* outputs along the line, those between rows too */
    int64_t n_strip; /* floats */
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
    return l;
}

typedef struct parts {
    int64_t *terms; /* [tap] distance in the strip from an output's place */
    float *strip, *line;
    float *padded; /* some rows, if they are split */
    int64_t n_floats;
} parts;

static parts cut(const layout *l, float *scratch)
{
    crd_scratch room = {scratch, 0};
    parts p = {0};
    p.terms = crd_scratch_indices(&room, l->n_taps);
    p.strip = crd_scratch_floats(&room, l->n_strip + SLACK);
    p.padded = crd_scratch_floats(&room, l->is_split ? ROWS_AT_ONCE * 2 * l->pitch + SLACK : 0);
    p.line = crd_scratch_floats(&room, l->n_line + SLACK);
    p.n_floats = room.n_floats;
    return p;
}

static bool fits(const crd_conv *conv)
{
    return conv->groups > 1 && conv->n_in == 1;
}

/* A load with each multiply-add; copies of pixels in and out. */
static double cost(const crd_conv *conv)
{
    double pixels = (double)crd_conv_out_plane(conv) * (double)conv->n_out;
    return pixels * ((double)conv->n_terms * 2 + 8) / CRD_LANES;
}

static int64_t scratch_floats(const crd_conv *conv)
{
    const layout l = lay_out(conv);
    return cut(&l, NULL).n_floats;
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

/* dweight[tap] = sum over the line of dout, which is 0 between rows, times the pixel under the
 * tap. */
static void run(float *dweight, const crd_conv *conv, const crd_conv_args *args, const float *dout,
                int64_t group)
{
    const layout l = lay_out(conv);
    const parts p = cut(&l, args->scratch);
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

const crd_conv_weight_gradient crd_conv_weight_gradient_depthwise = {
    .fits = fits, .cost = cost, .scratch_floats = scratch_floats, .run = run};
