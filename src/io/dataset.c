/* A data set of one or more sources (dataset_*.c), each one a table of functions: images by
 * number, labels in the posterior's classes, digests of stored bytes. Images are read when they
 * are asked for, so memory is bounded. */
#include "credence/dataset.h"
#include "credence/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "image/augment.h"
#include "io/dataset_source.h"

/* Image and epoch are words of a random number's address. */
#define MAX_NUMBER ((int64_t)UINT32_MAX)

struct crd_dataset {
    crd_source **sources;
    int64_t *first; /* [n_sources + 1] number of the first image of each; n_images at the end */
    int64_t n_sources;
    char **classes;
    int64_t n_classes;
    char name[CRD_SOURCE_NAME_SIZE];
    uint64_t *digests; /* [n_images] of stored bytes when the run began; NULL: not asked for */
};

static const struct form {
    const char *prefix;
    crd_status (*open)(crd_source **out, const char *path);
} forms[] = {{"idx:", crd_source_open_idx}, {"cifar10:", crd_source_open_cifar10}};

static crd_status open_source(crd_source **out, const char *specification)
{
    for (size_t k = 0; k < sizeof forms / sizeof forms[0]; k++) {
        size_t n = strlen(forms[k].prefix);
        if (strncmp(specification, forms[k].prefix, n) == 0)
            return forms[k].open(out, specification + n);
    }
    struct stat info;
    int is_there = stat(specification, &info) == 0;
    if (is_there && S_ISDIR(info.st_mode))
        return crd_source_open_folder(out, specification);
    if (is_there && S_ISREG(info.st_mode) && crd_file_is_hdf5(specification))
        return crd_source_open_hdf5(out, specification);
    if (is_there && S_ISREG(info.st_mode) && crd_file_is_netcdf3(specification))
        return CRD_FAIL(
            CRD_ERR_INPUT,
            "%s: is a netCDF 3 file; HDF5 is read: nccopy -k nc4 %s NEW.nc makes it one",
            specification, specification);
    if (!is_there && strchr(specification, ':') != NULL)
        return CRD_FAIL(CRD_ERR_USAGE,
                        "'%s' is neither a file nor a form of a data set: FOLDER, FILE.jpg, "
                        "idx:IMAGES[,LABELS], cifar10:FOLDER[:train|:test], FILE.h5",
                        specification);
    /* What is wrong with it is said when it is loaded, as of every file in a folder. */
    return crd_source_open_file(out, specification);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int64_t find_class(const crd_dataset *dataset, const char *name)
{
    char **found = bsearch(&name, dataset->classes, (size_t)dataset->n_classes,
                           sizeof *dataset->classes, by_bytes);
    return found - dataset->classes;
}

/* The union of the sources' class names, sorted; labels become places in it. */
static crd_status join_classes(crd_dataset *dataset)
{
    crd_status status = CRD_OK;
    char **all = NULL;
    int64_t n_all = 0, n = 0;
    for (int64_t k = 0; k < dataset->n_sources; k++)
        n_all += dataset->sources[k]->n_classes;
    if (n_all == 0)
        return CRD_OK;
    CRD_ALLOC(&all, n_all, "list of classes");
    for (int64_t k = 0; k < dataset->n_sources; k++)
        for (int64_t c = 0; c < dataset->sources[k]->n_classes; c++)
            all[n++] = dataset->sources[k]->classes[c];
    qsort(all, (size_t)n_all, sizeof *all, by_bytes);
    CRD_ALLOC(&dataset->classes, n_all, "list of classes");
    for (int64_t c = 0; c < n_all; c++) {
        if (c > 0 && strcmp(all[c - 1], all[c]) == 0)
            continue;
        CRD_TRY(crd_alloc_string(&dataset->classes[dataset->n_classes], all[c]));
        dataset->n_classes++;
    }
    for (int64_t k = 0; k < dataset->n_sources; k++) {
        crd_source *source = dataset->sources[k];
        for (int64_t i = 0; i < source->n_images && source->labels != NULL; i++)
            source->labels[i] = find_class(dataset, source->classes[source->labels[i]]);
    }
cleanup:
    crd_free(all);
    return status;
}

/* How images of a source are labelled; one data set knows one way only. */
static const char *label_kind(const crd_source *source)
{
    return source->labels == NULL    ? "no labels"
           : source->classes == NULL ? "labels by number"
                                     : "labels by sub-folder";
}

/* The first source that can be read, or the first of all. */
static const crd_source *first_readable(const crd_dataset *dataset)
{
    for (int64_t k = 0; k < dataset->n_sources; k++)
        if (!dataset->sources[k]->is_broken)
            return dataset->sources[k];
    return dataset->sources[0];
}

static crd_status check_kind(const crd_dataset *dataset, const char *const *specifications)
{
    int64_t last = dataset->n_sources - 1, k = 0;
    while (dataset->sources[k]->is_broken && k < last)
        k++;
    const char *first_kind = label_kind(dataset->sources[k]);
    const char *kind = label_kind(dataset->sources[last]);
    if (!dataset->sources[last]->is_broken && strcmp(kind, first_kind) != 0)
        return CRD_FAIL(CRD_ERR_INPUT, "%s has %s, but %s has %s; they cannot be mixed",
                        specifications[last], kind, specifications[k], first_kind);
    return CRD_OK;
}

static crd_status open_all(crd_dataset **out, const char *const *specifications, int n,
                           int only_readable)
{
    crd_status status = CRD_OK;
    crd_dataset *dataset = NULL;
    *out = NULL;
    CRD_REQUIRE(n > 0, CRD_ERR_USAGE, "no images are given");
    CRD_ALLOC(&dataset, 1, "data set");
    CRD_ALLOC(&dataset->sources, n, "data set");
    CRD_ALLOC(&dataset->first, n + 1, "data set");
    for (int k = 0; k < n; k++) {
        status = open_source(&dataset->sources[k], specifications[k]);
        if (only_readable && status == CRD_ERR_INPUT)
            status = crd_source_open_broken(&dataset->sources[k], specifications[k]);
        CRD_TRY(status);
        dataset->n_sources = k + 1;
        CRD_TRY(check_kind(dataset, specifications));
        dataset->first[k + 1] = dataset->first[k] + dataset->sources[k]->n_images;
    }
    CRD_REQUIRE(dataset->first[n] <= MAX_NUMBER, CRD_ERR_INPUT,
                "%lld images; a data set may have at most %lld", (long long)dataset->first[n],
                (long long)MAX_NUMBER);
    CRD_TRY(join_classes(dataset));
    *out = dataset;
    dataset = NULL;
cleanup:
    crd_dataset_close(dataset);
    return status;
}

crd_status crd_dataset_open(crd_dataset **out, const char *const *specifications, int n)
{
    return open_all(out, specifications, n, 0);
}

crd_status crd_dataset_open_readable(crd_dataset **out, const char *const *specifications, int n)
{
    return open_all(out, specifications, n, 1);
}

void crd_dataset_close(crd_dataset *dataset)
{
    if (dataset == NULL)
        return;
    for (int64_t k = 0; k < dataset->n_sources; k++)
        crd_source_close(dataset->sources[k]);
    for (int64_t c = 0; c < dataset->n_classes; c++)
        crd_free(dataset->classes[c]);
    crd_free(dataset->classes);
    crd_free(dataset->sources);
    crd_free(dataset->first);
    crd_free(dataset->digests);
    crd_free(dataset);
}

const crd_source *crd_dataset_source(const crd_dataset *dataset, int64_t k)
{
    return k < dataset->n_sources ? dataset->sources[k] : NULL;
}

int64_t crd_dataset_n_images(const crd_dataset *dataset)
{
    return dataset->first[dataset->n_sources];
}

/* The source of image i, whose number there is *within. */
static const crd_source *source_of(int64_t *within, const crd_dataset *dataset, int64_t i)
{
    int64_t low = 0, high = dataset->n_sources; /* first[low] <= i < first[high] */
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (dataset->first[middle] <= i)
            low = middle;
        else
            high = middle;
    }
    *within = i - dataset->first[low];
    return dataset->sources[low];
}

