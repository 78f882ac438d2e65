/** Arithmetic of counts. */
#ifndef CRD_BASE_INTEGERS_H
#define CRD_BASE_INTEGERS_H

#include <stdint.h>

static inline int64_t crd_smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t crd_larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/** Parts of at most `by` that n has; n not negative, `by` positive. */
static inline int64_t crd_divide_up(int64_t n, int64_t by)
{
    return (n + by - 1) / by;
}

/** n in equal parts of at most `most`, or of 1: the size of a part. */
static inline int64_t crd_even_part(int64_t n, int64_t most)
{
    return crd_divide_up(n, crd_divide_up(n, crd_larger(most, 1)));
}

#endif
