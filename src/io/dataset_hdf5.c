/* An HDF5 file with `images` and perhaps `labels` or `targets`. Contiguous uint8 and float32
 * images are read from their place in the file, row by row on demand; others (chunked,
 * compressed, of another byte order or width, packed as netCDF packs) are read at once and held
 * in memory. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/alloc.h"
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
    CRD_REQUIRE(h5->channels == p->channels && h5->width == crd_preprocessing_width(p) &&
                    h5->height == p->crop,
                CRD_ERR_INPUT,
                "%s: float32 images are %lld x %lld x %lld; the network takes %lld x %lld x %lld",
                h5->path, (long long)h5->channels, (long long)h5->height, (long long)h5->width,
                (long long)p->channels, (long long)p->crop, (long long)crd_preprocessing_width(p));
    CRD_TRY(read_row(out, h5, i));
    for (int64_t k = 0; k < crd_preprocessing_floats(p); k++)
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

/* Values that netCDF's conventions pack into another type: value = stored * scale + offset. */
typedef struct packing {
    int is_packed, has_fill;
    double scale, offset, fill; /* fill: the stored value of what is missing */
} packing;

static crd_status find_packing(packing *p, crd_h5 *file, const char *path)
{
    crd_status status = CRD_OK;
    int has_scale, has_offset;
    *p = (packing){.scale = 1};
    CRD_TRY(crd_h5_attr_find_number(&has_scale, &p->scale, file, path, "scale_factor"));
    CRD_TRY(crd_h5_attr_find_number(&has_offset, &p->offset, file, path, "add_offset"));
    CRD_TRY(crd_h5_attr_find_number(&p->has_fill, &p->fill, file, path, "_FillValue"));
    p->is_packed = has_scale || has_offset;
cleanup:
    return status;
}

static int is_float(const crd_h5_facts *facts)
{
    return (facts->nearest == CRD_H5_FLOAT32 && facts->value_bytes == 4) ||
           facts->nearest == CRD_H5_FLOAT64;
}

static int is_whole(const crd_h5_facts *facts)
{
    return facts->nearest == CRD_H5_UINT8 || facts->nearest == CRD_H5_INT32 ||
           facts->nearest == CRD_H5_INT64 || facts->nearest == CRD_H5_UINT64 ||
           facts->nearest == CRD_H5_BOOL; /* which is int8 */
}

/* All values as float32, whatever their type. What is missing becomes NaN, which no reader
 * takes. */
static crd_status read_floats(float *out, crd_h5 *file, const char *path, int64_t n,
                              const packing *p)
{
    crd_status status = CRD_OK;
    double *values = NULL;
    if (!p->is_packed)
        return crd_h5_read(out, file, path, CRD_H5_FLOAT32, NULL, NULL);
    CRD_ALLOC(&values, n, "packed values");
    CRD_TRY(crd_h5_read(values, file, path, CRD_H5_FLOAT64, NULL, NULL));
    for (int64_t i = 0; i < n; i++)
        out[i] =
            p->has_fill && values[i] == p->fill ? NAN : (float)(values[i] * p->scale + p->offset);
cleanup:
    crd_free(values);
    return status;
}

static crd_status check_shape(h5_source *h5, const crd_shape *shape)
{
    crd_status status = CRD_OK;
    char text[CRD_SHAPE_TEXT_SIZE];
    int64_t count = crd_shape_count(shape);
    const int64_t *dims = shape->dims;
    CRD_REQUIRE(shape->n_dims == 4 && count > 0 && (dims[1] == 1 || dims[1] == 3) &&
                    dims[2] <= CRD_IMAGE_MAX_PIXELS / dims[3],
                CRD_ERR_INPUT,
                "%s: %s: shape %s; it must be (image, channel, height, width) with 1 or 3 channels "
                "and at most %d pixels",
                h5->path, h5->images, crd_shape_text(text, shape), CRD_IMAGE_MAX_PIXELS);
    h5->source.n_images = dims[0];
    h5->channels = dims[1];
    h5->height = dims[2];
    h5->width = dims[3];
    h5->source.size = (crd_image){.width = dims[3], .height = dims[2], .channels = dims[1]};
    h5->image_bytes = count / dims[0] * crd_h5_type_size(h5->type);
    CRD_REQUIRE(h5->image_bytes <= INT64_MAX / dims[0], CRD_ERR_INPUT,
                "%s: %s: shape %s is impossible", h5->path, h5->images,
                crd_shape_text(text, shape));
cleanup:
    return status;
}

static crd_status check_images(h5_source *h5, crd_h5_facts *facts, packing *p, crd_h5 *file)
{
    crd_status status = CRD_OK;
    int is_there;
    for (int k = 1; k >= 0; k--) {
        CRD_TRY(crd_h5_exists(&is_there, file, image_paths[k]));
        if (is_there)
            h5->images = image_paths[k];
    }
    CRD_REQUIRE(h5->images != NULL, CRD_ERR_INPUT, "%s: has neither a dataset %s nor %s", h5->path,
                image_paths[0], image_paths[1]);
    CRD_TRY(crd_h5_dataset_facts(facts, file, h5->images));
    CRD_TRY(find_packing(p, file, h5->images));
    int is_bytes = is_whole(facts) && strcmp(facts->type_name, "uint8") == 0 && !p->is_packed;
    int is_packed = p->is_packed && (is_whole(facts) || is_float(facts));
    CRD_REQUIRE(is_bytes || is_float(facts) || is_packed, CRD_ERR_INPUT,
                "%s: %s: elements are %s; uint8 (pixels of 0 to 255), float32 and float64 (as the "
                "network takes them) are allowed, and others only with netCDF's scale_factor or "
                "add_offset",
                h5->path, h5->images, facts->type_name);
    h5->type = is_bytes ? CRD_H5_UINT8 : CRD_H5_FLOAT32;
    h5->source.holds_tensors = !is_bytes;
    CRD_TRY(check_shape(h5, &facts->shape));
cleanup:
    return status;
}

