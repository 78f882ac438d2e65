/* Resizing as Pillow does it: per axis, each output pixel is a weighted sum of the input pixels
 * under a filter that widens when the image shrinks; weights are fixed-point numbers, and the
 * horizontal pass is rounded to 8 bits before the vertical one. An axis of unchanged size needs no
 * special case: its weights come out as exactly one and zero. */
#include "image/resize.h"

#include <math.h>

#include "base/alloc.h"

/* A pixel has 8 of 32 bits; 2 more are left for filters with negative weights. */
enum { WEIGHT_BITS = 32 - 8 - 2, HALF = 1 << (WEIGHT_BITS - 1) };

/* For each output position its first input position and the weights from there on. */
typedef struct axis {
    int64_t n, max_taps;
    int64_t *first, *n_taps; /* [n] */
    int32_t *weights;        /* [n][max_taps] */
} axis;

static double triangle(double x)
{
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys' cubic convolution with a = -1/2. */
static double cubic(double x)
{
    const double a = -0.5;
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    return x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * a : 0.0;
}

static void axis_clear(axis *a)
{
    crd_free(a->first);
    crd_free(a->n_taps);
    crd_free(a->weights);
}

/* Weights of the outputs begin .. begin + n - 1 of n_in inputs resized to n_out. The order of the
 * floating-point operations is Pillow's: another one moves weights by a unit. */
static crd_status axis_init(axis *a, int64_t n_in, int64_t n_out, int64_t begin, int64_t n,
                            crd_interpolation interpolation)
{
    crd_status status = CRD_OK;
    double *values = NULL;
    double scale = (double)n_in / (double)n_out, stretch = scale < 1.0 ? 1.0 : scale;
    double support = (interpolation == CRD_BICUBIC ? 2.0 : 1.0) * stretch, shrink = 1.0 / stretch;
    *a = (axis){.n = n, .max_taps = 2 * (int64_t)ceil(support) + 1};
    CRD_ALLOC(&a->first, n, "resize positions");
    CRD_ALLOC(&a->n_taps, n, "resize positions");
    CRD_ALLOC(&a->weights, n * a->max_taps, "resize weights");
    CRD_ALLOC(&values, a->max_taps, "resize weights");
    for (int64_t i = 0; i < n; i++) {
        double centre = ((double)(begin + i) + 0.5) * scale, sum = 0.0;
        int64_t first = (int64_t)(centre - support + 0.5), end = (int64_t)(centre + support + 0.5);
        first = first < 0 ? 0 : first;
        end = end > n_in ? n_in : end;
        for (int64_t k = 0; k < end - first; k++) {
            double x = fabs(((double)(k + first) - centre + 0.5) * shrink);
            values[k] = interpolation == CRD_BICUBIC ? cubic(x) : triangle(x);
            sum += values[k];
        }
        for (int64_t k = 0; k < end - first; k++) {
            double weight = values[k] / sum * (1 << WEIGHT_BITS);
            a->weights[i * a->max_taps + k] = (int32_t)(weight < 0 ? weight - 0.5 : weight + 0.5);
        }
        a->first[i] = first;
        a->n_taps[i] = end - first;
    }
cleanup:
    crd_free(values);
    return status;
}

static uint8_t to_pixel(int32_t sum)
{
    int32_t value = sum >> WEIGHT_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* `channels` is a constant where this is called, so that the compiler unrolls over it. */
static inline void resize_row(uint8_t *out, const uint8_t *in, const axis *a, const int channels)
{
    for (int64_t i = 0; i < a->n; i++) {
        const uint8_t *pixel = in + a->first[i] * channels;
        const int32_t *weights = a->weights + i * a->max_taps;
        int32_t sums[CRD_MAX_CHANNELS] = {HALF, HALF, HALF};
        for (int64_t k = 0; k < a->n_taps[i]; k++)
            for (int c = 0; c < channels; c++)
                sums[c] += *pixel++ * weights[k];
        for (int c = 0; c < channels; c++)
            *out++ = to_pixel(sums[c]);
    }
}

static void resize_column_block(uint8_t *out, const uint8_t *in, int64_t row_size,
                                const int32_t *weights, int64_t n_taps, int64_t n_values)
{
    enum { BLOCK = 256 }; /* sums that stay in the first-level cache */
    int32_t sums[BLOCK];
    for (int64_t begin = 0; begin < n_values; begin += BLOCK) {
        int64_t n = n_values - begin < BLOCK ? n_values - begin : BLOCK;
        for (int64_t j = 0; j < n; j++)
            sums[j] = HALF;
        for (int64_t k = 0; k < n_taps; k++) {
            const uint8_t *row = in + k * row_size + begin;
            for (int64_t j = 0; j < n; j++)
                sums[j] += row[j] * weights[k];
        }
        for (int64_t j = 0; j < n; j++)
            out[begin + j] = to_pixel(sums[j]);
    }
}

crd_status crd_resize_window(crd_image *out, const crd_image *in, int64_t width, int64_t height,
                             crd_window window, crd_interpolation interpolation)
{
    crd_status status = CRD_OK;
    axis across = {0}, down = {0};
    uint8_t *narrow = NULL, *pixels = NULL; /* after the horizontal pass; after both */
    *out = (crd_image){0};
    CRD_TRY(axis_init(&across, in->width, width, window.left, window.width, interpolation));
    CRD_TRY(axis_init(&down, in->height, height, window.top, window.height, interpolation));

    int64_t first_row = down.first[0];
    int64_t end_row = down.first[down.n - 1] + down.n_taps[down.n - 1];
    int64_t row_size = window.width * in->channels;
    CRD_ALLOC(&narrow, (end_row - first_row) * row_size, "resized image");
    for (int64_t y = first_row; y < end_row; y++) {
        const uint8_t *row = in->pixels + y * in->width * in->channels;
        if (in->channels == 1)
            resize_row(narrow + (y - first_row) * row_size, row, &across, 1);
        else
            resize_row(narrow + (y - first_row) * row_size, row, &across, 3);
    }

    CRD_ALLOC(&pixels, window.height * row_size, "resized image");
    for (int64_t y = 0; y < down.n; y++)
        resize_column_block(pixels + y * row_size, narrow + (down.first[y] - first_row) * row_size,
                            row_size, down.weights + y * down.max_taps, down.n_taps[y], row_size);
    *out = (crd_image){window.width, window.height, in->channels, pixels};
cleanup:
    crd_free(narrow);
    axis_clear(&down);
    axis_clear(&across);
    return status;
}

crd_status crd_image_resize(crd_image *out, const crd_image *in, int64_t width, int64_t height,
                            crd_interpolation interpolation)
{
    *out = (crd_image){0};
    if (width < 1 || height < 1 || width > CRD_IMAGE_MAX_PIXELS / height)
        return CRD_FAIL(CRD_ERR_USAGE, "resize to %lld x %lld: from 1 to %d pixels are allowed",
                        (long long)width, (long long)height, CRD_IMAGE_MAX_PIXELS);
    if (in->channels != 1 && in->channels != CRD_MAX_CHANNELS)
        return CRD_FAIL(CRD_ERR_USAGE, "resize: an image of %lld channels; 1 or 3 are allowed",
                        (long long)in->channels);
    crd_window all = {0, 0, width, height};
    return crd_resize_window(out, in, width, height, all, interpolation);
}
