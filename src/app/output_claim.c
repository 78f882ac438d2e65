/* Whether an output would overwrite an input of the same run, by device and inode, and by name
 * where a folder is read; and the lock that keeps other runs from it. */
#include "app/output_claim.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static int is_same_file(const char *path, const struct stat *output)
{
    struct stat input;
    return stat(path, &input) == 0 && input.st_dev == output->st_dev &&
           input.st_ino == output->st_ino;
}

/** Does the output, which is there, lie below `folder`, with a name that makes it an image or a
 * batch? */
static int is_member(const char *folder, const char *output, const char *const *endings)
{
    char below[PATH_MAX], file[PATH_MAX];
    struct stat info;
    if (stat(folder, &info) != 0 || !S_ISDIR(info.st_mode) || realpath(folder, below) == NULL ||
        realpath(output, file) == NULL)
        return 0;
    size_t length = strlen(below), all = strlen(file);
    if (strncmp(file, below, length) != 0 || (file[length] != '/' && length > 1))
        return 0;
    for (; *endings != NULL; endings++) {
        size_t n = strlen(*endings);
        if (all > n && strcasecmp(file + all - n, *endings) == 0)
            return 1;
    }
    return 0;
}

/** Is it one of the two files of "IMAGES,LABELS"? */
static int is_idx_member(const char *files, const struct stat *output)
{
    char path[PATH_MAX];
    for (const char *start = files;; start++) {
        size_t length = strcspn(start, ",");
        snprintf(path, sizeof path, "%.*s", (int)length, start);
        if (is_same_file(path, output))
            return 1;
        start += length;
        if (*start == '\0')
            return 0;
    }
}

static int is_read(const char *input, const char *path, const struct stat *output)
{
    static const char *const images[] = {".jpg", ".jpeg", NULL}, *const batches[] = {".bin", NULL};
    char folder[PATH_MAX];
    if (strncmp(input, "idx:", 4) == 0)
        return is_idx_member(input + 4, output);
    if (strncmp(input, "cifar10:", 8) == 0) {
        snprintf(folder, sizeof folder, "%.*s", (int)strcspn(input + 8, ":"), input + 8);
        return is_member(folder, path, batches);
    }
    return is_same_file(input, output) || is_member(input, path, images);
}

crd_status crd_output_check(const char *path, const crd_output_inputs *inputs)
{
    struct stat output;
    if (stat(path, &output) != 0)
        return CRD_OK;
    int is_input = (inputs->posterior != NULL && is_read(inputs->posterior, path, &output)) ||
                   (inputs->other != NULL && is_read(inputs->other, path, &output));
    for (int i = 0; i < inputs->n_data; i++)
        is_input |= inputs->data[i] != NULL && is_read(inputs->data[i], path, &output);
    return !is_input ? CRD_OK
                     : CRD_FAIL(CRD_ERR_USAGE,
                                "%s: would be written, but is an input of this command", path);
}

crd_status crd_output_claim(crd_output_lock **out, const char *path,
                            const crd_output_inputs *inputs)
{
    *out = NULL;
    if (path == NULL)
        return CRD_OK;
    crd_status status = crd_output_check(path, inputs);
    return status == CRD_OK ? crd_output_lock_acquire(out, path) : status;
}
