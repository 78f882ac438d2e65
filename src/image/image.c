/* An image from a file: reads it whole, within a limit of size, and has it decoded (jpeg.c). */
#include "credence/image.h"

#include "base/alloc.h"
#include "base/file.h"

void crd_image_clear(crd_image *image)
{
    crd_free(image->pixels);
    *image = (crd_image){0};
}

crd_status crd_image_read(crd_image *out, const char *path, int64_t channels)
{
    crd_status status = CRD_OK;
    char *bytes = NULL;
    int64_t n_bytes;
    *out = (crd_image){0};
    CRD_TRY(crd_file_load(&bytes, &n_bytes, path, CRD_IMAGE_MAX_FILE_BYTES));
    CRD_TRY(crd_image_decode(out, (const uint8_t *)bytes, (size_t)n_bytes, channels, path));
cleanup:
    crd_free(bytes);
    return status;
}
