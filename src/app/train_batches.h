/** How an epoch's images fall into batches and micro-batches. */
#ifndef CRD_APP_TRAIN_BATCHES_H
#define CRD_APP_TRAIN_BATCHES_H

#include <stdint.h>

/** Images of a micro-batch, of a batch that has as many, unless it is given. */
enum { CRD_TRAIN_MICRO_BATCH = 32 };

/** The fewest images of a micro-batch, over the whole batches of an epoch and its last one. */
int64_t crd_train_fewest_images(int64_t n_images, int64_t batch_size, int64_t micro_batch);
/** The nearest larger batch size that leaves no image alone, its micro-batches following it; 0:
 * none is near. */
int64_t crd_train_better_batch_size(int64_t n_images, int64_t batch_size);

#endif
