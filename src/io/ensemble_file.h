/** The weights of another family than the normal one as a part of a posterior's file. Private to
 * this room. */
#ifndef CRD_IO_ENSEMBLE_FILE_H
#define CRD_IO_ENSEMBLE_FILE_H

#include "io/writer.h"

/** Adds the bytes of its numbers to *bytes. */
crd_status crd_ensemble_measure(int64_t *bytes, const crd_posterior *posterior);
/** Creates groups, attributes and datasets. */
crd_status crd_ensemble_create(crd_h5 *h5, const crd_posterior *posterior);
/** Writes the numbers; after crd_writer_end_metadata. */
crd_status crd_ensemble_write(crd_h5 *h5, const crd_posterior *posterior);

/** Does the file hold such weights? */
crd_status crd_ensemble_is_there(int *out, crd_h5 *h5);
/** Reads its family, components and numbers over `network` (taken over, also on error). *out is to
 * be destroyed, also after an error. Errors: CRD_ERR_INPUT naming dataset and what it must be. */
crd_status crd_ensemble_read(crd_posterior **out, crd_network *network, crd_h5 *h5);

#endif