const char *crd_dataset_name(crd_dataset *dataset, int64_t i)
{
    int64_t within;
    const crd_source *source = source_of(&within, dataset, i);
    source->kind->name(dataset->name, source, within);
    return dataset->name;
}

int64_t crd_dataset_label(const crd_dataset *dataset, int64_t i)
{
    int64_t within;
    const crd_source *source = source_of(&within, dataset, i);
    return source->labels == NULL ? -1 : source->labels[within];
}

const char *const *crd_dataset_class_names(const crd_dataset *dataset, int64_t *n)
{
    *n = dataset->n_classes;
    return (const char *const *)dataset->classes;
}

int crd_dataset_is_labelled(const crd_dataset *dataset)
{
    return first_readable(dataset)->labels != NULL;
}

const float *crd_dataset_target(const crd_dataset *dataset, int64_t i)
{
    int64_t within;
    const crd_source *source = source_of(&within, dataset, i);
    return source->targets + within * source->n_targets;
}

int crd_dataset_has_targets(const crd_dataset *dataset)
{
    int64_t n_values = dataset->sources[0]->n_targets;
    for (int64_t i = 0; i < dataset->n_sources; i++)
        if (dataset->sources[i]->targets == NULL || dataset->sources[i]->n_targets != n_values)
            return 0;
    return 1;
}

