/** What a run must share with another to continue from its checkpoint: lines KEY=VALUE. */
#ifndef CRD_CLI_RUN_KEY_H
#define CRD_CLI_RUN_KEY_H

#include "cli/command.h"
#include "credence/dataset.h"

#define CRD_RUN_KEY_SIZE 16384

/** The options that change the result, their numbers exact; version, commit, kernels and
 * BLAS core; digests of the posterior (the first argument) and of the data. Errors: the
 * posterior cannot be read. */
crd_status crd_run_key_make(char out[CRD_RUN_KEY_SIZE], const crd_cli *cli, crd_dataset *data);
/** Takes the line of an option out. */
void crd_run_key_remove(char key[CRD_RUN_KEY_SIZE], crd_option_id option);
/** Adds a line; `format` as for printf. */
void crd_run_key_add(char key[CRD_RUN_KEY_SIZE], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