static crd_status hold_images(h5_source *h5, crd_h5 *file, const packing *p)
{
    crd_status status = CRD_OK;
    int64_t bytes = h5->source.n_images * h5->image_bytes;
    CRD_REQUIRE(bytes <= CRD_SOURCE_MAX_BYTES, CRD_ERR_INPUT,
                "%s: %s: %lld bytes, chunked, compressed or to be converted; above %lld bytes it "
                "must be stored contiguously as uint8 or float32",
                h5->path, h5->images, (long long)bytes, (long long)CRD_SOURCE_MAX_BYTES);
    CRD_ALLOC(&h5->held, bytes, h5->path);
    if (h5->type == CRD_H5_UINT8)
        CRD_TRY(crd_h5_read(h5->held, file, h5->images, CRD_H5_UINT8, NULL, NULL));
    else
        CRD_TRY(read_floats((float *)(void *)h5->held, file, h5->images,
                            bytes / (int64_t)sizeof(float), p));
cleanup:
    return status;
}

static crd_status find_rows(h5_source *h5, crd_h5 *file, const crd_h5_facts *facts,
                            const packing *p)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_h5_offset(&h5->offset, file, h5->images));
    if (h5->offset < 0 || p->is_packed || facts->type != h5->type)
        return hold_images(h5, file, p);
    h5->fd = fcntl(crd_h5_descriptor(file), F_DUPFD_CLOEXEC, 0);
    CRD_REQUIRE(h5->fd >= 0, CRD_ERR_IO, "%s: cannot be opened: %s", h5->path, strerror(errno));
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
    crd_h5_facts facts;
    packing p;
    char text[CRD_SHAPE_TEXT_SIZE];
    CRD_TRY(crd_h5_describe(&facts, file, LABELS));
    if (!facts.is_there)
        return crd_h5_visit_datasets(file, "/", note_similar, &h5->source);
    CRD_TRY(find_packing(&p, file, LABELS));
    CRD_REQUIRE(is_whole(&facts) && !p.is_packed, CRD_ERR_INPUT,
                "%s: %s: elements are %s%s; int64 and other whole numbers are allowed, not packed "
                "ones",
                h5->path, LABELS, facts.type_name,
                p.is_packed ? " with scale_factor or add_offset" : "");
    int64_t n = h5->source.n_images;
    CRD_REQUIRE(facts.shape.n_dims == 1 && facts.shape.dims[0] == n, CRD_ERR_INPUT,
                "%s: %s: shape %s does not fit the %lld images", h5->path, LABELS,
                crd_shape_text(text, &facts.shape), (long long)n);
    CRD_TRY(crd_h5_check_values(file, LABELS));
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
    crd_h5_facts facts;
    packing p;
    char text[CRD_SHAPE_TEXT_SIZE];
    const crd_shape *shape = &facts.shape;
    CRD_TRY(crd_h5_describe(&facts, file, TARGETS));
    if (!facts.is_there)
        return CRD_OK;
    CRD_TRY(find_packing(&p, file, TARGETS));
    CRD_REQUIRE(is_float(&facts) || (is_whole(&facts) && p.is_packed), CRD_ERR_INPUT,
                "%s: %s: elements are %s; float32 and float64 are allowed", h5->path, TARGETS,
                facts.type_name);
    int64_t n = source->n_images;
    CRD_REQUIRE(shape->n_dims == 2 && shape->dims[0] == n && shape->dims[1] >= 1, CRD_ERR_INPUT,
                "%s: %s: shape %s; it must be (image, output) for the %lld images", h5->path,
                TARGETS, crd_shape_text(text, shape), (long long)n);
    CRD_TRY(crd_h5_check_values(file, TARGETS));
    source->n_targets = shape->dims[1];
    CRD_ALLOC(&source->targets, crd_shape_count(shape), "targets");
    CRD_TRY(read_floats(source->targets, file, TARGETS, crd_shape_count(shape), &p));
    for (int64_t i = 0; i < crd_shape_count(shape); i++)
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
    crd_h5_facts facts;
    packing p;
    *out = NULL;
    CRD_REQUIRE(strlen(path) < PATH_MAX, CRD_ERR_INPUT, "%s: this path is too long", path);
    CRD_ALLOC(&h5, 1, "HDF5 images");
    h5->source.kind = &h5_kind;
    h5->fd = -1;
    CRD_TRY(crd_alloc_string(&h5->path, path));
    CRD_TRY(crd_h5_open(&file, path));
    CRD_TRY(check_images(h5, &facts, &p, file));
    CRD_TRY(find_rows(h5, file, &facts, &p));
    CRD_TRY(read_labels(h5, file));
    CRD_TRY(read_targets(h5, file));
    *out = &h5->source;
    h5 = NULL;
cleanup:
    crd_h5_discard(file);
    crd_source_close((crd_source *)h5);
    return status;
}
