/* Movements of elements: each says where an element of the output comes from, by strides. */
#include "import/onnx/onnx_movement.h"

#include <math.h>
#include <string.h>

#include "base/integers.h"

static const crd_shape unknown = {.n_dims = -1};

/* Shape has attributes start and end since opset 15. */
static crd_status shape_range(int *start, int *end, const crd_onnx_call *call)
{
    int n = call->in[0].shape.n_dims;
    int64_t first = crd_onnx_attr_int(call->node, "start", 0);
    int64_t last = crd_onnx_attr_int(call->node, "end", n);
    first = first < 0 ? crd_larger(first + n, 0) : crd_smaller(first, n);
    last = last < 0 ? crd_larger(last + n, 0) : crd_smaller(last, n);
    *start = (int)first;
    *end = (int)crd_larger(first, last);
    return CRD_OK;
}

CRD_ONNX_SHAPE(shape)
{
    int start, end;
    crd_status status = shape_range(&start, &end, call);
    call->out[0].type = CRD_ONNX_INT64;
    call->out[0].shape = crd_shape_make(1, end - start);
    return status;
}

CRD_ONNX_EVAL(shape)
{
    int start, end;
    crd_status status = shape_range(&start, &end, call);
    for (int d = start; d < end; d++)
        call->out[0].tensor->i[d - start] = call->in[0].shape.dims[d];
    return status;
}

CRD_ONNX_SHAPE(size)
{
    call->out[0].type = CRD_ONNX_INT64;
    call->out[0].shape = (crd_shape){0};
    return CRD_OK;
}

CRD_ONNX_EVAL(size)
{
    call->out[0].tensor->i[0] = crd_shape_count(&call->in[0].shape);
    return CRD_OK;
}

/* 0 keeps an extent, unless allowzero; one may be -1: what remains. */
CRD_ONNX_SHAPE(reshape)
{
    crd_status status = CRD_OK;
    crd_shape to = {0};
    const crd_shape *from = &call->in[0].shape;
    int64_t known = 1, count = crd_shape_count(from);
    int open = -1;
    CRD_TRY(crd_onnx_integers(to.dims, &to.n_dims, call, "shape", 1, CRD_MAX_DIMS));
    if (to.n_dims < 0)
        goto cleanup;
    bool keeps = crd_onnx_attr_int(call->node, "allowzero", 0) == 0;
    for (int d = 0; d < to.n_dims; d++) {
        if (to.dims[d] == 0 && keeps && d < from->n_dims)
            to.dims[d] = from->dims[d];
        if (to.dims[d] == -1 && open < 0)
            open = d;
        else if (to.dims[d] < 0 || __builtin_mul_overflow(known, to.dims[d], &known))
            CRD_TRY(CRD_ONNX_FAIL("shape has %lld", (long long)to.dims[d]));
    }
    if (open >= 0)
        to.dims[open] = known == 0 ? 0 : count / known;
    if (crd_shape_count(&to) != count) {
        char a[CRD_SHAPE_TEXT_SIZE], b[CRD_SHAPE_TEXT_SIZE];
        CRD_TRY(CRD_ONNX_FAIL("shape %s does not become %s", crd_shape_text(a, from),
                              crd_shape_text(b, &to)));
    }
    call->out[0].shape = to;
cleanup:
    return status;
}

CRD_ONNX_SHAPE(flatten)
{
    int64_t axis = crd_onnx_attr_int(call->node, "axis", 1);
    const crd_shape *in = &call->in[0].shape;
    int64_t before = 1, after = 1;
    if (axis < -in->n_dims || axis > in->n_dims)
        return CRD_ONNX_FAIL("axis is %lld", (long long)axis);
    axis = axis < 0 ? axis + in->n_dims : axis;
    for (int d = 0; d < in->n_dims; d++)
        *(d < axis ? &before : &after) *= in->dims[d];
    call->out[0].shape = crd_shape_make(2, before, after);
    return CRD_OK;
}

