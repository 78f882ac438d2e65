/** What kernels/bf16_body.h asks for beside kernels/lanes.h, from the same of 8: the file that
 * includes this one defines floats_of_pair, and floats_first_half, floats_second_half (of
 * pairs, as floats) and floats_pair. */
#ifndef CRD_KERNELS_PAIRS_H
#define CRD_KERNELS_PAIRS_H

#include "kernels/lanes.h"

typedef uint32_t word;

static inline lanes lanes_of_word(word pair)
{
    return (lanes){floats_of_pair(pair), floats_of_pair(pair)};
}

static inline floats floats_step(floats pixel, floats weight, floats sum)
{
    sum = floats_fma(floats_second_half(pixel), floats_second_half(weight), sum);
    return floats_fma(floats_first_half(pixel), floats_first_half(weight), sum);
}

static inline lanes lanes_step(lanes pixel, lanes weight, lanes sum)
{
    return (lanes){floats_step(pixel.low, weight.low, sum.low),
                   floats_step(pixel.high, weight.high, sum.high)};
}

static inline lanes lanes_pair(lanes first, lanes second)
{
    return (lanes){floats_pair(first.low, second.low), floats_pair(first.high, second.high)};
}

static inline void lanes_store_pairs(uint32_t *to, lanes x)
{
    floats_store((float *)(void *)to, floats_pair(x.low, x.high));
}

#endif
