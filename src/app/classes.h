/** Class names from a file: text in UTF-8, one per line, as the notebook reads
 * imagenet_classes.txt; a JSON list; or a JSON class index: {"0": "tench"}, {"0": ["n01440764",
 * "tench"]} (Keras) or {"tench": 0} (torchvision). */
#ifndef CRD_APP_CLASSES_H
#define CRD_APP_CLASSES_H

#include "credence/posterior.h"

/** Gives `posterior` the names in the file: blanks around a name are removed, empty lines at the
 * end and a byte order mark ignored. Errors: CRD_ERR_INPUT: the file cannot be read, is
 * something else (UTF-16, lines that end in \r alone, no UTF-8), or has not a name for each
 * class. */
crd_status crd_classes_read(crd_posterior *posterior, const char *path);
/** The number of names in the file. Errors: as above; a file without any. */
crd_status crd_classes_count(int64_t *n, const char *path);

#endif
