/** What `compare` prints. */
#ifndef CRD_REPORT_COMPARISON_H
#define CRD_REPORT_COMPARISON_H

#include "credence/compare_files.h"

/** As text or JSON. Errors: CRD_ERR_IO. */
crd_status crd_comparison_print(const crd_comparison *comparison,
                                const crd_compare_files_options *options, int n_ranks, int as_json);

#endif