crd_status crd_onnx_marked_axes(bool marks[CRD_MAX_DIMS], int *n, const crd_onnx_call *call,
                                int rank)
{
    crd_status status = CRD_OK;
    int64_t axes[CRD_MAX_DIMS];
    for (int d = 0; d < CRD_MAX_DIMS; d++)
        marks[d] = false;
    CRD_TRY(crd_onnx_integers(axes, n, call, "axes", 1, CRD_MAX_DIMS));
    for (int k = 0; k < *n; k++) {
        int axis;
        CRD_TRY(crd_onnx_axis(&axis, axes[k], rank));
        if (marks[axis])
            CRD_TRY(CRD_ONNX_FAIL("axis %d is there twice", axis));
        marks[axis] = true;
    }
cleanup:
    return status;
}

CRD_ONNX_SHAPE(squeeze)
{
    crd_status status = CRD_OK;
    bool marks[CRD_MAX_DIMS];
    const crd_shape *in = &call->in[0].shape;
    crd_shape out = {0};
    int n;
    CRD_TRY(crd_onnx_marked_axes(marks, &n, call, in->n_dims));
    if (n == -2)
        goto cleanup;
    for (int d = 0; d < in->n_dims; d++) {
        if (n >= 0 ? !marks[d] : in->dims[d] != 1)
            out.dims[out.n_dims++] = in->dims[d];
        else if (in->dims[d] != 1)
            CRD_TRY(CRD_ONNX_FAIL("axis %d has %lld elements, not 1", d, (long long)in->dims[d]));
    }
    call->out[0].shape = out;
cleanup:
    return status;
}

CRD_ONNX_SHAPE(unsqueeze)
{
    crd_status status = CRD_OK;
    bool marks[CRD_MAX_DIMS];
    int64_t axes[CRD_MAX_DIMS];
    const crd_shape *in = &call->in[0].shape;
    crd_shape out;
    int n;
    CRD_TRY(crd_onnx_integers(axes, &n, call, "axes", 1, CRD_MAX_DIMS));
    if (n < 0)
        goto cleanup;
    if (in->n_dims + n > CRD_MAX_DIMS)
        CRD_TRY(CRD_ONNX_FAIL("more than %d extents", CRD_MAX_DIMS));
    CRD_TRY(crd_onnx_marked_axes(marks, &n, call, in->n_dims + n));
    out.n_dims = in->n_dims + n;
    for (int d = 0, k = 0; d < out.n_dims; d++)
        out.dims[d] = marks[d] ? 1 : in->dims[k++];
    call->out[0].shape = out;
cleanup:
    return status;
}

/* The attribute of a Constant: a tensor, or numbers in one of four forms. */
static const crd_onnx_attr *constant_attr(const crd_onnx_node *node)
{
    static const char *const forms[] = {"value", "value_int", "value_float", "value_ints",
                                        "value_floats"};
    const crd_onnx_attr *attr = NULL;
    for (size_t i = 0; attr == NULL && i < sizeof forms / sizeof *forms; i++)
        attr = crd_onnx_attr_find(node, forms[i]);
    return attr;
}

CRD_ONNX_SHAPE(constant)
{
    const crd_onnx_attr *attr = constant_attr(call->node);
    if (attr == NULL || (strcmp(attr->name, "value") == 0 && attr->tensor == NULL))
        return CRD_ONNX_FAIL("%s", "its value has a form that is not supported");
    bool is_list = attr->name[strlen(attr->name) - 1] == 's';
    call->out[0].type = strstr(attr->name, "int") != NULL ? CRD_ONNX_INT64 : CRD_ONNX_FLOAT;
    call->out[0].shape = is_list ? crd_shape_make(1, attr->n) : (crd_shape){0};
    if (attr->tensor != NULL) {
        call->out[0].type = attr->tensor->type;
        call->out[0].shape = attr->tensor->shape;
    }
    return CRD_OK;
}

