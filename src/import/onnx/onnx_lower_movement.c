/* Lowerings of movements: of what only changes the view, and of parts that are taken or joined. */
#include <string.h>

#include "import/onnx/onnx_index.h"
#include "import/onnx/onnx_lower.h"
#include "import/onnx/onnx_movement.h"
#include "import/onnx/onnx_window.h"

/* Squeeze and Unsqueeze say which axes they take and give. */
static crd_status renumber(bool *done, crd_onnx_view *view, crd_onnx_lowering *lowering,
                           const crd_onnx_node *node)
{
    crd_status status = CRD_OK;
    crd_onnx_node_call of;
    bool marks[CRD_MAX_DIMS], is_less = crd_onnx_is(node, "Squeeze");
    const crd_shape *from = crd_onnx_shape_of(lowering->graph, node, 0);
    int map[CRD_MAX_DIMS] = {0}, n, to = 0;
    *done = false;
    if (!is_less && !crd_onnx_is(node, "Unsqueeze"))
        return CRD_OK;
    CRD_TRY(crd_onnx_node_call_of(&of, lowering, node, 2));
    const crd_shape *wide = is_less ? from : &lowering->graph->values[node->outputs[0]].shape;
    CRD_TRY(crd_onnx_marked_axes(marks, &n, &of.call, wide->n_dims));
    for (int d = 0; d < wide->n_dims; d++) {
        bool is_marked = n < 0 ? wide->dims[d] == 1 : marks[d];
        if (is_marked && is_less && crd_onnx_view_has_images(view, d))
            return CRD_OK; /* of one image: another axis takes them */
        if (!is_marked && is_less)
            map[d] = to++;
        else if (!is_marked)
            map[to++] = d;
    }
    crd_onnx_view_renumber(view, map);
    *done = true;
cleanup:
    return status;
}

/* Flatten, Reshape, Squeeze, Unsqueeze: the order of elements stays. */
CRD_ONNX_LOWER(reshape)
{
    crd_status status = CRD_OK;
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    const crd_shape *from = crd_onnx_shape_of(lowering->graph, node, 0);
    const crd_shape *to = &lowering->graph->values[node->outputs[0]].shape;
    bool done;
    if (in.op < 0)
        return crd_onnx_lack(lowering, node, "of what does not depend on the images");
    CRD_TRY(renumber(&done, &in, lowering, node));
    if (!done && !crd_onnx_view_is_whole(&in, from))
        return crd_onnx_lack(lowering, node, "of what is broadcast");
    if (!done && !crd_onnx_view_reshape(&in, to)) {
        CRD_TRY(crd_onnx_in_order(&in, lowering, node, node->inputs[0]));
        if (!crd_onnx_view_reshape(&in, to))
            return crd_onnx_lack(lowering, node, "that cuts the images, or joins them");
    }
    CRD_TRY(crd_onnx_put_view(lowering, node, 0, &in));
cleanup:
    return status;
}

CRD_ONNX_LOWER(transpose)
{
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    const crd_onnx_attr *perm = crd_onnx_attr_find(node, "perm");
    int n = crd_onnx_shape_of(lowering->graph, node, 0)->n_dims, order[CRD_MAX_DIMS];
    for (int d = 0; d < n; d++)
        order[d] =
            perm == NULL ? n - 1 - d : (int)(perm->ints[d] < 0 ? perm->ints[d] + n : perm->ints[d]);
    crd_onnx_view_transpose(&in, order, n);
    return crd_onnx_put_view(lowering, node, 0, &in);
}

/* Along the new extents all is equal. */
CRD_ONNX_LOWER(expand)
{
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    const crd_shape *from = crd_onnx_shape_of(lowering->graph, node, 0);
    const crd_shape *to = &lowering->graph->values[node->outputs[0]].shape;
    int lead = to->n_dims - from->n_dims, map[CRD_MAX_DIMS];
    for (int d = 0; d < from->n_dims; d++) {
        map[d] = d + lead;
        if (crd_onnx_view_has_images(&in, d) && from->dims[d] != to->dims[d + lead])
            return crd_onnx_lack(lowering, node, "of one image to several");
    }
    if (in.op < 0)
        return crd_onnx_lack(lowering, node, "of what does not depend on the images");
    crd_onnx_view_renumber(&in, map);
    return crd_onnx_put_view(lowering, node, 0, &in);
}

/* The order for work along an axis: the last axis as features, unless it is that one; then it, with
 * what is before and behind as positions. *dim: the extent that the axis is. */
