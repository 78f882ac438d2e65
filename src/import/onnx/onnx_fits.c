/* Whether a file is an ONNX model: by its name, or by how its protobuf message begins. */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "credence/onnx.h"

/* Field 1 is ir_version, up to 127; then comes field 2 or 7, producer or graph. */
static int begins_so(const char *path)
{
    unsigned char head[3];
    int fd, fits = 0;
    int64_t n;
    if (crd_file_open(&fd, &n, path, INT64_MAX) != CRD_OK)
        return 0;
    if (n >= 3 && crd_file_read(head, fd, 3, 0, path) == CRD_OK)
        fits = head[0] == 0x08 && head[1] < 128 && (head[2] == 0x12 || head[2] == 0x3a);
    close(fd);
    return fits;
}

int crd_onnx_fits(const char *path)
{
    size_t n = strlen(path);
    return (n > 5 && strcmp(path + n - 5, ".onnx") == 0) || begins_so(path);
}
