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

crd_status crd_classes_read(crd_posterior *posterior, const char *path)
{
    crd_status status = CRD_OK;
    char *line = NULL;
    size_t size = 0;
    int64_t n = 0, n_empty = 0;
    FILE *file = fopen(path, "r");
    CRD_REQUIRE(file != NULL, CRD_ERR_INPUT, "%s: cannot be opened: %s", path, strerror(errno));
    CRD_ALLOC(&posterior->classes, posterior->n_classes, "class names");
    while (getline(&line, &size, file) >= 0) {
        const char *name = strip(line);
        if (*name == '\0') {
            n_empty++;
            continue;
        }
        CRD_REQUIRE(n_empty == 0, CRD_ERR_INPUT, "%s: line %lld is empty", path, (long long)n + 1);
        if (n < posterior->n_classes)
            CRD_TRY(crd_alloc_string(&posterior->classes[n], name));
        n++;
    }
    CRD_REQUIRE(!ferror(file), CRD_ERR_INPUT, "%s: cannot be read: %s", path, strerror(errno));
    CRD_REQUIRE(n == posterior->n_classes, CRD_ERR_INPUT,
                "%s: %lld class names, but the network has %lld classes", path, (long long)n,
                (long long)posterior->n_classes);
cleanup:
    free(line);
    if (file != NULL)
        fclose(file);
    return status;
}
