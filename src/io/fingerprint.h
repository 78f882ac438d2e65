/** The text by which a checkpoint tells its own run from others: lines KEY=VALUE. */
#ifndef CRD_IO_FINGERPRINT_H
#define CRD_IO_FINGERPRINT_H

#include "credence/status.h"

/** Compares what the checkpoint `path` holds with this run's; the order of the lines is free.
 * `holder` and `other` are what a message calls the two: "the checkpoint", "this run". Errors:
 * CRD_ERR_RESUME naming the first key that differs, and both values. */
crd_status crd_fingerprint_check(const char *path, const char *stored, const char *run,
                                 const char *holder, const char *other);

#endif
