/** Batches made ahead of need by one thread in the background, in order, in a bounded ring.
 *
 * What a batch is, and where it comes from, is the callback's business; it must not call MPI.
 */
#ifndef CRD_ENGINE_PREFETCH_H
#define CRD_ENGINE_PREFETCH_H

#include <stdint.h>

#include "credence/status.h"

typedef struct crd_prefetch crd_prefetch;

/** Fills batch number `i`; called in the background thread, for 0, 1, 2, ... one after the
 * other. */
typedef crd_status crd_prefetch_load(void *batch, int64_t i, void *payload);

/** Begins with batch 0 of n_batches at once. n_ahead, at least 1: batches ready beside the one
 * in use; memory is (n_ahead + 1) * batch_bytes. Signals are left to the other threads.
 * Collective: no. */
crd_status crd_prefetch_start(crd_prefetch **out, crd_prefetch_load *load, void *payload,
                              int64_t n_batches, int64_t batch_bytes, int64_t n_ahead);

/** The next batch, waited for if need be; borrowed, valid until the next call. At most n_batches
 * calls. Errors: the callback's, code and message, when the batch that it failed at is due;
 * then always. Not thread safe. */
crd_status crd_prefetch_next(void **batch, crd_prefetch *prefetch);

/** Waits for the call of the callback that is under way, if any, and frees all. NULL is allowed. */
void crd_prefetch_stop(crd_prefetch *prefetch);

#endif
