/* Lowerings of functions of elements, of arithmetic, and of movements. */
#include <math.h>
#include <string.h>

#include "import/onnx/onnx_fold.h"
#include "import/onnx/onnx_index.h"
#include "import/onnx/onnx_lower.h"
#include "import/onnx/onnx_movement.h"
#include "import/onnx/onnx_window.h"

/* One op on the first input, of the same layout. */
static crd_status lower_one(crd_onnx_lowering *lowering, const crd_onnx_node *node,
                            const char *kind, const crd_attr *attrs)
{
    crd_onnx_flow in = crd_onnx_input(lowering, node, 0);
    crd_status status = crd_onnx_emit_one(&in.op, lowering, node, kind, attrs, in.op);
    return status != CRD_OK ? status : crd_onnx_put(lowering, node, 0, in);
}

/* kind->kind, with an attribute alpha where the row has one. */
CRD_ONNX_LOWER(function)
{
    const crd_onnx_numbers *n = &node->kind->numbers;
    if (n->a == NULL)
        return lower_one(lowering, node, node->kind->kind, NULL);
    const char *name = strcmp(node->op_type, "LeakyRelu") == 0 ? "negative_slope" : n->a;
    const crd_attr attrs[] = {CRD_ATTR(name, crd_onnx_attr_real(node, n->a, n->a_fallback)),
                              CRD_ATTR_END};
    return lower_one(lowering, node, node->kind->kind, attrs);
}

static crd_status scale_shift(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                              double scale, double shift)
{
    const crd_attr attrs[] = {CRD_ATTR("scale", scale), CRD_ATTR("shift", shift), CRD_ATTR_END};
    if (scale == 1 && shift == 0)
        return CRD_OK;
    return crd_onnx_emit_one(op, lowering, node, "ScaleShift", attrs, *op);
}

static crd_status clamp(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                        double low, double high)
{
    const double most = 3.4028234663852886e38;
    const crd_attr attrs[] = {CRD_ATTR("min_val", fmax(low, -most)),
                              CRD_ATTR("max_val", fmin(high, most)), CRD_ATTR_END};
    if (low == 0 && high >= most)
        return crd_onnx_emit_one(op, lowering, node, "ReLU", NULL, *op);
    if (low == 0 && high == 6)
        return crd_onnx_emit_one(op, lowering, node, "ReLU6", NULL, *op);
    return crd_onnx_emit_one(op, lowering, node, "Hardtanh", attrs, *op);
}

CRD_ONNX_LOWER(clip)
{
    double bounds[2] = {crd_onnx_attr_real(node, "min", -INFINITY),
                        crd_onnx_attr_real(node, "max", INFINITY)};
    crd_onnx_flow in = crd_onnx_input(lowering, node, 0);
    for (int k = 1; k < 3 && k < node->n_inputs; k++) {
        const crd_onnx_tensor *bound = crd_onnx_constant(lowering->graph, node, k);
        if (node->inputs[k] >= 0 && (bound == NULL || bound->count != 1))
            return crd_onnx_lack(lowering, node, "its bounds are not constant");
        if (bound != NULL)
            bounds[k - 1] = crd_onnx_get(bound, 0);
    }
    if (!(bounds[0] <= bounds[1]))
        return crd_onnx_lack(lowering, node, "its bounds cross");
    crd_status status = clamp(&in.op, lowering, node, bounds[0], bounds[1]);
    return status != CRD_OK ? status : crd_onnx_put(lowering, node, 0, in);
}

CRD_ONNX_LOWER(hard_sigmoid)
{
    double alpha = crd_onnx_attr_real(node, "alpha", 0.2);
    double beta = crd_onnx_attr_real(node, "beta", 0.5);
    crd_onnx_flow in = crd_onnx_input(lowering, node, 0);
    if (fabs(alpha - 1.0 / 6) < 1e-6 && beta == 0.5)
        return lower_one(lowering, node, "Hardsigmoid", NULL);
    crd_status status = scale_shift(&in.op, lowering, node, alpha, beta);
    if (status == CRD_OK)
        status = clamp(&in.op, lowering, node, 0, 1);
    return status != CRD_OK ? status : crd_onnx_put(lowering, node, 0, in);
}

