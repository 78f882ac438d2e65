/* Shapes: from numbers, their product without overflow, comparison, text. */
#include "credence/tensor.h"

#include <inttypes.h>
#include <stdio.h>

crd_shape crd_shape_from_array_(const int64_t *values)
{
    crd_shape shape = {.n_dims = (int)values[0]};
    for (int i = 0; i < shape.n_dims; i++)
        shape.dims[i] = values[1 + i];
    return shape;
}

int64_t crd_shape_count(const crd_shape *shape)
{
    int64_t count = 1;
    for (int i = 0; i < shape->n_dims; i++)
        if (shape->dims[i] < 0 || __builtin_mul_overflow(count, shape->dims[i], &count))
            return -1;
    return count;
}

int crd_shape_equal(const crd_shape *a, const crd_shape *b)
{
    if (a->n_dims != b->n_dims)
        return 0;
    for (int i = 0; i < a->n_dims; i++)
        if (a->dims[i] != b->dims[i])
            return 0;
    return 1;
}

const char *crd_shape_text(char out[CRD_SHAPE_TEXT_SIZE], const crd_shape *shape)
{
    size_t used = (size_t)snprintf(out, CRD_SHAPE_TEXT_SIZE, "(");
    for (int i = 0; i < shape->n_dims; i++)
        used += (size_t)snprintf(out + used, CRD_SHAPE_TEXT_SIZE - used, "%s%" PRId64,
                                 i == 0 ? "" : ", ", shape->dims[i]);
    snprintf(out + used, CRD_SHAPE_TEXT_SIZE - used, ")");
    return out;
}
