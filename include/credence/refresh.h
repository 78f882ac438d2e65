/** Batch norm's statistics of networks, recomputed from images.
 *
 * A network whose weights were averaged or drawn has other activations than the ones that its
 * running statistics are of. This passes images through it in training's way (micro-batches on
 * their own statistics) and takes the means of these, weighted by images: what one epoch with the
 * momentum of Izmailov et al., "Averaging weights leads to wider optima and better generalization",
 * UAI 2018, gives. Sums are integers, so that the result does not depend on the ranks.
 * Room: engine.
 */
#ifndef CREDENCE_REFRESH_H
#define CREDENCE_REFRESH_H

#include "credence/comm.h"
#include "credence/network.h"
#include "credence/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/** 1 if the network has batch norms. Collective: no. */
int crd_network_has_statistics(const crd_network *network);
/** Numbers of all its statistics: means and variances. Collective: no. */
int64_t crd_statistics_count(const crd_network *network);
/** Writes a row of them to where they belong in values[n_floats]. Collective: no. */
void crd_statistics_put(float *values, const crd_network *network, const float *row);

/** Networks by number; equal on all ranks. */
typedef struct crd_refresh_networks {
    int64_t n;
    /** values[n_floats] of network i, unfolded; its statistics are not read. No communication. */
    void (*fill)(float *values, int64_t i, void *payload);
    void *payload;
} crd_refresh_networks;

typedef struct crd_refresh_options {
    int64_t n_images;
    int64_t epoch;       /**< that `load` is asked for */
    int64_t batch_size;  /**< images that travel together */
    int64_t micro_batch; /**< images that statistics are of */
    uint64_t seed;       /**< of dropout, which is on as in training */
} crd_refresh_options;

/** rows[networks->n][crd_statistics_count], equal on all ranks. `hooks`: only load (rank 0), for
 * images [0, n_images) of the epoch; labels and values are not used. Collective: on comm. Cost: a
 * forward pass of every image for every network, dealt to the ranks; memory for
 * 8 crd_statistics_count bytes a network, and a network. Errors: the load hook's;
 * CRD_ERR_USAGE: a micro-batch of one value a channel; CRD_ERR_NUMERIC: a statistic is not finite,
 * or above 2^17. */
crd_status crd_refresh_statistics(float *rows, crd_comm *comm, const crd_network *network,
                                  const crd_refresh_networks *networks,
                                  const crd_refresh_options *options, const crd_train_hooks *hooks);

#ifdef __cplusplus
}
#endif
#endif
