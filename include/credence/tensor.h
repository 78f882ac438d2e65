/** Shapes, and the parameter table: names, shapes and offsets into one flat block of float32.
 *
 * All arrays are row-major float32. The flat block makes a model one vector for broadcasting,
 * drawing and gradient steps; the table says which part is what. Room: tensor.
 */
#ifndef CREDENCE_TENSOR_H
#define CREDENCE_TENSOR_H

#include <stdint.h>

#include "credence/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CRD_MAX_DIMS 8

/** Extents of an array, slowest first. n_dims 0 is a scalar. */
typedef struct crd_shape {
    int n_dims;
    int64_t dims[CRD_MAX_DIMS];
} crd_shape;

/** Shape from n_dims extents: crd_shape_make(3, 3, 224, 224). Extents are passed as int64_t or int.
 */
#define crd_shape_make(...) crd_shape_from_array_((const int64_t[]){__VA_ARGS__})
/** Helper of crd_shape_make: values[0] is n_dims, then the extents. */
crd_shape crd_shape_from_array_(const int64_t *values);

/** Number of elements; 1 for a scalar; -1 if an extent is negative or the product exceeds int64. */
int64_t crd_shape_count(const crd_shape *shape);

/** 1 if both have the same extents, else 0. */
int crd_shape_equal(const crd_shape *a, const crd_shape *b);

/** Bytes that crd_shape_text needs at most. */
#define CRD_SHAPE_TEXT_SIZE 192
/** "(64, 3, 7, 7)" into `out`; returns `out`. */
const char *crd_shape_text(char out[CRD_SHAPE_TEXT_SIZE], const crd_shape *shape);

/** One tensor of a table. */
typedef struct crd_param {
    char *name;      /**< full name, e.g. "layer1.0.conv1.weight"; unique in its table */
    crd_shape shape; /**< torch's shape */
    int64_t count;   /**< number of elements */
    int64_t offset;  /**< first element in the flat block; a multiple of 16 (64 bytes) */
} crd_param;

/** A table of tensors over one flat block. Zero-initialise or crd_params_init before use. */
typedef struct crd_params {
    crd_param *entries;
    int64_t n_params;
    int64_t capacity;
    int64_t n_floats; /**< length of the flat block, paddings included (paddings are zero) */
    float *data;      /**< the flat block, owned; NULL until crd_params_allocate */
} crd_params;

/** An empty table. */
void crd_params_init(crd_params *params);
/** Frees all that the table owns and leaves it empty. */
void crd_params_clear(crd_params *params);

/** Appends a tensor; its index goes to *index (may be NULL). Not allowed once the block is
 * allocated. Errors: CRD_ERR_INPUT if the name is taken or the shape impossible. */
crd_status crd_params_add(int64_t *index, crd_params *params, const char *name,
                          const crd_shape *shape);

/** Allocates the zeroed flat block for all tensors added so far. */
crd_status crd_params_allocate(crd_params *params);

/** Index of the tensor of that name, or -1. Cost: linear in the number of tensors. */
int64_t crd_params_find(const crd_params *params, const char *name);

/** Elements of tensor `index`. Borrowed. */
float *crd_params_view(const crd_params *params, int64_t index);

#ifdef __cplusplus
}
#endif
#endif