static crd_onnx_plan plan_along(int *dim, const crd_onnx_view *view, int n_dims, int axis)
{
    crd_onnx_plan plan = {.n_dims = 3};
    bool is_last = axis == n_dims - 1;
    crd_onnx_plan_axis(&plan, view, n_dims - 1, 0);
    *dim = is_last ? 0 : 2;
    for (int d = 0; d < n_dims - 1; d++)
        if (d != axis)
            crd_onnx_plan_axis(&plan, view, d, d < axis ? 1 : 3);
        else
            crd_onnx_plan_axis(&plan, view, d, 2);
    for (int k = 0; k < plan.n; k++)
        plan.n_dims = plan.dim[k] == 3 ? 4 : plan.n_dims;
    return plan;
}

/* The one atom of an axis if it is the outer part of an extent; -1: it is not. */
static int outer_atom(const crd_onnx_lowering *lowering, const crd_onnx_view *view, int axis)
{
    const crd_shape *shape = crd_onnx_op_shape(lowering, view->op);
    int found = -1, n = 0;
    for (int i = 0; i < view->n; i++)
        if (view->atoms[i].axis == axis) {
            found = i;
            n++;
        }
    if (n != 1 || view->atoms[found].dim == CRD_ONNX_IMAGES)
        return -1;
    const crd_onnx_atom *atom = &view->atoms[found];
    return atom->step * atom->extent == shape->dims[atom->dim] ? found : -1;
}

enum { NO_AXIS = -1 };

/* A view without the atoms of an axis, and without those of extent 1. */
static crd_onnx_view without_axis(const crd_onnx_view *view, int axis)
{
    crd_onnx_view out = {.op = view->op};
    for (int i = 0; i < view->n; i++)
        if (view->atoms[i].axis != axis)
            crd_onnx_view_add(&out, &view->atoms[i]);
    return out;
}

/* Elements [start, start + length) of an axis of input 0 of a node, of which there are more. */
static crd_status take(crd_onnx_view *view, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                       int axis, int64_t start, int64_t length)
{
    crd_status status = CRD_OK;
    int n_dims = crd_onnx_shape_of(lowering->graph, node, 0)->n_dims, dim;
    if (view->op < 0)
        return CRD_OK;
    if (crd_onnx_view_has_images(view, axis)) {
        view->op = CRD_ONNX_LACKING;
        return crd_onnx_lack(lowering, node, "along the images");
    }
    if (!crd_onnx_view_has(view, axis)) /* all is equal along it */
        return CRD_OK;
    if (outer_atom(lowering, view, axis) < 0) {
        const crd_onnx_plan plan = plan_along(&dim, view, n_dims, axis);
        CRD_TRY(crd_onnx_arrange(view, lowering, node, node->inputs[0], &plan));
        crd_onnx_view_join(view);
    }
    int at = outer_atom(lowering, view, axis);
    if (at < 0)
        return CRD_OK;
    crd_onnx_atom *atom = &view->atoms[at];
    const crd_attr attrs[] = {CRD_ATTR("dim", atom->dim + 1),
                              CRD_ATTR("start", (double)(start * atom->step)),
                              CRD_ATTR("length", (double)(length * atom->step)), CRD_ATTR_END};
    atom->extent = length;
    CRD_TRY(crd_onnx_emit_one(&view->op, lowering, node, "Narrow", attrs, view->op));
    *view = without_axis(view, NO_AXIS);
cleanup:
    return status;
}

CRD_ONNX_LOWER(split)
{
    crd_status status = CRD_OK;
    const crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    const crd_onnx_graph *graph = lowering->graph;
    const crd_shape *shape = crd_onnx_shape_of(graph, node, 0);
    int axis;
    int64_t first = 0;
    CRD_TRY(crd_onnx_axis(&axis, crd_onnx_attr_int(node, "axis", 0), shape->n_dims));
    for (int k = 0; k < node->n_outputs; k++) {
        if (node->outputs[k] < 0)
            return crd_onnx_lack(lowering, node, "with an output that is omitted");
        int64_t n = graph->values[node->outputs[k]].shape.dims[axis];
        crd_onnx_view out = in;
        if (n != shape->dims[axis] && crd_onnx_is_read(lowering, node, k))
            CRD_TRY(take(&out, lowering, node, axis, first, n));
        if (crd_onnx_is_read(lowering, node, k))
            CRD_TRY(crd_onnx_put_view(lowering, node, k, &out));
        first += n;
    }
cleanup:
    return status;
}

