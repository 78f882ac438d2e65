/* Indexing: every index is checked against its extent before it is used. */
#include "import/onnx/onnx_index.h"

#include "base/integers.h"

/* An index from -n to n - 1 as one from 0. */
static crd_status index_of(int64_t *out, const crd_onnx_tensor *indices, int64_t i, int64_t n)
{
    int64_t index = crd_onnx_get_int(indices, i);
    *out = 0;
    if (index < -n || index >= n)
        return CRD_ONNX_FAIL("index %lld lies outside of %lld elements", (long long)index,
                             (long long)n);
    *out = index < 0 ? index + n : index;
    return CRD_OK;
}

static crd_status axis_of(int *axis, const crd_onnx_call *call, int64_t fallback)
{
    return crd_onnx_axis(axis, crd_onnx_attr_int(call->node, "axis", fallback),
                         call->in[0].shape.n_dims);
}

CRD_ONNX_SHAPE(gather)
{
    int axis;
    crd_status status = axis_of(&axis, call, 0);
    const crd_shape *in = &call->in[0].shape, *indices = &call->in[1].shape;
    if (status != CRD_OK)
        return status;
    if (in->n_dims - 1 + indices->n_dims > CRD_MAX_DIMS)
        return CRD_ONNX_FAIL("more than %d extents", CRD_MAX_DIMS);
    crd_shape out = {0};
    for (int d = 0; d < axis; d++)
        out.dims[out.n_dims++] = in->dims[d];
    for (int d = 0; d < indices->n_dims; d++)
        out.dims[out.n_dims++] = indices->dims[d];
    for (int d = axis + 1; d < in->n_dims; d++)
        out.dims[out.n_dims++] = in->dims[d];
    call->out[0].shape = out;
    return CRD_OK;
}

CRD_ONNX_EVAL(gather)
{
    crd_status status = CRD_OK;
    int axis;
    const crd_onnx_tensor *indices = call->in[1].constant;
    CRD_TRY(axis_of(&axis, call, 0));
    const crd_onnx_rows in = crd_onnx_rows_of(&call->in[0].shape, axis);
    for (int64_t k = 0; k < indices->count && call->out[0].tensor->count > 0; k++) {
        int64_t index;
        CRD_TRY(index_of(&index, indices, k, in.extent));
        for (int64_t i = 0; i < in.before * in.after; i++) {
            int64_t before = i / in.after, after = i % in.after;
            crd_onnx_copy(call->out[0].tensor, (before * indices->count + k) * in.after + after,
                          call->in[0].constant, (before * in.extent + index) * in.after + after);
        }
    }
cleanup:
    return status;
}

CRD_ONNX_SHAPE(gather_elements)
{
    call->out[0].shape = call->in[1].shape;
    return CRD_OK;
}

/* Whether `part` is nowhere larger than `whole`, but along `axis`. */
static bool lies_within(const crd_shape *part, const crd_shape *whole, int axis)
{
    bool fits = part->n_dims == whole->n_dims;
    for (int d = 0; fits && d < whole->n_dims; d++)
        fits = d == axis || part->dims[d] <= whole->dims[d];
    return fits;
}

/* Place in an array of element i of `indices` if its coordinate along `axis` is the index. */
static crd_status place_along(int64_t *out, const crd_onnx_tensor *indices, int64_t i,
                              const crd_shape *whole, int axis)
{
    int64_t strides[CRD_MAX_DIMS], index;
    crd_onnx_strides(strides, whole);
    crd_status status = index_of(&index, indices, i, whole->dims[axis]);
    int64_t step = strides[axis];
    strides[axis] = 0;
    if (status == CRD_OK)
        *out = crd_onnx_place(i, &indices->shape, strides) + index * step;
    return status;
}

CRD_ONNX_EVAL(gather_elements)
{
    crd_status status = CRD_OK;
    int axis;
    const crd_onnx_tensor *in = call->in[0].constant, *indices = call->in[1].constant;
    CRD_TRY(axis_of(&axis, call, 0));
    if (!lies_within(&indices->shape, &in->shape, axis))
        CRD_TRY(CRD_ONNX_FAIL("%s", "its indices do not fit its input"));
    for (int64_t i = 0; i < indices->count; i++) {
        int64_t at;
        CRD_TRY(place_along(&at, indices, i, &in->shape, axis));
        crd_onnx_copy(call->out[0].tensor, i, in, at);
    }
cleanup:
    return status;
}

