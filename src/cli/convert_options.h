/** What the command line says of a conversion. */
#ifndef CRD_CLI_CONVERT_OPTIONS_H
#define CRD_CLI_CONVERT_OPTIONS_H

#include "cli/options.h"
#include "credence/convert_files.h"

/** `record` and `options` are borrowed. Errors: CRD_ERR_USAGE: options of MOPED without it. */
crd_status crd_convert_options_make(crd_convert_files_options *out, const crd_options *options,
                                    const crd_record *record);
/** The check of crd_convert_files, whose payload is a const crd_options **: a state dict of
 * bayesian-torch has its own initial values. Errors: CRD_ERR_USAGE: options give others. */
crd_status crd_convert_options_check_imported(const crd_posterior *posterior, void *payload);

#endif