/* A view with an atom more, which is all of its axis. */
static crd_onnx_view with_axis(const crd_onnx_view *view, const crd_onnx_atom *atom)
{
    crd_onnx_view out = {.op = view->op};
    int i = 0;
    for (; i < view->n && view->atoms[i].axis < atom->axis; i++)
        crd_onnx_view_add(&out, &view->atoms[i]);
    crd_onnx_view_add(&out, atom);
    for (; i < view->n; i++)
        crd_onnx_view_add(&out, &view->atoms[i]);
    return out;
}

static bool are_alike(const crd_onnx_view *a, const crd_onnx_view *b)
{
    bool same = a->n == b->n;
    for (int i = 0; same && i < a->n; i++) {
        const crd_onnx_atom *x = &a->atoms[i], *y = &b->atoms[i];
        same =
            x->extent == y->extent && x->step == y->step && x->dim == y->dim && x->axis == y->axis;
    }
    return same;
}

/* Joins parts along an axis, if it is the outer part of one extent and they are alike otherwise:
 * *done. `dim`: that extent, where no part has more than one element of it. */
static crd_status join_views(bool *done, crd_onnx_view *out, crd_onnx_lowering *lowering,
                             const crd_onnx_node *node, const crd_onnx_view *parts, int n, int axis,
                             int dim)
{
    enum { MOST = 256 };
    int64_t ops[MOST], extent = 0, step = 0;
    const crd_onnx_view rest = without_axis(&parts[0], axis);
    const crd_shape *first = crd_onnx_op_shape(lowering, parts[0].op);
    *done = false;
    for (int k = 0; k < n; k++)
        for (int i = 0; i < parts[k].n; i++)
            dim = parts[k].atoms[i].axis == axis ? parts[k].atoms[i].dim : dim;
    if (dim < 0 || n > MOST)
        return CRD_OK;
    for (int k = 0; k < n; k++) {
        const crd_shape *shape = crd_onnx_op_shape(lowering, parts[k].op);
        const crd_onnx_view others = without_axis(&parts[k], axis);
        int at = outer_atom(lowering, &parts[k], axis);
        int64_t own = at >= 0 ? parts[k].atoms[at].extent : 1;
        bool fits = shape->n_dims == first->n_dims && dim < shape->n_dims &&
                    are_alike(&rest, &others) && (at >= 0 || others.n == parts[k].n) &&
                    (at < 0 || parts[k].atoms[at].dim == dim);
        for (int d = 0; fits && d < shape->n_dims; d++)
            fits = d == dim || shape->dims[d] == first->dims[d];
        if (!fits || (k > 0 && shape->dims[dim] / own != step))
            return CRD_OK;
        step = shape->dims[dim] / own;
        extent += own;
        ops[k] = parts[k].op;
    }
    const crd_attr attrs[] = {CRD_ATTR("dim", dim + 1), CRD_ATTR_END};
    *out = with_axis(&rest, &(crd_onnx_atom){extent, step, dim, axis});
    *done = true;
    return crd_onnx_emit(
        &out->op, lowering, node,
        &(crd_onnx_emission){"Concat", dim == 0 ? NULL : attrs, ops, n, .weight = 0});
}

/* Brings parts into one order along the axis, constants among them, and joins them. */
static crd_status join_in_order(crd_onnx_view *out, crd_onnx_lowering *lowering,
                                const crd_onnx_node *node, crd_onnx_view *parts, int axis)
{
    crd_status status = CRD_OK;
    const crd_shape *whole = &lowering->graph->values[node->outputs[0]].shape;
    crd_onnx_view like = {.op = CRD_ONNX_NOWHERE};
    crd_shape dims = {0};
    int dim = 0;
    bool done;
    for (int k = 0; k < node->n_inputs; k++)
        if (parts[k].op >= 0) {
            if (!crd_onnx_view_is_whole(&parts[k], crd_onnx_shape_of(lowering->graph, node, k)))
                return crd_onnx_lack(lowering, node, "of what is broadcast");
            crd_onnx_plan plan = plan_along(&dim, &parts[k], whole->n_dims, axis);
            CRD_TRY(crd_onnx_arrange(&parts[k], lowering, node, node->inputs[k], &plan));
            crd_onnx_view_join(&parts[k]);
            like = parts[k];
            dims = *crd_onnx_op_shape(lowering, like.op);
        }
    for (int k = 0; k < node->n_inputs && like.op >= 0; k++)
        if (crd_onnx_constant(lowering->graph, node, k) != NULL) {
            int64_t n = crd_onnx_shape_of(lowering->graph, node, k)->dims[axis];
            const crd_onnx_view rest = without_axis(&like, axis);
            crd_onnx_view own = with_axis(&rest, &(crd_onnx_atom){n, 1, dim, axis});
            dims.dims[dim] = n;
            CRD_TRY(crd_onnx_emit_constant(&own.op, lowering, node, k, &own, &dims));
            parts[k] = own;
            if (own.op < 0)
                return CRD_OK;
        }
    out->op = CRD_ONNX_LACKING;
    if (like.op < 0)
        return CRD_OK;
    CRD_TRY(join_views(&done, out, lowering, node, parts, node->n_inputs, axis, dim));
    if (!done)
        CRD_TRY(crd_onnx_lack(lowering, node, "its inputs are laid out differently"));
cleanup:
    return status;
}

