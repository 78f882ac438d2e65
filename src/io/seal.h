/** The seal: a digest of the whole file, in a record after the end of the HDF5 data.
 *
 * The record has CRD_SEAL_SIZE bytes: the 16 characters "credence-seal-1\n", the number of bytes
 * before the record (uint64, little endian), and the XXH3-128 of those bytes (canonical, big
 * endian). HDF5 readers never look beyond the end that the superblock states; a program that
 * changes the file truncates it to that end, which takes the seal away.
 */
#ifndef CRD_IO_SEAL_H
#define CRD_IO_SEAL_H

#include <stdint.h>

#include "credence/status.h"

#define CRD_SEAL_SIZE 40

/** Seals the closed HDF5 file of descriptor `fd` (read and write): the record goes to the end that
 * its superblock states, and the file ends there. `path` is for messages. Errors: CRD_ERR_IO. */
crd_status crd_seal_append(int fd, const char *path);

/** Checks that `path` is a regular file with an intact seal. Errors: CRD_ERR_INPUT: missing,
 * folder, empty, not HDF5, truncated, not sealed, damaged; CRD_ERR_IO: cannot be read. Cost:
 * reads the whole file. */
crd_status crd_seal_verify(const char *path);

#endif
