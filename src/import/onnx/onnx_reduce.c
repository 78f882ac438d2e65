/* Sums over axes, and matrix products, in double. Of constants only: networks have src/ops. */
#include <ctype.h>
#include <math.h>

#include "import/onnx/onnx_index.h"

crd_status crd_onnx_reduced(bool marks[CRD_MAX_DIMS], bool *is_known, const crd_onnx_call *call)
{
    crd_status status = CRD_OK;
    int64_t axes[CRD_MAX_DIMS];
    int n, rank = call->in[0].shape.n_dims;
    CRD_TRY(crd_onnx_integers(axes, &n, call, "axes", 1, CRD_MAX_DIMS));
    *is_known = n != -2;
    bool is_all = n <= 0 && crd_onnx_attr_int(call->node, "noop_with_empty_axes", 0) == 0;
    for (int d = 0; d < CRD_MAX_DIMS; d++)
        marks[d] = is_all && d < rank;
    for (int k = 0; k < n; k++) {
        int axis;
        CRD_TRY(crd_onnx_axis(&axis, axes[k], rank));
        marks[axis] = true;
    }
cleanup:
    return status;
}

/* Without the marked extents, or with 1 in their place. */
static void reduce_shape(crd_shape *out, const crd_shape *in, const bool *marks, bool keeps)
{
    out->n_dims = 0;
    for (int d = 0; d < in->n_dims; d++)
        if (keeps || !marks[d])
            out->dims[out->n_dims++] = marks[d] ? 1 : in->dims[d];
}

CRD_ONNX_SHAPE(reduce)
{
    bool marks[CRD_MAX_DIMS], is_known;
    crd_status status = crd_onnx_reduced(marks, &is_known, call);
    if (status == CRD_OK && is_known)
        reduce_shape(&call->out[0].shape, &call->in[0].shape, marks,
                     crd_onnx_attr_int(call->node, "keepdims", 1) != 0);
    return status;
}

static double add(double sum, double x, int rule)
{
    switch (rule) {
    case CRD_ONNX_MAX:
        return x > sum || isnan(x) ? x : sum;
    case CRD_ONNX_MIN:
        return x < sum || isnan(x) ? x : sum;
    case CRD_ONNX_PROD:
        return sum * x;
    case CRD_ONNX_L1:
        return sum + fabs(x);
    case CRD_ONNX_L2:
    case CRD_ONNX_SUM_SQUARE:
        return sum + x * x;
    default:
        return sum + x;
    }
}

/* One element of the output: the sum along `inner`, whose elements lie at `first` + steps. */
static double reduce_one(const crd_onnx_tensor *in, int64_t first, const crd_shape *inner,
                         const int64_t *strides, int rule)
{
    int64_t n = crd_shape_count(inner);
    double sum = rule == CRD_ONNX_PROD ? 1 : 0, largest = -INFINITY;
    for (int64_t i = 0; rule == CRD_ONNX_LOG_SUM_EXP && i < n; i++)
        largest = fmax(largest, crd_onnx_get(in, first + crd_onnx_place(i, inner, strides)));
    for (int64_t i = 0; i < n; i++) {
        double x = crd_onnx_get(in, first + crd_onnx_place(i, inner, strides));
        x = rule == CRD_ONNX_LOG_SUM_EXP ? exp(x - largest) : x;
        sum = i == 0 && (rule == CRD_ONNX_MAX || rule == CRD_ONNX_MIN) ? x : add(sum, x, rule);
    }
    return rule == CRD_ONNX_MEAN          ? sum / (double)n
           : rule == CRD_ONNX_L2          ? sqrt(sum)
           : rule == CRD_ONNX_LOG_SUM     ? log(sum)
           : rule == CRD_ONNX_LOG_SUM_EXP ? log(sum) + largest
                                          : sum;
}

CRD_ONNX_EVAL(reduce)
{
    bool marks[CRD_MAX_DIMS], is_known;
    const crd_onnx_tensor *in = call->in[0].constant;
    crd_shape inner = {0}, outer = {0};
    int64_t own[CRD_MAX_DIMS], inner_strides[CRD_MAX_DIMS], outer_strides[CRD_MAX_DIMS];
    crd_status status = crd_onnx_reduced(marks, &is_known, call);
    crd_onnx_strides(own, &in->shape);
    for (int d = 0; status == CRD_OK && d < in->shape.n_dims; d++) {
        crd_shape *to = marks[d] ? &inner : &outer;
        (marks[d] ? inner_strides : outer_strides)[to->n_dims] = own[d];
        to->dims[to->n_dims++] = in->shape.dims[d];
    }
    for (int64_t i = 0; status == CRD_OK && i < call->out[0].tensor->count; i++)
        crd_onnx_set(call->out[0].tensor, i,
                     reduce_one(in, crd_onnx_place(i, &outer, outer_strides), &inner, inner_strides,
                                call->node->kind->rule));
    return status;
}

