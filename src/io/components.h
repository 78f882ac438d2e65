/** The numbers in a posterior's file, by components: where each dataset of them lies, as HDF5 has
 * told once, and reading from there. Private to this room. */
#ifndef CRD_IO_COMPONENTS_H
#define CRD_IO_COMPONENTS_H

#include "io/known_datasets.h"
#include "io/writer.h"

/** What the numbers of a dataset are. */
typedef enum crd_number_kind {
    CRD_NUMBER_MU,
    CRD_NUMBER_RHO,
    CRD_NUMBER_PRIOR_MU,
    CRD_NUMBER_VARIANCE,  /**< in rho's place */
    CRD_NUMBER_DEVIATIONS /**< several rows a component */
} crd_number_kind;

typedef struct crd_components crd_components;

/** Of an open file, which is borrowed. Destroy it. */
crd_status crd_components_create(crd_components **out, crd_h5 *h5);
/** NULL is allowed. */
void crd_components_destroy(crd_components *c);

/** Adds the dataset of a parameter's numbers of a kind. `shape`: as it must be; n_axes: 0: of the
 * only component, 1: its first axis is the components, 2: the next one their rows. Nothing is
 * read. Errors: CRD_ERR_INPUT: is not there, or is not of float32 in this shape. */
crd_status crd_components_add(crd_components *c, const char *path, const crd_shape *shape,
                              int n_axes, int64_t param, crd_number_kind kind);
/** Adds the name of another dataset, or of a group with a final "/", that the file may have. */
crd_status crd_components_know(crd_components *c, const char *path);
/** Checks that there is no other. Errors: CRD_ERR_INPUT. */
crd_status crd_components_check_names(crd_components *c);
/** A component whose rho is -inf is fixed there: finds it by the first element of each. Errors: as
 * of reading. */
crd_status crd_components_find_fixed(crd_components *c, crd_posterior *posterior);

/** crd_numbers_source.read and .compare, of a posterior (which may be bare) whose flags are known.
 * A dataset's checksum is compared when its last row has been read, if all were read in order.
 * Errors: CRD_ERR_INPUT: damaged, or values that cannot be used; CRD_ERR_IO: the file has changed
 * since it was opened. */
crd_status crd_components_read(const crd_component_numbers *to, int64_t first, int64_t n,
                               crd_components *c, const crd_posterior *posterior);
crd_status crd_components_compare(uint8_t *differs, crd_components *c,
                                  const crd_posterior *posterior);
/** Reads on what is missing of the checksums of what has been read, and compares them. *done: all
 * are right; else it is to be called again. Errors: as of reading. */
crd_status crd_components_finish(bool *done, crd_components *c);
/** All prior means, by the network's offsets. */
crd_status crd_components_read_prior(float *prior_mu, crd_components *c,
                                     const crd_posterior *posterior);

#endif
