/* Atoms of axes: cutting and joining them, and the ops that bring them into another order. */
#include "import/onnx/onnx_view.h"

#include "import/onnx/onnx_lower.h"

void crd_onnx_view_plain(crd_onnx_view *out, int64_t op, const crd_shape *shape)
{
    *out = (crd_onnx_view){.op = op};
    for (int d = 0; d < shape->n_dims; d++)
        crd_onnx_view_add(
            out, &(crd_onnx_atom){shape->dims[d], 1, crd_onnx_network_dim(shape->n_dims, d), d});
}

bool crd_onnx_view_add(crd_onnx_view *view, const crd_onnx_atom *atom)
{
    if (atom->extent == 1 && atom->dim != CRD_ONNX_IMAGES)
        return true;
    if (view->n == CRD_ONNX_MAX_ATOMS)
        return false;
    view->atoms[view->n++] = *atom;
    return true;
}

bool crd_onnx_view_is_whole(const crd_onnx_view *view, const crd_shape *shape)
{
    int64_t extents[CRD_MAX_DIMS];
    for (int d = 0; d < CRD_MAX_DIMS; d++)
        extents[d] = 1;
    for (int i = 0; i < view->n; i++)
        extents[view->atoms[i].axis] *= view->atoms[i].extent;
    for (int d = 0; d < shape->n_dims; d++)
        if (extents[d] != shape->dims[d])
            return false;
    return true;
}

bool crd_onnx_view_has_images(const crd_onnx_view *view, int axis)
{
    for (int i = 0; i < view->n; i++)
        if (view->atoms[i].axis == axis && view->atoms[i].dim == CRD_ONNX_IMAGES)
            return true;
    return false;
}

bool crd_onnx_view_has(const crd_onnx_view *view, int axis)
{
    for (int i = 0; i < view->n; i++)
        if (view->atoms[i].axis == axis && view->atoms[i].dim != CRD_ONNX_IMAGES)
            return true;
    return false;
}

/* Joins atom b to atom a before it, if they are one in memory. */
static bool join(crd_onnx_atom *a, const crd_onnx_atom *b)
{
    if (a->dim == CRD_ONNX_IMAGES || a->dim != b->dim || a->step != b->step * b->extent)
        return false;
    a->extent *= b->extent;
    a->step = b->step;
    return true;
}

void crd_onnx_view_join(crd_onnx_view *view)
{
    int n = 0;
    for (int i = 0; i < view->n; i++)
        if (n == 0 || view->atoms[n - 1].axis != view->atoms[i].axis ||
            !join(&view->atoms[n - 1], &view->atoms[i]))
            view->atoms[n++] = view->atoms[i];
    view->n = n;
}

/* Of an axis that is complete, with the images next, which are one: whether they are in it. */
static bool takes_image(const crd_shape *to, int axis)
{
    bool next_is_features = axis + 2 == to->n_dims && to->dims[axis + 1] > 1;
    return to->dims[axis] == 1 || axis + 1 == to->n_dims || next_is_features;
}

bool crd_onnx_view_reshape(crd_onnx_view *view, const crd_shape *to)
{
    crd_onnx_view in = *view, out = {.op = view->op};
    int at = 0;
    for (int i = 0; i < in.n; i++)
        in.atoms[i].axis = 0;
    crd_onnx_view_join(&in);
    for (int axis = 0; axis < to->n_dims; axis++) {
        for (int64_t need = to->dims[axis]; at < in.n;) {
            crd_onnx_atom *atom = &in.atoms[at], part = *atom;
            bool is_one = atom->extent == 1; /* the images */
            if (need == 1 && !(is_one && takes_image(to, axis)))
                break;
            part.axis = axis;
            if (need % atom->extent == 0) {
                at++;
            } else if (atom->extent % need == 0 && atom->dim != CRD_ONNX_IMAGES) {
                part.extent = need;
                atom->extent /= need;
                part.step = atom->step * atom->extent;
            } else
                return false;
            need /= part.extent;
            if (!crd_onnx_view_add(&out, &part))
                return false;
        }
    }
    if (at < in.n || !crd_onnx_view_is_whole(&out, to))
        return false;
    *view = out;
    return true;
}

