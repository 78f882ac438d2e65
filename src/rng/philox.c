/* Philox4x32-10, one block: the form for callers that need few numbers. The loops that draw
 * weights are in kernels/. */
#include "rng/philox.h"

void crd_philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]};
    uint32_t keys[CRD_PHILOX_ROUNDS][2];
    crd_philox_keys(keys, key[0], key[1]);
    crd_philox_rounds(c, keys);
    for (int word = 0; word < 4; word++)
        out[word] = c[word];
}
