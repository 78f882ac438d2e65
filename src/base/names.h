/** Lists of names, NULL-terminated: find one, or say which there are. */
#ifndef CRD_BASE_NAMES_H
#define CRD_BASE_NAMES_H

#include "credence/status.h"

/** Place of a name, or -1. */
int crd_names_find(const char *const *names, const char *name);
/** *out = place of a name, where it is one. Errors: `code` with "KEY: 'NAME' is not one of A, B,
 * C". */
crd_status crd_names_require(int *out, const char *const *names, const char *name, const char *key,
                             crd_status code);

#endif
