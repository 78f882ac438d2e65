/** What a training run says while it runs and when it is over. Rank 0 only. */
#ifndef CRD_REPORT_TRAIN_REPORT_H
#define CRD_REPORT_TRAIN_REPORT_H

#include <jansson.h>

#include "credence/train_files.h"

/** What the run is going to do, and what disk space it takes, in the log. */
void crd_train_print_start(const crd_training_info *info, const crd_train_files_options *options);
/** An epoch: a line in the log, and with `as_json` an object on stdout. */
void crd_train_print_epoch(const crd_epoch *epoch, int64_t n_epochs, int as_json);
/** The same object. */
json_t *crd_train_epoch_to_json(const crd_epoch *epoch);
/** The history of a file, as text: of many epochs every few, the best and the last. */
void crd_train_print_history(const crd_epoch *epochs, int64_t n);
/** The end of a run that wrote `path`, and `best_path` unless that is NULL. */
crd_status crd_train_print_end(const char *path, const char *best_path,
                               const crd_train_state *state, const crd_train_report *report,
                               int as_json);

#endif
