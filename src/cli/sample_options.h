/** What the command line says of a run of chains. */
#ifndef CRD_CLI_SAMPLE_OPTIONS_H
#define CRD_CLI_SAMPLE_OPTIONS_H

#include "cli/options.h"
#include "credence/sample_files.h"

/** Posterior, data and record included, `record` and `options` borrowed. Errors: CRD_ERR_USAGE.
 * Alike on all ranks. */
crd_status crd_sample_options_make(crd_sample_files_options *out, const crd_options *options,
                                   const crd_record *record);

#endif