CRD_ONNX_SHAPE(arg)
{
    bool marks[CRD_MAX_DIMS] = {false};
    int axis;
    crd_status status =
        crd_onnx_axis(&axis, crd_onnx_attr_int(call->node, "axis", 0), call->in[0].shape.n_dims);
    if (status != CRD_OK)
        return status;
    marks[axis] = true;
    call->out[0].type = CRD_ONNX_INT64;
    reduce_shape(&call->out[0].shape, &call->in[0].shape, marks,
                 crd_onnx_attr_int(call->node, "keepdims", 1) != 0);
    return call->in[0].shape.dims[axis] > 0 ? CRD_OK : CRD_ONNX_FAIL("axis %d is empty", axis);
}

CRD_ONNX_EVAL(arg)
{
    int axis;
    const crd_onnx_tensor *in = call->in[0].constant;
    crd_status status =
        crd_onnx_axis(&axis, crd_onnx_attr_int(call->node, "axis", 0), in->shape.n_dims);
    bool is_last = crd_onnx_attr_int(call->node, "select_last_index", 0) != 0;
    double sign = call->node->kind->rule;
    const crd_onnx_rows rows = crd_onnx_rows_of(&in->shape, axis);
    for (int64_t i = 0; status == CRD_OK && i < rows.before * rows.after; i++) {
        int64_t first = i / rows.after * rows.extent * rows.after + i % rows.after, best = 0;
        for (int64_t k = 1; k < rows.extent; k++) {
            double x = sign * crd_onnx_get(in, first + k * rows.after);
            double y = sign * crd_onnx_get(in, first + best * rows.after);
            best = x > y || (is_last && x == y) ? k : best;
        }
        call->out[0].tensor->i[i] = best;
    }
    return status;
}

CRD_ONNX_EVAL(cum_sum)
{
    crd_status status = CRD_OK;
    int axis;
    const crd_onnx_tensor *in = call->in[0].constant, *given = call->in[1].constant;
    bool is_exclusive = crd_onnx_attr_int(call->node, "exclusive", 0) != 0;
    bool is_reverse = crd_onnx_attr_int(call->node, "reverse", 0) != 0;
    if (given->count != 1)
        CRD_TRY(CRD_ONNX_FAIL("%s", "axis is not one number"));
    CRD_TRY(crd_onnx_axis(&axis, crd_onnx_get_int(given, 0), in->shape.n_dims));
    const crd_onnx_rows rows = crd_onnx_rows_of(&in->shape, axis);
    for (int64_t i = 0; i < rows.before * rows.after; i++) {
        double sum = 0;
        for (int64_t k = 0; k < rows.extent; k++) {
            int64_t j = is_reverse ? rows.extent - 1 - k : k;
            int64_t at = (i / rows.after * rows.extent + j) * rows.after + i % rows.after;
            double x = crd_onnx_get(in, at);
            crd_onnx_set(call->out[0].tensor, at, is_exclusive ? sum : sum + x);
            sum += x;
        }
    }
cleanup:
    return status;
}

crd_status crd_onnx_softmax_axes(int *first, int *end, const crd_onnx_call *call)
{
    int n = call->in[0].shape.n_dims;
    bool is_new = call->opset >= 13;
    crd_status status =
        crd_onnx_axis(first, crd_onnx_attr_int(call->node, "axis", is_new ? -1 : 1), n);
    *end = is_new ? *first + 1 : n;
    return status;
}

CRD_ONNX_SHAPE(softmax)
{
    int first, end;
    crd_status status = crd_onnx_softmax_axes(&first, &end, call);
    call->out[0].shape = call->in[0].shape;
    return status;
}

