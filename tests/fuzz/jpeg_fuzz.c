/* The JPEG decoder: any bytes give an image of the size that its header states, or one refusal. */
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "credence/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t before = crd_alloc_bytes();
    for (int64_t channels = 1; channels <= 3; channels += 2) {
        crd_image image;
        crd_status status = crd_image_decode(&image, data, size, channels, "fuzz.jpg");
        if (status != CRD_OK && status != CRD_ERR_INPUT)
            abort();
        if ((status == CRD_OK) != (image.pixels != NULL))
            abort();
        uint64_t sum = 0;
        for (int64_t i = 0; status == CRD_OK && i < image.width * image.height * channels; i++)
            sum += image.pixels[i];
        if (sum > UINT64_C(255) * CRD_IMAGE_MAX_PIXELS * 3)
            abort();
        crd_image_clear(&image);
    }
    if (crd_alloc_bytes() != before)
        abort();
    return 0;
}
