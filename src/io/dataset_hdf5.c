/* An HDF5 file with `images` and perhaps `labels` or `targets`. The HDF5 library serves one thread at a time, and
 * another one may be writing a checkpoint: so it is used to open only. Contiguous images are read
 * from their place in the file, row by row on demand; others (chunked, compressed) are held in
 * memory. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/file.h"
#include "io/dataset_source.h"
#include "io/h5.h"

/* The second one is what `credence preprocess` writes. */
static const char *const image_paths[] = {"/images", "/constant_data/images"};
#define LABELS "/labels"
#define TARGETS "/targets"

typedef struct h5_source {
    crd_source source;
    char *path;
    const char *images; /* path in the file */
    crd_h5_type type;
    int64_t channels, width, height;
    int64_t image_bytes;
    int fd;         /* -1: held in memory */
    int64_t offset; /* of the first image in the file */
    uint8_t *held;
} h5_source;

static void close_h5(crd_source *source)
{
    h5_source *h5 = (h5_source *)source;
    if (h5->fd >= 0)
        close(h5->fd);
    crd_free(h5->held);
    crd_free(h5->path);
}

static void name_h5(char out[CRD_SOURCE_NAME_SIZE], const crd_source *source, int64_t i)
{
    crd_source_number_name(out, ((const h5_source *)source)->path, i);
}

