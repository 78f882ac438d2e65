/** What is kept of a run of chains that is not over yet. For app. */
#ifndef CRD_IO_CHAINS_FILE_H
#define CRD_IO_CHAINS_FILE_H

#include "credence/sample_state.h"
#include "io/writer.h"

/** Bytes of its numbers. */
int64_t crd_chains_bytes(const crd_sample_state *state);
/** Generations, `fingerprint` and errors as crd_checkpoint_write. */
crd_status crd_chains_write(const char *path, const crd_sample_state *state,
                            const char *fingerprint, const crd_provenance *provenance);
/** Into a state of this run, which has room for all chains. *found 0: there is none. Generations,
 * `fingerprint` and errors as crd_checkpoint_read. */
crd_status crd_chains_read(int *found, crd_sample_state *state, const char *path,
                           const char *fingerprint, int64_t most_gradients);
/** Removes a checkpoint and the one before it. */
crd_status crd_chains_forget(const char *path);

#endif