/* gamma ELU(x, alpha), torch's SELU where they are the paper's. */
CRD_ONNX_LOWER(selu)
{
    crd_status status = CRD_OK;
    double alpha = crd_onnx_attr_real(node, "alpha", node->kind->numbers.a_fallback);
    double gamma = crd_onnx_attr_real(node, "gamma", node->kind->numbers.b_fallback);
    const crd_attr attrs[] = {CRD_ATTR("alpha", alpha), CRD_ATTR_END};
    crd_onnx_flow in = crd_onnx_input(lowering, node, 0);
    CRD_TRY(crd_onnx_emit_one(&in.op, lowering, node, "ELU", attrs, in.op));
    CRD_TRY(scale_shift(&in.op, lowering, node, gamma, 0));
    CRD_TRY(crd_onnx_put(lowering, node, 0, in));
cleanup:
    return status;
}

CRD_ONNX_LOWER(channel_shuffle)
{
    return crd_onnx_input(lowering, node, 0).last
               ? crd_onnx_lack(lowering, node, "its features come last")
               : crd_onnx_lower_function(lowering, node);
}

CRD_ONNX_LOWER(threshold)
{
    const crd_attr attrs[] = {CRD_ATTR("threshold", crd_onnx_attr_real(node, "alpha", 1)),
                              CRD_ATTR("value", 0), CRD_ATTR_END};
    return lower_one(lowering, node, "Threshold", attrs);
}

CRD_ONNX_LOWER(gelu)
{
    const crd_attr attrs[] = {
        CRD_ATTR_WORD("approximate", crd_onnx_attr_text(node, "approximate", "none")),
        CRD_ATTR_END};
    return lower_one(lowering, node, "GELU", attrs);
}

CRD_ONNX_LOWER(identity)
{
    return crd_onnx_put(lowering, node, 0, crd_onnx_input(lowering, node, 0));
}

CRD_ONNX_LOWER(dropout)
{
    const crd_onnx_tensor *ratio = crd_onnx_constant(lowering->graph, node, 1);
    double p = ratio != NULL && ratio->count == 1 ? crd_onnx_get(ratio, 0)
                                                  : crd_onnx_attr_real(node, "ratio", 0.5);
    const crd_onnx_tensor *trains = crd_onnx_constant(lowering->graph, node, 2);
    const crd_attr attrs[] = {CRD_ATTR("p", p), CRD_ATTR_END};
    if (trains != NULL && trains->count == 1 && crd_onnx_get_int(trains, 0) != 0)
        return crd_onnx_lack(lowering, node, "training_mode");
    if (node->n_outputs > 1 && node->outputs[1] >= 0)
        lowering->flows[node->outputs[1]].op = CRD_ONNX_LACKING;
    return lower_one(lowering, node, "Dropout", attrs);
}

/* All is float32 in a network: what stays a floating number stays what it is. */
CRD_ONNX_LOWER(cast)
{
    const crd_onnx_graph *graph = lowering->graph;
    if (!crd_onnx_type_is_real(graph->values[node->inputs[0]].type) ||
        !crd_onnx_type_is_real(graph->values[node->outputs[0]].type))
        return crd_onnx_lack(lowering, node, "to another type than a floating one");
    return crd_onnx_lower_identity(lowering, node);
}

/* A constant as an op, as it lies beside a value of n_dims extents: each of its extents is that
 * value's or 1. Sets *op to CRD_ONNX_LACKING where it does not fit. */
static crd_status emit_constant(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                                const crd_onnx_tensor *constant, int n_dims, bool last)
{
    crd_status status = CRD_OK;
    crd_shape full = {.n_dims = n_dims};
    int lead = n_dims - constant->shape.n_dims;
    *op = CRD_ONNX_LACKING;
    for (int d = 0; d < n_dims; d++)
        full.dims[d] = d < lead ? 1 : constant->shape.dims[d - lead];
    if (lead < 0 || full.dims[0] != 1)
        return crd_onnx_lack(lowering, node, "a constant that differs from image to image");
    crd_shape shape = crd_onnx_network_shape(&full, last);
    crd_onnx_tensor *moved;
    CRD_TRY(crd_onnx_tensor_create(&moved, &lowering->graph->budget, CRD_ONNX_FLOAT, &shape));
    int64_t features = shape.dims[0], positions = constant->count / features;
    for (int64_t i = 0; i < moved->count; i++)
        moved->f[i] = (float)crd_onnx_get(
            constant, last && n_dims > 2 ? i % positions * features + i / positions : i);
    crd_attr attrs[] = {{.name = "shape", .n = shape.n_dims}, CRD_ATTR("dim", 0), CRD_ATTR_END};
    for (int d = 0; d < shape.n_dims; d++)
        attrs[0].values[d] = (double)shape.dims[d];
    status =
        crd_onnx_emit(op, lowering, node, &(crd_onnx_emission){"Parameter", attrs, NULL, 0, 0});
    if (status == CRD_OK)
        status =
            crd_onnx_give(lowering, *op, 0, &(crd_onnx_source){.tensor = moved, .owned = moved});
    else
        crd_onnx_tensor_destroy(moved);
cleanup:
    return status;
}

