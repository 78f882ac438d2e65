/** What `inspect` says of a file, as text and as JSON. */
#ifndef CRD_REPORT_INSPECTION_H
#define CRD_REPORT_INSPECTION_H

#include <jansson.h>

#include "credence/inspect_files.h"

/** Prints it: training, posterior, preprocessing, history, graph, tensors. */
void crd_inspection_print(const crd_inspection *inspection);
/** Sets the same in `root`, by these names. */
void crd_inspection_set_json(json_t *root, const crd_inspection *inspection);

/** Shape of an op's weight; empty: it has none. */
const char *crd_weight_shape_text(char out[CRD_SHAPE_TEXT_SIZE], const crd_network *network,
                                  int64_t op);

/** What a posterior made by `convert` is, on stdout. `path`: where it was written. */
crd_status crd_conversion_print(const crd_posterior *posterior, const char *path, int as_json);

#endif
