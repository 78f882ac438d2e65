/** What a run must share with another to continue from its checkpoint: lines KEY=VALUE. Private to
 * this room. */
#ifndef CRD_APP_RUN_KEY_H
#define CRD_APP_RUN_KEY_H

#include "app/provenance.h"

#define CRD_RUN_KEY_SIZE 16384

/** The settings that change the result; version, commit, kernels and BLAS core; digests of the
 * posterior and of the data. Errors: out of memory. */
crd_status crd_run_key_make(char out[CRD_RUN_KEY_SIZE], const crd_record *record,
                            const crd_run_inputs *inputs);
/** Takes the line of a setting out. */
void crd_run_key_remove(char key[CRD_RUN_KEY_SIZE], const char *setting);
/** Adds a line; `format` as for printf. */
void crd_run_key_add(char key[CRD_RUN_KEY_SIZE], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
