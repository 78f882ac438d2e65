/** The process itself, before MPI. */
#ifndef CRD_CLI_PROCESS_H
#define CRD_CLI_PROCESS_H

#include "credence/status.h"

typedef struct crd_process {
    int has_no_stdout; /**< 1: it was closed; printing to it fails */
} crd_process;

/** The first call of main: descriptors 0 to 2 are open from then on, and a file size limit is an
 * error of writing. Errors: CRD_ERR_INTERNAL, CRD_ERR_IO: a limit of memory or file sizes is
 * too low for MPI to start. */
crd_status crd_process_begin(crd_process *out);

#endif
