/** Joins posteriors in files into an ensemble: what `credence ensemble` does. Room: app.
 */
#ifndef CREDENCE_ENSEMBLE_FILES_H
#define CREDENCE_ENSEMBLE_FILES_H

#include "credence/posterior.h"
#include "credence/run.h"

#ifdef __cplusplus
extern "C" {
#endif

/** All borrowed. */
typedef struct crd_ensemble_files_options {
    const char *const *posteriors; /**< [n_posteriors] files; ensembles bring their components */
    int n_posteriors;              /**< 2 or more */
    const char *output;            /**< posterior file to write */
    crd_record record;
} crd_ensemble_files_options;

/** Reads, joins (crd_posterior_join) and writes; the ensemble goes to *out (may be NULL), to be
 * destroyed. Collective: no. Errors: of crd_posterior_read, crd_posterior_join and
 * crd_posterior_write. */
crd_status crd_ensemble_files(crd_posterior **out, const crd_ensemble_files_options *options);

#ifdef __cplusplus
}
#endif
#endif
