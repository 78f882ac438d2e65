/** Joins posterior files into an ensemble: what `credence ensemble` does. Room: app. */
#ifndef CREDENCE_ENSEMBLE_FILES_H
#define CREDENCE_ENSEMBLE_FILES_H

#include "credence/posterior.h"
#include "credence/run.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Reads the posteriors files[n] and writes their ensemble (crd_posterior_join, which
 * `mean` is for) to `output`. *out is the ensemble, to be destroyed; NULL after an error. Errors:
 * of crd_posterior_read and crd_posterior_join; CRD_ERR_IO. Nothing is left of a file that failed.
 * Collective: no. Memory: all components, and once more those of all files. */
crd_status crd_ensemble_files(crd_posterior **out, const char *output, const char *const *files,
                              int n, bool mean, const crd_record *record);

#ifdef __cplusplus
}
#endif
#endif
