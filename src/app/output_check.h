/** What is written must not be what is read. */
#ifndef CRD_APP_OUTPUT_CHECK_H
#define CRD_APP_OUTPUT_CHECK_H

#include "credence/status.h"

/** Fails if a file written as `path` would replace one that is read: one of inputs[n] (NULL: none),
 * or a file of a data set among them (idx:, cifar10:, a JPEG below a folder). Errors:
 * CRD_ERR_USAGE. */
crd_status crd_output_check(const char *path, const char *const *inputs, int n);

#endif
