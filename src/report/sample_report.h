/** What a run of chains says before and after. Rank 0 only. */
#ifndef CRD_REPORT_SAMPLE_REPORT_H
#define CRD_REPORT_SAMPLE_REPORT_H

#include "credence/sample_files.h"

/** What the run is going to do, and what disk space it takes, in the log. */
void crd_sample_print_start(const crd_sampling_info *info, const crd_sample_files_options *options);
/** The end of a run: text or, with `as_json`, one object. */
crd_status crd_sample_print_end(const crd_sample_files_options *options,
                                const crd_posterior *chains, const crd_chain_report *report,
                                int as_json);

#endif