CRD_ONNX_LOWER(concat)
{
    crd_status status = CRD_OK;
    enum { MOST = 256 };
    crd_onnx_view parts[MOST], out = {.op = CRD_ONNX_LACKING};
    int axis;
    int n_dims = lowering->graph->values[node->outputs[0]].shape.n_dims;
    bool done = true, has_images = false;
    if (node->n_inputs > MOST)
        return crd_onnx_lack(lowering, node, "of more than 256 inputs");
    CRD_TRY(crd_onnx_axis(&axis, crd_onnx_attr_int(node, "axis", 1), n_dims));
    for (int k = 0; k < node->n_inputs; k++) {
        parts[k] = crd_onnx_input(lowering, node, k);
        done &= parts[k].op >= 0;
        has_images |= parts[k].op >= 0 && crd_onnx_view_has_images(&parts[k], axis);
    }
    if (has_images)
        return crd_onnx_lack(lowering, node, "along the images");
    if (done)
        CRD_TRY(join_views(&done, &out, lowering, node, parts, node->n_inputs, axis, -1));
    if (!done)
        CRD_TRY(join_in_order(&out, lowering, node, parts, axis));
    CRD_TRY(crd_onnx_put_view(lowering, node, 0, &out));
cleanup:
    return status;
}

/* Up to two axes as the second and third extent of an op of three, all others as its features.
 * What windows over planes work on. */
static crd_status to_plane(crd_onnx_view *view, crd_onnx_lowering *lowering,
                           const crd_onnx_node *node, const int axes[2])
{
    crd_onnx_plan plan = {.n_dims = 3};
    bool fits = crd_onnx_op_shape(lowering, view->op)->n_dims == 3;
    for (int i = 0; i < 2; i++)
        fits &= axes[i] < 0 || crd_onnx_dim_of(lowering, view, axes[i], axes[i] + 1) == 1 + i;
    if (fits)
        return CRD_OK;
    for (int axis = 0; axis < CRD_MAX_DIMS; axis++)
        if (axis != axes[0] && axis != axes[1])
            crd_onnx_plan_axis(&plan, view, axis, 0);
    for (int i = 0; i < 2; i++)
        if (axes[i] >= 0)
            crd_onnx_plan_axis(&plan, view, axes[i], 1 + i);
    return crd_onnx_arrange(view, lowering, node, node->inputs[0], &plan);
}

/* Every step-th element of an axis: a pooling whose windows are one element. */
static crd_status take_every(crd_onnx_view *view, crd_onnx_lowering *lowering,
                             const crd_onnx_node *node, int axis, int64_t step, int64_t n)
{
    crd_status status = CRD_OK;
    if (view->op < 0 || !crd_onnx_view_has(view, axis))
        return CRD_OK;
    bool is_row = crd_onnx_dim_of(lowering, view, axis, axis + 1) == 1;
    const int axes[2] = {is_row ? axis : -1, is_row ? -1 : axis};
    CRD_TRY(to_plane(view, lowering, node, axes));
    const crd_attr attrs[] = {
        CRD_ATTR("kernel_size", 1, 1),
        CRD_ATTR("stride", is_row ? (double)step : 1, is_row ? 1 : (double)step),
        CRD_ATTR("padding", 0, 0), CRD_ATTR_END};
    CRD_TRY(crd_onnx_emit_one(&view->op, lowering, node, "MaxPool2d", attrs, view->op));
    const crd_onnx_view rest = without_axis(view, axis);
    *view = with_axis(&rest, &(crd_onnx_atom){n, 1, is_row ? 1 : 2, axis});
cleanup:
    return status;
}