crd_status crd_dataset_check_targets(crd_dataset *dataset, int64_t n_values)
{
    for (int64_t k = 0; k < dataset->n_sources; k++) {
        const crd_source *source = dataset->sources[k];
        const char *name = crd_dataset_name(dataset, dataset->first[k]);
        if (source->targets == NULL)
            return CRD_FAIL(CRD_ERR_INPUT,
                            "%s: this image has no target; regression takes an HDF5 file with a "
                            "dataset targets (image, output)",
                            name);
        if (source->n_targets != n_values)
            return CRD_FAIL(CRD_ERR_INPUT,
                            "%s: this image has %lld targets, but the network gives %lld values",
                            name, (long long)source->n_targets, (long long)n_values);
    }
    return CRD_OK;
}

static crd_status load_image(float *out, const crd_source *source, int64_t i,
                             const crd_preprocessing *preprocessing, int crop_randomly,
                             const crd_visit *visit)
{
    crd_status status = CRD_OK;
    crd_preprocessing p = *preprocessing;
    crd_image image = {0}, part = {0};
    CRD_TRY(source->kind->load(&image, source, i, p.channels));
    if (crop_randomly) {
        CRD_TRY(crd_image_crop_random(&part, &image, &p, visit));
        p.resize = 0; /* the part has the network's size already */
        CRD_TRY(crd_image_to_tensor(out, &part, &p));
    } else {
        CRD_TRY(crd_image_to_tensor(out, &image, &p));
    }
cleanup:
    crd_image_clear(&part);
    crd_image_clear(&image);
    return status;
}

static crd_status load_tensor(float *out, const crd_source *source, int64_t within,
                              const crd_preprocessing *p, const crd_augmentation *a,
                              const crd_visit *visit)
{
    char name[CRD_SOURCE_NAME_SIZE];
    if (!source->holds_tensors)
        return load_image(out, source, within, p, a->random_resized_crop, visit);
    source->kind->name(name, source, within);
    if (a->random_resized_crop)
        return CRD_FAIL(CRD_ERR_USAGE,
                        "%s: float32 images cannot be resized: no random resized crop", name);
    return source->kind->load_tensor(out, source, within, p);
}