void crd_onnx_view_transpose(crd_onnx_view *view, const int *order, int n)
{
    crd_onnx_view out = {.op = view->op};
    for (int d = 0; d < n; d++)
        for (int i = 0; i < view->n; i++)
            if (view->atoms[i].axis == order[d]) {
                out.atoms[out.n] = view->atoms[i];
                out.atoms[out.n++].axis = d;
            }
    *view = out;
}

void crd_onnx_view_renumber(crd_onnx_view *view, const int *map)
{
    for (int i = 0; i < view->n; i++)
        view->atoms[i].axis = map[view->atoms[i].axis];
}

/* The outer part of an atom, of that extent; what remains is the atom. */
static crd_onnx_atom cut(crd_onnx_atom *atom, int64_t extent)
{
    crd_onnx_atom outer = *atom;
    outer.extent = extent;
    atom->extent /= extent;
    outer.step = atom->step * atom->extent;
    return outer;
}

/* The atoms of one axis, from *i and *j on. */
static bool refine_axis(crd_onnx_view out[2], crd_onnx_view *a, int *i, crd_onnx_view *b, int *j,
                        int axis)
{
    while (*i < a->n && a->atoms[*i].axis == axis && *j < b->n && b->atoms[*j].axis == axis) {
        crd_onnx_atom *x = &a->atoms[*i], *y = &b->atoms[*j];
        int64_t extent = x->extent < y->extent ? x->extent : y->extent;
        bool is_image = x->dim == CRD_ONNX_IMAGES;
        if (is_image != (y->dim == CRD_ONNX_IMAGES) || x->extent % extent != 0 ||
            y->extent % extent != 0)
            return false;
        crd_onnx_atom of_x = *x, of_y = *y;
        if (x->extent == extent)
            ++*i;
        else
            of_x = cut(x, extent);
        if (y->extent == extent)
            ++*j;
        else
            of_y = cut(y, extent);
        if (!crd_onnx_view_add(&out[0], &of_x) || !crd_onnx_view_add(&out[1], &of_y))
            return false;
    }
    return (*i == a->n || a->atoms[*i].axis != axis) && (*j == b->n || b->atoms[*j].axis != axis);
}

/* An axis that only one of them has is taken as it is. */
static bool take_axis(crd_onnx_view *out, const crd_onnx_view *view, int *i, int axis)
{
    for (; *i < view->n && view->atoms[*i].axis == axis; ++*i)
        if (!crd_onnx_view_add(out, &view->atoms[*i]))
            return false;
    return true;
}

bool crd_onnx_view_refine(crd_onnx_view *a, crd_onnx_view *b)
{
    crd_onnx_view x = *a, y = *b, out[2] = {{.op = a->op}, {.op = b->op}};
    int i = 0, j = 0;
    for (int axis = 0; axis < CRD_MAX_DIMS; axis++) {
        bool in_both = i < x.n && x.atoms[i].axis == axis && j < y.n && y.atoms[j].axis == axis;
        if (in_both ? !refine_axis(out, &x, &i, &y, &j, axis)
                    : !take_axis(&out[0], &x, &i, axis) || !take_axis(&out[1], &y, &j, axis))
            return false;
    }
    *a = out[0];
    *b = out[1];
    return true;
}

void crd_onnx_plan_axis(crd_onnx_plan *plan, const crd_onnx_view *view, int axis, int dim)
{
    for (int i = 0; i < view->n; i++)
        if (view->atoms[i].axis == axis && view->atoms[i].dim != CRD_ONNX_IMAGES) {
            plan->atom[plan->n] = i;
            plan->dim[plan->n++] = dim;
        }
}

void crd_onnx_plan_memory(crd_onnx_plan *out, const crd_onnx_view *view)
{
    *out = (crd_onnx_plan){0};
    for (int i = 0; i < view->n; i++) {
        const crd_onnx_atom *atom = &view->atoms[i];
        int at = out->n;
        if (atom->dim == CRD_ONNX_IMAGES)
            continue;
        for (; at > 0; at--) {
            const crd_onnx_atom *before = &view->atoms[out->atom[at - 1]];
            if (before->dim < atom->dim || (before->dim == atom->dim && before->step > atom->step))
                break;
            out->atom[at] = out->atom[at - 1];
            out->dim[at] = out->dim[at - 1];
        }
        out->atom[at] = i;
        out->dim[at] = atom->dim;
        out->n++;
    }
}

