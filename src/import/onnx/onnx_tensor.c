/* Tensors of constants, each counted against the budget of its file. */
#include "import/onnx/onnx_tensor.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

static const char *const names[] = {"undefined",  "float",   "uint8",  "int8",   "uint16",
                                    "int16",      "int32",   "int64",  "string", "bool",
                                    "float16",    "double",  "uint32", "uint64", "complex64",
                                    "complex128", "bfloat16"};
enum { N_TYPES = sizeof names / sizeof *names };

const char *crd_onnx_type_name(int type)
{
    return type >= 0 && type < N_TYPES ? names[type] : "unknown";
}

bool crd_onnx_type_is_real(crd_onnx_type type)
{
    return type == CRD_ONNX_FLOAT || type == CRD_ONNX_DOUBLE || type == CRD_ONNX_FLOAT16 ||
           type == CRD_ONNX_BFLOAT16;
}

bool crd_onnx_type_is_number(crd_onnx_type type)
{
    return crd_onnx_type_is_real(type) || type == CRD_ONNX_BOOL || type == CRD_ONNX_UINT32 ||
           type == CRD_ONNX_UINT64 || (type >= CRD_ONNX_UINT8 && type <= CRD_ONNX_INT64);
}

static size_t held_bytes(crd_onnx_type type)
{
    return crd_onnx_type_is_real(type) && type != CRD_ONNX_DOUBLE ? sizeof(float) : sizeof(double);
}

crd_status crd_onnx_budget_take(crd_onnx_budget *budget, int64_t bytes)
{
    if (bytes > budget->limit - budget->used)
        return CRD_FAIL(CRD_ERR_INPUT,
                        "needs more than %lld MB of memory, which is what a file of its size may",
                        (long long)(budget->limit >> 20));
    budget->used += bytes;
    return CRD_OK;
}

crd_status crd_onnx_shape_check(const crd_shape *shape)
{
    const int64_t most = INT64_C(1) << 40;
    int64_t count = 1;
    bool is_possible = true;
    for (int d = 0; is_possible && d < shape->n_dims; d++) {
        int64_t extent = shape->dims[d];
        is_possible = extent >= 0 && extent <= INT32_MAX && (extent == 0 || count <= most / extent);
        count *= is_possible && extent > 0 ? extent : 1;
    }
    if (!is_possible) {
        char text[CRD_SHAPE_TEXT_SIZE];
        return CRD_FAIL(CRD_ERR_INPUT, "impossible shape %s", crd_shape_text(text, shape));
    }
    return CRD_OK;
}

crd_status crd_onnx_tensor_create(crd_onnx_tensor **out, crd_onnx_budget *budget,
                                  crd_onnx_type type, const crd_shape *shape)
{
    crd_status status = CRD_OK;
    crd_onnx_tensor *tensor = NULL;
    *out = NULL;
    CRD_REQUIRE(crd_onnx_type_is_number(type), CRD_ERR_INPUT, "type %s is not supported",
                crd_onnx_type_name((int)type));
    CRD_TRY(crd_onnx_shape_check(shape));
    int64_t count = crd_shape_count(shape);
    int64_t bytes = count * (int64_t)held_bytes(type) + (int64_t)sizeof *tensor;
    CRD_TRY(crd_onnx_budget_take(budget, bytes));
    status = crd_alloc_zeroed((void **)&tensor, 1, sizeof *tensor, "constant");
    if (status == CRD_OK)
        status = crd_alloc_zeroed(&tensor->data, count, held_bytes(type), "constant");
    if (status != CRD_OK) {
        budget->used -= bytes;
        crd_free(tensor);
        goto cleanup;
    }
    tensor->type = type;
    tensor->shape = *shape;
    tensor->count = count;
    tensor->budget = budget;
    *out = tensor;
cleanup:
    return status;
}

void crd_onnx_tensor_destroy(crd_onnx_tensor *tensor)
{
    if (tensor == NULL)
        return;
    tensor->budget->used -=
        tensor->count * (int64_t)held_bytes(tensor->type) + (int64_t)sizeof *tensor;
    crd_free(tensor->data);
    crd_free(tensor);
}

