/** How the figures of `evaluate` are said. */
#ifndef CRD_REPORT_EVALUATION_H
#define CRD_REPORT_EVALUATION_H

#include <jansson.h>

#include "credence/evaluate_files.h"

/** On stdout, as a table or as one JSON object. */
crd_status crd_evaluation_print(const crd_evaluation *evaluation,
                                const crd_evaluate_files_options *options, int n_ranks,
                                int as_json);
/** The object. */
json_t *crd_evaluation_to_json(const crd_evaluation *evaluation,
                               const crd_evaluate_files_options *options, int n_ranks);
/** The first so many scores tell images of another kind: a deterministic network has no epistemic
 * part to do so. */
int crd_evaluation_n_scores(const crd_evaluation *evaluation);

#endif
