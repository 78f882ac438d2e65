/** Constants of an ONNX graph: tensors of any of its number types. Private to this room.
 *
 * Floating types of up to 32 bits are held as float, double as double, integers and bool as int64:
 * what is stored is rounded to the type, so arithmetic on them is the type's own. */
#ifndef CRD_IMPORT_ONNX_TENSOR_H
#define CRD_IMPORT_ONNX_TENSOR_H

#include <stdbool.h>

#include "credence/tensor.h"

/** ONNX's numbers of types. */
typedef enum crd_onnx_type {
    CRD_ONNX_UNDEFINED = 0,
    CRD_ONNX_FLOAT = 1,
    CRD_ONNX_UINT8 = 2,
    CRD_ONNX_INT8 = 3,
    CRD_ONNX_UINT16 = 4,
    CRD_ONNX_INT16 = 5,
    CRD_ONNX_INT32 = 6,
    CRD_ONNX_INT64 = 7,
    CRD_ONNX_STRING = 8,
    CRD_ONNX_BOOL = 9,
    CRD_ONNX_FLOAT16 = 10,
    CRD_ONNX_DOUBLE = 11,
    CRD_ONNX_UINT32 = 12,
    CRD_ONNX_UINT64 = 13,
    CRD_ONNX_COMPLEX64 = 14,
    CRD_ONNX_COMPLEX128 = 15,
    CRD_ONNX_BFLOAT16 = 16
} crd_onnx_type;

/** Most files beside a model that its numbers lie in. */
enum { CRD_ONNX_MAX_FILES = 16 };

/** Bytes that one file may cost, and costs; files beside it add to what it may. */
typedef struct crd_onnx_budget {
    int64_t limit, used;
    uint64_t files[CRD_ONNX_MAX_FILES][2]; /**< device and inode of those beside that counted */
    int n_files;
} crd_onnx_budget;

/** Takes bytes of the budget. Errors: CRD_ERR_INPUT: more than the file's size allows. */
crd_status crd_onnx_budget_take(crd_onnx_budget *budget, int64_t bytes);

typedef struct crd_onnx_tensor {
    crd_onnx_type type;
    crd_shape shape;
    int64_t count;
    union {
        void *data;
        float *f;   /**< FLOAT, FLOAT16, BFLOAT16 */
        double *d;  /**< DOUBLE */
        int64_t *i; /**< integers, BOOL; UINT64 by its bits */
    };
    crd_onnx_budget *budget;
} crd_onnx_tensor;

/** Whether constants may have the type; whether it is a floating one; its name, static. */
bool crd_onnx_type_is_number(crd_onnx_type type);
bool crd_onnx_type_is_real(crd_onnx_type type);
const char *crd_onnx_type_name(int type);

/** Extents from 0 to 2^31 - 1 whose product, zeros left out, is at most 2^40. */
crd_status crd_onnx_shape_check(const crd_shape *shape);

/** Zeros. Errors: CRD_ERR_INPUT: type without numbers, impossible shape, beyond the budget. */
crd_status crd_onnx_tensor_create(crd_onnx_tensor **out, crd_onnx_budget *budget,
                                  crd_onnx_type type, const crd_shape *shape);
void crd_onnx_tensor_destroy(crd_onnx_tensor *tensor);

/** Element i as double or int64 (a real number is cut off towards zero, as ONNX's Cast does), and
 * stored: rounded to the type, integers modulo its range. */
double crd_onnx_get(const crd_onnx_tensor *tensor, int64_t i);
int64_t crd_onnx_get_int(const crd_onnx_tensor *tensor, int64_t i);
void crd_onnx_set(crd_onnx_tensor *tensor, int64_t i, double value);
void crd_onnx_set_int(crd_onnx_tensor *tensor, int64_t i, int64_t value);
/** out[to] = in[from], as a number where the types differ. */
void crd_onnx_copy(crd_onnx_tensor *out, int64_t to, const crd_onnx_tensor *in, int64_t from);

/** Halves by their bits. */
float crd_onnx_from_half(uint16_t bits);
float crd_onnx_from_bfloat(uint16_t bits);

#endif
