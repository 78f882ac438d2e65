/** One source of a data set: a folder, a file, a set of files. dataset.c joins them; one file a
 * kind. */
#ifndef CRD_IO_DATASET_SOURCE_H
#define CRD_IO_DATASET_SOURCE_H

#include "credence/dataset.h"

/** Bytes of the longest name of an image with its final zero: a path, and a number in brackets. */
#define CRD_SOURCE_NAME_SIZE 4160
/** A source that must be held in memory may have so many bytes. */
#define CRD_SOURCE_MAX_BYTES ((int64_t)4 << 30)

typedef struct crd_source crd_source;

/** What a kind of source can do. Both loaders may be called by several threads at a time. */
typedef struct crd_source_kind {
    /** Frees what the kind added; the source may be half open. */
    void (*close)(crd_source *source);
    void (*name)(char out[CRD_SOURCE_NAME_SIZE], const crd_source *source, int64_t i);
    /** Image i with `channels` channels, 1 or 3, converted as Pillow would. */
    crd_status (*load)(crd_image *out, const crd_source *source, int64_t i, int64_t channels);
    /** Image i as it is, of the shape that preprocessing ends with. */
    crd_status (*load_tensor)(float *out, const crd_source *source, int64_t i,
                              const crd_preprocessing *preprocessing);
    /** `digest` chained with image i's stored bytes. */
    uint64_t (*digest)(uint64_t digest, const crd_source *source, int64_t i);
} crd_source_kind;

/** The first member of every kind's struct. */
struct crd_source {
    const crd_source_kind *kind;
    int64_t n_images;
    int64_t *labels; /**< [n_images], from 0; NULL: none */
    char **classes;  /**< [n_classes] names of the labels, sorted; NULL: labels are mere numbers */
    int64_t n_classes;
    char no_labels[160]; /**< why there are none, if there is a word to say; else empty */
    float *targets;      /**< [n_images][n_targets], finite; NULL: none */
    int64_t n_targets;
    int is_broken;     /**< 1: crd_source_open_broken */
    crd_image size;    /**< of every image, without pixels; width 0: each has its own */
    int holds_tensors; /**< 1: load_tensor serves, 0: load */
};

/** Openers. `path` is the specification without its prefix. Errors: CRD_ERR_INPUT, CRD_ERR_IO; *out
 * NULL. */
crd_status crd_source_open_file(crd_source **out, const char *path); /**< one JPEG, not looked at */
crd_status crd_source_open_folder(crd_source **out, const char *path);  /**< of JPEGs */
crd_status crd_source_open_idx(crd_source **out, const char *path);     /**< IMAGES[,LABELS] */
crd_status crd_source_open_cifar10(crd_source **out, const char *path); /**< FOLDER[:train|:test] */
crd_status crd_source_open_hdf5(crd_source **out, const char *path);
/** Source k of a data set, NULL-terminated. */
const crd_source *crd_dataset_source(const crd_dataset *dataset, int64_t k);
/** Frees all; NULL is allowed. */
void crd_source_close(crd_source *source);

/** Planes of bytes, [n_planes][height][width] with 1 or 3 planes, to an image of `channels`. */
crd_status crd_source_image(crd_image *out, const uint8_t *planes, int64_t n_planes, int64_t width,
                            int64_t height, int64_t channels);
/** "PATH[i]". */
void crd_source_number_name(char out[CRD_SOURCE_NAME_SIZE], const char *path, int64_t i);
/** `digest` chained with n_bytes of a file from `offset` on, or with the reason why they cannot
 * be read; n_bytes < 0: to its end. */
uint64_t crd_source_digest_file(uint64_t digest, int fd, int64_t offset, int64_t n_bytes);
/** One image named `path` that cannot be loaded: the error record says why. */
crd_status crd_source_open_broken(crd_source **out, const char *path);

#endif