/* x OP c or c OP x for one number c. *done: it was. */
static crd_status with_number(bool *done, int64_t *op, crd_onnx_lowering *lowering,
                              const crd_onnx_node *node, double c, bool is_first)
{
    const char *kind = node->kind->kind;
    crd_status status = CRD_OK;
    *done = true;
    if (strcmp(kind, "Add") == 0)
        return scale_shift(op, lowering, node, 1, c);
    if (strcmp(kind, "Mul") == 0)
        return scale_shift(op, lowering, node, c, 0);
    if (strcmp(kind, "Sub") == 0)
        return scale_shift(op, lowering, node, is_first ? -1 : 1, is_first ? c : -c);
    if (strcmp(kind, "Maximum") == 0)
        return clamp(op, lowering, node, c, INFINITY);
    if (strcmp(kind, "Minimum") == 0)
        return clamp(op, lowering, node, -INFINITY, c);
    *done = strcmp(kind, "Div") == 0 && c != 0;
    if (*done && !is_first)
        return scale_shift(op, lowering, node, 1 / c, 0);
    if (*done) {
        CRD_TRY(crd_onnx_emit_one(op, lowering, node, "Reciprocal", NULL, *op));
        CRD_TRY(scale_shift(op, lowering, node, c, 0));
    }
cleanup:
    return status;
}

/* a OP b, where a has been computed so far. */
static crd_status combine(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                          int64_t a, int64_t b)
{
    const char *kind = node->kind->kind;
    int64_t inputs[] = {a, b};
    if (a < 0 || b < 0) {
        *op = CRD_ONNX_LACKING;
        return CRD_OK;
    }
    if (strcmp(kind, "Add") == 0 &&
        !crd_shape_equal(crd_onnx_op_shape(lowering, a), crd_onnx_op_shape(lowering, b)))
        kind = "BroadcastAdd";
    return crd_onnx_emit(op, lowering, node, &(crd_onnx_emission){kind, NULL, inputs, 2, 0});
}

/* The layout of the inputs that are no constants; false: they differ. */
static bool common_layout(bool *last, const crd_onnx_lowering *lowering, const crd_onnx_node *node)
{
    bool is_set = false;
    *last = false;
    for (int k = 0; k < node->n_inputs; k++) {
        crd_onnx_flow in = crd_onnx_input(lowering, node, k);
        const crd_shape *shape = crd_onnx_shape_of(lowering->graph, node, k);
        if (in.op < 0)
            continue;
        if ((is_set && in.last != *last) ||
            shape->n_dims != lowering->graph->values[node->outputs[0]].shape.n_dims)
            return false;
        *last = in.last;
        is_set = true;
    }
    return is_set;
}

/* From left to right, over any number of inputs. */
CRD_ONNX_LOWER(binary)
{
    crd_status status = CRD_OK;
    crd_onnx_flow so_far = {.op = CRD_ONNX_NOWHERE};
    int n_dims = lowering->graph->values[node->outputs[0]].shape.n_dims;
    if (!common_layout(&so_far.last, lowering, node) ||
        crd_onnx_attr_find(node, "broadcast") != NULL)
        return crd_onnx_lack(lowering, node, "its inputs are laid out differently");
    for (int k = 0; k < node->n_inputs; k++) {
        const crd_onnx_tensor *c = crd_onnx_constant(lowering->graph, node, k);
        int64_t op = crd_onnx_input(lowering, node, k).op;
        bool done = false;
        int other = k == 0 && node->n_inputs > 1 ? 1 : 0;
        bool other_is_constant = crd_onnx_constant(lowering->graph, node, other) != NULL;
        if (c != NULL && c->count == 1 && k == 0 && node->n_inputs == 2 && !other_is_constant) {
            so_far.op = crd_onnx_input(lowering, node, 1).op;
            CRD_TRY(with_number(&done, &so_far.op, lowering, node, crd_onnx_get(c, 0), true));
            if (done)
                break;
            so_far.op = CRD_ONNX_NOWHERE;
        }
        if (c != NULL && c->count == 1 && k > 0)
            CRD_TRY(with_number(&done, &so_far.op, lowering, node, crd_onnx_get(c, 0), false));
        if (done)
            continue;
        if (c != NULL)
            CRD_TRY(emit_constant(&op, lowering, node, c, n_dims, so_far.last));
        if (k == 0)
            so_far.op = op;
        else
            CRD_TRY(combine(&so_far.op, lowering, node, so_far.op, op));
    }
    CRD_TRY(crd_onnx_put(lowering, node, 0, so_far));
cleanup:
    return status;
}

