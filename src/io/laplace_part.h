/** What a posterior's file says of a Laplace approximation. Private to this room. */
#ifndef CRD_IO_LAPLACE_PART_H
#define CRD_IO_LAPLACE_PART_H

#include "io/writer.h"

/** Creates the group, unless there is nothing to say. */
crd_status crd_laplace_part_write(crd_h5 *h5, const crd_laplace *laplace);
/** All zero if the file does not have the group. Errors: CRD_ERR_INPUT naming the attribute. */
crd_status crd_laplace_part_read(crd_laplace *out, crd_h5 *h5);

#endif
