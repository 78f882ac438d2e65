/** The forecast of `plan-sample`, as text and as JSON. */
#ifndef CRD_REPORT_SAMPLE_PLAN_REPORT_H
#define CRD_REPORT_SAMPLE_PLAN_REPORT_H

#include "credence/sample_plan.h"

/** What was measured, and a line for each of ranks[n]. */
void crd_sample_plan_print(const crd_sample_plan *plan, const int64_t *ranks, int n);
/** The same as one object, with the line for sbatch. */
crd_status crd_sample_plan_print_json(const crd_sample_plan *plan, const int64_t *ranks, int n,
                                      const char *sbatch);

#endif
