/** What a file says of its making: settings, versions, digests of what was read. Private to this
 * room, and for the commands that write files themselves. */
#ifndef CRD_APP_PROVENANCE_H
#define CRD_APP_PROVENANCE_H

#include "credence/dataset.h"
#include "credence/files.h"
#include "credence/predict.h"
#include "credence/run.h"

/** What a run reads. All borrowed; what is not there is NULL. */
typedef struct crd_run_inputs {
    const char *posterior;        /**< its path */
    const char *posterior_digest; /**< crd_file_digest of it */
    const char *const *data;      /**< [n_data] specifications */
    int n_data;
    crd_dataset *dataset; /**< the same, open */
} crd_run_inputs;

/** Storage behind a crd_provenance. */
typedef struct crd_provenance_store crd_provenance_store;

/** Writes down the record and the inputs, with the digests of names, labels and stored images.
 * The result borrows the store, the record and the inputs. Errors: out of memory. Destroy the
 * store, which is NULL after an error. */
crd_status crd_provenance_make(crd_provenance *out, crd_provenance_store **store,
                               const crd_record *record, uint64_t seed,
                               const crd_run_inputs *inputs);
/** Adds what draws of an ensemble are, if it is one. */
void crd_provenance_add_weights(crd_provenance *provenance, crd_provenance_store *store,
                                const crd_posterior *posterior, const crd_predict_options *options);
void crd_provenance_store_destroy(crd_provenance_store *store);

#endif
