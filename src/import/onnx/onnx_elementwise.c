/* Element by element: functions of one, comparisons and arithmetic of several broadcast inputs,
 * changes of type. Each result is computed in double, or in int64, and rounded once. */
#include <math.h>

#include "import/onnx/onnx_elementwise.h"

CRD_ONNX_SHAPE(same)
{
    for (int k = 0; k < call->n_out; k++)
        call->out[k].shape = call->in[0].shape;
    return CRD_OK;
}

CRD_ONNX_EVAL(same)
{
    for (int64_t i = 0; i < call->out[0].tensor->count; i++)
        crd_onnx_copy(call->out[0].tensor, i, call->in[0].constant, i);
    return CRD_OK;
}

CRD_ONNX_SHAPE(broadcast)
{
    crd_status status = CRD_OK;
    call->out[0].shape = call->in[0].shape;
    for (int k = 1; k < call->n_in; k++) {
        if (!call->in[k].is_given)
            CRD_TRY(CRD_ONNX_FAIL("input %d is omitted", k));
        CRD_TRY(crd_onnx_broadcast(&call->out[0].shape, &call->in[k].shape));
    }
cleanup:
    return status;
}

CRD_ONNX_SHAPE(compare)
{
    call->out[0].type = CRD_ONNX_BOOL;
    return crd_onnx_shape_broadcast(call);
}

CRD_ONNX_EVAL(unary)
{
    const crd_onnx_operator *kind = call->node->kind;
    const crd_onnx_tensor *in = call->in[0].constant;
    const crd_onnx_numbers *n = &kind->numbers;
    double a = n->a == NULL ? 0 : crd_onnx_attr_real(call->node, n->a, n->a_fallback);
    double b = n->b == NULL ? 0 : crd_onnx_attr_real(call->node, n->b, n->b_fallback);
    for (int64_t i = 0; i < in->count; i++)
        crd_onnx_set(call->out[0].tensor, i, kind->unary(crd_onnx_get(in, i), a, b));
    return CRD_OK;
}

/* Integers stay exact where the operator says how; unsigned ones of 64 bits do so modulo 2^64. */
CRD_ONNX_EVAL(binary)
{
    const crd_onnx_operator *kind = call->node->kind;
    crd_onnx_tensor *out = call->out[0].tensor;
    for (int k = 0; k < call->n_in; k++) {
        int64_t strides[CRD_MAX_DIMS];
        const crd_onnx_tensor *in = call->in[k].constant;
        bool is_integer = kind->integer != NULL && !crd_onnx_type_is_real(call->in[0].type);
        crd_onnx_strides_to(strides, &in->shape, &out->shape);
        if (call->n_in == 2 && k == 0)
            continue; /* both at once below: the output may have another type */
        int64_t first[CRD_MAX_DIMS];
        crd_onnx_strides_to(first, &call->in[0].constant->shape, &out->shape);
        for (int64_t i = 0; i < out->count; i++) {
            int64_t at = crd_onnx_place(i, &out->shape, strides);
            int64_t at_first = crd_onnx_place(i, &out->shape, first);
            const crd_onnx_tensor *before = k == 1 ? call->in[0].constant : out;
            int64_t before_at = k == 1 ? at_first : i;
            if (k == 0)
                crd_onnx_copy(out, i, in, at);
            else if (is_integer)
                crd_onnx_set_int(
                    out, i,
                    kind->integer(crd_onnx_get_int(before, before_at), crd_onnx_get_int(in, at)));
            else
                crd_onnx_set(out, i,
                             kind->binary(crd_onnx_get(before, before_at), crd_onnx_get(in, at)));
        }
    }
    return CRD_OK;
}

CRD_ONNX_EVAL(mean)
{
    crd_status status = crd_onnx_eval_binary(call);
    crd_onnx_tensor *out = call->out[0].tensor;
    for (int64_t i = 0; i < out->count; i++)
        crd_onnx_set(out, i, crd_onnx_get(out, i) / call->n_in);
    return status;
}

CRD_ONNX_EVAL(mod)
{
    bool is_fmod = crd_onnx_attr_int(call->node, "fmod", 0) != 0;
    crd_onnx_tensor *out = call->out[0].tensor;
    int64_t strides[2][CRD_MAX_DIMS];
    for (int k = 0; k < 2; k++)
        crd_onnx_strides_to(strides[k], &call->in[k].shape, &out->shape);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at = crd_onnx_place(i, &out->shape, strides[0]);
        int64_t by_at = crd_onnx_place(i, &out->shape, strides[1]);
        if (crd_onnx_type_is_real(out->type)) {
            double x = crd_onnx_get(call->in[0].constant, at);
            double y = crd_onnx_get(call->in[1].constant, by_at);
            crd_onnx_set(out, i, is_fmod ? fmod(x, y) : x - floor(x / y) * y);
            continue;
        }
        int64_t x = crd_onnx_get_int(call->in[0].constant, at);
        int64_t y = crd_onnx_get_int(call->in[1].constant, by_at);
        if (y == 0)
            return CRD_ONNX_FAIL("%s", "an integer is divided by 0");
        int64_t rest = y == -1 ? 0 : x % y;
        crd_onnx_set_int(out, i, !is_fmod && rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest);
    }
    return CRD_OK;
}

