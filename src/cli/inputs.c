#include "cli/inputs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/alloc.h"

static crd_status add_image(crd_inputs *inputs, const char *path, int64_t class_index)
{
    crd_status status = CRD_OK;
    if (inputs->n_images == inputs->capacity) {
        int64_t capacity = inputs->capacity > 0 ? 2 * inputs->capacity : 64;
        CRD_TRY(crd_alloc_grow((void **)&inputs->images, inputs->n_images, capacity,
                               sizeof *inputs->images, "list of images"));
        inputs->capacity = capacity;
    }
    CRD_TRY(crd_alloc_string(&inputs->images[inputs->n_images].path, path));
    inputs->images[inputs->n_images++].class_index = class_index;
cleanup:
    return status;
}

static crd_status add_class(int64_t *index, crd_inputs *inputs, const char *name)
{
    crd_status status = CRD_OK;
    for (*index = 0; *index < inputs->n_classes; (*index)++)
        if (strcmp(inputs->classes[*index], name) == 0)
            return CRD_OK;
    CRD_TRY(crd_alloc_grow((void **)&inputs->classes, inputs->n_classes, inputs->n_classes + 1,
                           sizeof *inputs->classes, "list of classes"));
    CRD_TRY(crd_alloc_string(&inputs->classes[inputs->n_classes], name));
    inputs->n_classes++;
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

/** depth 0: the folder given by the user, whose sub-folders are classes. */
static crd_status add_folder(crd_inputs *inputs, const char *folder, int64_t class_index, int depth)
{
    enum { DEEPEST = 32 };
    crd_status status = CRD_OK;
    char *path = NULL;
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_visible, by_bytes);
    CRD_REQUIRE(n >= 0, CRD_ERR_INPUT, "%s: cannot be read: %s", folder, strerror(errno));
    CRD_REQUIRE(depth < DEEPEST, CRD_ERR_INPUT, "%s: folders are nested more than %d deep", folder,
                DEEPEST);
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        size_t size = strlen(folder) + strlen(name) + 2;
        struct stat info;
        crd_free(path);
        CRD_ALLOC(&path, size, "path");
        snprintf(path, size, "%s/%s", folder, name);
        if (stat(path, &info) != 0)
            continue; /* a dangling link */
        if (S_ISDIR(info.st_mode)) {
            int64_t below = class_index;
            if (depth == 0)
                CRD_TRY(add_class(&below, inputs, name));
            CRD_TRY(add_folder(inputs, path, below, depth + 1));
        } else if (is_jpeg_name(name)) {
            CRD_TRY(add_image(inputs, path, class_index));
        }
    }
cleanup:
    crd_free(path);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    return status;
}

crd_status crd_inputs_list(crd_inputs *out, const char *const *arguments, int n_arguments)
{
    crd_status status = CRD_OK;
    char *folder = NULL;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < n_arguments; i++) {
        struct stat info;
        if (stat(arguments[i], &info) != 0 || !S_ISDIR(info.st_mode)) {
            CRD_TRY(add_image(out, arguments[i], -1));
            continue;
        }
        int64_t before = out->n_images;
        crd_free(folder);
        CRD_TRY(crd_alloc_string(&folder, arguments[i]));
        for (size_t length = strlen(folder); length > 1 && folder[length - 1] == '/'; length--)
            folder[length - 1] = '\0';
        CRD_TRY(add_folder(out, folder, -1, 0));
        CRD_REQUIRE(out->n_images > before, CRD_ERR_INPUT,
                    "%s: this folder holds no .jpg or .jpeg file", arguments[i]);
    }
cleanup:
    crd_free(folder);
    return status;
}

void crd_inputs_clear(crd_inputs *inputs)
{
    for (int64_t i = 0; i < inputs->n_images; i++)
        crd_free(inputs->images[i].path);
    for (int64_t i = 0; i < inputs->n_classes; i++)
        crd_free(inputs->classes[i]);
    crd_free(inputs->images);
    crd_free(inputs->classes);
    memset(inputs, 0, sizeof *inputs);
}

/** "208, Labrador_retriever" without its number. */
static const char *bare_class(const char *name)
{
    const char *c = name;
    while (isdigit((unsigned char)*c))
        c++;
    return c > name && strncmp(c, ", ", 2) == 0 ? c + 2 : name;
}

/** ImageNet has two cranes and two maillots: a bare name counts only if it is the only one. */
static int64_t class_by_name(const crd_posterior *posterior, const char *name)
{
    int64_t found = -1, n_found = 0;
    for (int64_t k = 0; posterior->classes != NULL && k < posterior->n_classes; k++) {
        if (strcmp(posterior->classes[k], name) == 0)
            return k;
        if (strcmp(bare_class(posterior->classes[k]), name) == 0) {
            found = k;
            n_found++;
        }
    }
    return n_found == 1 ? found : -1;
}

void crd_inputs_labels(int64_t *labels, int *known, const crd_inputs *inputs,
                       const crd_posterior *posterior)
{
    int all_named = inputs->n_classes > 0;
    for (int64_t k = 0; k < inputs->n_classes; k++)
        all_named = all_named && class_by_name(posterior, inputs->classes[k]) >= 0;
    /* One sorted folder gives classes in sorted order; so do several that have the same ones. */
    int all_there = inputs->n_classes == posterior->n_classes;
    for (int64_t k = 1; all_there && k < inputs->n_classes; k++)
        all_there = strcmp(inputs->classes[k - 1], inputs->classes[k]) < 0;
    *known = all_named || all_there;
    for (int64_t i = 0; i < inputs->n_images; i++) {
        int64_t folder = inputs->images[i].class_index;
        if (folder < 0 || !*known)
            labels[i] = -1;
        else
            labels[i] = all_named ? class_by_name(posterior, inputs->classes[folder]) : folder;
    }
}
