/** The forecast of `plan`, as text and as JSON. */
#ifndef CRD_REPORT_PLAN_REPORT_H
#define CRD_REPORT_PLAN_REPORT_H

#include "credence/plan_files.h"

/** What was measured, and a line for each of ranks[n]. */
void crd_plan_print(const crd_plan *plan, const int64_t *ranks, int n);
/** The same as one object, with the line for sbatch. */
crd_status crd_plan_print_json(const crd_plan *plan, const int64_t *ranks, int n,
                               const char *sbatch);

#endif
