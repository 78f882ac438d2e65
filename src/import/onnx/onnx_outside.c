/* External data. The path is walked part by part from the model's folder, each part opened without
 * following links, so that nothing can lead out of the folder, not even between check and use. */
#define _GNU_SOURCE /* O_DIRECTORY, openat */
#include "import/onnx/onnx_outside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/integers.h"
#include "base/text.h"

enum { PIECE_BYTES = 1 << 16, MAX_PATH = 1024 };

static crd_status open_below(int *out, const char *folder, const char *path)
{
    crd_status status = CRD_OK;
    char part[MAX_PATH];
    struct stat info;
    int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *out = -1;
    CRD_REQUIRE(at >= 0, CRD_ERR_INPUT, "%s: %s", folder, strerror(errno));
    CRD_REQUIRE(path[0] != '\0' && path[0] != '/' && strlen(path) < MAX_PATH, CRD_ERR_INPUT,
                "lies in '%.80s'; allowed is a path below the model's folder", path);
    for (const char *rest = path; rest != NULL;) {
        const char *slash = strchr(rest, '/');
        size_t n = slash != NULL ? (size_t)(slash - rest) : strlen(rest);
        memcpy(part, rest, n);
        part[n] = '\0';
        CRD_REQUIRE(strcmp(part, "..") != 0 && n > 0, CRD_ERR_INPUT,
                    "lies in '%.80s'; allowed is a path below the model's folder", path);
        int next = openat(at, part,
                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC |
                              (slash != NULL ? O_DIRECTORY : 0));
        int error = errno;
        close(at);
        at = next;
        CRD_REQUIRE(at >= 0, CRD_ERR_INPUT, "lies in '%.80s': %s", path,
                    error == ELOOP || error == ENOTDIR
                        ? "a link, or no folder; links are not followed"
                        : strerror(error));
        rest = slash != NULL ? slash + 1 : NULL;
    }
    CRD_REQUIRE(fstat(at, &info) == 0 && S_ISREG(info.st_mode), CRD_ERR_INPUT,
                "lies in '%.80s', which is no regular file", path);
    *out = at;
    return CRD_OK;
cleanup:
    if (at >= 0)
        close(at);
    return status;
}

/* Decimal text of an entry; `fallback` where it is missing. */
static crd_status entry_number(int64_t *out, const char *text, int64_t fallback, const char *key)
{
    *out = fallback;
    if (text == NULL)
        return CRD_OK;
    crd_status status = crd_text_to_int64(out, text, 0, INT64_MAX / 4, key);
    return status == CRD_OK ? status : CRD_FAIL(CRD_ERR_INPUT, "%s", crd_status_message());
}

static const char *entry(const Onnx__TensorProto *proto, const char *key)
{
    for (size_t i = 0; i < proto->n_external_data; i++)
        if (proto->external_data[i]->key != NULL && strcmp(proto->external_data[i]->key, key) == 0)
            return proto->external_data[i]->value;
    return NULL;
}

/* Each file counts once, however many tensors lie in it. */
static crd_status count_file(crd_onnx_budget *budget, const struct stat *info)
{
    for (int i = 0; i < budget->n_files; i++)
        if (budget->files[i][0] == info->st_dev && budget->files[i][1] == info->st_ino)
            return CRD_OK;
    if (budget->n_files == CRD_ONNX_MAX_FILES)
        return CRD_FAIL(CRD_ERR_INPUT, "numbers lie in more than %d files", CRD_ONNX_MAX_FILES);
    budget->files[budget->n_files][0] = info->st_dev;
    budget->files[budget->n_files++][1] = info->st_ino;
    budget->limit += 2 * crd_smaller(info->st_size, INT64_MAX / 64);
    return CRD_OK;
}

crd_status crd_onnx_outside_open(crd_onnx_outside *out, crd_onnx_budget *budget,
                                 const Onnx__TensorProto *proto, const char *folder,
                                 int64_t n_bytes)
{
    crd_status status = CRD_OK;
    struct stat info;
    int64_t length;
    *out = (crd_onnx_outside){.fd = -1, .name = entry(proto, "location")};
    CRD_REQUIRE(out->name != NULL && folder != NULL, CRD_ERR_INPUT,
                "has its numbers in another file, but does not say in which");
    CRD_TRY(entry_number(&out->offset, entry(proto, "offset"), 0, "offset"));
    CRD_TRY(entry_number(&length, entry(proto, "length"), n_bytes, "length"));
    CRD_REQUIRE(length == n_bytes, CRD_ERR_INPUT, "has %lld bytes in '%.80s', its shape needs %lld",
                (long long)length, out->name, (long long)n_bytes);
    CRD_TRY(open_below(&out->fd, folder, out->name));
    CRD_REQUIRE(fstat(out->fd, &info) == 0 && out->offset <= info.st_size - n_bytes, CRD_ERR_INPUT,
                "ends beyond the %lld bytes of '%.80s'", (long long)info.st_size, out->name);
    CRD_TRY(count_file(budget, &info));
cleanup:
    if (status != CRD_OK)
        crd_onnx_outside_close(out);
    return status;
}

crd_status crd_onnx_outside_read(crd_onnx_tensor *tensor, const crd_onnx_outside *place,
                                 void (*set)(crd_onnx_tensor *, int64_t, const uint8_t *),
                                 int64_t size)
{
    crd_status status = CRD_OK;
    uint8_t *piece = NULL;
    int64_t at_once = PIECE_BYTES / size;
    crd_onnx_tensor part = *tensor;
    size_t held = crd_onnx_type_is_real(part.type) && part.type != CRD_ONNX_DOUBLE ? 4 : 8;
    CRD_ALLOC(&piece, PIECE_BYTES, "external data");
    for (int64_t first = 0; first < tensor->count; first += at_once) {
        int64_t n = crd_smaller(at_once, tensor->count - first);
        CRD_TRY(
            crd_file_read(piece, place->fd, n * size, place->offset + first * size, place->name));
        part.data = (char *)tensor->data + (size_t)first * held;
        for (int64_t i = 0; i < n; i++)
            set(&part, i, piece);
    }
cleanup:
    crd_free(piece);
    return status;
}

void crd_onnx_outside_close(crd_onnx_outside *place)
{
    if (place->fd >= 0)
        close(place->fd);
    place->fd = -1;
}