CRD_ONNX_EVAL(constant)
{
    const crd_onnx_attr *attr = constant_attr(call->node);
    crd_onnx_tensor *out = call->out[0].tensor;
    for (int64_t i = 0; i < out->count; i++) {
        if (attr->tensor != NULL)
            crd_onnx_copy(out, i, attr->tensor, i);
        else if (attr->ints != NULL)
            crd_onnx_set_int(out, i, attr->ints[i]);
        else if (attr->floats != NULL)
            crd_onnx_set(out, i, attr->floats[i]);
        else if (out->type == CRD_ONNX_INT64)
            out->i[i] = attr->i;
        else
            crd_onnx_set(out, i, attr->f);
    }
    return CRD_OK;
}

CRD_ONNX_SHAPE(constant_of_shape)
{
    const crd_onnx_attr *value = crd_onnx_attr_find(call->node, "value");
    crd_shape shape;
    crd_status status = crd_onnx_integers(shape.dims, &shape.n_dims, call, "", 0, CRD_MAX_DIMS);
    call->out[0].type =
        value != NULL && value->tensor != NULL ? value->tensor->type : CRD_ONNX_FLOAT;
    if (status == CRD_OK && shape.n_dims >= 0)
        call->out[0].shape = shape;
    return status;
}

CRD_ONNX_EVAL(constant_of_shape)
{
    const crd_onnx_attr *value = crd_onnx_attr_find(call->node, "value");
    if (value == NULL || value->tensor == NULL)
        return CRD_OK;
    if (value->tensor->count != 1)
        return CRD_ONNX_FAIL("%s", "value is not one number");
    for (int64_t i = 0; i < call->out[0].tensor->count; i++)
        crd_onnx_copy(call->out[0].tensor, i, value->tensor, 0);
    return CRD_OK;
}

CRD_ONNX_SHAPE(range)
{
    double x[3];
    for (int k = 0; k < 3; k++) {
        if (call->in[k].constant == NULL || call->in[k].constant->count != 1)
            return CRD_OK;
        x[k] = crd_onnx_get(call->in[k].constant, 0);
    }
    double n = ceil((x[1] - x[0]) / x[2]);
    if (!(fabs(n) < 0x1p40))
        return CRD_ONNX_FAIL("%s", "its step leads nowhere");
    call->out[0].shape = crd_shape_make(1, n < 0 ? 0 : (int64_t)n);
    return CRD_OK;
}

CRD_ONNX_EVAL(range)
{
    const crd_onnx_tensor *start = call->in[0].constant, *step = call->in[2].constant;
    crd_onnx_tensor *out = call->out[0].tensor;
    uint64_t first = (uint64_t)crd_onnx_get_int(start, 0);
    uint64_t whole_step = (uint64_t)crd_onnx_get_int(step, 0);
    for (int64_t i = 0; i < out->count; i++) {
        if (crd_onnx_type_is_real(out->type))
            crd_onnx_set(out, i, crd_onnx_get(start, 0) + (double)i * crd_onnx_get(step, 0));
        else
            crd_onnx_set_int(out, i, (int64_t)(first + (uint64_t)i * whole_step));
    }
    return CRD_OK;
}

CRD_ONNX_SHAPE(expand)
{
    crd_shape to;
    crd_status status = crd_onnx_integers(to.dims, &to.n_dims, call, "shape", 1, CRD_MAX_DIMS);
    if (status != CRD_OK || to.n_dims < 0)
        return status;
    status = crd_onnx_broadcast(&to, &call->in[0].shape);
    call->out[0].shape = to;
    return status;
}

CRD_ONNX_EVAL(expand)
{
    int64_t strides[CRD_MAX_DIMS];
    crd_onnx_tensor *out = call->out[0].tensor;
    crd_onnx_strides_to(strides, &call->in[0].shape, &out->shape);
    for (int64_t i = 0; i < out->count; i++)
        crd_onnx_copy(out, i, call->in[0].constant, crd_onnx_place(i, &out->shape, strides));
    return CRD_OK;
}

