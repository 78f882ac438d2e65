/** Joins the parts of a prediction: what `credence merge` does. Room: app.
 */
#ifndef CREDENCE_MERGE_FILES_H
#define CREDENCE_MERGE_FILES_H

#include <stdint.h>

#include "credence/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_merge_report {
    int64_t n_draws, n_images;
} crd_merge_report;

/** Writes `output`, a prediction file, from the files parts[n] (crd_predict_files_options.part), in
 * any order: what one run of all draws would have written. command: for its provenance; NULL:
 * that of the first part. Errors: CRD_ERR_INPUT: a file is no part, parts are of different runs,
 * or a draw is missing or in two of them; CRD_ERR_IO. Collective: no. */
crd_status crd_merge_files(crd_merge_report *out, const char *output, const char *const *parts,
                           int n, const char *command);

#ifdef __cplusplus
}
#endif
#endif