/* What reductions do with what is there; 'n' replaces it. */
static void put(crd_onnx_tensor *out, int64_t to, const crd_onnx_tensor *in, int64_t from,
                const char *reduction)
{
    double a = crd_onnx_get(out, to), b = crd_onnx_get(in, from);
    if (reduction[0] == 'n')
        crd_onnx_copy(out, to, in, from);
    else
        crd_onnx_set(out, to,
                     reduction[0] == 'a'                ? a + b
                     : reduction[1] == 'u'              ? a * b
                     : (reduction[1] == 'a') == (a > b) ? a
                                                        : b);
}

static void copy_all(crd_onnx_tensor *out, const crd_onnx_tensor *in)
{
    for (int64_t i = 0; i < in->count; i++)
        crd_onnx_copy(out, i, in, i);
}

CRD_ONNX_EVAL(scatter_elements)
{
    crd_status status = CRD_OK;
    int axis;
    crd_onnx_tensor *out = call->out[0].tensor;
    const crd_onnx_tensor *indices = call->in[1].constant, *updates = call->in[2].constant;
    const char *reduction = crd_onnx_attr_text(call->node, "reduction", "none");
    CRD_TRY(axis_of(&axis, call, 0));
    copy_all(out, call->in[0].constant);
    if (!crd_shape_equal(&indices->shape, &updates->shape) || updates->type != out->type ||
        !lies_within(&indices->shape, &out->shape, axis))
        CRD_TRY(CRD_ONNX_FAIL("%s", "its indices and updates do not fit"));
    for (int64_t i = 0; i < indices->count; i++) {
        int64_t at;
        CRD_TRY(place_along(&at, indices, i, &out->shape, axis));
        put(out, at, updates, i, reduction);
    }
cleanup:
    return status;
}

/* Tuples of n indices address runs of the rest, after `batch` extents that both have. */
typedef struct tuples {
    int64_t n, run, n_tuples, tuples_a_batch, batch_stride;
    int batch;
} tuples;

static crd_status tuples_of(tuples *out, const crd_shape *data, const crd_shape *indices,
                            int64_t batch)
{
    if (indices->n_dims < 1 || batch < 0 || batch >= indices->n_dims || batch >= data->n_dims)
        return CRD_ONNX_FAIL("%s", "its indices do not fit its input");
    *out = (tuples){.n = indices->dims[indices->n_dims - 1],
                    .run = 1,
                    .n_tuples = 1,
                    .tuples_a_batch = 1,
                    .batch_stride = 1,
                    .batch = (int)batch};
    if (out->n + batch > data->n_dims)
        return CRD_ONNX_FAIL("%s", "its indices do not fit its input");
    for (int d = 0; d < indices->n_dims - 1; d++) {
        out->n_tuples *= indices->dims[d];
        out->tuples_a_batch *= d < batch ? 1 : indices->dims[d];
        if (d < batch && indices->dims[d] != data->dims[d])
            return CRD_ONNX_FAIL("%s", "its indices do not fit its input");
    }
    for (int d = (int)batch; d < data->n_dims; d++)
        out->batch_stride *= data->dims[d];
    for (int d = (int)(batch + out->n); d < data->n_dims; d++)
        out->run *= data->dims[d];
    return CRD_OK;
}

/* First element of the run that a tuple addresses. */
static crd_status run_of(int64_t *out, const tuples *t, int64_t tuple,
                         const crd_onnx_tensor *indices, const crd_shape *data)
{
    crd_status status = CRD_OK;
    int64_t at = 0;
    for (int64_t k = 0; k < t->n; k++) {
        int64_t index, extent = data->dims[t->batch + k];
        CRD_TRY(index_of(&index, indices, tuple * t->n + k, extent));
        at = at * extent + index;
    }
    *out = tuple / t->tuples_a_batch * t->batch_stride + at * t->run;
cleanup:
    return status;
}

CRD_ONNX_SHAPE(gather_nd)
{
    tuples t;
    const crd_shape *data = &call->in[0].shape, *indices = &call->in[1].shape;
    crd_status status =
        tuples_of(&t, data, indices, crd_onnx_attr_int(call->node, "batch_dims", 0));
    if (status != CRD_OK)
        return status;
    crd_shape out = *indices;
    out.n_dims--;
    for (int d = (int)(t.batch + t.n); d < data->n_dims; d++) {
        if (out.n_dims == CRD_MAX_DIMS)
            return CRD_ONNX_FAIL("more than %d extents", CRD_MAX_DIMS);
        out.dims[out.n_dims++] = data->dims[d];
    }
    call->out[0].shape = out;
    return CRD_OK;
}

