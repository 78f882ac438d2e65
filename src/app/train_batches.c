/* How an epoch's images fall into batches and micro-batches: batch norm's statistics cannot be of
 * one image alone. */
#include "app/train_batches.h"

#include "base/integers.h"

int64_t crd_train_fewest_images(int64_t n_images, int64_t batch_size, int64_t micro_batch)
{
    int64_t fewest = INT64_MAX, sizes[] = {batch_size, n_images % batch_size};
    for (int k = n_images >= batch_size ? 0 : 1; k < 2; k++)
        if (sizes[k] > 0) {
            int64_t rest = sizes[k] % micro_batch;
            int64_t n = rest > 0 ? rest : micro_batch;
            fewest = n < fewest ? n : fewest;
        }
    return fewest;
}

int64_t crd_train_better_batch_size(int64_t n_images, int64_t batch_size)
{
    for (int64_t batch = batch_size + 1; batch < batch_size + 64; batch++)
        if (crd_train_fewest_images(n_images, batch, crd_smaller(batch, CRD_TRAIN_MICRO_BATCH)) > 1)
            return batch;
    return 0;
}
