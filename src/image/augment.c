/* torchvision's RandomResizedCrop, RandomCrop and RandomHorizontalFlip on random numbers of our
 * own. Every image has one stream an epoch; which counter serves what is fixed here, so that
 * switching one change on leaves the others as they were. */
#include "image/augment.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "credence/rng.h"

/* Counters of the stream. Each gives four numbers. */
enum { COUNTER_MOVE, COUNTER_FIRST_TRY };

static void random_words(uint32_t words[4], const crd_visit *visit, uint32_t index)
{
    uint32_t counter[4] = {index, (uint32_t)visit->epoch, (uint32_t)visit->image,
                           CRD_PURPOSE_AUGMENT};
    uint32_t key[2] = {(uint32_t)visit->seed, (uint32_t)(visit->seed >> 32)};
    crd_philox4x32(words, counter, key);
}

/* A number below n; no more than n / 2^32 from equally likely. */
static int64_t below(int64_t n, uint32_t word)
{
    return (int64_t)((uint64_t)n * word >> 32);
}

crd_window crd_crop_window(int64_t width, int64_t height, const double uniforms[CRD_CROP_TRIES][4])
{
    const double min_scale = 0.08, min_ratio = 3.0 / 4.0, max_ratio = 4.0 / 3.0;
    double area = (double)width * (double)height;
    for (int i = 0; i < CRD_CROP_TRIES; i++) {
        const double *u = uniforms[i];
        double target = area * (min_scale + (1.0 - min_scale) * u[0]);
        double ratio = exp(log(min_ratio) + (log(max_ratio) - log(min_ratio)) * u[1]);
        /* rint is Python's round(): halves go to the even neighbour. */
        int64_t w = (int64_t)rint(sqrt(target * ratio)), h = (int64_t)rint(sqrt(target / ratio));
        if (w > 0 && w <= width && h > 0 && h <= height)
            return (crd_window){.left = (int64_t)(u[3] * (double)(width - w + 1)),
                                .top = (int64_t)(u[2] * (double)(height - h + 1)),
                                .width = w,
                                .height = h};
    }
    /* A very long image: the largest part from the middle with a ratio that is allowed. */
    double ratio = (double)width / (double)height;
    crd_window middle = {.width = width, .height = height};
    if (ratio < min_ratio)
        middle.height = (int64_t)rint((double)width / min_ratio);
    else if (ratio > max_ratio)
        middle.width = (int64_t)rint((double)height * max_ratio);
    middle.left = (width - middle.width) / 2;
    middle.top = (height - middle.height) / 2;
    return middle;
}

crd_status crd_image_crop_random(crd_image *out, const crd_image *in,
                                 const crd_preprocessing *preprocessing, const crd_visit *visit)
{
    crd_status status = CRD_OK;
    crd_image part = {0};
    double uniforms[CRD_CROP_TRIES][4];
    *out = (crd_image){0};
    for (uint32_t i = 0; i < CRD_CROP_TRIES; i++) {
        uint32_t words[4];
        random_words(words, visit, COUNTER_FIRST_TRY + i);
        for (int k = 0; k < 4; k++)
            uniforms[i][k] = (double)words[k] * 0x1p-32;
    }
    crd_window window = crd_crop_window(in->width, in->height, uniforms);
    /* Cut out before it is resized: the filter must not see what lies beside the part. */
    int64_t row_size = window.width * in->channels;
    CRD_ALLOC(&part.pixels, window.height * row_size, "part of an image");
    part.width = window.width;
    part.height = window.height;
    part.channels = in->channels;
    for (int64_t y = 0; y < window.height; y++)
        memcpy(part.pixels + y * row_size,
               in->pixels + ((window.top + y) * in->width + window.left) * in->channels,
               (size_t)row_size);
    CRD_TRY(crd_image_resize(out, &part, crd_preprocessing_width(preprocessing),
                             preprocessing->crop, preprocessing->interpolation));
cleanup:
    crd_image_clear(&part);
    return status;
}

/* Pixel (y, x) becomes (y + down, x + right), then x is mirrored. In place: rows are walked so that
 * none is overwritten before it is read. */
static void move_plane(float *plane, int64_t height, int64_t width, int64_t right, int64_t down,
                       int flip, float outside)
{
    for (int64_t i = 0; i < height; i++) {
        int64_t y = down > 0 ? height - 1 - i : i, from = y - down;
        float *row = plane + y * width;
        if (from < 0 || from >= height) {
            for (int64_t x = 0; x < width; x++)
                row[x] = outside;
            continue;
        }
        int64_t first = right > 0 ? right : 0, end = right < 0 ? width + right : width;
        memmove(row + first, plane + from * width + first - right,
                (size_t)(end - first) * sizeof *row);
        for (int64_t x = 0; x < first; x++)
            row[x] = outside;
        for (int64_t x = end; x < width; x++)
            row[x] = outside;
        for (int64_t x = 0; flip && x < width / 2; x++) {
            float left = row[x];
            row[x] = row[width - 1 - x];
            row[width - 1 - x] = left;
        }
    }
}

void crd_tensor_move_random(float *tensor, const crd_preprocessing *preprocessing, int64_t padding,
                            int flip, const crd_visit *visit)
{
    const crd_preprocessing *p = preprocessing;
    uint32_t words[4];
    random_words(words, visit, COUNTER_MOVE);
    /* The crop begins at a place of the padded image; the image moves the other way. */
    int64_t down = padding - below(2 * padding + 1, words[1]);
    int64_t right = padding - below(2 * padding + 1, words[2]);
    int64_t width = crd_preprocessing_width(p);
    int flip_now = flip && (words[0] >> 31) != 0;
    for (int64_t c = 0; c < p->channels; c++)
        move_plane(tensor + c * p->crop * width, p->crop, width, right, down, flip_now,
                   (0.0f - p->mean[c]) / p->sd[c]);
}