CRD_ONNX_LOWER(slice)
{
    crd_status status = CRD_OK;
    crd_onnx_node_call of;
    crd_onnx_part part;
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    CRD_TRY(crd_onnx_node_call_of(&of, lowering, node, 5));
    CRD_TRY(crd_onnx_part_of(&part, &of.call));
    for (int d = 0; d < part.shape.n_dims; d++) {
        if (part.shape.dims[d] == of.in[0].shape.dims[d] && part.step[d] == 1)
            continue;
        if (part.step[d] < 1 || part.step[d] > CRD_OP_MAX_WINDOW)
            return crd_onnx_lack(lowering, node, "backward");
        int64_t span = (part.shape.dims[d] - 1) * part.step[d] + 1;
        if (span < of.in[0].shape.dims[d])
            CRD_TRY(take(&in, lowering, node, d, part.start[d], span));
        if (part.step[d] > 1)
            CRD_TRY(take_every(&in, lowering, node, d, part.step[d], part.shape.dims[d]));
    }
    CRD_TRY(crd_onnx_put_view(lowering, node, 0, &in));
cleanup:
    return status;
}

/* Elements of an axis by their numbers: runs of neighbours, joined. */
static crd_status take_indices(crd_onnx_view *view, crd_onnx_lowering *lowering,
                               const crd_onnx_node *node, int axis, const crd_onnx_tensor *index)
{
    crd_status status = CRD_OK;
    enum { MOST = 256 };
    int64_t n = crd_onnx_shape_of(lowering->graph, node, 0)->dims[axis];
    crd_onnx_view parts[MOST];
    int n_parts = 0;
    bool done = true;
    for (int64_t i = 0; i < index->count;) {
        int64_t start = crd_onnx_get_int(index, i), length = 1;
        start = start < 0 ? start + n : start;
        while (i + length < index->count && start + length < n &&
               (crd_onnx_get_int(index, i + length) + n) % n == start + length)
            length++;
        if (n_parts == MOST || start < 0 || start >= n) {
            view->op = CRD_ONNX_LACKING;
            return crd_onnx_lack(lowering, node, "of too many elements, or beyond them");
        }
        parts[n_parts] = *view;
        if (length < n)
            CRD_TRY(take(&parts[n_parts], lowering, node, axis, start, length));
        i += length;
        if (parts[n_parts++].op < 0) {
            view->op = CRD_ONNX_LACKING;
            return CRD_OK;
        }
    }
    *view = parts[0];
    if (n_parts == 1)
        return CRD_OK;
    CRD_TRY(join_views(&done, view, lowering, node, parts, n_parts, axis, -1));
    if (!done)
        CRD_TRY(crd_onnx_lack(lowering, node, "of elements that are not neighbours"));
    view->op = done ? view->op : CRD_ONNX_LACKING;
cleanup:
    return status;
}

/* Whether an index is 0, 1, 2 ... to n - 1: exporters write as_strided so. */
static bool is_range(const crd_onnx_tensor *index, int64_t n)
{
    bool is = index->count == n;
    for (int64_t i = 0; is && i < n; i++)
        is = crd_onnx_get_int(index, i) == i;
    return is;
}