CRD_ONNX_SHAPE(tile)
{
    int64_t repeats[CRD_MAX_DIMS];
    int n;
    crd_status status = crd_onnx_integers(repeats, &n, call, "repeats", 1, CRD_MAX_DIMS);
    if (status != CRD_OK || n < 0)
        return status;
    crd_shape out = call->in[0].shape;
    for (int d = 0; d < out.n_dims; d++)
        if (n != out.n_dims || repeats[d] < 0 ||
            __builtin_mul_overflow(out.dims[d], repeats[d], &out.dims[d]))
            return CRD_ONNX_FAIL("%s", "repeats does not fit its input");
    call->out[0].shape = out;
    return CRD_OK;
}

CRD_ONNX_EVAL(tile)
{
    int64_t strides[CRD_MAX_DIMS];
    crd_onnx_tensor *out = call->out[0].tensor;
    const crd_shape *in = &call->in[0].shape;
    crd_onnx_strides(strides, in);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t rest = i, at = 0;
        for (int d = out->shape.n_dims - 1; d >= 0; d--) {
            at += rest % out->shape.dims[d] % in->dims[d] * strides[d];
            rest /= out->shape.dims[d];
        }
        crd_onnx_copy(out, i, call->in[0].constant, at);
    }
    return CRD_OK;
}

/* The order of extents; reversed where it is not given. */
static crd_status order_of(int out[CRD_MAX_DIMS], const crd_onnx_call *call)
{
    crd_status status = CRD_OK;
    int n = call->in[0].shape.n_dims, seen = 0;
    const crd_onnx_attr *perm = crd_onnx_attr_find(call->node, "perm");
    if (perm != NULL && (perm->n != n || (n > 0 && perm->ints == NULL)))
        CRD_TRY(
            CRD_ONNX_FAIL("perm has %lld numbers, its input %d extents", (long long)perm->n, n));
    for (int d = 0; d < n; d++) {
        out[d] = n - 1 - d;
        if (perm != NULL)
            CRD_TRY(crd_onnx_axis(&out[d], perm->ints[d], n));
        seen |= 1 << out[d];
    }
    if (seen != (1 << n) - 1)
        CRD_TRY(CRD_ONNX_FAIL("%s", "perm has a number twice"));
cleanup:
    return status;
}

CRD_ONNX_SHAPE(transpose)
{
    int order[CRD_MAX_DIMS];
    crd_status status = order_of(order, call);
    if (status != CRD_OK)
        return status;
    call->out[0].shape.n_dims = call->in[0].shape.n_dims;
    for (int d = 0; d < call->in[0].shape.n_dims; d++)
        call->out[0].shape.dims[d] = call->in[0].shape.dims[order[d]];
    return CRD_OK;
}

CRD_ONNX_EVAL(transpose)
{
    int order[CRD_MAX_DIMS];
    int64_t own[CRD_MAX_DIMS], strides[CRD_MAX_DIMS];
    crd_onnx_tensor *out = call->out[0].tensor;
    crd_status status = order_of(order, call);
    crd_onnx_strides(own, &call->in[0].shape);
    for (int d = 0; status == CRD_OK && d < out->shape.n_dims; d++)
        strides[d] = own[order[d]];
    for (int64_t i = 0; status == CRD_OK && i < out->count; i++)
        crd_onnx_copy(out, i, call->in[0].constant, crd_onnx_place(i, &out->shape, strides));
    return status;
}

