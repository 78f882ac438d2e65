/** One run at a time writes an output. */
#ifndef CRD_IO_OUTPUT_LOCK_H
#define CRD_IO_OUTPUT_LOCK_H

#include "credence/status.h"

typedef struct crd_output_lock crd_output_lock;

/** Takes the lock of all that is written as `path` and beside it: a file ".NAME.lock", which is
 * removed in the end; the lock on it ends with its process, whatever ends that. Where the file
 * system has no locks, or no file can be made, *out is NULL: no lock is no reason to stop.
 * Errors: CRD_ERR_IO naming process and host of the run that has it. */
crd_status crd_output_lock_acquire(crd_output_lock **out, const char *path);
/** NULL is allowed. */
void crd_output_lock_release(crd_output_lock *lock);

#endif
