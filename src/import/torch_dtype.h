/** Element types of tensors in weight files. Only floating ones of 16 to 64 bits become weights;
 * the others are told apart so that they can be named. */
#ifndef CRD_IMPORT_TORCH_DTYPE_H
#define CRD_IMPORT_TORCH_DTYPE_H

typedef enum crd_torch_dtype {
    CRD_TORCH_FLOAT32,
    CRD_TORCH_FLOAT16,
    CRD_TORCH_BFLOAT16,
    CRD_TORCH_FLOAT64,
    CRD_TORCH_INT8,
    CRD_TORCH_UINT8,
    CRD_TORCH_BOOL,
    CRD_TORCH_INT16,
    CRD_TORCH_UINT16,
    CRD_TORCH_INT32,
    CRD_TORCH_UINT32,
    CRD_TORCH_INT64,
    CRD_TORCH_UINT64,
    CRD_TORCH_FLOAT8, /**< any of the kinds of 8 bits */
    CRD_TORCH_COMPLEX64,
    CRD_TORCH_COMPLEX128
} crd_torch_dtype;

/** Bytes of one element. */
static inline int crd_torch_dtype_bytes(crd_torch_dtype dtype)
{
    static const signed char bytes[] = {4, 2, 2, 8, 1, 1, 1, 2, 2, 4, 4, 8, 8, 1, 8, 16};
    return bytes[dtype];
}

/** torch's name. Static. */
static inline const char *crd_torch_dtype_name(crd_torch_dtype dtype)
{
    static const char *const names[] = {
        "float32", "float16", "bfloat16", "float64", "int8",   "uint8",  "bool",      "int16",
        "uint16",  "int32",   "uint32",   "int64",   "uint64", "float8", "complex64", "complex128"};
    return names[dtype];
}

static inline int crd_torch_dtype_is_float(crd_torch_dtype dtype)
{
    return dtype <= CRD_TORCH_FLOAT64;
}

#endif