CRD_ONNX_LOWER(mean)
{
    crd_status status = CRD_OK;
    crd_onnx_operator sum = *node->kind;
    crd_onnx_node as_sum = *node;
    sum.kind = "Add";
    as_sum.kind = &sum;
    CRD_TRY(crd_onnx_lower_binary(lowering, &as_sum));
    crd_onnx_flow out = lowering->flows[node->outputs[0]];
    if (out.op < 0)
        goto cleanup;
    CRD_TRY(scale_shift(&out.op, lowering, node, 1.0 / node->n_inputs, 0));
    CRD_TRY(crd_onnx_put(lowering, node, 0, out));
cleanup:
    return status;
}

/* x^c for a number c. */
CRD_ONNX_LOWER(pow)
{
    const crd_onnx_tensor *c = crd_onnx_constant(lowering->graph, node, 1);
    if (c == NULL || c->count != 1 || crd_onnx_input(lowering, node, 0).op < 0 ||
        c->shape.n_dims > crd_onnx_shape_of(lowering->graph, node, 0)->n_dims)
        return crd_onnx_lack(lowering, node, "its exponent is not one constant");
    const crd_attr attrs[] = {CRD_ATTR("exponent", crd_onnx_get(c, 0)), CRD_ATTR_END};
    return lower_one(lowering, node, "Pow", attrs);
}

CRD_ONNX_LOWER(softmax)
{
    crd_status status = CRD_OK;
    crd_onnx_flow in = crd_onnx_input(lowering, node, 0);
    const crd_shape *shape = crd_onnx_shape_of(lowering->graph, node, 0);
    int first, end;
    crd_onnx_call call;
    crd_onnx_arg args[1];
    crd_onnx_result results[1];
    if (node->n_inputs > 1 || node->n_outputs > 1)
        return CRD_ONNX_FAIL("%s", "has too many inputs or outputs");
    crd_onnx_call_of(&call, args, results, lowering->graph, node);
    CRD_TRY(crd_onnx_softmax_axes(&first, &end, &call));
    for (int d = first + 1; d < end; d++)
        if (shape->dims[d] != 1)
            return crd_onnx_lack(lowering, node, "over more than one axis");
    if (first == 0)
        return crd_onnx_lack(lowering, node, "over the images");
    int dim = crd_onnx_network_dim(shape->n_dims, first, in.last);
    const crd_attr attrs[] = {CRD_ATTR("dim", dim), CRD_ATTR_END};
    CRD_TRY(crd_onnx_emit_one(&in.op, lowering, node, "Softmax", attrs, in.op));
    if (node->kind->rule == 1)
        CRD_TRY(crd_onnx_emit_one(&in.op, lowering, node, "Log", NULL, in.op));
    CRD_TRY(crd_onnx_put(lowering, node, 0, in));
cleanup:
    return status;
}

