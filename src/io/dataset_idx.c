/* IDX, the format of MNIST and its family: two zero bytes, the type of the elements (8: uint8),
 * the number of dimensions, each extent in 4 bytes, big endian; then the elements. zlib reads
 * it gzipped or plain alike. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "io/dataset_source.h"

enum { TYPE_UINT8 = 8, MAX_DIMS = 3, DEFLATE_MAX_RATIO = 1032 };

typedef struct idx_source {
    crd_source source;
    char *path;
    int64_t width, height;
    uint8_t *pixels; /* [n_images][height][width] */
} idx_source;

static void close_idx(crd_source *source)
{
    idx_source *idx = (idx_source *)source;
    crd_free(idx->path);
    crd_free(idx->pixels);
}

static void name_idx(char out[CRD_SOURCE_NAME_SIZE], const crd_source *source, int64_t i)
{
    crd_source_number_name(out, ((const idx_source *)source)->path, i);
}

static crd_status load_idx(crd_image *out, const crd_source *source, int64_t i, int64_t channels)
{
    const idx_source *idx = (const idx_source *)source;
    return crd_source_image(out, idx->pixels + i * idx->width * idx->height, 1, idx->width,
                            idx->height, channels);
}

static uint64_t digest_idx(uint64_t digest, const crd_source *source, int64_t i)
{
    const idx_source *idx = (const idx_source *)source;
    int64_t n = idx->width * idx->height;
    return XXH3_64bits_withSeed(idx->pixels + i * n, (size_t)n, digest);
}

static const crd_source_kind idx_kind = {close_idx, name_idx, load_idx, NULL, digest_idx};

/* Exactly n bytes, in pieces as large as zlib takes them. */
static crd_status read_bytes(uint8_t *out, gzFile file, int64_t n, const char *path)
{
    for (int64_t done = 0; done < n;) {
        int64_t rest = n - done;
        int got = gzread(file, out + done, (unsigned)(rest < 1 << 30 ? rest : 1 << 30));
        int code = Z_OK;
        const char *reason = gzerror(file, &code);
        if (got < 0 || (got == 0 && code != Z_OK && code != Z_BUF_ERROR))
            return CRD_FAIL(code == Z_ERRNO ? CRD_ERR_IO : CRD_ERR_INPUT, "%s: cannot be read: %s",
                            path, reason);
        if (got == 0)
            return CRD_FAIL(CRD_ERR_INPUT, "%s: truncated: it ends before its elements do", path);
        done += got;
    }
    return CRD_OK;
}

/* Behind the elements there must be nothing. Asking for more makes zlib compare its checksum
 * too. */
static crd_status check_end(gzFile file, const char *path)
{
    uint8_t byte;
    int code = Z_OK, got = gzread(file, &byte, 1);
    const char *reason = gzerror(file, &code);
    if (got > 0)
        return CRD_FAIL(CRD_ERR_INPUT, "%s: longer than its header says", path);
    if (got < 0 || code != Z_OK)
        return CRD_FAIL(CRD_ERR_INPUT, "%s: its end is damaged: %s", path, reason);
    return CRD_OK;
}

