/* Lowerings of functions of elements and of arithmetic. A function of one element does not mind in
 * which order they lie. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "import/onnx/onnx_index.h"
#include "import/onnx/onnx_lower.h"
#include "import/onnx/onnx_movement.h"
#include "import/onnx/onnx_window.h"

/* One op on the first input, whose elements stay where they are. */
static crd_status lower_one(crd_onnx_lowering *lowering, const crd_onnx_node *node,
                            const char *kind, const crd_attr *attrs)
{
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    crd_status status = crd_onnx_emit_one(&in.op, lowering, node, kind, attrs, in.op);
    return status != CRD_OK ? status : crd_onnx_put_view(lowering, node, 0, &in);
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
    const crd_attr attrs[] = {CRD_ATTR("min_val", fmax(low, -FLT_MAX)),
                              CRD_ATTR("max_val", fmin(high, FLT_MAX)), CRD_ATTR_END};
    if (low == 0 && high >= FLT_MAX)
        return crd_onnx_emit_one(op, lowering, node, "ReLU", NULL, *op);
    if (low == 0 && high == 6)
        return crd_onnx_emit_one(op, lowering, node, "ReLU6", NULL, *op);
    return crd_onnx_emit_one(op, lowering, node, "Hardtanh", attrs, *op);
}

CRD_ONNX_LOWER(clip)
{
    double bounds[2] = {crd_onnx_attr_real(node, "min", -INFINITY),
                        crd_onnx_attr_real(node, "max", INFINITY)};
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
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
    return status != CRD_OK ? status : crd_onnx_put_view(lowering, node, 0, &in);
}

CRD_ONNX_LOWER(hard_sigmoid)
{
    double alpha = crd_onnx_attr_real(node, "alpha", 0.2);
    double beta = crd_onnx_attr_real(node, "beta", 0.5);
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    if (fabs(alpha - 1.0 / 6) < 1e-6 && beta == 0.5)
        return lower_one(lowering, node, "Hardsigmoid", NULL);
    crd_status status = scale_shift(&in.op, lowering, node, alpha, beta);
    if (status == CRD_OK)
        status = clamp(&in.op, lowering, node, 0, 1);
    return status != CRD_OK ? status : crd_onnx_put_view(lowering, node, 0, &in);
}

/* gamma ELU(x, alpha), torch's SELU where they are the paper's. */
CRD_ONNX_LOWER(selu)
{
    crd_status status = CRD_OK;
    double alpha = crd_onnx_attr_real(node, "alpha", node->kind->numbers.a_fallback);
    double gamma = crd_onnx_attr_real(node, "gamma", node->kind->numbers.b_fallback);
    const crd_attr attrs[] = {CRD_ATTR("alpha", alpha), CRD_ATTR_END};
    crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    CRD_TRY(crd_onnx_emit_one(&in.op, lowering, node, "ELU", attrs, in.op));
    CRD_TRY(scale_shift(&in.op, lowering, node, gamma, 0));
    CRD_TRY(crd_onnx_put_view(lowering, node, 0, &in));
cleanup:
    return status;
}

