/** Files that the user names, opened in one way everywhere.
 *
 * Only a regular file is opened, and only up to a size. A pipe would be waited for, a device may
 * have no end: they are refused before anything is read, and so is a link to one.
 */
#ifndef CRD_BASE_FILE_H
#define CRD_BASE_FILE_H

#include <stdint.h>

#include "credence/status.h"

/** Opens the regular file `path` for reading. *n_bytes (may be NULL) is its size. Close *fd with
 * close(). Errors, *fd -1: CRD_ERR_INPUT: not there, no regular file, or above max_bytes;
 * CRD_ERR_IO: permission, device. Never waits. */
crd_status crd_file_open(int *fd, int64_t *n_bytes, const char *path, int64_t max_bytes);

/** The n bytes of an open file from `offset` on. `path` is for messages. Errors: CRD_ERR_IO: the
 * device fails, or the file has become shorter. */
crd_status crd_file_read(void *out, int fd, int64_t n, int64_t offset, const char *path);

/** All bytes of the regular file `path`, of which there may be max_bytes; a zero follows them. Free
 * *bytes with crd_free. Errors: those of the two above; *bytes is NULL then. */
crd_status crd_file_load(char **bytes, int64_t *n_bytes, const char *path, int64_t max_bytes);

#endif