CRD_ONNX_SHAPE(concat)
{
    crd_status status = CRD_OK;
    int axis;
    crd_shape out = call->in[0].shape;
    CRD_TRY(crd_onnx_axis(&axis, crd_onnx_attr_int(call->node, "axis", 1), out.n_dims));
    for (int k = 1; k < call->n_in; k++) {
        const crd_shape *in = &call->in[k].shape;
        for (int d = 0; d < out.n_dims; d++)
            if (in->n_dims != out.n_dims || (d != axis && in->dims[d] != out.dims[d]))
                CRD_TRY(CRD_ONNX_FAIL("input %d has another shape", k));
        out.dims[axis] += in->dims[axis];
    }
    call->out[0].shape = out;
cleanup:
    return status;
}

CRD_ONNX_EVAL(concat)
{
    int axis;
    crd_onnx_tensor *out = call->out[0].tensor;
    crd_status status =
        crd_onnx_axis(&axis, crd_onnx_attr_int(call->node, "axis", 1), out->shape.n_dims);
    if (status != CRD_OK)
        return status;
    const crd_onnx_rows all = crd_onnx_rows_of(&out->shape, axis);
    int64_t first = 0;
    for (int k = 0; k < call->n_in; k++) {
        const crd_onnx_rows in = crd_onnx_rows_of(&call->in[k].shape, axis);
        if (call->in[k].constant->type != out->type)
            return CRD_ONNX_FAIL("input %d has another type", k);
        int64_t run = in.extent * in.after;
        for (int64_t i = 0; i < in.before * run; i++)
            crd_onnx_copy(out, i / run * all.extent * all.after + first + i % run,
                          call->in[k].constant, i);
        first += run;
    }
    return CRD_OK;
}

/* Attribute or input `split`; else equal parts, the last one what remains. */
CRD_ONNX_SHAPE(split)
{
    crd_status status = CRD_OK;
    enum { MOST = 1024 };
    int64_t parts[MOST];
    int n, axis;
    const crd_shape *in = &call->in[0].shape;
    CRD_TRY(crd_onnx_axis(&axis, crd_onnx_attr_int(call->node, "axis", 0), in->n_dims));
    CRD_TRY(crd_onnx_integers(parts, &n, call, "split", 1, MOST));
    if (n == -2)
        goto cleanup;
    int64_t rest = in->dims[axis];
    int64_t part = crd_divide_up(rest, call->n_out);
    if (n >= 0 && n != call->n_out)
        CRD_TRY(CRD_ONNX_FAIL("split has %d numbers for %d outputs", n, call->n_out));
    for (int k = 0; k < call->n_out; k++) {
        int64_t extent = n >= 0 ? parts[k] : crd_smaller(part, rest);
        if (extent < 0 || extent > rest)
            CRD_TRY(CRD_ONNX_FAIL("split does not fit %lld elements", (long long)in->dims[axis]));
        rest -= extent;
        call->out[k].type = call->in[0].type;
        call->out[k].shape = *in;
        call->out[k].shape.dims[axis] = extent;
    }
    if (rest != 0)
        CRD_TRY(CRD_ONNX_FAIL("split leaves %lld elements", (long long)rest));
cleanup:
    return status;
}

CRD_ONNX_EVAL(split)
{
    int axis;
    const crd_shape *in = &call->in[0].shape;
    crd_status status = crd_onnx_axis(&axis, crd_onnx_attr_int(call->node, "axis", 0), in->n_dims);
    if (status != CRD_OK)
        return status;
    const crd_onnx_rows all = crd_onnx_rows_of(in, axis);
    int64_t first = 0;
    for (int k = 0; k < call->n_out; k++) {
        crd_onnx_tensor *out = call->out[k].tensor;
        int64_t run = out->shape.dims[axis] * all.after;
        for (int64_t i = 0; i < out->count; i++)
            crd_onnx_copy(out, i, call->in[0].constant,
                          i / run * all.extent * all.after + first + i % run);
        first += run;
    }
    return CRD_OK;
}

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* Cuts one extent of *out. */
static crd_status cut(crd_onnx_part *out, int axis, int64_t start, int64_t end, int64_t step)
{
    int64_t n = out->shape.dims[axis];
    if (step == 0)
        return CRD_ONNX_FAIL("%s", "step is 0");
    start = start < 0 ? (start < -n ? -1 : start + n) : start;
    end = end < 0 ? (end < -n ? -1 : end + n) : end;
    if (step > 0) {
        start = clamp(start, 0, n);
        end = clamp(end, 0, n);
    } else {
        start = clamp(start, -1, n - 1);
        end = clamp(end, -1, n - 1);
    }
    uint64_t by = step > 0 ? (uint64_t)step : (uint64_t)0 - (uint64_t)step;
    int64_t length = step > 0 ? end - start : start - end;
    out->start[axis] = start;
    out->step[axis] = length > 0 && by > (uint64_t)length ? 1 : step;
    out->shape.dims[axis] = length <= 0 ? 0 : (int64_t)(((uint64_t)length - 1) / by) + 1;
    return CRD_OK;
}