CRD_ONNX_LOWER(channel_shuffle)
{
    return crd_onnx_lower_function(lowering, node);
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
    const crd_onnx_view in = crd_onnx_input(lowering, node, 0);
    return crd_onnx_put_view(lowering, node, 0, &in);
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
        lowering->views[node->outputs[1]].op = CRD_ONNX_LACKING;
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

/* Place of an element of an op in a constant, whose steps along ONNX's axes are given, for one
 * image. */
static int64_t place_of(int64_t element, const crd_onnx_view *like, const crd_shape *dims,
                        const int64_t *steps, int64_t image)
{
    int64_t at[CRD_MAX_DIMS], index[CRD_MAX_DIMS] = {0}, place = 0;
    for (int d = dims->n_dims - 1; d >= 0; d--) {
        at[d] = element % dims->dims[d];
        element /= dims->dims[d];
    }
    for (int i = 0; i < like->n; i++) {
        const crd_onnx_atom *atom = &like->atoms[i];
        int64_t k =
            atom->dim == CRD_ONNX_IMAGES ? image : at[atom->dim] / atom->step % atom->extent;
        if (atom->axis >= 0)
            index[atom->axis] = index[atom->axis] * atom->extent + k;
    }
    for (int d = 0; d < CRD_MAX_DIMS; d++)
        place += index[d] * steps[d];
    return place;
}

/* Whether numbers are a mask, which no training changes: some are 0 and all others are one number,
 * or one is infinite. */
static bool is_mask(const crd_onnx_tensor *constant)
{
    double other = 0;
    bool has_zero = false, has_two = false, has_infinity = false;
    for (int64_t i = 0; i < constant->count; i++) {
        double x = crd_onnx_get(constant, i);
        has_infinity |= isinf(x) != 0;
        has_zero |= x == 0;
        has_two |= x != 0 && other != 0 && x != other;
        other = x != 0 ? x : other;
    }
    return has_infinity || (has_zero && other != 0 && !has_two);
}

crd_status crd_onnx_emit_constant(int64_t *op, crd_onnx_lowering *lowering,
                                  const crd_onnx_node *node, int k, const crd_onnx_view *like,
                                  const crd_shape *dims)
{
    crd_status status = CRD_OK;
    const crd_onnx_tensor *constant = crd_onnx_constant(lowering->graph, node, k);
    int64_t own[CRD_MAX_DIMS], steps[CRD_MAX_DIMS] = {0}, n_images = 1;
    bool differs = false;
    crd_onnx_tensor *moved;
    *op = CRD_ONNX_LACKING;
    crd_onnx_strides(own, &constant->shape);
    for (int d = 0; d < constant->shape.n_dims; d++)
        steps[d] = constant->shape.dims[d] == 1 ? 0 : own[d];
    for (int i = 0; i < like->n; i++)
        if (like->atoms[i].dim == CRD_ONNX_IMAGES && like->atoms[i].axis >= 0 &&
            steps[like->atoms[i].axis] != 0)
            n_images = like->atoms[i].extent;
    CRD_TRY(crd_onnx_tensor_create(&moved, &lowering->graph->budget, CRD_ONNX_FLOAT, dims));
    for (int64_t i = 0; i < moved->count; i++) {
        double x = crd_onnx_get(constant, place_of(i, like, dims, steps, 0));
        for (int64_t image = 1; image < n_images; image++)
            differs |= crd_onnx_get(constant, place_of(i, like, dims, steps, image)) != x;
        moved->f[i] = (float)(isinf(x) ? (x > 0 ? FLT_MAX : -FLT_MAX) : x); /* of masks */
    }
    if (differs) {
        crd_onnx_tensor_destroy(moved);
        return crd_onnx_lack(lowering, node, "a constant that differs from image to image");
    }
    crd_attr attrs[] = {{.name = "shape", .n = dims->n_dims}, CRD_ATTR("dim", 0), CRD_ATTR_END};
    for (int d = 0; d < dims->n_dims; d++)
        attrs[0].values[d] = (double)dims->dims[d];
    const crd_onnx_emission emission = {is_mask(constant) ? "Buffer" : "Parameter", attrs,
                                        .name = crd_onnx_origin(lowering->graph, node->inputs[k])};
    status = crd_onnx_emit(op, lowering, node, &emission);
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

/* One side of a pair: a view, or constant input k of the node. */
typedef struct side {
    crd_onnx_view view; /* axes counted as the output's */
    int k;
    bool is_constant;
} side;

/* How the extents of an op that has all elements go with the other side: along each that one has
 * all elements, or one. */
typedef struct match {
    bool varies[CRD_MAX_DIMS];
    bool is_split; /* along an extent the other side has some of the atoms only */
} match;

static bool has_axis(const crd_onnx_lowering *lowering, const crd_onnx_node *node,
                     const side *other, int axis)
{
    if (!other->is_constant)
        return crd_onnx_view_has(&other->view, axis);
    const crd_shape *shape = crd_onnx_shape_of(lowering->graph, node, other->k);
    int lead = lowering->graph->values[node->outputs[0]].shape.n_dims - shape->n_dims;
    return axis >= lead && shape->dims[axis - lead] > 1;
}

static match match_of(const crd_onnx_lowering *lowering, const crd_onnx_node *node,
                      const crd_onnx_view *whole, const side *other)
{
    match m = {0};
    bool lacks[CRD_MAX_DIMS] = {false};
    for (int i = 0; i < whole->n; i++) {
        const crd_onnx_atom *atom = &whole->atoms[i];
        if (atom->dim != CRD_ONNX_IMAGES)
            *(has_axis(lowering, node, other, atom->axis) ? &m.varies[atom->dim]
                                                          : &lacks[atom->dim]) = true;
    }
    for (int d = 0; d < CRD_MAX_DIMS; d++)
        m.is_split |= m.varies[d] && lacks[d];
    return m;
}

/* Three extents at most, which is what operators of two inputs broadcast: neighbours that the other
 * side has alike become one; all positions, where these are still too many. */
static crd_status flatten_whole(crd_onnx_view *whole, match *m, crd_onnx_lowering *lowering,
                                const crd_onnx_node *node, int64_t value)
{
    const crd_shape *shape = crd_onnx_op_shape(lowering, whole->op);
    int group[CRD_MAX_DIMS] = {0}, n = 0;
    bool varies[CRD_MAX_DIMS] = {m->varies[0]}, is_first = true;
    for (int d = 1; d < shape->n_dims; d++) {
        bool is_new = is_first || m->varies[d] != varies[n];
        if (shape->dims[d] == 1) {
            group[d] = n;
            continue;
        }
        n += is_new;
        is_first = false;
        group[d] = n;
        varies[n] = m->varies[d];
    }
    for (int d = 1; n > 2 && d < shape->n_dims; d++) {
        m->is_split |= !m->varies[d];
        group[d] = 2;
    }
    if (n > 2)
        varies[1] = varies[2] = true;
    crd_onnx_plan plan;
    crd_onnx_plan_memory(&plan, whole);
    plan.n_dims = 3;
    for (int i = 0; i < plan.n; i++)
        plan.dim[i] = group[plan.dim[i]];
    for (int d = 0; d < 3; d++)
        m->varies[d] = varies[d];
    return crd_onnx_arrange(whole, lowering, node, value, &plan);
}

static crd_status emit_pair(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                            int64_t a, int64_t b)
{
    const char *kind = node->kind->kind;
    const int64_t inputs[] = {a, b};
    *op = CRD_ONNX_LACKING;
    if (a < 0 || b < 0)
        return CRD_OK;
    if (strcmp(kind, "Add") == 0 &&
        !crd_shape_equal(crd_onnx_op_shape(lowering, a), crd_onnx_op_shape(lowering, b)))
        kind = "BroadcastAdd";
    return crd_onnx_emit(op, lowering, node,
                         &(crd_onnx_emission){kind, NULL, inputs, 2, .weight = 0});
}

/* A constant beside a view, whose axes are counted as the output's. */
static crd_status emit_beside(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                              int k, const crd_onnx_view *view, const crd_shape *dims)
{
    crd_onnx_view like = *view;
    int lead = lowering->graph->values[node->outputs[0]].shape.n_dims -
               crd_onnx_shape_of(lowering->graph, node, k)->n_dims;
    for (int i = 0; i < like.n; i++)
        like.atoms[i].axis -= lead;
    return crd_onnx_emit_constant(op, lowering, node, k, &like, dims);
}

/* The other side in the order that `whole` has, with extents of 1 where it does not vary. */
static crd_status bring(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                        const crd_onnx_view *whole, const match *m, side *other)
{
    crd_shape dims = *crd_onnx_op_shape(lowering, whole->op);
    crd_onnx_plan plan, all;
    for (int d = 0; d < dims.n_dims; d++)
        dims.dims[d] = m->varies[d] ? dims.dims[d] : 1;
    if (other->is_constant)
        return emit_beside(op, lowering, node, other->k, whole, &dims);
    crd_onnx_plan_memory(&all, whole);
    plan = (crd_onnx_plan){.n_dims = dims.n_dims};
    for (int k = 0; k < all.n; k++) {
        const crd_onnx_atom *atom = &whole->atoms[all.atom[k]];
        int nth = 0, seen = 0;
        if (!m->varies[atom->dim])
            continue;
        /* The atom of the other side that has the same place among those of the axis. */
        for (int i = 0; i < all.atom[k]; i++)
            nth += whole->atoms[i].axis == atom->axis;
        for (int i = 0; i < other->view.n; i++)
            if (other->view.atoms[i].axis == atom->axis && seen++ == nth)
                plan.atom[plan.n] = i;
        plan.dim[plan.n++] = atom->dim;
    }
    crd_status status = crd_onnx_arrange(&other->view, lowering, node,
                                         other->k < 0 ? -1 : node->inputs[other->k], &plan);
    *op = other->view.op;
    return status;
}

/* Neither side can take the other's order: what both have are the features, what one has are the
 * rows, what the other has are the columns. */
static crd_status bring_both(crd_onnx_view *out, crd_onnx_lowering *lowering,
                             const crd_onnx_node *node, side *sides)
{
    crd_status status = CRD_OK;
    for (int s = 0; s < 2; s++) {
        crd_onnx_plan plan = {.n_dims = 3};
        side *own = &sides[s], *other = &sides[1 - s];
        for (int pass = 0; pass < 2 && !own->is_constant; pass++)
            for (int axis = 0; axis < CRD_MAX_DIMS; axis++)
                if (has_axis(lowering, node, other, axis) == (pass == 0))
                    crd_onnx_plan_axis(&plan, &own->view, axis, pass == 0 ? 0 : 1 + s);
        if (!own->is_constant)
            CRD_TRY(crd_onnx_arrange(&own->view, lowering, node,
                                     own->k < 0 ? -1 : node->inputs[own->k], &plan));
    }
    /* The output's atoms: those of a view, and of axes that only the other side has. */
    int from = sides[0].is_constant ? 1 : 0;
    const crd_shape *shape = &lowering->graph->values[node->outputs[0]].shape;
    crd_onnx_view all = {.op = sides[from].view.op};
    bool fits = true;
    for (int axis = 0; axis < shape->n_dims; axis++) {
        const crd_onnx_view *source = &sides[from].view;
        bool is_others =
            !crd_onnx_view_has(source, axis) && !crd_onnx_view_has_images(source, axis);
        if (is_others && !sides[1 - from].is_constant)
            source = &sides[1 - from].view;
        for (int i = 0; i < source->n; i++)
            if (source->atoms[i].axis == axis)
                fits &= crd_onnx_view_add(&all, &source->atoms[i]);
        if (is_others && sides[1 - from].is_constant &&
            has_axis(lowering, node, &sides[1 - from], axis)) {
            int64_t step = 1;
            for (int later = axis + 1; later < shape->n_dims; later++)
                if (!crd_onnx_view_has(source, later) &&
                    has_axis(lowering, node, &sides[1 - from], later))
                    step *= shape->dims[later];
            fits &=
                crd_onnx_view_add(&all, &(crd_onnx_atom){shape->dims[axis], step, 2 - from, axis});
        }
    }
    int64_t ops[2] = {sides[0].view.op, sides[1].view.op};
    if (sides[1 - from].is_constant && ops[from] >= 0) {
        crd_shape dims = *crd_onnx_op_shape(lowering, ops[from]);
        dims.dims[1 + from] = 1;
        dims.dims[2 - from] = 1;
        for (int i = 0; i < all.n; i++)
            if (all.atoms[i].dim == 2 - from)
                dims.dims[2 - from] *= all.atoms[i].extent;
        CRD_TRY(emit_beside(&ops[1 - from], lowering, node, sides[1 - from].k, &all, &dims));
    }
    if (!fits)
        return crd_onnx_lack(lowering, node, "its inputs are laid out differently");
    *out = all;
    CRD_TRY(emit_pair(&out->op, lowering, node, ops[0], ops[1]));
cleanup:
    return status;
}

/* Whether a view has every axis that the other side has; a constant may be there for each of the
 * file's images. */
static bool covers(const crd_onnx_lowering *lowering, const crd_onnx_node *node,
                   const crd_onnx_view *view, const side *other)
{
    for (int axis = 0; axis < CRD_MAX_DIMS; axis++)
        if (has_axis(lowering, node, other, axis) && !crd_onnx_view_has(view, axis) &&
            !(crd_onnx_view_has_images(view, axis) && lowering->batch > 1))
            return false;
    return true;
}

static int axis_of_images(const crd_onnx_view *view)
{
    for (int i = 0; i < view->n; i++)
        if (view->atoms[i].dim == CRD_ONNX_IMAGES)
            return view->atoms[i].axis;
    return -1;
}

/* a OP b. */
static crd_status combine(crd_onnx_view *out, crd_onnx_lowering *lowering,
                          const crd_onnx_node *node, side *sides)
{
    crd_status status = CRD_OK;
    bool are_views = !sides[0].is_constant && !sides[1].is_constant;
    out->op = CRD_ONNX_LACKING;
    if (are_views && axis_of_images(&sides[0].view) != axis_of_images(&sides[1].view))
        return crd_onnx_lack(lowering, node, "its inputs have the images along different axes");
    if (are_views && !crd_onnx_view_refine(&sides[0].view, &sides[1].view)) {
        for (int s = 0; s < 2; s++)
            CRD_TRY(crd_onnx_in_order(&sides[s].view, lowering, node,
                                      sides[s].k < 0 ? -1 : node->inputs[sides[s].k]));
        if (!crd_onnx_view_refine(&sides[0].view, &sides[1].view))
            return crd_onnx_lack(lowering, node, "its inputs are laid out differently");
    }
    for (int s = 0; s < 2; s++) {
        side *whole = &sides[s], *other = &sides[1 - s];
        int64_t ops[2];
        if (whole->is_constant || !covers(lowering, node, &whole->view, other))
            continue;
        match m = match_of(lowering, node, &whole->view, other);
        if (m.is_split && !other->is_constant)
            break;
        const crd_shape *shape = crd_onnx_op_shape(lowering, whole->view.op);
        bool is_equal = shape->n_dims > 3 && strcmp(node->kind->kind, "Mul") != 0;
        for (int d = 0; d < shape->n_dims; d++)
            is_equal &= m.varies[d] || shape->dims[d] == 1;
        if (shape->n_dims != 1 && shape->n_dims != 3 && !is_equal)
            CRD_TRY(flatten_whole(&whole->view, &m, lowering, node,
                                  whole->k < 0 ? -1 : node->inputs[whole->k]));
        if (m.is_split && !other->is_constant)
            break;
        ops[s] = whole->view.op;
        CRD_TRY(bring(&ops[1 - s], lowering, node, &whole->view, &m, other));
        *out = whole->view;
        return emit_pair(&out->op, lowering, node, ops[0], ops[1]);
    }
    return bring_both(out, lowering, node, sides);
cleanup:
    return status;
}

/* Input k, its axes counted as the output's. */
static side side_of(const crd_onnx_lowering *lowering, const crd_onnx_node *node, int k)
{
    side s = {.k = k, .is_constant = crd_onnx_constant(lowering->graph, node, k) != NULL};
    int n_dims = lowering->graph->values[node->outputs[0]].shape.n_dims;
    int lead = n_dims - crd_onnx_shape_of(lowering->graph, node, k)->n_dims;
    s.view = crd_onnx_input(lowering, node, k);
    for (int i = 0; i < s.view.n; i++)
        s.view.atoms[i].axis += lead;
    return s;
}

/* From left to right, over any number of inputs, from the first on that is not constant. */
CRD_ONNX_LOWER(binary)
{
    crd_status status = CRD_OK;
    int first = 0;
    if (crd_onnx_attr_find(node, "broadcast") != NULL)
        return crd_onnx_lack(lowering, node, "with attribute broadcast");
    while (first < node->n_inputs - 1 && crd_onnx_input(lowering, node, first).op < 0)
        first++;
    side so_far = side_of(lowering, node, first);
    for (int i = 0; i < node->n_inputs; i++) {
        /* What is before the first one comes after it: in a sum, which has an order no more. */
        int k = i == 0 ? first : i <= first ? i - 1 : i;
        const crd_onnx_tensor *c = crd_onnx_constant(lowering->graph, node, k);
        bool done = false;
        if (i == 0)
            continue;
        if (c != NULL && c->count == 1)
            CRD_TRY(
                with_number(&done, &so_far.view.op, lowering, node, crd_onnx_get(c, 0), k < first));
        if (!done) {
            side sides[2] = {so_far, side_of(lowering, node, k)};
            if (k < first)
                sides[0] = side_of(lowering, node, k), sides[1] = so_far;
            CRD_TRY(combine(&so_far.view, lowering, node, sides));
        }
        so_far.k = -1;
        if (so_far.view.op < 0)
            break;
    }
    CRD_TRY(crd_onnx_put_view(lowering, node, 0, &so_far.view));
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
    crd_onnx_view out = lowering->views[node->outputs[0]];
    if (out.op < 0)
        goto cleanup;
    CRD_TRY(scale_shift(&out.op, lowering, node, 1.0 / node->n_inputs, 0));
    CRD_TRY(crd_onnx_put_view(lowering, node, 0, &out));
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
