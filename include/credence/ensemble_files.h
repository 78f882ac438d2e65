/** Joins posterior files into an ensemble: what `credence ensemble` does. Room: app. */
#ifndef CREDENCE_ENSEMBLE_FILES_H
#define CREDENCE_ENSEMBLE_FILES_H

#include "credence/posterior.h"
#include "credence/run.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Writes the ensemble of the posteriors files[n] (crd_join_finish; `mean`: of crd_join_create) to
 * `output`, one component after the other. *out is the ensemble, bare, to be destroyed; NULL after
 * an error. Errors: of crd_posterior_read and crd_join_add; CRD_ERR_IO: also if a file changes
 * meanwhile. Nothing is left of a file that failed. Collective: no. Memory: one component. */
crd_status crd_ensemble_files(crd_posterior **out, const char *output, const char *const *files,
                              int n, bool mean, const crd_record *record);

#ifdef __cplusplus
}
#endif
#endif
