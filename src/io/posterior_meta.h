/** What a posterior's file says beside its numbers. Private to this room. Reading: CRD_ERR_INPUT
 * with the file's name, the place and what is allowed there, if it is not as it should be. */
#ifndef CRD_IO_POSTERIOR_META_H
#define CRD_IO_POSTERIOR_META_H

#include "io/writer.h"

crd_status crd_posterior_graph_write(crd_h5 *h5, const crd_network *network);
/** *out belongs to the caller. */
crd_status crd_posterior_graph_read(crd_network **out, crd_h5 *h5);

/** Prior and conversion: of normal posteriors. */
crd_status crd_posterior_conversion_write(crd_h5 *h5, const crd_conversion *given);
crd_status crd_posterior_conversion_read(crd_conversion *conversion, crd_h5 *h5);

/** Preprocessing, kind of outputs, Laplace approximation, classes; the posterior has its graph. */
crd_status crd_posterior_meta_write(crd_h5 *h5, const crd_posterior *posterior);
crd_status crd_posterior_meta_read(crd_posterior *posterior, crd_h5 *h5);

#endif
