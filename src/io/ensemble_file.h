/** The weights of another family than the normal one as a part of a posterior's file. Private to
 * this room. */
#ifndef CRD_IO_ENSEMBLE_FILE_H
#define CRD_IO_ENSEMBLE_FILE_H

#include "io/components.h"

/** Adds the bytes of its numbers to *bytes. */
crd_status crd_ensemble_measure(int64_t *bytes, const crd_posterior *posterior);
/** Creates groups, attributes and datasets. */
crd_status crd_ensemble_create(crd_h5 *h5, const crd_posterior *posterior);
/** Writes the numbers, one component after the other; after crd_writer_end_metadata. */
crd_status crd_ensemble_write(crd_h5 *h5, const crd_posterior *posterior,
                              const crd_numbers_source *source);

/** Does the file hold such weights? */
crd_status crd_ensemble_is_there(int *out, crd_h5 *h5);
/** Its family and components over `network` (taken over, also on error), without the numbers, whose
 * places go to `numbers`. *out is to be destroyed, also after an error. Errors: CRD_ERR_INPUT
 * naming dataset and what it must be. */
crd_status crd_ensemble_open(crd_posterior **out, crd_network *network, crd_h5 *h5,
                             crd_components *numbers);

#endif