static void soft_row(crd_onnx_tensor *out, const crd_onnx_tensor *in, int64_t first, int64_t n,
                     int64_t step, int rule)
{
    double largest = -INFINITY, sum = 0;
    int64_t best = 0;
    for (int64_t k = 0; k < n; k++)
        if (crd_onnx_get(in, first + k * step) > largest) {
            largest = crd_onnx_get(in, first + k * step);
            best = k;
        }
    for (int64_t k = 0; k < n; k++)
        sum += exp(crd_onnx_get(in, first + k * step) - largest);
    for (int64_t k = 0; k < n; k++) {
        double x = crd_onnx_get(in, first + k * step) - largest;
        crd_onnx_set(out, first + k * step,
                     rule == 0   ? exp(x) / sum
                     : rule == 1 ? x - log(sum)
                                 : (double)(k == best));
    }
}

CRD_ONNX_EVAL(softmax)
{
    int first, end;
    const crd_onnx_tensor *in = call->in[0].constant;
    crd_status status = crd_onnx_softmax_axes(&first, &end, call);
    int64_t before = 1, n = 1, after = 1;
    for (int d = 0; status == CRD_OK && d < in->shape.n_dims; d++)
        *(d < first ? &before : d < end ? &n : &after) *= in->shape.dims[d];
    for (int64_t i = 0; status == CRD_OK && i < before * after; i++)
        soft_row(call->out[0].tensor, in, i / after * n * after + i % after, n, after,
                 call->node->kind->rule);
    return status;
}

/* Of Y; means and 1 / deviations have extents of 1 from the axis on. */
CRD_ONNX_SHAPE(layer_norm)
{
    int axis;
    const crd_shape *in = &call->in[0].shape;
    crd_status status = crd_onnx_axis(&axis, crd_onnx_attr_int(call->node, "axis", -1), in->n_dims);
    for (int k = 0; status == CRD_OK && k < call->n_out; k++) {
        call->out[k].shape = *in;
        for (int d = axis; k > 0 && d < in->n_dims; d++)
            call->out[k].shape.dims[d] = 1;
    }
    return status;
}

CRD_ONNX_EVAL(layer_norm)
{
    int axis;
    const crd_onnx_tensor *x = call->in[0].constant, *scale = call->in[1].constant;
    const crd_onnx_tensor *shift = call->n_in > 2 ? call->in[2].constant : NULL;
    double eps = crd_onnx_attr_real(call->node, "epsilon", 1e-5);
    crd_status status =
        crd_onnx_axis(&axis, crd_onnx_attr_int(call->node, "axis", -1), x->shape.n_dims);
    if (status != CRD_OK)
        return status;
    int64_t n = 1;
    for (int d = axis; d < x->shape.n_dims; d++)
        n *= x->shape.dims[d];
    if (n == 0 || scale->count != n || (shift != NULL && shift->count != n))
        return CRD_ONNX_FAIL("%s", "its vectors are not those of the axes");
    for (int64_t row = 0; row < x->count / n; row++) {
        double mean = 0, square = 0;
        for (int64_t i = 0; i < n; i++)
            mean += crd_onnx_get(x, row * n + i) / (double)n;
        for (int64_t i = 0; i < n; i++) {
            double y = crd_onnx_get(x, row * n + i) - mean;
            square += y * y / (double)n;
        }
        double inverse = 1 / sqrt(square + eps);
        for (int64_t i = 0; i < n; i++)
            crd_onnx_set(call->out[0].tensor, row * n + i,
                         (crd_onnx_get(x, row * n + i) - mean) * inverse * crd_onnx_get(scale, i) +
                             (shift == NULL ? 0 : crd_onnx_get(shift, i)));
        if (call->n_out > 1)
            crd_onnx_set(call->out[1].tensor, row, mean);
        if (call->n_out > 2)
            crd_onnx_set(call->out[2].tensor, row, inverse);
    }
    return CRD_OK;
}

/* Shapes of a product as (batch..., rows, inner) and (batch..., inner, columns). */
static crd_status widen(crd_shape *a, crd_shape *b, const crd_onnx_call *call)
{
    *a = call->in[0].shape;
    *b = call->in[1].shape;
    if (a->n_dims < 1 || b->n_dims < 1)
        return CRD_ONNX_FAIL("%s", "a scalar is no matrix");
    if (a->n_dims == 1)
        *a = crd_shape_make(2, 1, a->dims[0]);
    if (b->n_dims == 1)
        *b = crd_shape_make(2, b->dims[0], 1);
    if (a->dims[a->n_dims - 1] != b->dims[b->n_dims - 2])
        return CRD_ONNX_FAIL("matrices of %lld columns and %lld rows do not fit together",
                             (long long)a->dims[a->n_dims - 1], (long long)b->dims[b->n_dims - 2]);
    return CRD_OK;
}