crd_status crd_onnx_part_of(crd_onnx_part *out, const crd_onnx_call *call)
{
    crd_status status = CRD_OK;
    int64_t starts[CRD_MAX_DIMS], ends[CRD_MAX_DIMS], axes[CRD_MAX_DIMS], steps[CRD_MAX_DIMS];
    int n, n_ends, n_axes, n_steps;
    out->shape = unknown;
    CRD_TRY(crd_onnx_integers(starts, &n, call, "starts", 1, CRD_MAX_DIMS));
    CRD_TRY(crd_onnx_integers(ends, &n_ends, call, "ends", 2, CRD_MAX_DIMS));
    CRD_TRY(crd_onnx_integers(axes, &n_axes, call, "axes", 3, CRD_MAX_DIMS));
    CRD_TRY(crd_onnx_integers(steps, &n_steps, call, "steps", 4, CRD_MAX_DIMS));
    if (n == -2 || n_ends == -2 || n_axes == -2 || n_steps == -2)
        goto cleanup;
    if (n_ends != n || n < 0 || (n_axes >= 0 && n_axes != n) || (n_steps >= 0 && n_steps != n))
        CRD_TRY(CRD_ONNX_FAIL("%s", "starts, ends, axes and steps differ in length"));
    out->shape = call->in[0].shape;
    for (int d = 0; d < CRD_MAX_DIMS; d++) {
        out->start[d] = 0;
        out->step[d] = 1;
    }
    for (int k = 0; k < n; k++) {
        int axis = k;
        CRD_TRY(crd_onnx_axis(&axis, n_axes >= 0 ? axes[k] : k, out->shape.n_dims));
        CRD_TRY(cut(out, axis, starts[k], ends[k], n_steps >= 0 ? steps[k] : 1));
    }
cleanup:
    return status;
}

CRD_ONNX_SHAPE(slice)
{
    crd_onnx_part part;
    crd_status status = crd_onnx_part_of(&part, call);
    call->out[0].shape = part.shape;
    return status;
}

CRD_ONNX_EVAL(slice)
{
    crd_onnx_part part;
    int64_t own[CRD_MAX_DIMS], strides[CRD_MAX_DIMS], first = 0;
    crd_onnx_tensor *out = call->out[0].tensor;
    crd_status status = crd_onnx_part_of(&part, call);
    crd_onnx_strides(own, &call->in[0].shape);
    for (int d = 0; status == CRD_OK && d < out->shape.n_dims; d++) {
        first += part.start[d] * own[d];
        strides[d] = part.step[d] * own[d];
    }
    for (int64_t i = 0; status == CRD_OK && i < out->count; i++)
        crd_onnx_copy(out, i, call->in[0].constant,
                      first + crd_onnx_place(i, &out->shape, strides));
    return status;
}