float crd_onnx_from_half(uint16_t bits)
{
    int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    float value = exponent == 0    ? ldexpf((float)mantissa, -24)
                  : exponent == 31 ? (mantissa == 0 ? INFINITY : NAN)
                                   : ldexpf((float)(mantissa + 1024), exponent - 25);
    return bits >> 15 ? -value : value;
}

float crd_onnx_from_bfloat(uint16_t bits)
{
    uint32_t word = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

/* To `digits` binary digits, none below 2^least, ties to even; above `most` infinite. */
static float round_to(double value, int digits, int least, double most)
{
    int exponent;
    if (!isfinite(value) || value == 0)
        return (float)value;
    frexp(value, &exponent);
    int unit = exponent - digits < least ? least : exponent - digits;
    double rounded = ldexp(nearbyint(ldexp(value, -unit)), unit);
    return (float)(fabs(rounded) > most ? copysign(INFINITY, value) : rounded);
}

double crd_onnx_get(const crd_onnx_tensor *t, int64_t i)
{
    if (t->type == CRD_ONNX_DOUBLE)
        return t->d[i];
    if (crd_onnx_type_is_real(t->type))
        return (double)t->f[i];
    return t->type == CRD_ONNX_UINT64 ? (double)(uint64_t)t->i[i] : (double)t->i[i];
}

static int64_t to_integer(double value)
{
    if (!(value > -0x1p63))
        return isnan(value) ? 0 : INT64_MIN;
    return value < 0x1p63 ? (int64_t)value : INT64_MAX;
}

int64_t crd_onnx_get_int(const crd_onnx_tensor *t, int64_t i)
{
    return crd_onnx_type_is_real(t->type) ? to_integer(crd_onnx_get(t, i)) : t->i[i];
}

void crd_onnx_set(crd_onnx_tensor *t, int64_t i, double value)
{
    if (t->type == CRD_ONNX_DOUBLE)
        t->d[i] = value;
    else if (t->type == CRD_ONNX_FLOAT16)
        t->f[i] = round_to(value, 11, -24, 65504);
    else if (t->type == CRD_ONNX_BFLOAT16)
        t->f[i] = round_to(value, 8, -133, 0x1.fep127);
    else if (t->type == CRD_ONNX_FLOAT)
        t->f[i] = (float)value;
    else if (t->type == CRD_ONNX_BOOL)
        t->i[i] = value != 0;
    else if (t->type == CRD_ONNX_UINT64 && value >= 0x1p63)
        t->i[i] = (int64_t)(value < 0x1p64 ? (uint64_t)value : UINT64_MAX);
    else
        crd_onnx_set_int(t, i, to_integer(value));
}

void crd_onnx_set_int(crd_onnx_tensor *t, int64_t i, int64_t value)
{
    switch (t->type) {
    case CRD_ONNX_BOOL:
        t->i[i] = value != 0;
        break;
    case CRD_ONNX_UINT8:
        t->i[i] = (uint8_t)value;
        break;
    case CRD_ONNX_INT8:
        t->i[i] = (int8_t)value;
        break;
    case CRD_ONNX_UINT16:
        t->i[i] = (uint16_t)value;
        break;
    case CRD_ONNX_INT16:
        t->i[i] = (int16_t)value;
        break;
    case CRD_ONNX_INT32:
        t->i[i] = (int32_t)value;
        break;
    case CRD_ONNX_UINT32:
        t->i[i] = (uint32_t)value;
        break;
    case CRD_ONNX_INT64:
    case CRD_ONNX_UINT64:
        t->i[i] = value;
        break;
    default:
        crd_onnx_set(t, i, (double)value);
    }
}

void crd_onnx_copy(crd_onnx_tensor *out, int64_t to, const crd_onnx_tensor *in, int64_t from)
{
    size_t size = held_bytes(out->type);
    if (in->type != out->type) {
        if (crd_onnx_type_is_real(in->type) || crd_onnx_type_is_real(out->type))
            crd_onnx_set(out, to, crd_onnx_get(in, from));
        else
            crd_onnx_set_int(out, to, crd_onnx_get_int(in, from));
        return;
    }
    memcpy((char *)out->data + (size_t)to * size, (const char *)in->data + (size_t)from * size,
           size);
}
