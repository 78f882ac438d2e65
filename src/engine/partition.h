/** Who computes what, as pure integers: no communication, so that it is tested on one process. */
#ifndef CRD_ENGINE_PARTITION_H
#define CRD_ENGINE_PARTITION_H

#include <stdint.h>

/** Splits units [0, n_units) over nodes in proportion to their ranks: node k has [begin[k],
 * begin[k + 1]). begin[n_nodes + 1] is the caller's. */
void crd_partition_nodes(int64_t *begin, const int *node_sizes, int n_nodes, int64_t n_units);

/** A permutation of 0 .. n - 1 made from `key`; key 0 is the identity. */
int64_t crd_partition_shuffle(int64_t i, int64_t n, uint64_t key);

/** A unit of a window: batch is the slow index, draw block the fast one. */
typedef struct crd_unit {
    int64_t first_image, n_images; /**< in the window */
    int64_t first_draw, n_draws;   /**< in the run */
} crd_unit;

/** Unit `i` of the window's draw blocks [first_block, + n_blocks). Short batches and blocks come
 * last. */
crd_unit crd_partition_unit(int64_t i, int64_t n_images, int64_t batch, int64_t first_block,
                            int64_t n_blocks, int64_t draw_block, int64_t n_draws);

#endif
