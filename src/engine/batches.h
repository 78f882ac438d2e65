/** The batches of a training run on every node: read by rank 0 ahead of need, broadcast one step
 * ahead.
 */
#ifndef CRD_ENGINE_BATCHES_H
#define CRD_ENGINE_BATCHES_H

#include "credence/comm.h"
#include "credence/train.h"

/** What is known before the first batch; equal on all ranks. */
typedef struct crd_batches_plan {
    int64_t n_images;   /**< of the training set */
    int64_t batch_size; /**< images of one batch */
    int64_t n_epochs;
    int64_t first_epoch;  /**< where to begin */
    int64_t first_place;  /**< images of that epoch that are done: a multiple of batch_size */
    int64_t image_floats; /**< numbers of an image */
    int64_t value_floats; /**< target values of an image; 0: labels alone */
} crd_batches_plan;

/** A batch in the node's shared memory; borrowed, valid until the next call. */
typedef struct crd_batch {
    int64_t epoch, first, n; /**< places [first, first + n) of the epoch */
    const float *images;     /**< [n][image_floats] */
    const int64_t *labels;   /**< [n] */
    const float *values;     /**< [n][value_floats] */
} crd_batch;

typedef struct crd_batches crd_batches;

/** Begins to read on rank 0. Collective: on comm; all ranks fail together. */
crd_status crd_batches_create(crd_batches **out, crd_comm *comm, const crd_batches_plan *plan,
                              const crd_train_hooks *hooks);
/** Collective: on its comm. NULL is allowed if it is NULL on all ranks. */
void crd_batches_destroy(crd_batches *batches);

/** Number of batches that are still to come. */
int64_t crd_batches_left(const crd_batches *batches);

/** The next batch; the one after it begins to travel. Errors: the load hook's, on all ranks.
 * Collective: on its comm. */
crd_status crd_batches_next(crd_batch *out, crd_batches *batches);

#endif