CRD_ONNX_EVAL(gather_nd)
{
    crd_status status = CRD_OK;
    tuples t;
    const crd_onnx_tensor *data = call->in[0].constant, *indices = call->in[1].constant;
    CRD_TRY(tuples_of(&t, &data->shape, &indices->shape,
                      crd_onnx_attr_int(call->node, "batch_dims", 0)));
    for (int64_t k = 0; k < t.n_tuples && call->out[0].tensor->count > 0; k++) {
        int64_t first;
        CRD_TRY(run_of(&first, &t, k, indices, &data->shape));
        for (int64_t i = 0; i < t.run; i++)
            crd_onnx_copy(call->out[0].tensor, k * t.run + i, data, first + i);
    }
cleanup:
    return status;
}

CRD_ONNX_EVAL(scatter_nd)
{
    crd_status status = CRD_OK;
    tuples t;
    crd_onnx_tensor *out = call->out[0].tensor;
    const crd_onnx_tensor *indices = call->in[1].constant, *updates = call->in[2].constant;
    const char *reduction = crd_onnx_attr_text(call->node, "reduction", "none");
    CRD_TRY(tuples_of(&t, &out->shape, &indices->shape, 0));
    copy_all(out, call->in[0].constant);
    if (updates->type != out->type || updates->count != t.n_tuples * t.run)
        CRD_TRY(CRD_ONNX_FAIL("%s", "its updates do not fit its indices"));
    for (int64_t k = 0; k < t.n_tuples && t.run > 0; k++) {
        int64_t first;
        CRD_TRY(run_of(&first, &t, k, indices, &out->shape));
        for (int64_t i = 0; i < t.run; i++)
            put(out, first + i, updates, k * t.run + i, reduction);
    }
cleanup:
    return status;
}

CRD_ONNX_SHAPE(one_hot)
{
    int axis;
    const crd_shape *in = &call->in[0].shape;
    const crd_onnx_tensor *depth = call->in[1].constant;
    crd_status status =
        crd_onnx_axis(&axis, crd_onnx_attr_int(call->node, "axis", -1), in->n_dims + 1);
    call->out[0].type = call->in[2].type;
    if (status != CRD_OK || depth == NULL)
        return status;
    if (depth->count != 1 || in->n_dims == CRD_MAX_DIMS)
        return CRD_ONNX_FAIL("%s", "depth is not one number, or it has too many extents");
    call->out[0].shape.n_dims = in->n_dims + 1;
    for (int d = 0, k = 0; d <= in->n_dims; d++)
        call->out[0].shape.dims[d] = d == axis ? crd_onnx_get_int(depth, 0) : in->dims[k++];
    return CRD_OK;
}

CRD_ONNX_EVAL(one_hot)
{
    int axis;
    crd_onnx_tensor *out = call->out[0].tensor;
    const crd_onnx_tensor *values = call->in[2].constant;
    crd_status status =
        crd_onnx_axis(&axis, crd_onnx_attr_int(call->node, "axis", -1), out->shape.n_dims);
    if (status == CRD_OK && values->count != 2)
        status = CRD_ONNX_FAIL("%s", "values are not two numbers");
    const crd_onnx_rows rows = crd_onnx_rows_of(&out->shape, axis);
    for (int64_t i = 0; status == CRD_OK && i < out->count; i++) {
        int64_t after = i % rows.after, k = i / rows.after % rows.extent;
        int64_t at = i / rows.after / rows.extent * rows.after + after;
        int64_t hot = crd_onnx_get_int(call->in[0].constant, at);
        crd_onnx_copy(out, i, values, (hot < 0 ? hot + rows.extent : hot) == k);
    }
    return status;
}

/* Without an axis the input is one row. */
static crd_status compress_rows(crd_onnx_rows *rows, int *axis, const crd_onnx_call *call)
{
    crd_status status = CRD_OK;
    *axis = -1;
    *rows = (crd_onnx_rows){1, crd_shape_count(&call->in[0].shape), 1};
    if (crd_onnx_attr_find(call->node, "axis") == NULL)
        return status;
    status = axis_of(axis, call, 0);
    if (status == CRD_OK)
        *rows = crd_onnx_rows_of(&call->in[0].shape, *axis);
    return status;
}

CRD_ONNX_SHAPE(compress)
{
    int axis;
    crd_onnx_rows rows;
    const crd_onnx_tensor *condition = call->in[1].constant;
    crd_status status = compress_rows(&rows, &axis, call);
    if (status != CRD_OK || condition == NULL)
        return status;
    int64_t n = 0;
    for (int64_t k = 0; k < condition->count && k < rows.extent; k++)
        n += crd_onnx_get_int(condition, k) != 0;
    call->out[0].shape = axis < 0 ? crd_shape_make(1, n) : call->in[0].shape;
    if (axis >= 0)
        call->out[0].shape.dims[axis] = n;
    return CRD_OK;
}