/* Is image i still what it was? Asked after it has been loaded, or could not be. */
static crd_status check_unchanged(const crd_dataset *dataset, int64_t i, crd_status loaded)
{
    int64_t within;
    const crd_source *source = source_of(&within, dataset, i);
    if (dataset->digests == NULL || (loaded != CRD_OK && loaded != CRD_ERR_INPUT) ||
        dataset->digests[i] == source->kind->digest(0, source, within))
        return loaded;
    char name[CRD_SOURCE_NAME_SIZE];
    source->kind->name(name, source, within);
    /* Not an error of the input, which could be skipped: the answer would depend on the moment. */
    return CRD_FAIL(CRD_ERR_IO, "%s: has changed since the run began", name);
}

crd_status crd_dataset_load(float *out, crd_dataset *dataset, int64_t i,
                            const crd_preprocessing *preprocessing,
                            const crd_augmentation *augmentation, uint64_t seed, int64_t epoch)
{
    crd_status status = CRD_OK;
    const crd_preprocessing *p = preprocessing;
    const crd_augmentation none = {0}, *a = augmentation != NULL ? augmentation : &none;
    const crd_visit visit = {.seed = seed, .epoch = epoch, .image = i};
    int64_t within;
    const crd_source *source = source_of(&within, dataset, i);
    CRD_TRY(crd_preprocessing_check(p));
    CRD_REQUIRE(epoch >= 0 && epoch <= MAX_NUMBER, CRD_ERR_USAGE,
                "epoch %lld is not from 0 to %lld", (long long)epoch, (long long)MAX_NUMBER);
    int64_t width = crd_preprocessing_width(p), side = p->crop < width ? p->crop : width;
    CRD_REQUIRE(a->padded_crop >= 0 && a->padded_crop <= side, CRD_ERR_USAGE,
                "padded crop: %lld pixels are not from 0 to %lld, the network's side",
                (long long)a->padded_crop, (long long)side);
    CRD_TRY(check_unchanged(dataset, i, load_tensor(out, source, within, p, a, &visit)));
    if (a->flip || a->padded_crop > 0)
        crd_tensor_move_random(out, p, a->padded_crop, a->flip, &visit);
cleanup:
    return status;
}

uint64_t crd_dataset_digest(const crd_dataset *dataset)
{
    /* Chained, so that no state is allocated and nothing can fail. */
    uint64_t digest = 0;
    for (int64_t i = 0; i < crd_dataset_n_images(dataset); i++) {
        int64_t within, label = crd_dataset_label(dataset, i);
        const crd_source *source = source_of(&within, dataset, i);
        char name[CRD_SOURCE_NAME_SIZE];
        source->kind->name(name, source, within);
        digest = XXH3_64bits_withSeed(name, strlen(name), digest);
        digest = XXH3_64bits_withSeed(&label, sizeof label, digest);
        if (source->targets != NULL)
            digest = XXH3_64bits_withSeed(source->targets + within * source->n_targets,
                                          (size_t)source->n_targets * sizeof(float), digest);
    }
    return digest;
}

crd_status crd_dataset_image_digest(uint64_t *out, crd_dataset *dataset)
{
    crd_status status = CRD_OK;
    int64_t n = crd_dataset_n_images(dataset);
    uint64_t *digests = NULL;
    if (dataset->digests == NULL) {
        CRD_ALLOC(&digests, n, "digests of the images");
        for (int64_t i = 0; i < n; i++) {
            int64_t within;
            const crd_source *source = source_of(&within, dataset, i);
            digests[i] = source->kind->digest(0, source, within);
        }
        dataset->digests = digests;
    }
    *out = XXH3_64bits(dataset->digests, (size_t)n * sizeof *dataset->digests);
cleanup:
    return status;
}

uint64_t *crd_dataset_image_digests(crd_dataset *dataset)
{
    return dataset->digests;
}

crd_status crd_dataset_expect_images(crd_dataset *dataset, const uint64_t *digests)
{
    crd_status status = CRD_OK;
    int64_t n = crd_dataset_n_images(dataset);
    crd_free(dataset->digests);
    dataset->digests = NULL;
    CRD_ALLOC(&dataset->digests, n, "digests of the images");
    memcpy(dataset->digests, digests, (size_t)n * sizeof *digests);
cleanup:
    return status;
}