CRD_ONNX_LOWER(concat)
{
    crd_status status = CRD_OK;
    enum { MOST = 256 };
    int64_t inputs[MOST];
    int axis;
    int n_dims = lowering->graph->values[node->outputs[0]].shape.n_dims;
    crd_onnx_flow out;
    if (node->n_inputs > MOST || !common_layout(&out.last, lowering, node))
        return crd_onnx_lack(lowering, node, "its inputs are laid out differently");
    CRD_TRY(crd_onnx_axis(&axis, crd_onnx_attr_int(node, "axis", 1), n_dims));
    int dim = crd_onnx_network_dim(n_dims, axis, out.last);
    if (dim == 0)
        return crd_onnx_lack(lowering, node, "along the images");
    for (int k = 0; k < node->n_inputs; k++) {
        const crd_onnx_tensor *c = crd_onnx_constant(lowering->graph, node, k);
        inputs[k] = crd_onnx_input(lowering, node, k).op;
        if (c != NULL)
            CRD_TRY(emit_constant(&inputs[k], lowering, node, c, n_dims, out.last));
    }
    const crd_attr attrs[] = {CRD_ATTR("dim", dim), CRD_ATTR_END};
    CRD_TRY(crd_onnx_emit(
        &out.op, lowering, node,
        &(crd_onnx_emission){"Concat", dim == 1 ? NULL : attrs, inputs, node->n_inputs, 0}));
    CRD_TRY(crd_onnx_put(lowering, node, 0, out));
cleanup:
    return status;
}

/* Elements [start, end) along an extent of the network, counted from 1. */
static crd_status emit_part(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                            int dim, int64_t start, int64_t end)
{
    const crd_attr attrs[] = {CRD_ATTR("dim", dim), CRD_ATTR("start", (double)start),
                              CRD_ATTR("length", (double)(end - start)), CRD_ATTR_END};
    return crd_onnx_emit_one(op, lowering, node, "Narrow", attrs, *op);
}

CRD_ONNX_LOWER(split)
{
    crd_status status = CRD_OK;
    crd_onnx_flow in = crd_onnx_input(lowering, node, 0);
    const crd_onnx_graph *graph = lowering->graph;
    const crd_shape *shape = crd_onnx_shape_of(graph, node, 0);
    int axis;
    int64_t first = 0;
    CRD_TRY(crd_onnx_axis(&axis, crd_onnx_attr_int(node, "axis", 0), shape->n_dims));
    int dim = crd_onnx_network_dim(shape->n_dims, axis, in.last);
    if (dim == 0)
        return crd_onnx_lack(lowering, node, "along the images");
    for (int k = 0; k < node->n_outputs; k++) {
        if (node->outputs[k] < 0)
            return crd_onnx_lack(lowering, node, "with an output that is omitted");
        int64_t n = graph->values[node->outputs[k]].shape.dims[axis];
        crd_onnx_flow out = in;
        CRD_TRY(emit_part(&out.op, lowering, node, dim, first, first + n));
        CRD_TRY(crd_onnx_put(lowering, node, k, out));
        first += n;
    }
cleanup:
    return status;
}

CRD_ONNX_LOWER(slice)
{
    crd_status status = CRD_OK;
    enum { MOST_IN = 5 };
    crd_onnx_call call;
    crd_onnx_arg args[MOST_IN];
    crd_onnx_result results[1];
    crd_onnx_part part;
    crd_onnx_flow in = crd_onnx_input(lowering, node, 0);
    if (node->n_inputs > MOST_IN || node->n_outputs > 1)
        return CRD_ONNX_FAIL("%s", "has too many inputs");
    crd_onnx_call_of(&call, args, results, lowering->graph, node);
    CRD_TRY(crd_onnx_part_of(&part, &call));
    for (int d = 0; d < part.shape.n_dims; d++) {
        if (part.shape.dims[d] == args[0].shape.dims[d] && part.step[d] == 1)
            continue;
        int dim = crd_onnx_network_dim(part.shape.n_dims, d, in.last);
        if (part.step[d] != 1 || dim == 0)
            return crd_onnx_lack(lowering, node, "with steps, or of images");
        CRD_TRY(emit_part(&in.op, lowering, node, dim, part.start[d],
                          part.start[d] + part.shape.dims[d]));
    }
    CRD_TRY(crd_onnx_put(lowering, node, 0, in));
cleanup:
    return status;
}