/* The axis has the index's extents. */
CRD_ONNX_LOWER(gather)
{
    crd_status status = CRD_OK;
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    const crd_onnx_tensor *index = crd_onnx_constant(lowering->graph, node, 1);
    const crd_shape *shape = crd_onnx_shape_of(lowering->graph, node, 0);
    const crd_shape *to = &lowering->graph->values[node->outputs[0]].shape;
    int axis, map[CRD_MAX_DIMS];
    if (in.op < 0 || index == NULL || index->count == 0)
        return crd_onnx_lack(lowering, node, "by other than a list of constant numbers");
    CRD_TRY(crd_onnx_axis(&axis, crd_onnx_attr_int(node, "axis", 0), shape->n_dims));
    bool is_whole = is_range(index, shape->dims[axis]), is_one = index->shape.n_dims == 0;
    if (crd_onnx_view_has_images(&in, axis) && (!is_whole || is_one))
        return crd_onnx_lack(lowering, node, "along the images");
    if (!is_whole && shape->dims[axis] > 1)
        CRD_TRY(take_indices(&in, lowering, node, axis, index));
    if (is_one) {
        for (int d = 0; d < shape->n_dims; d++)
            map[d] = d - (d > axis);
        crd_onnx_view_renumber(&in, map);
    } else if (index->shape.n_dims > 1 && in.op >= 0) {
        if (!crd_onnx_view_reshape(&in, to))
            CRD_TRY(crd_onnx_in_order(&in, lowering, node, node->inputs[0]));
        if (in.op >= 0 && !crd_onnx_view_is_whole(&in, to) && !crd_onnx_view_reshape(&in, to))
            return crd_onnx_lack(lowering, node, "of elements that cannot be laid out");
    }
    CRD_TRY(crd_onnx_put_view(lowering, node, 0, &in));
cleanup:
    return status;
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

/* Along up to two axes. */
CRD_ONNX_LOWER(pad)
{
    crd_status status = CRD_OK;
    crd_onnx_node_call of;
    int64_t before[CRD_MAX_DIMS], after[CRD_MAX_DIMS];
    bool is_known;
    int axes[2] = {-1, -1}, n = 0;
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    const crd_onnx_tensor *value = crd_onnx_constant(lowering->graph, node, 2);
    const char *mode = crd_onnx_attr_text(node, "mode", "constant");
    CRD_TRY(crd_onnx_node_call_of(&of, lowering, node, 4));
    CRD_TRY(crd_onnx_pads_of(before, after, &is_known, &of.call));
    double fill = value != NULL && value->count == 1 ? crd_onnx_get(value, 0)
                                                     : crd_onnx_attr_real(node, "value", 0);
    for (int d = 0; d < of.in[0].shape.n_dims; d++) {
        if (before[d] == 0 && after[d] == 0)
            continue;
        if (n == 2 || crd_onnx_view_has_images(&in, d))
            return crd_onnx_lack(lowering, node, "of more than two extents, or of the images");
        axes[n++] = d;
    }
    if (n == 1) { /* alone, it is the width, unless it is the height already */
        bool is_row = crd_onnx_dim_of(lowering, &in, axes[0], axes[0] + 1) == 1;
        axes[1] = is_row ? -1 : axes[0];
        axes[0] = is_row ? axes[0] : -1;
    }
    const char *kind = padding_of(mode, fill);
    if (kind == NULL)
        return crd_onnx_lack(lowering, node, "with other numbers than zeros");
    if (in.op < 0 || !crd_onnx_view_is_whole(&in, &of.in[0].shape))
        return crd_onnx_lack(lowering, node, "of what is broadcast");
    double sides[4] = {0}; /* left, right, top, bottom */
    for (int i = 0; n > 0 && i < 2; i++)
        if (axes[i] >= 0) {
            sides[2 - 2 * i] = (double)before[axes[i]];
            sides[3 - 2 * i] = (double)after[axes[i]];
        }
    const crd_attr attrs[] = {CRD_ATTR("padding", sides[0], sides[1], sides[2], sides[3]),
                              CRD_ATTR_END};
    if (n > 0) {
        CRD_TRY(to_plane(&in, lowering, node, axes));
        CRD_TRY(crd_onnx_emit_one(&in.op, lowering, node, kind, attrs, in.op));
    }
    for (int i = 0; n > 0 && i < 2; i++)
        if (axes[i] >= 0) {
            const crd_onnx_view rest = without_axis(&in, axes[i]);
            int64_t extent = lowering->graph->values[node->outputs[0]].shape.dims[axes[i]];
            in = with_axis(&rest, &(crd_onnx_atom){extent, 1, 1 + i, axes[i]});
        }
    CRD_TRY(crd_onnx_put_view(lowering, node, 0, &in));
cleanup:
    return status;
}

/* Nearest and linear ones of planes. */
CRD_ONNX_LOWER(resize)
{
    crd_status status = CRD_OK;
    crd_onnx_node_call of;
    double scales[CRD_MAX_DIMS];
    bool is_known;
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    const char *mode = crd_onnx_attr_text(node, "mode", "nearest");
    bool is_old = lowering->graph->opset < 11 || node->kind->rule == 1;
    const char *place = crd_onnx_attr_text(node, "coordinate_transformation_mode",
                                           is_old ? "asymmetric" : "half_pixel");
    const char *rounding =
        crd_onnx_attr_text(node, "nearest_mode", is_old ? "floor" : "round_prefer_floor");
    CRD_TRY(crd_onnx_node_call_of(&of, lowering, node, 4));
    CRD_TRY(crd_onnx_scales(scales, &is_known, &of.call));
    const crd_shape *out = &lowering->graph->values[node->outputs[0]].shape;
    if (of.in[0].shape.n_dims != 4 || scales[0] != 1 || scales[1] != 1)
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
    CRD_TRY(crd_onnx_put(lowering, node, 0, in.op));
cleanup:
    return status;
}