crd_status crd_onnx_pads_of(int64_t before[CRD_MAX_DIMS], int64_t after[CRD_MAX_DIMS],
                            bool *is_known, const crd_onnx_call *call)
{
    crd_status status = CRD_OK;
    int64_t pads[2 * CRD_MAX_DIMS], axes[CRD_MAX_DIMS];
    int n, n_axes, rank = call->in[0].shape.n_dims;
    for (int d = 0; d < CRD_MAX_DIMS; d++)
        before[d] = after[d] = 0;
    CRD_TRY(crd_onnx_integers(pads, &n, call, "pads", 1, 2 * CRD_MAX_DIMS));
    CRD_TRY(crd_onnx_integers(axes, &n_axes, call, "axes", 3, CRD_MAX_DIMS));
    *is_known = n != -2 && n_axes != -2;
    if (!*is_known)
        goto cleanup;
    if (n != 2 * (n_axes >= 0 ? n_axes : rank))
        CRD_TRY(CRD_ONNX_FAIL("pads has %d numbers for %d extents", n, rank));
    for (int k = 0; k < n / 2; k++) {
        int axis;
        CRD_TRY(crd_onnx_axis(&axis, n_axes >= 0 ? axes[k] : k, rank));
        before[axis] = pads[k];
        after[axis] = pads[n / 2 + k];
        if (before[axis] != (int32_t)before[axis] || after[axis] != (int32_t)after[axis])
            CRD_TRY(CRD_ONNX_FAIL("%s", "pads has a number beyond 2^31"));
    }
cleanup:
    return status;
}

CRD_ONNX_SHAPE(pad)
{
    int64_t before[CRD_MAX_DIMS], after[CRD_MAX_DIMS];
    bool is_known;
    crd_status status = crd_onnx_pads_of(before, after, &is_known, call);
    if (status != CRD_OK || !is_known)
        return status;
    crd_shape out = call->in[0].shape;
    for (int d = 0; d < out.n_dims; d++) {
        out.dims[d] += before[d] + after[d];
        if (out.dims[d] < 0)
            return CRD_ONNX_FAIL("%s", "pads takes away more than there is");
    }
    call->out[0].shape = out;
    return CRD_OK;
}

/* Where position x of a padded extent of n comes from; -1: it is the constant. */
static int64_t source_of(int64_t x, int64_t n, char mode)
{
    if (x >= 0 && x < n)
        return x;
    if (mode == 'c' || n == 0)
        return -1;
    if (mode == 'e')
        return x < 0 ? 0 : n - 1;
    if (mode == 'w')
        return (x % n + n) % n;
    int64_t period = n == 1 ? 1 : 2 * (n - 1);
    x = (x % period + period) % period;
    return x < n ? x : period - x;
}

CRD_ONNX_EVAL(pad)
{
    int64_t before[CRD_MAX_DIMS], after[CRD_MAX_DIMS], strides[CRD_MAX_DIMS];
    bool is_known;
    crd_onnx_tensor *out = call->out[0].tensor;
    const crd_shape *in = &call->in[0].shape;
    char mode = crd_onnx_attr_text(call->node, "mode", "constant")[0];
    double value = crd_onnx_attr_real(call->node, "value", 0);
    crd_status status = crd_onnx_pads_of(before, after, &is_known, call);
    if (call->n_in > 2 && call->in[2].constant != NULL && call->in[2].constant->count == 1)
        value = crd_onnx_get(call->in[2].constant, 0);
    crd_onnx_strides(strides, in);
    for (int64_t i = 0; status == CRD_OK && i < out->count; i++) {
        int64_t rest = i, at = 0;
        bool is_inside = true;
        for (int d = in->n_dims - 1; d >= 0; d--) {
            int64_t x = source_of(rest % out->shape.dims[d] - before[d], in->dims[d], mode);
            rest /= out->shape.dims[d];
            is_inside &= x >= 0;
            at += x * strides[d];
        }
        if (is_inside)
            crd_onnx_copy(out, i, call->in[0].constant, at);
        else
            crd_onnx_set(out, i, value);
    }
    return status;
}

