/* JPEG files: one, or a folder of them, its sub-folders being classes as for torchvision's
 * ImageFolder. Only names are kept: one long text, and where each begins. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "credence/log.h"
#include "image/formats.h"
#include "io/dataset_source.h"

enum { DEEPEST = 32 };

typedef struct file_list {
    crd_source source;
    char *paths; /* one after the other, each with its final zero */
    int64_t n_path_bytes, path_capacity;
    int64_t *starts; /* [n_images] into paths; labels grow with it */
    int64_t capacity;
    /* Of listing only. */
    int64_t n_loose;            /* images that lie in no sub-folder */
    int64_t n_pictures;         /* images of other formats */
    int64_t n_ignored;          /* other files, those too */
    char ignored[NAME_MAX + 1]; /* the first of them */
} file_list;

static void close_files(crd_source *source)
{
    file_list *list = (file_list *)source;
    crd_free(list->paths);
    crd_free(list->starts);
}

static const char *path_of(const crd_source *source, int64_t i)
{
    const file_list *list = (const file_list *)source;
    return list->paths + list->starts[i];
}

static void name_file(char out[CRD_SOURCE_NAME_SIZE], const crd_source *source, int64_t i)
{
    snprintf(out, CRD_SOURCE_NAME_SIZE, "%s", path_of(source, i));
}

static crd_status load_file(crd_image *out, const crd_source *source, int64_t i, int64_t channels)
{
    return crd_image_read(out, path_of(source, i), channels);
}

static uint64_t digest_file(uint64_t digest, const crd_source *source, int64_t i)
{
    int fd;
    (void)crd_file_open(&fd, NULL, path_of(source, i), CRD_IMAGE_MAX_FILE_BYTES);
    digest = crd_source_digest_file(digest, fd, 0, -1); /* fd -1: an error of reading */
    if (fd >= 0)
        close(fd);
    return digest;
}

static const crd_source_kind files_kind = {close_files, name_file, load_file, NULL, digest_file};

static crd_status create(file_list **out)
{
    crd_status status = CRD_OK;
    CRD_ALLOC(out, 1, "list of images");
    (*out)->source.kind = &files_kind;
cleanup:
    return status;
}

static crd_status add_image(file_list *list, const char *path, int64_t label)
{
    crd_status status = CRD_OK;
    int64_t n = list->source.n_images, n_bytes = (int64_t)strlen(path) + 1;
    CRD_REQUIRE(n_bytes <= PATH_MAX, CRD_ERR_INPUT, "%s: this path is too long", path);
    if (n == list->capacity) {
        int64_t capacity = n > 0 ? 2 * n : 1;
        CRD_TRY(crd_alloc_grow((void **)&list->starts, n, capacity, sizeof *list->starts,
                               "list of images"));
        CRD_TRY(crd_alloc_grow((void **)&list->source.labels, n, capacity,
                               sizeof *list->source.labels, "list of images"));
        list->capacity = capacity;
    }
    if (list->n_path_bytes + n_bytes > list->path_capacity) {
        int64_t capacity = 2 * list->path_capacity + n_bytes;
        CRD_TRY(crd_alloc_grow((void **)&list->paths, list->n_path_bytes, capacity, 1,
                               "list of images"));
        list->path_capacity = capacity;
    }
    memcpy(list->paths + list->n_path_bytes, path, (size_t)n_bytes);
    list->starts[n] = list->n_path_bytes;
    list->n_path_bytes += n_bytes;
    list->source.labels[n] = label;
    list->source.n_images++;
cleanup:
    return status;
}

static crd_status add_class(file_list *list, const char *name)
{
    crd_status status = CRD_OK;
    crd_source *source = &list->source;
    CRD_TRY(crd_alloc_grow((void **)&source->classes, source->n_classes, source->n_classes + 1,
                           sizeof *source->classes, "list of classes"));
    CRD_TRY(crd_alloc_string(&source->classes[source->n_classes], name));
    source->n_classes++;
cleanup:
    return status;
}

static int is_jpeg_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Byte order, not the locale's: the same list everywhere. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* The first one is named; a picture goes before what is none. */
static void ignore_file(file_list *list, const char *name)
{
    int is_picture = crd_format_is_picture_name(name);
    if (list->n_ignored == 0 || (is_picture && list->n_pictures == 0))
        snprintf(list->ignored, sizeof list->ignored, "%s", name);
    list->n_ignored++;
    list->n_pictures += is_picture;
}

static crd_status add_folder(file_list *list, const char *folder, int64_t label, int depth);

