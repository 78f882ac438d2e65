/** What the command line says of a training run. */
#ifndef CRD_CLI_TRAIN_OPTIONS_H
#define CRD_CLI_TRAIN_OPTIONS_H

#include "cli/command.h"
#include "cli/run_key.h"
#include "credence/dataset.h"
#include "credence/train.h"

/** Options of the engine for n_images; estimator and teacher are left to the caller. Errors:
 * CRD_ERR_USAGE: options that have no meaning together. Alike on all ranks. */
crd_status crd_train_options_make(crd_train_options *out, const crd_options *options,
                                  int64_t n_images);

/** Finds before the first step that batch norm would get an image alone, of which it can make no
 * statistics. Errors: CRD_ERR_USAGE, with a batch size that does better. */
crd_status crd_train_check_batches(const crd_train_options *made, const crd_options *options,
                                   const crd_network *network);

/** 1 if any change of the images was asked for. */
int crd_train_augmentation(crd_augmentation *out, const crd_options *options);

/** The key of a training run. The number of epochs, which may grow, is no part of it, but what
 * follows from it (`made`) is; with local steps the ranks are too. `validation` may be NULL.
 * Errors: the posterior cannot be read. */
crd_status crd_train_fingerprint(char out[CRD_RUN_KEY_SIZE], const crd_cli *cli,
                                 const crd_train_options *made, crd_dataset *data,
                                 crd_dataset *validation);

#endif