CRD_ONNX_EVAL(compress)
{
    int axis;
    crd_onnx_rows rows;
    const crd_onnx_tensor *condition = call->in[1].constant;
    crd_onnx_tensor *out = call->out[0].tensor;
    crd_status status = compress_rows(&rows, &axis, call);
    if (status != CRD_OK || rows.before * rows.after == 0)
        return status;
    int64_t n = out->count / (rows.before * rows.after), to = 0;
    for (int64_t k = 0; k < condition->count && k < rows.extent; k++) {
        if (crd_onnx_get_int(condition, k) == 0)
            continue;
        for (int64_t i = 0; i < rows.before * rows.after; i++)
            crd_onnx_copy(out, (i / rows.after * n + to) * rows.after + i % rows.after,
                          call->in[0].constant,
                          (i / rows.after * rows.extent + k) * rows.after + i % rows.after);
        to++;
    }
    return CRD_OK;
}

CRD_ONNX_SHAPE(non_zero)
{
    const crd_onnx_tensor *in = call->in[0].constant;
    int64_t n = 0;
    call->out[0].type = CRD_ONNX_INT64;
    if (in == NULL)
        return CRD_OK;
    for (int64_t i = 0; i < in->count; i++)
        n += crd_onnx_get(in, i) != 0;
    call->out[0].shape = crd_shape_make(2, in->shape.n_dims, n);
    return CRD_OK;
}

CRD_ONNX_EVAL(non_zero)
{
    const crd_onnx_tensor *in = call->in[0].constant;
    crd_onnx_tensor *out = call->out[0].tensor;
    int64_t n = out->shape.dims[1], column = 0;
    for (int64_t i = 0; i < in->count; i++) {
        int64_t rest = i;
        if (crd_onnx_get(in, i) == 0)
            continue;
        for (int d = in->shape.n_dims - 1; d >= 0; d--) {
            out->i[d * n + column] = rest % in->shape.dims[d];
            rest /= in->shape.dims[d];
        }
        column++;
    }
    return CRD_OK;
}

/* k is an attribute before opset 10. */
CRD_ONNX_SHAPE(top_k)
{
    int axis;
    crd_status status = axis_of(&axis, call, -1);
    int64_t k = crd_onnx_attr_int(call->node, "k", -1);
    if (status == CRD_OK && call->n_in > 1 && call->in[1].constant != NULL &&
        call->in[1].constant->count == 1)
        k = crd_onnx_get_int(call->in[1].constant, 0);
    if (status != CRD_OK || k < 0 || call->n_out != 2)
        return status;
    if (k > call->in[0].shape.dims[axis])
        return CRD_ONNX_FAIL("k is %lld of %lld", (long long)k,
                             (long long)call->in[0].shape.dims[axis]);
    for (int i = 0; i < 2; i++) {
        call->out[i].shape = call->in[0].shape;
        call->out[i].shape.dims[axis] = k;
    }
    call->out[1].type = CRD_ONNX_INT64;
    return CRD_OK;
}

/* The next after element `last` in descending order (sign 1), the first index of equal ones first;
 * -1: none. */
static int64_t next_of(const crd_onnx_tensor *in, int64_t first, const crd_onnx_rows *rows,
                       int64_t last, double sign)
{
    int64_t best = -1;
    for (int64_t k = 0; k < rows->extent; k++) {
        double x = sign * crd_onnx_get(in, first + k * rows->after);
        double bound = last < 0 ? 0 : sign * crd_onnx_get(in, first + last * rows->after);
        if (last >= 0 && !(x < bound || (x == bound && k > last)))
            continue;
        if (best < 0 || x > sign * crd_onnx_get(in, first + best * rows->after))
            best = k;
    }
    return best;
}

CRD_ONNX_EVAL(top_k)
{
    int axis;
    const crd_onnx_tensor *in = call->in[0].constant;
    crd_status status = axis_of(&axis, call, -1);
    double sign = crd_onnx_attr_int(call->node, "largest", 1) != 0 ? 1 : -1;
    if (status != CRD_OK)
        return status;
    const crd_onnx_rows rows = crd_onnx_rows_of(&in->shape, axis);
    int64_t k = call->out[0].shape.dims[axis];
    for (int64_t i = 0; i < rows.before * rows.after; i++) {
        int64_t last = -1, first = i / rows.after * rows.extent * rows.after + i % rows.after;
        for (int64_t j = 0; j < k; j++) {
            int64_t to = (i / rows.after * k + j) * rows.after + i % rows.after;
            last = next_of(in, first, &rows, last, sign);
            if (last < 0)
                return CRD_ONNX_FAIL("%s", "its input has values that have no order");
            crd_onnx_copy(call->out[0].tensor, to, in, first + last * rows.after);
            call->out[1].tensor->i[to] = last;
        }
    }
    return CRD_OK;
}
