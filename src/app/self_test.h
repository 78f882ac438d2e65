/** Is this installation right? For `selftest`. */
#ifndef CRD_APP_SELF_TEST_H
#define CRD_APP_SELF_TEST_H

#include "credence/comm.h"

/** Takes what a check found, on rank 0: `fault` is NULL if all is right. */
typedef void crd_self_test_result(const char *check, const char *fault, void *payload);

/** Runs all checks. command: for the provenance of the file that one of them writes, below TMPDIR.
 * Collective: on comm; all ranks return the same status. Errors: the first check's that failed. */
crd_status crd_self_test(crd_comm *comm, const char *command, crd_self_test_result *result,
                         void *payload);

#endif
