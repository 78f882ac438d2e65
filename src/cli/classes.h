/** Class names from a text file, one a line, as the notebook reads imagenet_classes.txt. */
#ifndef CRD_CLI_CLASSES_H
#define CRD_CLI_CLASSES_H

#include "credence/posterior.h"

/** Gives `posterior` the names in the file: blanks around a name are removed, empty lines at the end
 * ignored. Errors: CRD_ERR_INPUT: the file cannot be read, or has not one line a class. */
crd_status crd_classes_read(crd_posterior *posterior, const char *path);
/** The number of names in the file. Errors: as above; a file without any. */
crd_status crd_classes_count(int64_t *n, const char *path);

#endif