int64_t crd_onnx_linear_step(const crd_onnx_lowering *lowering, const crd_onnx_view *view, int atom)
{
    const crd_shape *shape = crd_onnx_op_shape(lowering, view->op);
    int64_t step = view->atoms[atom].step;
    for (int d = view->atoms[atom].dim + 1; d < shape->n_dims; d++)
        step *= shape->dims[d];
    return step;
}

/* A stretch of atoms that is one in both orders. */
typedef struct stretch {
    int64_t extent, step; /* in the order before */
    bool was_features, is_features;
} stretch;

static int stretches_of(stretch out[CRD_ONNX_MAX_ATOMS], const crd_onnx_lowering *lowering,
                        const crd_onnx_view *view, const crd_onnx_plan *plan)
{
    int n = 0;
    for (int k = 0; k < plan->n; k++) {
        const crd_onnx_atom *atom = &view->atoms[plan->atom[k]];
        const stretch s = {atom->extent, crd_onnx_linear_step(lowering, view, plan->atom[k]),
                           atom->dim == 0, plan->dim[k] == 0};
        stretch *last = n > 0 ? &out[n - 1] : NULL;
        if (last != NULL && last->step == s.step * s.extent &&
            last->was_features == s.was_features && last->is_features == s.is_features) {
            last->extent *= s.extent;
            last->step = s.step;
        } else
            out[n++] = s;
    }
    return n;
}

static void set_list(crd_attr *attr, const crd_shape *shape)
{
    attr->n = shape->n_dims;
    for (int d = 0; d < shape->n_dims; d++)
        attr->values[d] = (double)shape->dims[d];
}

static crd_status emit_permute(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                               const stretch *stretches, int n, const crd_shape *to)
{
    crd_attr attrs[] = {{.name = "view"}, {.name = "dims"}, {.name = "shape"}, CRD_ATTR_END};
    crd_shape view = {.n_dims = n}, dims = {.n_dims = n};
    if (n > CRD_MAX_DIMS) {
        *op = CRD_ONNX_LACKING;
        return crd_onnx_lack(lowering, node, "of axes that are cut into too many pieces");
    }
    for (int k = 0; k < n; k++) {
        int place = 0;
        for (int j = 0; j < n; j++)
            place += stretches[j].step > stretches[k].step;
        view.dims[place] = stretches[k].extent;
        dims.dims[k] = place + 1;
    }
    set_list(&attrs[0], &view);
    set_list(&attrs[1], &dims);
    set_list(&attrs[2], to);
    return crd_onnx_emit_one(op, lowering, node, "Permute", attrs, *op);
}

crd_status crd_onnx_arrange(crd_onnx_view *view, crd_onnx_lowering *lowering,
                            const crd_onnx_node *node, int64_t value, const crd_onnx_plan *plan)
{
    if (view->op < 0)
        return CRD_OK;
    crd_status status = CRD_OK;
    const crd_shape from = *crd_onnx_op_shape(lowering, view->op);
    int64_t producer = value < 0 ? -1 : lowering->graph->values[value].producer;
    const crd_onnx_node *maker = producer < 0 ? node : &lowering->graph->nodes[producer];
    stretch stretches[CRD_ONNX_MAX_ATOMS];
    crd_shape to = {.n_dims = plan->n_dims};
    bool is_same = true;
    int n = stretches_of(stretches, lowering, view, plan);
    for (int d = 0; d < to.n_dims; d++)
        to.dims[d] = 1;
    for (int k = 1; k < n; k++)
        is_same &= stretches[k].step < stretches[k - 1].step;
    for (int k = plan->n - 1; k >= 0; k--) {
        crd_onnx_atom *atom = &view->atoms[plan->atom[k]];
        to.dims[plan->dim[k]] *= atom->extent;
    }
    crd_attr reshape[] = {{.name = "shape"}, CRD_ATTR_END};
    set_list(&reshape[0], &to);
    if (is_same && to.n_dims == 1 && from.n_dims > 1)
        CRD_TRY(crd_onnx_emit_one(&view->op, lowering, maker, "Flatten", NULL, view->op));
    else if (is_same && to.dims[0] == from.dims[0] && !crd_shape_equal(&to, &from))
        CRD_TRY(crd_onnx_emit_one(&view->op, lowering, maker, "Reshape", reshape, view->op));
    else if (!crd_shape_equal(&to, &from) || !is_same)
        CRD_TRY(emit_permute(&view->op, lowering, maker, stretches, n, &to));
    int64_t steps[CRD_MAX_DIMS];
    for (int d = 0; d < CRD_MAX_DIMS; d++)
        steps[d] = 1;
    for (int k = plan->n - 1; k >= 0; k--) {
        crd_onnx_atom *atom = &view->atoms[plan->atom[k]];
        atom->dim = plan->dim[k];
        atom->step = steps[atom->dim];
        steps[atom->dim] *= atom->extent;
    }
cleanup:
    return status;
}

