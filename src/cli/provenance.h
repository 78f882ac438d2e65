/** What a file says of its making: options after defaults, versions. */
#ifndef CRD_CLI_PROVENANCE_H
#define CRD_CLI_PROVENANCE_H

#include "cli/command.h"
#include "credence/dataset.h"
#include "credence/files.h"

enum {
    CRD_PROVENANCE_MAX = CRD_N_OPTIONS + 16,
    CRD_PROVENANCE_KEY_SIZE = 48,
    CRD_PROVENANCE_DATA_SIZE = 4200
};

/** Storage behind a crd_provenance. */
typedef struct crd_provenance_store {
    char names[CRD_N_OPTIONS][CRD_PROVENANCE_KEY_SIZE];
    char lists[CRD_N_OPTIONS][256];
    char posterior_digest[CRD_FILE_DIGEST_SIZE];
    char data[CRD_PROVENANCE_DATA_SIZE]; /**< the first data set, and how many more */
    char data_digest[17], image_digest[17], n_components[24];
    const char *keys[CRD_PROVENANCE_MAX], *values[CRD_PROVENANCE_MAX];
} crd_provenance_store;

/** Fills *store from the command line and, unless they are NULL, with the digests of the
 * posterior's file, and of the data: names and labels, and stored images. The result borrows
 * the store and the options. Errors: the posterior cannot be read. */
crd_status crd_provenance_make(crd_provenance *out, crd_provenance_store *store, const crd_cli *cli,
                               const char *posterior, crd_dataset *data);

/** Adds what draws of an ensemble are, if it is one. */
void crd_provenance_add_weights(crd_provenance *provenance, crd_provenance_store *store,
                                const crd_posterior *posterior, int antithetic, int mean);

#endif