/* rule 0: DepthToSpace; 1: SpaceToDepth. */
CRD_ONNX_SHAPE(depth_to_space)
{
    int64_t b = crd_onnx_attr_int(call->node, "blocksize", 0);
    crd_shape out = call->in[0].shape;
    bool is_up = call->node->kind->rule == 0;
    if (out.n_dims != 4 || b < 1 || b > 4096 || (is_up && out.dims[1] % (b * b) != 0) ||
        (!is_up && (out.dims[2] % b != 0 || out.dims[3] % b != 0)))
        return CRD_ONNX_FAIL("blocksize %lld does not fit its input", (long long)b);
    out.dims[1] = is_up ? out.dims[1] / (b * b) : out.dims[1] * b * b;
    out.dims[2] = is_up ? out.dims[2] * b : out.dims[2] / b;
    out.dims[3] = is_up ? out.dims[3] * b : out.dims[3] / b;
    call->out[0].shape = out;
    return CRD_OK;
}

CRD_ONNX_EVAL(depth_to_space)
{
    int64_t b = crd_onnx_attr_int(call->node, "blocksize", 1);
    bool is_up = call->node->kind->rule == 0;
    bool is_crd = crd_onnx_attr_text(call->node, "mode", "DCR")[0] == 'C';
    const crd_shape *large = is_up ? &call->out[0].shape : &call->in[0].shape;
    const crd_shape *small = is_up ? &call->in[0].shape : &call->out[0].shape;
    int64_t n = large->dims[0] * large->dims[1], height = large->dims[2], width = large->dims[3];
    int64_t channels = large->dims[1];
    for (int64_t i = 0; i < n * height * width; i++) {
        int64_t x = i % width, y = i / width % height, plane = i / width / height;
        int64_t c = plane % channels, image = plane / channels;
        int64_t block = y % b * b + x % b;
        int64_t deep = is_crd && is_up ? c * b * b + block : block * channels + c;
        int64_t at =
            ((image * small->dims[1] + deep) * small->dims[2] + y / b) * small->dims[3] + x / b;
        crd_onnx_copy(call->out[0].tensor, is_up ? i : at, call->in[0].constant, is_up ? at : i);
    }
    return CRD_OK;
}

CRD_ONNX_EVAL(trilu)
{
    const crd_shape *s = &call->in[0].shape;
    bool is_upper = crd_onnx_attr_int(call->node, "upper", 1) != 0;
    if (s->n_dims < 2)
        return CRD_ONNX_FAIL("%s", "its input is no matrix");
    int64_t k = call->n_in > 1 && call->in[1].constant != NULL && call->in[1].constant->count == 1
                    ? clamp(crd_onnx_get_int(call->in[1].constant, 0), INT32_MIN, INT32_MAX)
                    : 0;
    int64_t width = s->dims[s->n_dims - 1], height = s->dims[s->n_dims - 2];
    for (int64_t i = 0; i < call->out[0].tensor->count; i++) {
        int64_t above = i % width - i / width % height - k;
        if (is_upper ? above >= 0 : above <= 0)
            crd_onnx_copy(call->out[0].tensor, i, call->in[0].constant, i);
    }
    return CRD_OK;
}

CRD_ONNX_SHAPE(eye_like)
{
    call->out[0].type =
        (crd_onnx_type)crd_onnx_attr_int(call->node, "dtype", (int64_t)call->in[0].type);
    call->out[0].shape = call->in[0].shape;
    return call->in[0].shape.n_dims == 2 ? CRD_OK : CRD_ONNX_FAIL("%s", "its input is no matrix");
}

CRD_ONNX_EVAL(eye_like)
{
    crd_onnx_tensor *out = call->out[0].tensor;
    int64_t k = crd_onnx_attr_int(call->node, "k", 0), width = out->shape.dims[1];
    for (int64_t i = 0; i < out->count; i++)
        crd_onnx_set_int(out, i, i % width - i / width == k);
    return CRD_OK;
}
