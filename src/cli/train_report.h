/** What a training run says while it goes on and when it is over. Rank 0 only. */
#ifndef CRD_CLI_TRAIN_REPORT_H
#define CRD_CLI_TRAIN_REPORT_H

#include "credence/train.h"

/** An epoch: a line in the log, and with `as_json` an object on stdout. */
void crd_train_print_epoch(const crd_epoch *epoch, int64_t n_epochs, int as_json);
/** The end of a run that wrote `path`. */
crd_status crd_train_print_end(const char *path, const crd_train_state *state,
                               const crd_train_report *report, int as_json);

#endif
