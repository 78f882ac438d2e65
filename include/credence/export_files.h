/** Writes a posterior as a state dict for other systems: what `credence export` does. Room: app. */
#ifndef CREDENCE_EXPORT_FILES_H
#define CREDENCE_EXPORT_FILES_H

#include "credence/posterior.h"
#include "credence/weights.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Writes the posterior in the file `posterior` to `output` (crd_state_dict_export). *out is the
 * posterior, to be destroyed; NULL after an error. Errors: of crd_posterior_read and
 * crd_state_dict_export; CRD_ERR_INPUT: an ensemble. Nothing is left of a file that failed.
 * Collective: no. */
crd_status crd_export_files(crd_posterior **out, const char *output, const char *posterior,
                            crd_state_format format);

#ifdef __cplusplus
}
#endif
#endif
