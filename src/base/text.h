/** Strict parsing of numbers from text. The whole text must be the number; messages name key and
 * range. */
#ifndef CRD_BASE_TEXT_H
#define CRD_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "credence/status.h"

/** Decimal integer in [min, max]. `key` names it in the error, e.g. "--draws". Errors:
 * CRD_ERR_USAGE. */
crd_status crd_text_to_int64(int64_t *out, const char *text, int64_t min, int64_t max,
                             const char *key);

/** Finite decimal number in [min, max]. Errors: CRD_ERR_USAGE. */
crd_status crd_text_to_double(double *out, const char *text, double min, double max,
                              const char *key);

/** Insertions, deletions and replacements of characters that make b of a (Levenshtein 1966).
 * Only the first 63 characters count. */
size_t crd_text_distance(const char *a, const char *b);

/** Bytes of the folders that all `n` >= 1 paths have in common, the last slash included: left
 * out of what people read. */
size_t crd_text_common_folder(const char *const *paths, int64_t n);

#endif