/* One element along an axis of positions: a class token. */
CRD_ONNX_LOWER(gather)
{
    crd_status status = CRD_OK;
    crd_onnx_flow in = crd_onnx_input(lowering, node, 0);
    const crd_onnx_tensor *index = crd_onnx_constant(lowering->graph, node, 1);
    const crd_shape *shape = crd_onnx_shape_of(lowering->graph, node, 0);
    int axis;
    if (in.op < 0 || index == NULL || index->count != 1 || index->shape.n_dims != 0)
        return crd_onnx_lack(lowering, node, "of more than one element");
    CRD_TRY(crd_onnx_axis(&axis, crd_onnx_attr_int(node, "axis", 0), shape->n_dims));
    int64_t n = shape->dims[axis], at = crd_onnx_get_int(index, 0);
    at = at < 0 ? at + n : at;
    int dim = crd_onnx_network_dim(shape->n_dims, axis, in.last);
    if (dim < 2 || shape->n_dims != 3 || at < 0 || at >= n)
        return crd_onnx_lack(lowering, node, "of other axes than one of positions");
    CRD_TRY(emit_part(&in.op, lowering, node, dim, at, at + 1));
    CRD_TRY(crd_onnx_put(lowering, node, 0, (crd_onnx_flow){in.op, false}));
cleanup:
    return status;
}

/* Flatten, Reshape, Squeeze, Unsqueeze: the order of elements stays, so it does in the network as
 * long as the features do, or all become one vector. */
CRD_ONNX_LOWER(reshape)
{
    crd_status status = CRD_OK;
    crd_onnx_flow in = crd_onnx_input(lowering, node, 0);
    const crd_shape *from = crd_onnx_shape_of(lowering->graph, node, 0);
    const crd_shape *to = &lowering->graph->values[node->outputs[0]].shape;
    crd_shape before = crd_onnx_network_shape(from, in.last);
    if (in.op < 0)
        return crd_onnx_lack(lowering, node, "of what does not depend on the images");
    bool is_one_pixel = crd_shape_count(&before) == before.dims[0];
    crd_onnx_flow out = {in.op, in.last && to->n_dims > 2};
    if (is_one_pixel && in.last && to->n_dims > 2)
        out.last = to->dims[to->n_dims - 1] == before.dims[0];
    crd_shape after = crd_onnx_network_shape(to, out.last);
    if (to->n_dims == 2 && in.last && !is_one_pixel)
        return crd_onnx_lack(lowering, node, "of features that come last into a vector");
    if (to->n_dims == 2) {
        if (before.n_dims > 1)
            CRD_TRY(crd_onnx_emit_one(&out.op, lowering, node, "Flatten", NULL, out.op));
    } else if (!crd_shape_equal(&before, &after)) {
        crd_attr attrs[] = {{.name = "shape", .n = after.n_dims}, CRD_ATTR_END};
        for (int d = 0; d < after.n_dims; d++)
            attrs[0].values[d] = (double)after.dims[d];
        if (after.dims[0] != before.dims[0])
            return crd_onnx_lack(lowering, node, "that cuts or joins features");
        CRD_TRY(crd_onnx_emit_one(&out.op, lowering, node, "Reshape", attrs, out.op));
    }
    CRD_TRY(crd_onnx_put(lowering, node, 0, out));
cleanup:
    return status;
}

/* Between features first and features last nothing moves. */
CRD_ONNX_LOWER(transpose)
{
    crd_onnx_flow in = crd_onnx_input(lowering, node, 0);
    const crd_onnx_attr *perm = crd_onnx_attr_find(node, "perm");
    int n = crd_onnx_shape_of(lowering->graph, node, 0)->n_dims;
    bool is_same = perm != NULL && perm->ints != NULL && perm->ints[0] == 0, is_turn = is_same;
    for (int d = 1; is_turn && d < n; d++) {
        int64_t turned = in.last ? (d == 1 ? n - 1 : d - 1) : (d == n - 1 ? 1 : d + 1);
        is_turn = perm->ints[d] == turned;
    }
    for (int d = 1; is_same && d < n; d++)
        is_same = perm->ints[d] == d;
    if (is_same)
        return crd_onnx_lower_identity(lowering, node);
    if (!is_turn)
        return crd_onnx_lack(lowering, node, "of positions, or of images");
    return crd_onnx_put(lowering, node, 0, (crd_onnx_flow){in.op, !in.last});
}

