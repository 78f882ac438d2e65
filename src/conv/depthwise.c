/* Depthwise convolution: every output channel is of one input channel. The lanes are 16 groups. For
 * a chunk of output rows at a time, the pixels under it are turned round to a strip with their
 * padding, [row][column][group], whose sums are turned back on their way to the output. */
#include <string.h>

#include "base/integers.h"
#include "conv/method.h"
#include "kernels/kernels.h"

/* A strip and its sums, which stay in L2; weights fetched at once. */
enum { CHUNK_FLOATS = 64 << 10, WEIGHT_FLOATS = 4096 };

/* How the work is cut. Pixels have 16 floats in strips and sums. */
typedef struct blocking {
    int64_t n_taps, n_out;    /* n_out: output channels of a group */
    int64_t n_rows, n_chunks; /* of the output, in a chunk; chunks of an image */
    int64_t pitch, n_strip,
        n_at_once; /* pixels of a strip's row, and in all; groups whose weights are
                                     fetched together, a multiple of the lanes */
} blocking;

static int64_t rows_under(const crd_conv *conv, int64_t n_rows)
{
    return (n_rows - 1) * conv->stride[0] + (conv->kernel_size[0] - 1) * conv->dilation[0] + 1;
}

static blocking block(const crd_conv *conv)
{
    blocking b = {.n_taps = conv->kernel_size[0] * conv->kernel_size[1], .n_out = conv->n_out};
    b.pitch = (conv->out_width - 1) * conv->stride[1] +
              (conv->kernel_size[1] - 1) * conv->dilation[1] + 1;
    int64_t pixels = CHUNK_FLOATS / CRD_LANES - rows_under(conv, 1) * b.pitch;
    int64_t most = pixels / (conv->stride[0] * b.pitch + conv->out_width) + 1;
    b.n_rows = crd_even_part(conv->out_height, crd_larger(most, 1));
    b.n_chunks = crd_divide_up(conv->out_height, b.n_rows);
    b.n_strip = rows_under(conv, b.n_rows) * b.pitch;
    int64_t panels = WEIGHT_FLOATS / (conv->n_out * b.n_taps * CRD_LANES);
    b.n_at_once = crd_larger(panels, 1) * CRD_LANES;
    return b;
}

typedef struct parts {
    int64_t *terms; /* [tap] floats from an output's place in the strip */
    float *strip, *sums;
    float *weights, *panel,
        *bias; /* of groups; of one output channel of 16, [tap][16]; its biases */
    int64_t n_floats;
} parts;

static parts cut(const crd_conv *conv, const blocking *b, float *scratch)
{
    crd_scratch room = {scratch, 0};
    parts p = {0};
    p.terms = crd_scratch_indices(&room, b->n_taps);
    p.strip = crd_scratch_floats(&room, b->n_strip * CRD_LANES);
    p.sums = crd_scratch_floats(&room, b->n_rows * conv->out_width * CRD_LANES);
    p.weights = crd_scratch_floats(&room, b->n_at_once * b->n_out * b->n_taps + CRD_WEIGHT_SLACK);
    p.panel = crd_scratch_floats(&room, b->n_taps * CRD_LANES);
    p.bias = crd_scratch_floats(&room, CRD_LANES);
    p.n_floats = room.n_floats;
    return p;
}

static bool fits(const crd_conv *conv)
{
    return conv->groups > 1 && conv->n_in == 1;
}

/* A load with each multiply-add; pixels turned round in and out. */
static double cost(const crd_conv *conv, const crd_format *format)
{
    (void)format;
    double pixels = (double)crd_conv_out_plane(conv) * (double)conv->n_out;
    return pixels * ((double)conv->n_terms * 2 + 8) / CRD_LANES;
}

static int64_t scratch_floats(const crd_conv *conv, const crd_format *format)
{
    (void)format;
    const blocking b = block(conv);
    return cut(conv, &b, NULL).n_floats;
}

static void fill_terms(int64_t *terms, const crd_conv *conv, const blocking *b)
{
    for (int64_t y = 0; y < conv->kernel_size[0]; y++)
        for (int64_t x = 0; x < conv->kernel_size[1]; x++)
            *terms++ = (y * conv->dilation[0] * b->pitch + x * conv->dilation[1]) * CRD_LANES;
}

/* 16 groups, or what is left, and output rows [row, row + n_rows) of an image. */
typedef struct chunk {
    int64_t group, image, row, n_rows;
    int n_groups;
} chunk;

