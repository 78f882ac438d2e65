/* What a network's transform does to the images of a data set, where a user may not expect it: said
 * once, from the sizes of the images, before any work is done. */
#include "credence/dataset.h"

#include <stdio.h>

#include "credence/log.h"
#include "io/dataset_source.h"

/* A file is opened for each: of more images the first ones must tell. */
enum { MAX_LOOKED_AT = 1000 };

typedef struct remark {
    int64_t n; /* images of which it is true */
    char first[CRD_SOURCE_NAME_SIZE];
    crd_image size; /* of the first */
} remark;

typedef struct fit {
    int64_t n_seen, n_grey;
    remark cut, padded, made_grey;
} fit;

static void add_remark(remark *r, const crd_source *source, int64_t i, const crd_image *size)
{
    if (r->n++ > 0)
        return;
    source->kind->name(r->first, source, i);
    r->size = *size;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Share of the picture that the crop keeps. */
static double kept_share(const crd_image *size, const crd_preprocessing *p)
{
    double width = (double)size->width, height = (double)size->height;
    double scale =
        p->resize > 0 ? (double)p->resize / (double)smaller(size->width, size->height) : 1;
    double x = (double)crd_preprocessing_width(p) / (scale * width),
           y = (double)p->crop / (scale * height);
    return (x < 1 ? x : 1) * (y < 1 ? y : 1);
}

/* Whether the cut is larger than the resized picture, whose extents crd_image_to_tensor rounds so.
 */
static bool is_padded(const crd_image *size, const crd_preprocessing *p)
{
    int64_t shorter = smaller(size->width, size->height);
    int64_t resize = p->resize > 0 ? p->resize : shorter;
    return resize * size->width / shorter < crd_preprocessing_width(p) ||
           resize * size->height / shorter < p->crop;
}

static void look_at(fit *f, const crd_source *source, int64_t i, const crd_preprocessing *p)
{
    crd_image size = source->size;
    if (size.width == 0) { /* a file of its own */
        char name[CRD_SOURCE_NAME_SIZE];
        source->kind->name(name, source, i);
        if (crd_image_measure(&size, name) != CRD_OK || size.width == 0 || size.height == 0)
            return; /* what is wrong with it is said when it is loaded */
    }
    f->n_seen++;
    f->n_grey += size.channels == 1;
    if (kept_share(&size, p) < 0.25)
        add_remark(&f->cut, source, i, &size);
    if (is_padded(&size, p))
        add_remark(&f->padded, source, i, &size);
    if (p->channels == 1 && size.channels > 1)
        add_remark(&f->made_grey, source, i, &size);
}

static void log_fit(const fit *f, const crd_preprocessing *p)
{
    const remark *r = &f->cut;
    char crop[48];
    snprintf(crop, sizeof crop, "%lld x %lld", (long long)p->crop,
             (long long)crd_preprocessing_width(p));
    if (r->n > 0)
        crd_log(CRD_LOG_WARN,
                "%s: %lld x %lld pixels: the network sees only %.2g %% of the picture, %s pixels "
                "from its middle%s; so with %lld of %lld images looked at: resize them before, or "
                "convert with --resize %lld",
                r->first, (long long)r->size.width, (long long)r->size.height,
                100 * kept_share(&r->size, p), crop, p->resize > 0 ? " after resizing" : "",
                (long long)r->n, (long long)f->n_seen, (long long)p->crop);
    r = &f->padded;
    if (r->n > 0)
        crd_log(CRD_LOG_WARN,
                "%s: %lld x %lld pixels are padded with zeros to the network's %s; so with %lld of "
                "%lld images looked at: convert with --resize %lld to enlarge them",
                r->first, (long long)r->size.width, (long long)r->size.height, crop,
                (long long)r->n, (long long)f->n_seen, (long long)p->crop);
    r = &f->made_grey;
    if (r->n > 0)
        crd_log(CRD_LOG_INFO,
                "%s: colours become grey, as the network takes 1 channel; so with %lld of %lld "
                "images looked at",
                r->first, (long long)r->n, (long long)f->n_seen);
    if (p->channels > 1 && f->n_seen > 0 && f->n_grey == f->n_seen)
        crd_log(CRD_LOG_INFO,
                "the images are grey: each is given to all %lld channels of the network alike",
                (long long)p->channels);
}

void crd_dataset_log_fit(const crd_dataset *dataset, const crd_preprocessing *preprocessing)
{
    fit f = {0};
    const crd_source *source;
    int64_t n_left = MAX_LOOKED_AT;
    for (int64_t k = 0; (source = crd_dataset_source(dataset, k)) != NULL; k++) {
        /* Images of one file have one size. */
        int64_t n = source->size.width > 0 ? 1 : smaller(source->n_images, n_left);
        for (int64_t i = 0; i < n && !source->holds_tensors; i++)
            look_at(&f, source, i, preprocessing);
        n_left -= source->size.width > 0 ? 0 : n;
    }
    log_fit(&f, preprocessing);
}
