/** Storages that lie one after the other in a plain file: of the stacked form and of
 * safetensors. */
#ifndef CRD_IMPORT_SPANS_H
#define CRD_IMPORT_SPANS_H

#include "import/storages.h"

/** Bytes of a key with its final zero. */
#define CRD_SPAN_KEY_SIZE 64

/** Storages of the file of that descriptor, which stays the caller's and open; `path` is borrowed,
 * for messages. Room for n_spans of them. Close with crd_storages_close. */
crd_status crd_spans_create(crd_storages **out, int fd, const char *path, int64_t n_spans);

/** Adds a storage of n_bytes from `offset` on, which the caller has checked against the file's
 * size. Its number is how many there were before. `key` may be NULL. */
void crd_spans_add(crd_storages *storages, const char *key, int64_t offset, int64_t n_bytes);

#endif