/* The pixels under a chunk. */
static void fill_strip(float *strip, const float *in, const crd_conv *conv, const blocking *b,
                       const chunk *k)
{
    const crd_conv_kernels *kernels = crd_kernels_get()->conv;
    int64_t plane = conv->height * conv->width, step = crd_conv_in_plane(conv);
    int64_t left = crd_smaller(crd_larger(conv->padding[1], 0), b->pitch);
    int64_t skipped = crd_larger(-conv->padding[1], 0);
    int64_t n = crd_larger(crd_smaller(conv->width - skipped, b->pitch - left), 0);
    size_t pixel = CRD_LANES * sizeof *strip;
    in += k->group * step + k->image * plane + skipped;
    for (int64_t y = 0; y < rows_under(conv, k->n_rows); y++, strip += b->pitch * CRD_LANES) {
        int64_t from = k->row * conv->stride[0] - conv->padding[0] + y;
        if (from < 0 || from >= conv->height) {
            memset(strip, 0, (size_t)b->pitch * pixel);
            continue;
        }
        memset(strip, 0, (size_t)left * pixel);
        kernels->pack(strip + left * CRD_LANES, in + from * conv->width, step, n, k->n_groups);
        memset(strip + (left + n) * CRD_LANES, 0, (size_t)(b->pitch - left - n) * pixel);
    }
}

/* A chunk's sums to output channel `of` of each group, through the epilogue but for the bias. */
static void finish(const parts *p, const crd_conv *conv, const crd_conv_args *args, const chunk *k,
                   int64_t of)
{
    const crd_kernels *kernels = crd_kernels_get();
    int64_t step = conv->n_out * crd_conv_out_plane(conv), n = k->n_rows * conv->out_width;
    int64_t image = of * conv->n_images + k->image;
    int64_t at = k->group * step + (image * conv->out_height + k->row) * conv->out_width;
    crd_epilogue epilogue = {.activation = args->epilogue.activation};
    if (args->epilogue.residual != NULL)
        epilogue.residual = args->epilogue.residual + at;
    kernels->conv->unpack(args->out + at, step, p->sums, n, k->n_groups, &epilogue);
    for (int c = 0; epilogue.activation.kind > CRD_RELU && c < k->n_groups; c++)
        kernels->elementwise->activate(args->out + at + c * step, args->out + at + c * step, n,
                                       &epilogue.activation);
}

/* All images of 16 groups; `weights` are [group][output channel][tap]. */
static void run_groups(const crd_conv *conv, const blocking *b, const parts *p,
                       const crd_conv_args *args, chunk k, const float *weights)
{
    const crd_conv_kernels *kernels = crd_kernels_get()->conv;
    const float *bias = args->epilogue.bias;
    crd_lane_sums sums = {.out = p->sums,
                          .start = p->bias,
                          .in = p->strip,
                          .n = conv->out_width,
                          .step = (int)conv->stride[1],
                          .row_step = conv->stride[0] * b->pitch,
                          .terms = p->terms,
                          .weights = p->panel,
                          .n_terms = b->n_taps};
    for (int64_t i = 0; i < conv->n_images * b->n_chunks; i++) {
        k.image = i / b->n_chunks;
        k.row = i % b->n_chunks * b->n_rows;
        k.n_rows = crd_smaller(b->n_rows, conv->out_height - k.row);
        sums.n_rows = k.n_rows;
        fill_strip(p->strip, args->in, conv, b, &k);
        for (int64_t of = 0; of < conv->n_out; of++) {
            if (i == 0 || conv->n_out > 1) {
                kernels->pack(p->panel, weights + of * b->n_taps, conv->n_out * b->n_taps,
                              b->n_taps, k.n_groups);
                for (int c = 0; c < CRD_LANES; c++)
                    p->bias[c] = bias == NULL || c >= k.n_groups
                                     ? 0
                                     : bias[(k.group + c) * conv->n_out + of];
            }
            kernels->sum_lanes(&sums);
            finish(p, conv, args, &k, of);
        }
    }
}

/* Weights of n groups from `group` on. */
static const float *weights_of(const parts *p, const crd_conv *conv, const blocking *b,
                               const crd_conv_args *args, int64_t group, int64_t n)
{
    int64_t n_weights = conv->n_out * b->n_taps;
    if (conv->transposed_of == NULL)
        return crd_weight_source_get(p->weights, &args->weight, group * n_weights, n * n_weights);
    for (int64_t i = 0; i < n; i++)
        crd_conv_weights(p->weights + i * n_weights, conv, args, group + i);
    return p->weights;
}

static void run(const crd_conv *conv, const crd_format *format, const crd_conv_args *args,
                int64_t first)
{
    (void)format;
    const blocking b = block(conv);
    const parts p = cut(conv, &b, args->scratch);
    fill_terms(p.terms, conv, &b);
    for (int64_t group = first; group < conv->groups; group += b.n_at_once) {
        int64_t n = crd_smaller(b.n_at_once, conv->groups - group);
        const float *weights = weights_of(&p, conv, &b, args, group, n);
        for (int64_t i = 0; i < n; i += CRD_LANES) {
            const chunk k = {.group = group + i, .n_groups = (int)crd_smaller(CRD_LANES, n - i)};
            run_groups(conv, &b, &p, args, k, weights + i * conv->n_out * b.n_taps);
        }
    }
}

const crd_conv_method crd_conv_depthwise = {.name = "depthwise",
                                            .format = &crd_format_fp32,
                                            .runs_all_groups = true,
                                            .fits = fits,
                                            .cost = cost,
                                            .scratch_floats = scratch_floats,
                                            .run = run};
