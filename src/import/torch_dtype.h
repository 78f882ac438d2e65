/** Element types of torch storages, as far as the reader tells them apart. */
#ifndef CRD_IMPORT_TORCH_DTYPE_H
#define CRD_IMPORT_TORCH_DTYPE_H

typedef enum crd_torch_dtype {
    CRD_TORCH_FLOAT32,
    CRD_TORCH_FLOAT16,
    CRD_TORCH_BFLOAT16,
    CRD_TORCH_FLOAT64,
    CRD_TORCH_INT8, /**< integers and bool are told apart by their size only: they are not read */
    CRD_TORCH_INT16,
    CRD_TORCH_INT32,
    CRD_TORCH_INT64
} crd_torch_dtype;

/** Bytes of one element. */
static inline int crd_torch_dtype_bytes(crd_torch_dtype dtype)
{
    static const signed char bytes[] = {4, 2, 2, 8, 1, 2, 4, 8};
    return bytes[dtype];
}

static inline int crd_torch_dtype_is_float(crd_torch_dtype dtype)
{
    return dtype <= CRD_TORCH_FLOAT64;
}

#endif
