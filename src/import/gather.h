/** Elements of a strided view of a torch storage, converted to contiguous float32.
 *
 * A storage is read in pieces, so that its size never has to be held in memory; each piece gives
 * a view the elements that lie in it.
 */
#ifndef CRD_IMPORT_GATHER_H
#define CRD_IMPORT_GATHER_H

#include "credence/tensor.h"
#include "import/torch_dtype.h"

/** A tensor as torch describes it: element (i, j ...) is storage[offset + i * strides[0] + ...]. */
typedef struct crd_torch_view {
    crd_torch_dtype dtype;
    crd_shape shape;
    int64_t strides[CRD_MAX_DIMS];
    int64_t offset;
} crd_torch_view;

/** Fails with CRD_ERR_INPUT unless all elements lie in a storage of n_elements; extents and strides
 * below 0, and sums beyond int64, are refused too. */
crd_status crd_torch_view_check(const crd_torch_view *view, int64_t n_elements);

/** Joins dimensions that lie one after the other in memory: a contiguous view becomes a vector. */
void crd_torch_view_simplify(crd_torch_view *view);

/** Converts those elements of `view` into out[count] that lie in storage elements
 * [first, first + n), which `piece` holds in little-endian order. The view has been checked and
 * simplified. Cost: linear in the elements converted, plus the number of rows of the view. */
void crd_torch_view_gather(float *out, const crd_torch_view *view, const void *piece, int64_t first,
                           int64_t n);

#endif
