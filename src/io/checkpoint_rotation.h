/** Files that are renewed: the new one takes its place in one step, and the one before it is
 * kept as NAME.prev, so that one of the two is whole at every moment. */
#ifndef CRD_IO_CHECKPOINT_ROTATION_H
#define CRD_IO_CHECKPOINT_ROTATION_H

#include "io/writer.h"

/** crd_writer_publish, keeping an intact file that is replaced; a damaged one must not take the
 * place of the good one before. */
crd_status crd_rotation_publish(crd_writer *writer);

/** Reads what `read` reads from PATH or, where PATH is missing or unusable (CRD_ERR_INPUT,
 * CRD_ERR_IO), from the one before it, with a warning in the log. *found = 0: neither is there.
 * Errors: of `read`; CRD_ERR_INPUT naming both if neither can be used. */
typedef crd_status crd_rotation_reader(const char *path, void *payload);
crd_status crd_rotation_read(int *found, const char *path, crd_rotation_reader *read,
                             void *payload);

/** Removes the one before, if it is there. Errors: CRD_ERR_IO. */
crd_status crd_rotation_remove_previous(const char *path);
/** Removes both, and what killed processes have left of a third. What is not there is no error.
 * Errors: CRD_ERR_IO. */
crd_status crd_rotation_remove(const char *path);

/** Checks the text at `dataset`, lines KEY=VALUE, against this run's (crd_fingerprint_check). */
crd_status crd_rotation_check_fingerprint(crd_h5 *h5, const char *dataset, const char *fingerprint);

#endif