CRD_ONNX_EVAL(shift)
{
    bool is_left = crd_onnx_attr_text(call->node, "direction", "LEFT")[0] == 'L';
    crd_onnx_tensor *out = call->out[0].tensor;
    int64_t strides[2][CRD_MAX_DIMS];
    for (int k = 0; k < 2; k++)
        crd_onnx_strides_to(strides[k], &call->in[k].shape, &out->shape);
    for (int64_t i = 0; i < out->count; i++) {
        uint64_t x = (uint64_t)crd_onnx_get_int(call->in[0].constant,
                                                crd_onnx_place(i, &out->shape, strides[0]));
        uint64_t by = (uint64_t)crd_onnx_get_int(call->in[1].constant,
                                                 crd_onnx_place(i, &out->shape, strides[1]));
        crd_onnx_set_int(out, i, by > 63 ? 0 : (int64_t)(is_left ? x << by : x >> by));
    }
    return CRD_OK;
}

CRD_ONNX_SHAPE(where)
{
    call->out[0].type = call->in[1].type;
    return crd_onnx_shape_broadcast(call);
}

CRD_ONNX_EVAL(where)
{
    crd_onnx_tensor *out = call->out[0].tensor;
    int64_t strides[3][CRD_MAX_DIMS];
    for (int k = 0; k < 3; k++)
        crd_onnx_strides_to(strides[k], &call->in[k].shape, &out->shape);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at = crd_onnx_place(i, &out->shape, strides[0]);
        int k = crd_onnx_get_int(call->in[0].constant, at) != 0 ? 1 : 2;
        crd_onnx_copy(out, i, call->in[k].constant, crd_onnx_place(i, &out->shape, strides[k]));
    }
    return CRD_OK;
}

CRD_ONNX_SHAPE(cast)
{
    call->out[0].type = (crd_onnx_type)crd_onnx_attr_int(call->node, "to", 0);
    return crd_onnx_shape_same(call);
}

CRD_ONNX_SHAPE(cast_like)
{
    call->out[0].type = call->in[1].type;
    return crd_onnx_shape_same(call);
}

CRD_ONNX_EVAL(cast)
{
    const crd_onnx_tensor *in = call->in[0].constant;
    crd_onnx_tensor *out = call->out[0].tensor;
    for (int64_t i = 0; i < in->count; i++) {
        if (crd_onnx_type_is_real(in->type) || crd_onnx_type_is_real(out->type) ||
            out->type == CRD_ONNX_BOOL)
            crd_onnx_set(out, i, crd_onnx_get(in, i));
        else
            crd_onnx_set_int(out, i, crd_onnx_get_int(in, i));
    }
    return CRD_OK;
}

/* Bounds are attributes before opset 11, inputs since; NULL: none. */
CRD_ONNX_EVAL(clip)
{
    const crd_onnx_tensor *in = call->in[0].constant;
    double low = crd_onnx_attr_real(call->node, "min", -INFINITY);
    double high = crd_onnx_attr_real(call->node, "max", INFINITY);
    for (int k = 1; k < 3 && k < call->n_in; k++)
        if (call->in[k].constant != NULL && call->in[k].constant->count == 1)
            *(k == 1 ? &low : &high) = crd_onnx_get(call->in[k].constant, 0);
    for (int64_t i = 0; i < in->count; i++) {
        double x = crd_onnx_get(in, i);
        x = x < low ? low : x;
        if (x > high)
            crd_onnx_set(call->out[0].tensor, i, high);
        else if (x == low)
            crd_onnx_set(call->out[0].tensor, i, low);
        else
            crd_onnx_copy(call->out[0].tensor, i, in, i);
    }
    return CRD_OK;
}

CRD_ONNX_SHAPE(boolean)
{
    call->out[0].type = CRD_ONNX_BOOL;
    return crd_onnx_shape_same(call);
}

CRD_ONNX_EVAL(is_inf)
{
    bool down = crd_onnx_attr_int(call->node, "detect_negative", 1) != 0;
    bool up = crd_onnx_attr_int(call->node, "detect_positive", 1) != 0;
    for (int64_t i = 0; i < call->out[0].tensor->count; i++) {
        double x = crd_onnx_get(call->in[0].constant, i);
        crd_onnx_set_int(call->out[0].tensor, i, isinf(x) && (x > 0 ? up : down));
    }
    return CRD_OK;
}

CRD_ONNX_EVAL(gelu)
{
    bool by_tanh = crd_onnx_attr_text(call->node, "approximate", "none")[0] == 't';
    for (int64_t i = 0; i < call->out[0].tensor->count; i++) {
        double x = crd_onnx_get(call->in[0].constant, i);
        double g = by_tanh ? tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x))
                           : erf(x / sqrt(2));
        crd_onnx_set(call->out[0].tensor, i, x * (1 + g) / 2);
    }
    return CRD_OK;
}

CRD_ONNX_SHAPE(dropout)
{
    if (call->n_out > 1)
        call->out[1].type = call->opset < 10 ? call->in[0].type : CRD_ONNX_BOOL;
    return crd_onnx_shape_same(call);
}

CRD_ONNX_EVAL(dropout)
{
    const crd_onnx_tensor *trains = call->n_in > 2 ? call->in[2].constant : NULL;
    const crd_onnx_tensor *ratio = call->n_in > 1 ? call->in[1].constant : NULL;
    double p = ratio != NULL && ratio->count == 1 ? crd_onnx_get(ratio, 0) : 0.5;
    if (trains != NULL && trains->count == 1 && crd_onnx_get_int(trains, 0) != 0 && p != 0)
        return CRD_ONNX_FAIL("%s", "training_mode");
    for (int64_t i = 0; call->n_out > 1 && i < call->out[1].tensor->count; i++)
        crd_onnx_set_int(call->out[1].tensor, i, 1);
    return crd_onnx_eval_same(call);
}
