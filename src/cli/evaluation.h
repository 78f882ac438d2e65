/** How the figures of `evaluate` are said. */
#ifndef CRD_CLI_EVALUATION_H
#define CRD_CLI_EVALUATION_H

#include "credence/evaluate_files.h"

/** On stdout, as a table or as one JSON object. */
crd_status crd_evaluation_print(const crd_evaluation *evaluation,
                                const crd_evaluate_files_options *options, int n_ranks,
                                int as_json);

#endif
