#include "credence/image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"

/* No photograph below the pixel limit is larger; keeps a wrong path from filling the memory. */
#define MAX_FILE_BYTES ((int64_t)1 << 30)

void crd_image_clear(crd_image *image)
{
    crd_free(image->pixels);
    *image = (crd_image){0};
}

static crd_status open_failure(const char *path)
{
    crd_status code = errno == EACCES || errno == EIO ? CRD_ERR_IO : CRD_ERR_INPUT;
    return CRD_FAIL(code, "%s: cannot be opened: %s", path, strerror(errno));
}

static crd_status read_file(uint8_t **bytes, size_t *n_bytes, const char *path)
{
    crd_status status = CRD_OK;
    FILE *file = NULL;
    struct stat info;
    *bytes = NULL;
    /* Asked before opening: opening a named pipe would wait for its writer. */
    if (stat(path, &info) != 0)
        return open_failure(path);
    CRD_REQUIRE(!S_ISDIR(info.st_mode), CRD_ERR_INPUT, "%s: is a directory, not an image", path);
    CRD_REQUIRE(S_ISREG(info.st_mode), CRD_ERR_INPUT, "%s: is not a regular file", path);
    CRD_REQUIRE(info.st_size <= MAX_FILE_BYTES, CRD_ERR_INPUT,
                "%s: %lld bytes; an image has at most 1 GiB", path, (long long)info.st_size);
    file = fopen(path, "rb");
    if (file == NULL)
        CRD_TRY(open_failure(path));
    CRD_ALLOC(bytes, info.st_size, path);
    *n_bytes = fread(*bytes, 1, (size_t)info.st_size, file);
    CRD_REQUIRE(!ferror(file), CRD_ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
cleanup:
    if (file != NULL)
        fclose(file);
    return status;
}

crd_status crd_image_read(crd_image *out, const char *path, int64_t channels)
{
    crd_status status = CRD_OK;
    uint8_t *bytes = NULL;
    size_t n_bytes = 0;
    *out = (crd_image){0};
    CRD_TRY(read_file(&bytes, &n_bytes, path));
    CRD_TRY(crd_image_decode(out, bytes, n_bytes, channels, path));
cleanup:
    crd_free(bytes);
    return status;
}