static crd_status add_class_folder(file_list *list, const char *path, const char *name)
{
    crd_status status = CRD_OK;
    int64_t before = list->source.n_images;
    CRD_TRY(add_folder(list, path, list->source.n_classes, 1));
    if (list->source.n_images > before)
        CRD_TRY(add_class(list, name));
    else
        crd_log(CRD_LOG_WARN, "%s: this sub-folder holds no .jpg or .jpeg file: it is no class",
                path);
cleanup:
    return status;
}

/* depth 0: the folder given by the user, whose sub-folders are classes. */
static crd_status add_folder(file_list *list, const char *folder, int64_t label, int depth)
{
    crd_status status = CRD_OK;
    char *path = NULL;
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_visible, by_bytes);
    CRD_REQUIRE(n >= 0, errno == EACCES || errno == EIO ? CRD_ERR_IO : CRD_ERR_INPUT,
                "%s: cannot be read: %s", folder, strerror(errno));
    CRD_REQUIRE(depth < DEEPEST, CRD_ERR_INPUT, "%s: folders are nested more than %d deep", folder,
                DEEPEST);
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        size_t size = strlen(folder) + strlen(name) + 2;
        struct stat info;
        crd_free(path);
        CRD_ALLOC(&path, size, "path");
        snprintf(path, size, "%s/%s", folder, name);
        int is_there = stat(path, &info) == 0; /* a dangling link is not */
        if (is_there && S_ISDIR(info.st_mode)) {
            CRD_TRY(depth == 0 ? add_class_folder(list, path, name)
                               : add_folder(list, path, label, depth + 1));
        } else if (is_there && is_jpeg_name(name)) {
            CRD_TRY(add_image(list, path, label));
            list->n_loose += depth == 0;
        } else {
            ignore_file(list, name);
        }
    }
cleanup:
    crd_free(path);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    return status;
}

crd_status crd_source_open_folder(crd_source **out, const char *path)
{
    crd_status status = CRD_OK;
    file_list *list = NULL;
    char *folder = NULL;
    *out = NULL;
    CRD_TRY(create(&list));
    CRD_TRY(crd_alloc_string(&folder, path));
    for (size_t length = strlen(folder); length > 1 && folder[length - 1] == '/'; length--)
        folder[length - 1] = '\0';
    CRD_TRY(add_folder(list, folder, -1, 0));
    crd_source *source = &list->source;
    CRD_REQUIRE(
        source->n_images > 0 || list->n_pictures == 0, CRD_ERR_INPUT,
        "%s: this folder holds no .jpg or .jpeg file, but %lld image%s of other formats, first "
        "%s; to convert them: `mogrify -format jpg -quality 95 *` of ImageMagick",
        path, (long long)list->n_pictures, list->n_pictures == 1 ? "" : "s", list->ignored);
    CRD_REQUIRE(source->n_images > 0, CRD_ERR_INPUT, "%s: this folder holds no .jpg or .jpeg file",
                path);
    CRD_REQUIRE(list->n_loose == 0 || list->n_loose == source->n_images, CRD_ERR_INPUT,
                "%s: %lld images lie in sub-folders, which are classes, and %lld beside them; "
                "images with and without a label cannot be mixed",
                path, (long long)(source->n_images - list->n_loose), (long long)list->n_loose);
    if (list->n_loose > 0) {
        crd_free(source->labels);
        source->labels = NULL;
    }
    if (list->n_ignored > 0)
        crd_log(list->n_pictures > 0 ? CRD_LOG_WARN : CRD_LOG_INFO,
                "%s: ignored what is not named .jpg or .jpeg: %lld file%s, first %s", path,
                (long long)list->n_ignored, list->n_ignored == 1 ? "" : "s", list->ignored);
    *out = source;
    list = NULL;
cleanup:
    crd_free(folder);
    crd_source_close((crd_source *)list);
    return status;
}

crd_status crd_source_open_file(crd_source **out, const char *path)
{
    crd_status status = CRD_OK;
    file_list *list = NULL;
    int fd = -1;
    *out = NULL;
    CRD_TRY(crd_file_open(&fd, NULL, path, CRD_IMAGE_MAX_FILE_BYTES)); /* before hours of work */
    close(fd);
    CRD_TRY(create(&list));
    CRD_TRY(add_image(list, path, -1));
    crd_free(list->source.labels);
    list->source.labels = NULL;
    *out = &list->source;
    list = NULL;
cleanup:
    crd_source_close((crd_source *)list);
    return status;
}
