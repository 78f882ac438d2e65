/** The datasets that a reader knows, to find those that it does not: a misspelt name must not pass
 * for a missing one. */
#ifndef CRD_IO_KNOWN_H
#define CRD_IO_KNOWN_H

#include "io/h5.h"

typedef struct crd_known {
    char **paths;
    int64_t n_paths, capacity;
} crd_known;

/** A path that ends in "/" stands for all datasets below that group. */
crd_status crd_known_add(crd_known *known, const char *path);
/** Errors: CRD_ERR_INPUT naming the first dataset below `group` that is not known. */
crd_status crd_known_check(const crd_known *known, crd_h5 *h5, const char *group);
void crd_known_clear(crd_known *known);

#endif