crd_status crd_onnx_settle(bool *done, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                           int64_t value)
{
    const crd_shape *shape = &lowering->graph->values[value].shape;
    crd_onnx_view *view = &lowering->views[value];
    crd_onnx_plan plan = {.n_dims = shape->n_dims == 2 ? 1 : shape->n_dims == 3 ? 3 : 0};
    *done = shape->n_dims >= 2 && crd_onnx_view_has_images(view, 0) &&
            !crd_onnx_view_has(view, 0) && crd_onnx_view_is_whole(view, shape);
    if (!*done)
        return CRD_OK;
    plan.n_dims = plan.n_dims == 0 ? shape->n_dims - 1 : plan.n_dims;
    for (int d = 1; d < shape->n_dims; d++)
        crd_onnx_plan_axis(&plan, view, d, crd_onnx_network_dim(shape->n_dims, d));
    crd_status status = crd_onnx_arrange(view, lowering, node, value, &plan);
    if (view->op >= 0)
        crd_onnx_view_plain(view, view->op, shape);
    return status;
}

int crd_onnx_dim_of(const crd_onnx_lowering *lowering, const crd_onnx_view *view, int first,
                    int end)
{
    int64_t step = 1;
    int dim = -1;
    for (int i = view->n - 1; i >= 0; i--) {
        const crd_onnx_atom *atom = &view->atoms[i];
        if (atom->axis < first || atom->axis >= end)
            continue;
        dim = dim < 0 ? atom->dim : dim;
        if (atom->dim < 0 || atom->dim != dim || atom->step != step)
            return -1;
        step *= atom->extent;
    }
    return dim >= 0 && step == crd_onnx_op_shape(lowering, view->op)->dims[dim] ? dim : -1;
}

crd_status crd_onnx_to_features(bool *done, crd_onnx_view *out, crd_onnx_lowering *lowering,
                                const crd_onnx_node *node, int k, int first, int end)
{
    crd_status status = CRD_OK;
    int64_t value = node->inputs[k];
    crd_onnx_view *view = &lowering->views[value];
    const crd_shape *shape = &lowering->graph->values[value].shape;
    const crd_shape *of_op = crd_onnx_op_shape(lowering, view->op);
    bool has_features = false, has_positions = false;
    *done = view->op >= 0 && crd_onnx_view_is_whole(view, shape);
    for (int d = 0; d < shape->n_dims; d++) {
        bool is_feature = d >= first && d < end;
        *done &= !is_feature || !crd_onnx_view_has_images(view, d);
        *(is_feature ? &has_features : &has_positions) |= crd_onnx_view_has(view, d);
    }
    bool fits =
        has_features ? crd_onnx_dim_of(lowering, view, first, end) == 0 : of_op->dims[0] == 1;
    if (*done && (!fits || (!has_positions && of_op->n_dims > 1))) {
        crd_onnx_plan plan = {.n_dims = has_positions ? 3 : 1};
        for (int d = first; d < end; d++)
            crd_onnx_plan_axis(&plan, view, d, 0);
        for (int d = 0; d < shape->n_dims; d++)
            if (d < first || d >= end)
                crd_onnx_plan_axis(&plan, view, d, 2);
        CRD_TRY(crd_onnx_arrange(view, lowering, node, value, &plan));
    }
    *out = *view;
cleanup:
    return status;
}

crd_status crd_onnx_in_order(crd_onnx_view *view, crd_onnx_lowering *lowering,
                             const crd_onnx_node *node, int64_t value)
{
    crd_onnx_plan plan = {.n_dims = 1};
    for (int axis = 0; axis < CRD_MAX_DIMS; axis++)
        crd_onnx_plan_axis(&plan, view, axis, 0);
    crd_status status = crd_onnx_arrange(view, lowering, node, value, &plan);
    crd_onnx_view_join(view);
    return status;
}