/* The operator that a mode is; NULL: we have none. */
static const char *padding_of(const char *mode, double fill)
{
    static const char *const kinds[][2] = {
        {"reflect", "ReflectionPad2d"}, {"edge", "ReplicationPad2d"}, {"wrap", "CircularPad2d"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(mode, kinds[i][0]) == 0)
            return kinds[i][1];
    return strcmp(mode, "constant") == 0 && fill == 0 ? "ZeroPad2d" : NULL;
}

/* Around planes. */
CRD_ONNX_LOWER(pad)
{
    crd_status status = CRD_OK;
    enum { MOST_IN = 4 };
    crd_onnx_call call;
    crd_onnx_arg args[MOST_IN];
    crd_onnx_result results[1];
    int64_t before[CRD_MAX_DIMS], after[CRD_MAX_DIMS];
    bool is_known;
    crd_onnx_flow in = crd_onnx_input(lowering, node, 0);
    const crd_onnx_tensor *value = crd_onnx_constant(lowering->graph, node, 2);
    const char *mode = crd_onnx_attr_text(node, "mode", "constant");
    if (node->n_inputs > MOST_IN || node->n_outputs > 1)
        return CRD_ONNX_FAIL("%s", "has too many inputs");
    crd_onnx_call_of(&call, args, results, lowering->graph, node);
    CRD_TRY(crd_onnx_pads_of(before, after, &is_known, &call));
    int n = args[0].shape.n_dims;
    double fill = value != NULL && value->count == 1 ? crd_onnx_get(value, 0)
                                                     : crd_onnx_attr_real(node, "value", 0);
    for (int d = 0; d < 2; d++)
        if (before[d] != 0 || after[d] != 0 || n < 3 || n > 4 || in.last)
            return crd_onnx_lack(lowering, node, "of other extents than those of planes");
    int y = n == 4 ? 2 : 4, x = n - 1; /* extent 4 of three: no padding */
    const crd_attr attrs[] = {CRD_ATTR("padding", (double)before[x], (double)after[x],
                                       (double)before[y], (double)after[y]),
                              CRD_ATTR_END};
    const char *kind = padding_of(mode, fill);
    if (kind == NULL)
        return crd_onnx_lack(lowering, node, "with other numbers than zeros");
    CRD_TRY(crd_onnx_emit_one(&in.op, lowering, node, kind, attrs, in.op));
    CRD_TRY(crd_onnx_put(lowering, node, 0, in));
cleanup:
    return status;
}

/* Nearest and linear ones of planes. */
CRD_ONNX_LOWER(resize)
{
    crd_status status = CRD_OK;
    enum { MOST_IN = 4 };
    crd_onnx_call call;
    crd_onnx_arg args[MOST_IN];
    crd_onnx_result results[1];
    double scales[CRD_MAX_DIMS];
    bool is_known;
    crd_onnx_flow in = crd_onnx_input(lowering, node, 0);
    const char *mode = crd_onnx_attr_text(node, "mode", "nearest");
    bool is_old = lowering->graph->opset < 11 || node->kind->rule == 1;
    const char *place = crd_onnx_attr_text(node, "coordinate_transformation_mode",
                                           is_old ? "asymmetric" : "half_pixel");
    const char *rounding =
        crd_onnx_attr_text(node, "nearest_mode", is_old ? "floor" : "round_prefer_floor");
    if (node->n_inputs > MOST_IN || node->n_outputs > 1)
        return CRD_ONNX_FAIL("%s", "has too many inputs");
    crd_onnx_call_of(&call, args, results, lowering->graph, node);
    CRD_TRY(crd_onnx_scales(scales, &is_known, &call));
    const crd_shape *out = &lowering->graph->values[node->outputs[0]].shape;
    if (args[0].shape.n_dims != 4 || in.last || scales[0] != 1 || scales[1] != 1)
        return crd_onnx_lack(lowering, node, "of other extents than those of planes");
    if (strcmp(mode, "cubic") == 0 || strcmp(place, "tf_crop_and_resize") == 0 ||
        crd_onnx_attr_int(node, "antialias", 0) != 0 ||
        crd_onnx_attr_text(node, "keep_aspect_ratio_policy", "stretch")[0] != 's')
        return crd_onnx_lack(lowering, node, "cubic, cropped, or with antialias");
    const crd_attr attrs[] = {
        CRD_ATTR("size", (double)out->dims[2], (double)out->dims[3]),
        CRD_ATTR("scale_factor", scales[2], scales[3]),
        CRD_ATTR_WORD("mode", mode[0] == 'n' ? "nearest" : "bilinear"),
        CRD_ATTR_WORD("coordinates", place),
        CRD_ATTR_WORD("rounding", rounding),
        CRD_ATTR_END,
    };
    CRD_TRY(crd_onnx_emit_one(&in.op, lowering, node, "Upsample", attrs, in.op));
    CRD_TRY(crd_onnx_put(lowering, node, 0, in));
cleanup:
    return status;
}
