/* Who computes which units: shares of nodes in proportion to their ranks, a shuffled order for
 * tests, and the images and draws of unit i. No communication. */
#include "engine/partition.h"

#include "base/integers.h"

void crd_partition_nodes(int64_t *begin, const int *node_sizes, int n_nodes, int64_t n_units)
{
    int64_t size = 0, before = 0;
    for (int k = 0; k < n_nodes; k++)
        size += node_sizes[k];
    for (int k = 0; k <= n_nodes; k++) {
        /* n_units * before / size without overflow */
        begin[k] = n_units / size * before + n_units % size * before / size;
        if (k < n_nodes)
            before += node_sizes[k];
    }
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

int64_t crd_partition_shuffle(int64_t i, int64_t n, uint64_t key)
{
    if (key == 0 || n < 2)
        return i;
    int64_t stride = (int64_t)(key % (uint64_t)n);
    while (common_divisor(stride, n) != 1)
        stride++;
    int64_t place = (int64_t)((key >> 32) % (uint64_t)n);
    __extension__ typedef __int128 wide;
    return (int64_t)(((wide)i * stride + place) % n);
}

crd_unit crd_partition_unit(int64_t i, int64_t n_images, int64_t batch, int64_t first_block,
                            int64_t n_blocks, int64_t draw_block, int64_t n_draws)
{
    int64_t first_image = i / n_blocks * batch;
    int64_t first_draw = (first_block + i % n_blocks) * draw_block;
    return (crd_unit){
        .first_image = first_image,
        .n_images = crd_smaller(batch, n_images - first_image),
        .first_draw = first_draw,
        .n_draws = crd_smaller(draw_block, n_draws - first_draw),
    };
}