/* The extents before the matrices, broadcast. */
static crd_status batch_of(crd_shape *out, const crd_shape *a, const crd_shape *b)
{
    crd_shape other = *b;
    *out = *a;
    out->n_dims -= 2;
    other.n_dims -= 2;
    return crd_onnx_broadcast(out, &other);
}

CRD_ONNX_SHAPE(matmul)
{
    crd_shape a, b, out;
    crd_status status = widen(&a, &b, call);
    if (status == CRD_OK)
        status = batch_of(&out, &a, &b);
    if (status != CRD_OK)
        return status;
    if (call->in[0].shape.n_dims > 1)
        out.dims[out.n_dims++] = a.dims[a.n_dims - 2];
    if (call->in[1].shape.n_dims > 1)
        out.dims[out.n_dims++] = b.dims[b.n_dims - 1];
    call->out[0].shape = out;
    return CRD_OK;
}

static void multiply(crd_onnx_tensor *out, int64_t at, const crd_onnx_tensor *a, int64_t a_at,
                     const crd_onnx_tensor *b, int64_t b_at, int64_t rows, int64_t inner,
                     int64_t columns)
{
    for (int64_t i = 0; i < rows * columns; i++) {
        double sum = 0;
        for (int64_t k = 0; k < inner; k++)
            sum += crd_onnx_get(a, a_at + i / columns * inner + k) *
                   crd_onnx_get(b, b_at + k * columns + i % columns);
        crd_onnx_set(out, at + i, sum);
    }
}

CRD_ONNX_EVAL(matmul)
{
    crd_status status = CRD_OK;
    crd_shape a, b, batch;
    int64_t a_strides[CRD_MAX_DIMS], b_strides[CRD_MAX_DIMS];
    CRD_TRY(widen(&a, &b, call));
    CRD_TRY(batch_of(&batch, &a, &b));
    int64_t rows = a.dims[a.n_dims - 2], inner = a.dims[a.n_dims - 1];
    int64_t columns = b.dims[b.n_dims - 1];
    a.n_dims -= 2;
    b.n_dims -= 2;
    crd_onnx_strides_to(a_strides, &a, &batch);
    crd_onnx_strides_to(b_strides, &b, &batch);
    for (int64_t i = 0; i < crd_shape_count(&batch); i++)
        multiply(call->out[0].tensor, i * rows * columns, call->in[0].constant,
                 crd_onnx_place(i, &batch, a_strides) * rows * inner, call->in[1].constant,
                 crd_onnx_place(i, &batch, b_strides) * inner * columns, rows, inner, columns);
cleanup:
    return status;
}

void crd_onnx_equation_of(crd_onnx_equation *out, bool *is_known, const char *text)
{
    char letters[CRD_MAX_DIMS];
    int term = 0;
    *out = (crd_onnx_equation){0};
    *is_known = false;
    for (; *text != '\0'; text++) {
        int label = 0;
        if (*text == ' ')
            continue;
        if ((*text == ',' && term == 0) || (text[0] == '-' && text[1] == '>' && term == 1)) {
            text += *text == '-';
            term++;
            continue;
        }
        while (label < out->n_labels && letters[label] != *text)
            label++;
        if (!isalpha((unsigned char)*text) || label == CRD_MAX_DIMS ||
            out->n_axes[term] == CRD_MAX_DIMS || (label == out->n_labels && term == 2))
            return;
        for (int d = 0; d < out->n_axes[term]; d++)
            if (out->labels[term][d] == label)
                return;
        if (label == out->n_labels)
            letters[out->n_labels++] = *text;
        out->labels[term][out->n_axes[term]++] = label;
    }
    *is_known = term == 2;
    for (int label = 0; label < out->n_labels; label++) {
        out->is_summed[label] = true;
        for (int d = 0; d < out->n_axes[2]; d++)
            out->is_summed[label] &= out->labels[2][d] != label;
    }
}

