/* What several kinds of sources share. */
#include "io/dataset_source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "image/colour.h"

void crd_source_close(crd_source *source)
{
    if (source == NULL)
        return;
    source->kind->close(source);
    for (int64_t k = 0; k < source->n_classes; k++)
        crd_free(source->classes[k]);
    crd_free(source->classes);
    crd_free(source->labels);
    crd_free(source->targets);
    crd_free(source);
}

/* What cannot be opened: an image that cannot be loaded, for runs that continue without it. */
typedef struct broken_source {
    crd_source source;
    char *path, *reason;
} broken_source;

static void close_broken(crd_source *source)
{
    broken_source *broken = (broken_source *)source;
    crd_free(broken->path);
    crd_free(broken->reason);
}

static void name_broken(char out[CRD_SOURCE_NAME_SIZE], const crd_source *source, int64_t i)
{
    (void)i;
    snprintf(out, CRD_SOURCE_NAME_SIZE, "%s", ((const broken_source *)source)->path);
}

static crd_status load_broken(crd_image *out, const crd_source *source, int64_t i, int64_t channels)
{
    (void)out, (void)i, (void)channels;
    return CRD_FAIL(CRD_ERR_INPUT, "%s", ((const broken_source *)source)->reason);
}

static uint64_t digest_broken(uint64_t digest, const crd_source *source, int64_t i)
{
    (void)i;
    const char *reason = ((const broken_source *)source)->reason;
    return XXH3_64bits_withSeed(reason, strlen(reason), digest);
}

crd_status crd_source_open_broken(crd_source **out, const char *path)
{
    static const crd_source_kind kind = {close_broken, name_broken, load_broken, NULL,
                                         digest_broken};
    crd_status status = CRD_OK;
    broken_source *broken = NULL;
    *out = NULL;
    CRD_ALLOC(&broken, 1, "image that cannot be read");
    broken->source.kind = &kind;
    broken->source.n_images = 1;
    broken->source.is_broken = 1;
    CRD_TRY(crd_alloc_string(&broken->reason, crd_status_message()));
    CRD_TRY(crd_alloc_string(&broken->path, path));
    *out = &broken->source;
    broken = NULL;
cleanup:
    crd_source_close((crd_source *)broken);
    return status;
}

crd_status crd_source_image(crd_image *out, const uint8_t *planes, int64_t n_planes, int64_t width,
                            int64_t height, int64_t channels)
{
    crd_status status = CRD_OK;
    int64_t n = width * height;
    *out = (crd_image){.width = width, .height = height, .channels = channels};
    CRD_ALLOC(&out->pixels, n * channels, "image");
    for (int64_t i = 0; i < n; i++) {
        uint8_t pixel[CRD_MAX_CHANNELS];
        for (int64_t c = 0; c < n_planes; c++)
            pixel[c] = planes[c * n + i];
        crd_colour_convert(out->pixels + i * channels, channels, pixel, (int)n_planes, 1);
    }
cleanup:
    return status;
}

uint64_t crd_source_digest_file(uint64_t digest, int fd, int64_t offset, int64_t n_bytes)
{
    char piece[1 << 15];
    int64_t at = 0;
    while (n_bytes < 0 || at < n_bytes) {
        /* Whole pieces, however the system cuts what it reads. */
        int64_t want = n_bytes < 0 ? (int64_t)sizeof piece : n_bytes - at, got = 0;
        ssize_t n = 1;
        if (want > (int64_t)sizeof piece)
            want = (int64_t)sizeof piece;
        while (got < want && (n > 0 || (n < 0 && errno == EINTR))) {
            n = pread(fd, piece + got, (size_t)(want - got), (off_t)(offset + at + got));
            got += n > 0 ? n : 0;
        }
        digest = XXH3_64bits_withSeed(piece, (size_t)got, digest);
        if (n < 0)
            return XXH3_64bits_withSeed(&errno, sizeof errno, digest);
        if (got < want)
            break;
        at += got;
    }
    return digest;
}

void crd_source_number_name(char out[CRD_SOURCE_NAME_SIZE], const char *path, int64_t i)
{
    snprintf(out, CRD_SOURCE_NAME_SIZE, "%s[%lld]", path, (long long)i);
}
