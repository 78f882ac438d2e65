/** What the command line says of a training run. */
#ifndef CRD_CLI_TRAIN_OPTIONS_H
#define CRD_CLI_TRAIN_OPTIONS_H

#include "cli/options.h"
#include "credence/train_files.h"

/** Posterior, data and record included, `record` and `options` borrowed. Errors: CRD_ERR_USAGE:
 * options that have no meaning together. Alike on all ranks. */
crd_status crd_train_options_make(crd_train_files_options *out, const crd_options *options,
                                  const crd_record *record);

/** Finds before the first step that batch norm would get an image alone, of which it can make no
 * statistics. Errors: CRD_ERR_USAGE, with a batch size that does better. */
crd_status crd_train_check_batches(const crd_train_options *made, int64_t n_images,
                                   const crd_options *options, const crd_network *network);

#endif
