/* Weights of the Poisson bootstrap: functions of seed, resample and place. */
#include "stats/bootstrap.h"

#include "credence/rng.h"

void crd_bootstrap_weights(uint8_t *weights, int64_t n, int number, uint64_t seed)
{
    /* Distribution function at 0, 1, 2, ...; what is left beyond is below 2^-32. */
    static const double upto[] = {0.36787944117144233, 0.7357588823428847, 0.9196986029286058,
                                  0.9810118431238462,  0.9963401531726563, 0.9994058151824183,
                                  0.9999167588507119,  0.9999897508033253, 0.9999988747974020,
                                  0.9999998885745217,  0.9999999899522336, 0.9999999991683892};
    const int n_steps = (int)(sizeof upto / sizeof *upto);
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, words[4];
    for (int64_t i = 0; i < n; i++) {
        const uint32_t counter[4] = {(uint32_t)(i / 4), (uint32_t)number, (uint32_t)(i >> 34),
                                     CRD_PURPOSE_BOOTSTRAP};
        if (i % 4 == 0)
            crd_philox4x32(words, counter, key);
        double uniform = ((double)words[i % 4] + 0.5) * 0x1p-32;
        uint8_t k = 0;
        while (k < n_steps && uniform >= upto[k])
            k++;
        weights[i] = k;
    }
}
