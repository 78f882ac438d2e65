/* Strided views of a torch storage to contiguous float32, from pieces of the storage as they are
 * read. It knows torch's floating types; a view that leaves its storage is refused before. */
#include "import/gather.h"

#include <string.h>

static uint64_t load_bits(const uint8_t *bytes, int n)
{
    uint64_t bits = 0;
    for (int i = 0; i < n; i++)
        bits |= (uint64_t)bytes[i] << (8 * i);
    return bits;
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. Every value is a float32. */
static float float_of_half(uint32_t half)
{
    uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31u, fraction = half & 1023u;
    if (exponent == 0) { /* zero or subnormal: fraction * 2^-24, exact in float32 */
        float magnitude = (float)fraction * 0x1p-24f;
        return sign != 0 ? -magnitude : magnitude;
    }
    exponent = exponent == 31 ? 255 : exponent + (127 - 15);
    return float_of_bits(sign | exponent << 23 | fraction << 13);
}

static float float_of_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return (float)value;
}

/* n elements, `stride` elements apart. One loop a type, so that each stays a plain copy. */
static void convert(float *out, const uint8_t *from, int64_t n, int64_t stride,
                    crd_torch_dtype dtype)
{
    switch (dtype) {
    case CRD_TORCH_FLOAT32:
        for (int64_t i = 0; i < n; i++)
            out[i] = float_of_bits((uint32_t)load_bits(from + 4 * i * stride, 4));
        break;
    case CRD_TORCH_FLOAT16:
        for (int64_t i = 0; i < n; i++)
            out[i] = float_of_half((uint32_t)load_bits(from + 2 * i * stride, 2));
        break;
    case CRD_TORCH_BFLOAT16:
        for (int64_t i = 0; i < n; i++)
            out[i] = float_of_bits((uint32_t)load_bits(from + 2 * i * stride, 2) << 16);
        break;
    case CRD_TORCH_FLOAT64:
        for (int64_t i = 0; i < n; i++)
            out[i] = float_of_double(load_bits(from + 8 * i * stride, 8));
        break;
    default: /* integers have no place in a table of weights */
        break;
    }
}

crd_status crd_torch_view_check(const crd_torch_view *view, int64_t n_elements)
{
    int64_t last = view->offset, count = 1;
    if (view->offset < 0)
        return CRD_FAIL(CRD_ERR_INPUT, "storage offset %lld is negative", (long long)view->offset);
    for (int i = 0; i < view->shape.n_dims; i++) {
        int64_t size = view->shape.dims[i], stride = view->strides[i], reach;
        if (size < 0 || stride < 0)
            return CRD_FAIL(CRD_ERR_INPUT, "size %lld or stride %lld of dimension %d is negative",
                            (long long)size, (long long)stride, i);
        if (__builtin_mul_overflow(count, size, &count))
            return CRD_FAIL(CRD_ERR_INPUT, "the number of elements overflows");
        if (size > 0 && (__builtin_mul_overflow(size - 1, stride, &reach) ||
                         __builtin_add_overflow(last, reach, &last)))
            return CRD_FAIL(CRD_ERR_INPUT, "the position of the last element overflows");
    }
    if (count == 0 ? view->offset > n_elements : last >= n_elements)
        return CRD_FAIL(CRD_ERR_INPUT, "reaches element %lld of a storage of %lld elements",
                        (long long)last, (long long)n_elements);
    return CRD_OK;
}

void crd_torch_view_simplify(crd_torch_view *view)
{
    int n = 0; /* dimensions kept; the last of them is the one that may grow */
    for (int i = 0; i < view->shape.n_dims; i++) {
        int64_t size = view->shape.dims[i], stride = view->strides[i];
        if (size == 1)
            continue;
        /* The product of extents does not overflow: crd_torch_view_check has formed it. */
        if (n > 0 && size > 0 && view->strides[n - 1] / size == stride &&
            view->strides[n - 1] % size == 0) {
            view->shape.dims[n - 1] *= size;
            view->strides[n - 1] = stride;
        } else {
            view->shape.dims[n] = size;
            view->strides[n] = stride;
            n++;
        }
    }
    view->shape.n_dims = n;
}

/* A row starts at storage element `at`; its elements k_first .. k_end - 1 lie in the piece. */
static void gather_row(float *out, const crd_torch_view *view, int64_t at, int64_t count,
                       int64_t stride, const uint8_t *piece, int64_t first, int64_t n)
{
    int64_t k_first = 0, k_end = count;
    if (stride == 0) {
        k_end = at >= first && at < first + n ? count : 0;
    } else {
        if (at < first)
            k_first = (first - at + stride - 1) / stride;
        int64_t past = first + n - at; /* the first distance that lies after the piece */
        int64_t k_past = past <= 0 ? 0 : (past - 1) / stride + 1;
        k_end = k_past < count ? k_past : count;
    }
    if (k_first < k_end)
        convert(out + k_first,
                piece + (at + k_first * stride - first) * crd_torch_dtype_bytes(view->dtype),
                k_end - k_first, stride, view->dtype);
}

void crd_torch_view_gather(float *out, const crd_torch_view *view, const void *piece, int64_t first,
                           int64_t n)
{
    int n_dims = view->shape.n_dims, n_outer = n_dims > 0 ? n_dims - 1 : 0;
    int64_t row = n_dims > 0 ? view->shape.dims[n_outer] : 1;
    int64_t stride = n_dims > 0 ? view->strides[n_outer] : 1;
    int64_t n_rows = 1, at = view->offset, index[CRD_MAX_DIMS] = {0};
    for (int i = 0; i < n_outer; i++)
        n_rows *= view->shape.dims[i];
    if (row == 0)
        return;
    for (int64_t i_row = 0; i_row < n_rows; i_row++) {
        gather_row(out + i_row * row, view, at, row, stride, piece, first, n);
        for (int i = n_outer - 1; i >= 0; i--) { /* the next row, as an odometer counts */
            at += view->strides[i];
            if (++index[i] < view->shape.dims[i])
                break;
            at -= view->shape.dims[i] * view->strides[i];
            index[i] = 0;
        }
    }
}
