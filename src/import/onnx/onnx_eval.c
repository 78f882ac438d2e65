/* Helpers that evaluations share: axes, strides, broadcasting, lists of integers. */
#include "import/onnx/onnx_operators.h"

crd_status crd_onnx_axis(int *out, int64_t axis, int n)
{
    if (axis < -n || axis >= n)
        return CRD_ONNX_FAIL("axis is %lld, allowed are %d to %d", (long long)axis, -n, n - 1);
    *out = (int)(axis < 0 ? axis + n : axis);
    return CRD_OK;
}

crd_status crd_onnx_broadcast(crd_shape *out, const crd_shape *b)
{
    crd_shape a = *out;
    int n = a.n_dims > b->n_dims ? a.n_dims : b->n_dims;
    out->n_dims = n;
    for (int d = 1; d <= n; d++) {
        int64_t x = d <= a.n_dims ? a.dims[a.n_dims - d] : 1;
        int64_t y = d <= b->n_dims ? b->dims[b->n_dims - d] : 1;
        if (x != y && x != 1 && y != 1) {
            char s[CRD_SHAPE_TEXT_SIZE], t[CRD_SHAPE_TEXT_SIZE];
            return CRD_ONNX_FAIL("shapes %s and %s do not fit together", crd_shape_text(s, &a),
                                 crd_shape_text(t, b));
        }
        out->dims[n - d] = x == 1 ? y : x;
    }
    return CRD_OK;
}

void crd_onnx_strides(int64_t out[CRD_MAX_DIMS], const crd_shape *shape)
{
    int64_t stride = 1;
    for (int d = shape->n_dims - 1; d >= 0; d--) {
        out[d] = stride;
        stride *= shape->dims[d];
    }
}

void crd_onnx_strides_to(int64_t out[CRD_MAX_DIMS], const crd_shape *from, const crd_shape *to)
{
    int64_t own[CRD_MAX_DIMS];
    int lead = to->n_dims - from->n_dims;
    crd_onnx_strides(own, from);
    for (int d = 0; d < to->n_dims; d++)
        out[d] = d < lead || from->dims[d - lead] == 1 ? 0 : own[d - lead];
}

int64_t crd_onnx_place(int64_t i, const crd_shape *shape, const int64_t strides[CRD_MAX_DIMS])
{
    int64_t place = 0;
    for (int d = shape->n_dims - 1; d >= 0; d--) {
        place += i % shape->dims[d] * strides[d];
        i /= shape->dims[d];
    }
    return place;
}

crd_status crd_onnx_integers(int64_t *out, int *n, const crd_onnx_call *call, const char *attr,
                             int k, int most)
{
    const crd_onnx_attr *given = crd_onnx_attr_find(call->node, attr);
    const crd_onnx_tensor *constant = k < call->n_in ? call->in[k].constant : NULL;
    *n = -1;
    if (given == NULL && k < call->n_in && call->in[k].is_given && constant == NULL) {
        *n = -2;
        return CRD_OK;
    }
    if (given == NULL && constant == NULL)
        return CRD_OK;
    int64_t count = given != NULL ? given->n : constant->count;
    bool is_real = given != NULL ? given->floats != NULL : crd_onnx_type_is_real(constant->type);
    if (count > most || is_real)
        return CRD_ONNX_FAIL("%s has %lld numbers, allowed are %d integers", attr, (long long)count,
                             most);
    for (int64_t i = 0; i < count; i++)
        out[i] = given == NULL ? constant->i[i] : given->ints[i];
    *n = (int)count;
    return CRD_OK;
}

crd_onnx_rows crd_onnx_rows_of(const crd_shape *shape, int axis)
{
    crd_onnx_rows rows = {1, 1, 1};
    for (int d = 0; d < shape->n_dims; d++)
        *(d < axis ? &rows.before : d == axis ? &rows.extent : &rows.after) *= shape->dims[d];
    return rows;
}
