#include "cli/classes.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static char *strip(char *line)
{
    while (isspace((unsigned char)*line))
        line++;
    size_t length = strlen(line);
    while (length > 0 && isspace((unsigned char)line[length - 1]))
        line[--length] = '\0';
    return line;
}

/** Counts the names of a file and copies the first `capacity` of them. */
static crd_status read_names(int64_t *n, char **names, int64_t capacity, const char *path)
{
    crd_status status = CRD_OK;
    char *line = NULL;
    size_t size = 0;
    int64_t n_empty = 0;
    FILE *file = fopen(path, "r");
    *n = 0;
    CRD_REQUIRE(file != NULL, CRD_ERR_INPUT, "%s: cannot be opened: %s", path, strerror(errno));
    while (getline(&line, &size, file) >= 0) {
        const char *name = strip(line);
        if (*name == '\0') {
            n_empty++;
            continue;
        }
        CRD_REQUIRE(n_empty == 0, CRD_ERR_INPUT, "%s: line %lld is empty", path, (long long)*n + 1);
        if (*n < capacity)
            CRD_TRY(crd_alloc_string(&names[*n], name));
        (*n)++;
    }
    CRD_REQUIRE(!ferror(file), CRD_ERR_INPUT, "%s: cannot be read: %s", path, strerror(errno));
cleanup:
    free(line);
    if (file != NULL)
        fclose(file);
    return status;
}

crd_status crd_classes_count(int64_t *n, const char *path)
{
    crd_status status = read_names(n, NULL, 0, path);
    if (status == CRD_OK && *n == 0)
        status = CRD_FAIL(CRD_ERR_INPUT, "%s: no class names", path);
    return status;
}

crd_status crd_classes_read(crd_posterior *posterior, const char *path)
{
    crd_status status = CRD_OK;
    int64_t n;
    CRD_ALLOC(&posterior->classes, posterior->n_classes, "class names");
    CRD_TRY(read_names(&n, posterior->classes, posterior->n_classes, path));
    CRD_REQUIRE(n == posterior->n_classes, CRD_ERR_INPUT,
                "%s: %lld class names, but the network has %lld classes", path, (long long)n,
                (long long)posterior->n_classes);
cleanup:
    return status;
}