/* All elements of an IDX file of uint8 with n_dims dimensions. */
static crd_status read_idx(uint8_t **out, int64_t dims[MAX_DIMS], const char *path, int n_dims,
                           const char *what)
{
    crd_status status = CRD_OK;
    gzFile file = NULL;
    int64_t file_bytes, n = 1;
    int fd;
    uint8_t header[4 + 4 * MAX_DIMS];
    *out = NULL;
    CRD_TRY(crd_file_open(&fd, &file_bytes, path, CRD_SOURCE_MAX_BYTES));
    file = gzdopen(fd, "rb");
    CRD_REQUIRE(file != NULL, CRD_ERR_INTERNAL, "%s: out of memory", path);
    CRD_TRY(read_bytes(header, file, 4, path));
    CRD_REQUIRE(header[0] == 0 && header[1] == 0, CRD_ERR_INPUT, "%s: is not an IDX file", path);
    CRD_REQUIRE(header[2] == TYPE_UINT8 && header[3] == n_dims, CRD_ERR_INPUT,
                "%s: IDX elements of type %d in %d dimensions; %s have type %d in %d", path,
                header[2], header[3], what, TYPE_UINT8, n_dims);
    CRD_TRY(read_bytes(header + 4, file, 4 * n_dims, path));
    for (int d = 0; d < n_dims; d++) {
        const uint8_t *b = header + 4 + 4 * d;
        dims[d] = (int64_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
        CRD_REQUIRE(dims[d] > 0, CRD_ERR_INPUT, "%s: extent %d is 0", path, d + 1);
        CRD_REQUIRE(dims[d] <= CRD_SOURCE_MAX_BYTES / n, CRD_ERR_INPUT,
                    "%s: more than the %lld bytes that an IDX file may hold here", path,
                    (long long)CRD_SOURCE_MAX_BYTES);
        n *= dims[d];
    }
    /* No memory on a header's word alone. */
    CRD_REQUIRE(n / DEFLATE_MAX_RATIO <= file_bytes, CRD_ERR_INPUT,
                "%s: truncated: %lld bytes cannot hold the %lld elements of its header", path,
                (long long)file_bytes, (long long)n);
    CRD_ALLOC(out, n, path);
    CRD_TRY(read_bytes(*out, file, n, path));
    CRD_TRY(check_end(file, path));
cleanup:
    if (file != NULL)
        gzclose_r(file); /* the descriptor too */
    else if (fd >= 0)
        close(fd);
    return status;
}

static crd_status read_labels(idx_source *idx, const char *path)
{
    crd_status status = CRD_OK;
    uint8_t *bytes = NULL;
    int64_t dims[MAX_DIMS] = {0}, n = idx->source.n_images;
    CRD_TRY(read_idx(&bytes, dims, path, 1, "labels"));
    CRD_REQUIRE(dims[0] == n, CRD_ERR_INPUT, "%s: %lld labels for the %lld images of %s", path,
                (long long)dims[0], (long long)n, idx->path);
    CRD_ALLOC(&idx->source.labels, n, "labels");
    for (int64_t i = 0; i < n; i++)
        idx->source.labels[i] = bytes[i];
cleanup:
    crd_free(bytes);
    return status;
}

crd_status crd_source_open_idx(crd_source **out, const char *path)
{
    crd_status status = CRD_OK;
    idx_source *idx = NULL;
    int64_t dims[MAX_DIMS] = {0};
    *out = NULL;
    CRD_REQUIRE(strlen(path) < PATH_MAX, CRD_ERR_INPUT, "%s: this path is too long", path);
    CRD_ALLOC(&idx, 1, "IDX file");
    idx->source.kind = &idx_kind;
    CRD_TRY(crd_alloc_string(&idx->path, path));
    char *comma = strrchr(idx->path, ',');
    if (comma != NULL)
        *comma = '\0';
    CRD_TRY(read_idx(&idx->pixels, dims, idx->path, 3, "images"));
    idx->source.n_images = dims[0];
    idx->height = dims[1];
    idx->width = dims[2];
    idx->source.size = (crd_image){.width = idx->width, .height = idx->height, .channels = 1};
    CRD_REQUIRE(idx->height <= CRD_IMAGE_MAX_PIXELS / idx->width, CRD_ERR_INPUT,
                "%s: %lld x %lld pixels; at most %d in all are allowed", idx->path,
                (long long)idx->width, (long long)idx->height, CRD_IMAGE_MAX_PIXELS);
    if (comma != NULL)
        CRD_TRY(read_labels(idx, comma + 1));
    *out = &idx->source;
    idx = NULL;
cleanup:
    crd_source_close((crd_source *)idx);
    return status;
}