CRD_ONNX_SHAPE(einsum)
{
    crd_onnx_equation equation;
    bool is_known;
    int64_t extents[CRD_MAX_DIMS] = {0};
    crd_shape out = {0};
    crd_onnx_equation_of(&equation, &is_known, crd_onnx_attr_text(call->node, "equation", ""));
    if (!is_known || call->n_in != 2)
        return CRD_OK;
    for (int k = 0; k < 2; k++) {
        const crd_shape *in = &call->in[k].shape;
        if (in->n_dims != equation.n_axes[k])
            return CRD_ONNX_FAIL("%s", "its inputs have other extents than the equation says");
        for (int d = 0; d < in->n_dims; d++) {
            int64_t *extent = &extents[equation.labels[k][d]];
            if (*extent > 1 && in->dims[d] != *extent && in->dims[d] != 1)
                return CRD_ONNX_FAIL("%s", "its inputs do not fit together");
            *extent = *extent > 1 ? *extent : in->dims[d];
        }
    }
    for (int d = 0; d < equation.n_axes[2]; d++)
        out.dims[out.n_dims++] = extents[equation.labels[2][d]];
    call->out[0].shape = out;
    return CRD_OK;
}

/* (images, heads, tokens, features), or the heads within the features. */
CRD_ONNX_SHAPE(attention)
{
    const crd_shape *q = &call->in[0].shape, *v = &call->in[2].shape;
    int64_t q_heads = crd_onnx_attr_int(call->node, "q_num_heads", 0);
    int64_t kv_heads = crd_onnx_attr_int(call->node, "kv_num_heads", 0);
    if (q->n_dims != v->n_dims ||
        (q->n_dims != 4 && (q->n_dims != 3 || q_heads < 1 || kv_heads < 1)))
        return CRD_ONNX_FAIL("%s", "its inputs have neither 4 extents, nor 3 and numbers of heads");
    call->out[0].shape = *q;
    call->out[0].shape.dims[q->n_dims - 1] =
        q->n_dims == 4 ? v->dims[3] : v->dims[2] / kv_heads * q_heads;
    return CRD_OK;
}

CRD_ONNX_SHAPE(gemm)
{
    const crd_shape *a = &call->in[0].shape, *b = &call->in[1].shape;
    int64_t ta = crd_onnx_attr_int(call->node, "transA", 0) != 0;
    int64_t tb = crd_onnx_attr_int(call->node, "transB", 0) != 0;
    if (a->n_dims != 2 || b->n_dims != 2 || a->dims[1 - ta] != b->dims[tb])
        return CRD_ONNX_FAIL("%s", "its inputs are no matrices that fit together");
    call->out[0].shape = crd_shape_make(2, a->dims[ta], b->dims[1 - tb]);
    return CRD_OK;
}

CRD_ONNX_EVAL(gemm)
{
    const crd_onnx_tensor *a = call->in[0].constant, *b = call->in[1].constant;
    const crd_onnx_tensor *c = call->n_in > 2 ? call->in[2].constant : NULL;
    crd_onnx_tensor *out = call->out[0].tensor;
    bool ta = crd_onnx_attr_int(call->node, "transA", 0) != 0;
    bool tb = crd_onnx_attr_int(call->node, "transB", 0) != 0;
    double alpha = crd_onnx_attr_real(call->node, "alpha", 1);
    double beta = crd_onnx_attr_real(call->node, "beta", 1);
    int64_t columns = out->shape.dims[1], inner = a->shape.dims[ta ? 0 : 1];
    int64_t strides[CRD_MAX_DIMS];
    if (c != NULL) {
        crd_shape both = out->shape;
        crd_status status = crd_onnx_broadcast(&both, &c->shape);
        if (status != CRD_OK || !crd_shape_equal(&both, &out->shape))
            return status != CRD_OK ? status : CRD_ONNX_FAIL("%s", "C does not fit the product");
        crd_onnx_strides_to(strides, &c->shape, &out->shape);
    }
    for (int64_t i = 0; i < out->count; i++) {
        int64_t row = i / columns, column = i % columns;
        double sum = 0;
        for (int64_t k = 0; k < inner; k++)
            sum += crd_onnx_get(a, ta ? k * a->shape.dims[1] + row : row * inner + k) *
                   crd_onnx_get(b, tb ? column * inner + k : k * columns + column);
        sum *= alpha;
        if (c != NULL)
            sum += beta * crd_onnx_get(c, crd_onnx_place(i, &out->shape, strides));
        crd_onnx_set(out, i, sum);
    }
    return CRD_OK;
}
