/** Where the values of a parameter come from: an array, or a function that makes them where they
 * are used, a stretch at a time, so that they come from the cache and the whole tensor never
 * exists. */
#ifndef CRD_TENSOR_WEIGHT_SOURCE_H
#define CRD_TENSOR_WEIGHT_SOURCE_H

#include <stddef.h>
#include <stdint.h>

/** Floats beyond those asked for that `get` may write. */
#define CRD_WEIGHT_SLACK 64

/** All zeros: there is no such parameter. */
typedef struct crd_weight_source {
    const float *values; /**< the whole tensor in torch's order; NULL: `get` makes it */
    /** Elements [first, first + n). Returns where they are: in `out`, which has room for n +
     * CRD_WEIGHT_SLACK floats, or elsewhere. */
    const float *(*get)(float *out, int64_t first, int64_t n, const void *payload);
    const void *payload;
} crd_weight_source;

/** Elements [first, first + n), wherever they come from. `out`: see get. */
static inline const float *crd_weight_source_get(float *out, const crd_weight_source *source,
                                                 int64_t first, int64_t n)
{
    return source->get == NULL ? source->values + first
                               : source->get(out, first, n, source->payload);
}

#endif
