/* torchvision's Resize, CenterCrop, ToTensor and Normalize of a Pillow image. */
#include <math.h>

#include "credence/image.h"
#include "image/resize.h"

enum { MAX_SIDE = 8192 };

crd_preprocessing crd_preprocessing_imagenet(void)
{
    return (crd_preprocessing){.channels = 3,
                               .resize = 256,
                               .crop = 224,
                               .interpolation = CRD_BILINEAR,
                               .mean = {0.485f, 0.456f, 0.406f},
                               .sd = {0.229f, 0.224f, 0.225f}};
}

const char *const *crd_interpolation_names(void)
{
    static const char *const names[] = {
        [CRD_BILINEAR] = "bilinear", [CRD_BICUBIC] = "bicubic", NULL};
    return names;
}

int64_t crd_preprocessing_width(const crd_preprocessing *p)
{
    return p->crop_width > 0 ? p->crop_width : p->crop;
}

int64_t crd_preprocessing_floats(const crd_preprocessing *p)
{
    return p->channels * p->crop * crd_preprocessing_width(p);
}

crd_status crd_preprocessing_check(const crd_preprocessing *p)
{
    crd_status status = CRD_OK;
    CRD_REQUIRE(p->channels == 1 || p->channels == 3, CRD_ERR_INPUT,
                "preprocessing: channels: %lld is neither 1 nor 3", (long long)p->channels);
    CRD_REQUIRE(p->resize >= 0 && p->resize <= MAX_SIDE, CRD_ERR_INPUT,
                "preprocessing: resize: %lld is not from 0 to %d", (long long)p->resize, MAX_SIDE);
    CRD_REQUIRE(p->crop >= 1 && p->crop <= MAX_SIDE, CRD_ERR_INPUT,
                "preprocessing: crop: %lld is not from 1 to %d", (long long)p->crop, MAX_SIDE);
    CRD_REQUIRE(p->crop_width >= 0 && p->crop_width <= MAX_SIDE, CRD_ERR_INPUT,
                "preprocessing: crop_width: %lld is not from 0 to %d", (long long)p->crop_width,
                MAX_SIDE);
    CRD_REQUIRE(p->interpolation == CRD_BILINEAR || p->interpolation == CRD_BICUBIC, CRD_ERR_INPUT,
                "preprocessing: interpolation: %d is neither bilinear nor bicubic",
                (int)p->interpolation);
    for (int64_t c = 0; c < p->channels; c++) {
        CRD_REQUIRE(isfinite(p->mean[c]), CRD_ERR_INPUT,
                    "preprocessing: mean: %g is not a finite number", (double)p->mean[c]);
        CRD_REQUIRE(isfinite(p->sd[c]) && p->sd[c] > 0, CRD_ERR_INPUT,
                    "preprocessing: sd: %g is not a positive number", (double)p->sd[c]);
    }
cleanup:
    return status;
}

/* How one axis of `n` pixels meets the crop: where its first pixel taken lies in the image, and
 * where in the crop. An image smaller than the crop is centred in zeros. */
typedef struct placement {
    int64_t from, to, n;
} placement;

static placement place(int64_t n, int64_t crop)
{
    if (n < crop)
        return (placement){.from = 0, .to = (crop - n) / 2, .n = n};
    int64_t half = (n - crop) / 2;
    if ((n - crop) % 2 != 0)
        half += half % 2; /* Python's round(): halves go to the even neighbour */
    return (placement){.from = half, .to = 0, .n = crop};
}

crd_status crd_image_to_tensor(float *out, const crd_image *image,
                               const crd_preprocessing *preprocessing)
{
    crd_status status = CRD_OK;
    const crd_preprocessing *p = preprocessing;
    crd_image cut = {0};
    CRD_TRY(crd_preprocessing_check(p));
    CRD_REQUIRE(image->channels == p->channels, CRD_ERR_INTERNAL,
                "preprocessing: an image of %lld channels, but %lld are expected",
                (long long)image->channels, (long long)p->channels);

    int64_t width = image->width, height = image->height;
    if (p->resize > 0) {
        int64_t shorter = width < height ? width : height;
        width = p->resize * width / shorter;
        height = p->resize * height / shorter;
    }
    int64_t cut_width = crd_preprocessing_width(p);
    placement x = place(width, cut_width), y = place(height, p->crop);
    crd_window window = {x.from, y.from, x.n, y.n};
    CRD_TRY(crd_resize_window(&cut, image, width, height, window, p->interpolation));

    for (int64_t c = 0; c < p->channels; c++) {
        /* Two true divisions as torch makes them; a product with the inverse is not the same. */
        float values[256];
        for (int v = 0; v < 256; v++)
            values[v] = ((float)v / 255.0f - p->mean[c]) / p->sd[c];
        float *plane = out + c * p->crop * cut_width;
        for (int64_t i = 0; i < p->crop * cut_width; i++)
            plane[i] = values[0];
        for (int64_t row = 0; row < cut.height; row++)
            for (int64_t column = 0; column < cut.width; column++)
                plane[(y.to + row) * cut_width + x.to + column] =
                    values[cut.pixels[(row * cut.width + column) * p->channels + c]];
    }
cleanup:
    crd_image_clear(&cut);
    return status;
}
