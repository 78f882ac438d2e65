/** What the command line says of a prediction. */
#ifndef CRD_CLI_PREDICT_OPTIONS_H
#define CRD_CLI_PREDICT_OPTIONS_H

#include "cli/options.h"
#include "credence/predict_files.h"

/** The options that all commands that predict take: draws, estimator, precision, work. A command
 * leaves the others at crd_predict_options_init. */
/** --weights-memory in bytes; 0: not given. */
int64_t crd_opt_weights_bytes(const crd_options *options);
void crd_predict_options_take(crd_predict_options *out, const crd_options *options);
/** What the table of options cannot say of them, for `predict` and who plans it. Errors:
 * CRD_ERR_USAGE: numbers of draws that do not fit together. */
crd_status crd_predict_options_check(const crd_options *options);
/** Those of `predict`; posterior, inputs and record included, `record` and `options` borrowed.
 * Errors: of crd_predict_options_check; CRD_ERR_USAGE: --part or, which ranks need not share,
 * CREDENCE_SHUFFLE_UNITS is no number. */
crd_status crd_predict_options_make(crd_predict_files_options *out, const crd_options *options,
                                    const crd_record *record);

#endif
