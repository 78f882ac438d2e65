/** A posterior as a part of a file: of a posterior's own, or of a checkpoint. */
#ifndef CRD_IO_POSTERIOR_FILE_H
#define CRD_IO_POSTERIOR_FILE_H

#include "io/writer.h"

/** Checks that what is written could be read again, and says how many bytes its numbers take. */
crd_status crd_posterior_part_measure(int64_t *bytes, const crd_posterior *posterior);
/** Creates all groups, attributes and datasets. */
crd_status crd_posterior_part_create(crd_h5 *h5, const crd_posterior *posterior);
/** Writes the numbers; after crd_writer_end_metadata. */
crd_status crd_posterior_part_write(crd_h5 *h5, const crd_posterior *posterior);
/** Reads and checks the posterior of a file of this kind; errors as crd_posterior_read. */
crd_status crd_posterior_part_read(crd_posterior **out, crd_h5 *h5, crd_file_kind kind);

#endif
