/** The seal: a digest of the file, in a record after the end of the HDF5 data, where HDF5 readers
 * never look; a program that changes the file truncates it to that end, which takes the seal away.
 *
 * Large ranges of numbers may be left to the checksums of their datasets, which lie in what is
 * sealed: such a file need not be read twice, and whoever reads the numbers checks them.
 *
 * The record of a file without such ranges: "credence-seal-1\n", the number of bytes before the
 * record, and the XXH3-128 of those bytes (canonical, big endian).
 *
 * The record of another: "credence-seal-2\n", the ranges (offset, bytes), their number, the
 * number of bytes before the record, the XXH3-128 of those that are not in a range and of the
 * record so far, "credence-ends-2\n". Numbers are uint64, little endian.
 */
#ifndef CRD_IO_SEAL_H
#define CRD_IO_SEAL_H

#include <stdint.h>

#include "credence/status.h"

/** A range of a file. */
typedef struct crd_byte_range {
    int64_t offset, n_bytes;
} crd_byte_range;

/** Bytes of the record for a file with so many ranges of numbers that are not sealed. */
int64_t crd_seal_size(int64_t n_ranges);

/** Seals the closed HDF5 file of descriptor `fd` (read and write): the record goes to the end that
 * its superblock states, and the file ends there. ranges[n]: what has checksums of its own and is
 * not sealed, ascending and apart. `path` is for messages. Errors: CRD_ERR_IO. */
crd_status crd_seal_append(int fd, const char *path, const crd_byte_range *ranges, int64_t n);

/** Checks that `path` is a regular file with an intact seal. Errors: CRD_ERR_INPUT: missing,
 * folder, empty, not HDF5, truncated, not sealed, damaged; CRD_ERR_IO: cannot be read. Cost:
 * reads what is sealed. */
crd_status crd_seal_verify(const char *path);

#endif
