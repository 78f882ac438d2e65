/** The datasets that a reader knows, to find those that it does not: a misspelt name must not pass
 * for a missing one. */
#ifndef CRD_IO_KNOWN_DATASETS_H
#define CRD_IO_KNOWN_DATASETS_H

#include "io/h5.h"

typedef struct crd_known_datasets {
    char **paths;
    int64_t n_paths, capacity;
} crd_known_datasets;

/** A path that ends in "/" stands for all datasets below that group. */
crd_status crd_known_datasets_add(crd_known_datasets *known, const char *path);
/** Errors: CRD_ERR_INPUT naming the first dataset below `group` that is not known. */
crd_status crd_known_datasets_check(const crd_known_datasets *known, crd_h5 *h5, const char *group);
void crd_known_datasets_clear(crd_known_datasets *known);

#endif
