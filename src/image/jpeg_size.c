/* Size of a JPEG from its frame header (ITU T.81, B.2.2), without decoding: the segments before it
 * are passed over by their lengths. For remarks only; jpeg.c decides what a JPEG is. */
#include <unistd.h>

#include "base/file.h"
#include "credence/image.h"

enum { MAX_SEGMENTS = 1000 };

static int is_frame(uint8_t marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

static int64_t two_bytes(const uint8_t *bytes)
{
    return bytes[0] << 8 | bytes[1];
}

static crd_status find_frame(crd_image *out, int fd, int64_t n_bytes, const char *path)
{
    crd_status status = CRD_OK;
    uint8_t head[10]; /* marker, length, precision, height, width, components */
    int64_t at = 2;
    for (int k = 0; k < MAX_SEGMENTS && at + (int64_t)sizeof head <= n_bytes; k++) {
        CRD_TRY(crd_file_read(head, fd, sizeof head, at, path));
        if (head[0] != 0xff)
            break;
        if (is_frame(head[1])) {
            *out = (crd_image){.height = two_bytes(head + 5),
                               .width = two_bytes(head + 7),
                               .channels = head[9] == 1 ? 1 : 3};
            return CRD_OK;
        }
        at += head[1] == 0xff ? 1 : 2 + two_bytes(head + 2); /* ff may be repeated */
    }
    status = CRD_FAIL(CRD_ERR_INPUT, "%s: no frame header is found", path);
cleanup:
    return status;
}

crd_status crd_image_measure(crd_image *out, const char *path)
{
    crd_status status = CRD_OK;
    int fd;
    int64_t n_bytes;
    *out = (crd_image){0};
    CRD_TRY(crd_file_open(&fd, &n_bytes, path, CRD_IMAGE_MAX_FILE_BYTES));
    CRD_TRY(find_frame(out, fd, n_bytes, path));
cleanup:
    if (fd >= 0)
        close(fd);
    return status;
}