static crd_status read_row(void *out, const h5_source *h5, int64_t i)
{
    char *to = out;
    if (h5->fd < 0) {
        memcpy(out, h5->held + i * h5->image_bytes, (size_t)h5->image_bytes);
        return CRD_OK;
    }
    for (int64_t done = 0; done < h5->image_bytes;) {
        ssize_t got = pread(h5->fd, to + done, (size_t)(h5->image_bytes - done),
                            (off_t)(h5->offset + i * h5->image_bytes + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return CRD_FAIL(CRD_ERR_IO, "%s[%lld]: cannot be read: %s", h5->path, (long long)i,
                            got < 0 ? strerror(errno) : "the file has become shorter");
        done += got;
    }
    return CRD_OK;
}

static crd_status load_bytes(crd_image *out, const crd_source *source, int64_t i, int64_t channels)
{
    const h5_source *h5 = (const h5_source *)source;
    crd_status status = CRD_OK;
    uint8_t *planes = NULL;
    CRD_ALLOC(&planes, h5->image_bytes, "image");
    CRD_TRY(read_row(planes, h5, i));
    CRD_TRY(crd_source_image(out, planes, h5->channels, h5->width, h5->height, channels));
cleanup:
    crd_free(planes);
    return status;
}

static crd_status load_floats(float *out, const crd_source *source, int64_t i,
                              const crd_preprocessing *preprocessing)
{
    const h5_source *h5 = (const h5_source *)source;
    const crd_preprocessing *p = preprocessing;
    crd_status status = CRD_OK;
    CRD_REQUIRE(h5->channels == p->channels && h5->width == p->crop && h5->height == p->crop,
                CRD_ERR_INPUT,
                "%s: float32 images are %lld x %lld x %lld; the network takes %lld x %lld x %lld",
                h5->path, (long long)h5->channels, (long long)h5->height, (long long)h5->width,
                (long long)p->channels, (long long)p->crop, (long long)p->crop);
    CRD_TRY(read_row(out, h5, i));
    for (int64_t k = 0; k < p->channels * p->crop * p->crop; k++)
        CRD_REQUIRE(isfinite(out[k]), CRD_ERR_INPUT, "%s[%lld]: value %lld is not a finite number",
                    h5->path, (long long)i, (long long)k);
cleanup:
    return status;
}

static uint64_t digest_h5(uint64_t digest, const crd_source *source, int64_t i)
{
    const h5_source *h5 = (const h5_source *)source;
    int64_t at = i * h5->image_bytes;
    return h5->fd < 0 ? XXH3_64bits_withSeed(h5->held + at, (size_t)h5->image_bytes, digest)
                      : crd_source_digest_file(digest, h5->fd, h5->offset + at, h5->image_bytes);
}

static const crd_source_kind h5_kind = {close_h5, name_h5, load_bytes, load_floats, digest_h5};

static crd_status check_images(h5_source *h5, crd_h5 *file)
{
    crd_status status = CRD_OK;
    crd_shape shape;
    int is_there;
    char text[CRD_SHAPE_TEXT_SIZE];
    for (int k = 1; k >= 0; k--) {
        CRD_TRY(crd_h5_exists(&is_there, file, image_paths[k]));
        if (is_there)
            h5->images = image_paths[k];
    }
    CRD_REQUIRE(h5->images != NULL, CRD_ERR_INPUT, "%s: has neither a dataset %s nor %s", h5->path,
                image_paths[0], image_paths[1]);
    CRD_TRY(crd_h5_dataset_info(&h5->type, &shape, file, h5->images));
    CRD_REQUIRE(h5->type == CRD_H5_UINT8 || h5->type == CRD_H5_FLOAT32, CRD_ERR_INPUT,
                "%s: %s: elements are %s; uint8 and float32 (little endian) are allowed", h5->path,
                h5->images, crd_h5_type_name(h5->type));
    int64_t count = crd_shape_count(&shape), *dims = shape.dims;
    CRD_REQUIRE(shape.n_dims == 4 && count > 0 && (dims[1] == 1 || dims[1] == 3) &&
                    dims[2] <= CRD_IMAGE_MAX_PIXELS / dims[3],
                CRD_ERR_INPUT,
                "%s: %s: shape %s; it must be (image, channel, height, width) with 1 or 3 channels "
                "and at most %d pixels",
                h5->path, h5->images, crd_shape_text(text, &shape), CRD_IMAGE_MAX_PIXELS);
    h5->source.n_images = dims[0];
    h5->source.holds_tensors = h5->type == CRD_H5_FLOAT32;
    h5->channels = dims[1];
    h5->height = dims[2];
    h5->width = dims[3];
    h5->source.size = (crd_image){.width = dims[3], .height = dims[2], .channels = dims[1]};
    h5->image_bytes = count / dims[0] * crd_h5_type_size(h5->type);
    CRD_REQUIRE(h5->image_bytes <= INT64_MAX / dims[0], CRD_ERR_INPUT,
                "%s: %s: shape %s is impossible", h5->path, h5->images,
                crd_shape_text(text, &shape));
cleanup:
    return status;
}

static crd_status find_rows(h5_source *h5, crd_h5 *file)
{
    crd_status status = CRD_OK;
    int64_t bytes = h5->source.n_images * h5->image_bytes, file_bytes;
    CRD_TRY(crd_h5_offset(&h5->offset, file, h5->images));
    if (h5->offset < 0) {
        CRD_REQUIRE(bytes <= CRD_SOURCE_MAX_BYTES, CRD_ERR_INPUT,
                    "%s: %s: %lld bytes, chunked or compressed; above %lld bytes it must be stored "
                    "contiguously",
                    h5->path, h5->images, (long long)bytes, (long long)CRD_SOURCE_MAX_BYTES);
        CRD_ALLOC(&h5->held, bytes, h5->path);
        CRD_TRY(crd_h5_read(h5->held, file, h5->images, h5->type, NULL, NULL));
        return CRD_OK;
    }
    CRD_TRY(crd_file_open(&h5->fd, &file_bytes, h5->path, INT64_MAX));
    CRD_REQUIRE(bytes <= file_bytes - h5->offset, CRD_ERR_INPUT,
                "%s: %s: truncated: it reaches beyond the end of the file", h5->path, h5->images);
cleanup:
    return status;
}

/* Remembers a dataset whose name may have been meant for labels. */
static crd_status note_similar(const char *path, void *payload)
{
    static const char *const names[] = {"label", "labels", "target", "class", "classes", "y"};
    crd_source *source = payload;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        if (strcasecmp(path + 1, names[k]) == 0)
            snprintf(source->no_labels, sizeof source->no_labels,
                     "the file has no dataset " LABELS ", but %.60s", path);
    return CRD_OK;
}

static crd_status read_labels(h5_source *h5, crd_h5 *file)
{
    crd_status status = CRD_OK;
    crd_h5_type type;
    crd_shape shape;
    int is_there;
    char text[CRD_SHAPE_TEXT_SIZE];
    CRD_TRY(crd_h5_exists(&is_there, file, LABELS));
    if (!is_there)
        return crd_h5_visit_datasets(file, "/", note_similar, &h5->source);
    CRD_TRY(crd_h5_dataset_info(&type, &shape, file, LABELS));
    CRD_REQUIRE(type == CRD_H5_UINT8 || type == CRD_H5_INT32 || type == CRD_H5_INT64, CRD_ERR_INPUT,
                "%s: %s: elements are %s; uint8, int32 and int64 (little endian) are allowed",
                h5->path, LABELS, crd_h5_type_name(type));
    int64_t n = h5->source.n_images;
    CRD_REQUIRE(shape.n_dims == 1 && shape.dims[0] == n, CRD_ERR_INPUT,
                "%s: %s: shape %s does not fit the %lld images", h5->path, LABELS,
                crd_shape_text(text, &shape), (long long)n);
    CRD_ALLOC(&h5->source.labels, n, "labels");
    CRD_TRY(crd_h5_read(h5->source.labels, file, LABELS, CRD_H5_INT64, NULL, NULL));
    for (int64_t i = 0; i < n; i++)
        CRD_REQUIRE(h5->source.labels[i] >= 0, CRD_ERR_INPUT,
                    "%s: %s[%lld]: %lld; labels are numbers from 0", h5->path, LABELS, (long long)i,
                    (long long)h5->source.labels[i]);
cleanup:
    return status;
}

static crd_status read_targets(h5_source *h5, crd_h5 *file)
{
    crd_status status = CRD_OK;
    crd_source *source = &h5->source;
    crd_h5_type type;
    crd_shape shape;
    int is_there;
    char text[CRD_SHAPE_TEXT_SIZE];
    CRD_TRY(crd_h5_exists(&is_there, file, TARGETS));
    if (!is_there)
        return CRD_OK;
    CRD_TRY(crd_h5_dataset_info(&type, &shape, file, TARGETS));
    CRD_REQUIRE(type == CRD_H5_FLOAT32 || type == CRD_H5_FLOAT64, CRD_ERR_INPUT,
                "%s: %s: elements are %s; float32 and float64 (little endian) are allowed",
                h5->path, TARGETS, crd_h5_type_name(type));
    int64_t n = source->n_images;
    CRD_REQUIRE(shape.n_dims == 2 && shape.dims[0] == n && shape.dims[1] >= 1, CRD_ERR_INPUT,
                "%s: %s: shape %s; it must be (image, output) for the %lld images", h5->path,
                TARGETS, crd_shape_text(text, &shape), (long long)n);
    source->n_targets = shape.dims[1];
    CRD_ALLOC(&source->targets, crd_shape_count(&shape), "targets");
    CRD_TRY(crd_h5_read(source->targets, file, TARGETS, CRD_H5_FLOAT32, NULL, NULL));
    for (int64_t i = 0; i < crd_shape_count(&shape); i++)
        CRD_REQUIRE(isfinite(source->targets[i]), CRD_ERR_INPUT,
                    "%s: %s[%lld, %lld]: is %g as float32; it must be finite", h5->path, TARGETS,
                    (long long)(i / source->n_targets), (long long)(i % source->n_targets),
                    (double)source->targets[i]);
cleanup:
    return status;
}

crd_status crd_source_open_hdf5(crd_source **out, const char *path)
{
    crd_status status = CRD_OK;
    h5_source *h5 = NULL;
    crd_h5 *file = NULL;
    *out = NULL;
    CRD_REQUIRE(strlen(path) < PATH_MAX, CRD_ERR_INPUT, "%s: this path is too long", path);
    CRD_ALLOC(&h5, 1, "HDF5 images");
    h5->source.kind = &h5_kind;
    h5->fd = -1;
    CRD_TRY(crd_alloc_string(&h5->path, path));
    CRD_TRY(crd_h5_open(&file, path));
    CRD_TRY(check_images(h5, file));
    CRD_TRY(read_labels(h5, file));
    CRD_TRY(read_targets(h5, file));
    CRD_TRY(find_rows(h5, file));
    *out = &h5->source;
    h5 = NULL;
cleanup:
    crd_h5_discard(file);
    crd_source_close((crd_source *)h5);
    return status;
}
