/* Lowerings of what works along one axis: products, norms of features, softmax, reductions. */
#include "import/onnx/onnx_index.h"
#include "import/onnx/onnx_lower.h"

/* y = alpha x B + beta C, of the last axis of input 0; B is `b`, transposed where is_turned. */
static crd_status emit_linear(crd_onnx_lowering *lowering, const crd_onnx_node *node,
                              bool is_turned, double alpha, double beta)
{
    crd_status status = CRD_OK;
    const crd_onnx_tensor *b = crd_onnx_constant(lowering->graph, node, 1);
    const crd_onnx_tensor *c = crd_onnx_constant(lowering->graph, node, 2);
    int last = crd_onnx_shape_of(lowering->graph, node, 0)->n_dims - 1;
    bool is_vector = b->shape.n_dims == 1, done;
    int64_t n_in = b->shape.dims[is_turned && !is_vector ? 1 : 0];
    int64_t n_out = is_vector ? 1 : b->shape.dims[is_turned ? 0 : 1];
    crd_onnx_view view;
    CRD_TRY(crd_onnx_to_features(&done, &view, lowering, node, 0, last, last + 1));
    if (!done)
        return crd_onnx_lack(lowering, node, "its images are its last extent");
    const crd_attr attrs[] = {CRD_ATTR("in_features", (double)n_in),
                              CRD_ATTR("out_features", (double)n_out), CRD_ATTR("bias", c != NULL),
                              CRD_ATTR_END};
    CRD_TRY(crd_onnx_emit(&view.op, lowering, node,
                          &(crd_onnx_emission){"Linear", attrs, &view.op, 1, .weight = 1}));
    CRD_TRY(crd_onnx_give(lowering, view.op, CRD_SLOT_WEIGHT,
                          &(crd_onnx_source){b, NULL, !is_turned && !is_vector, alpha}));
    if (c != NULL && c->count == 1)
        CRD_TRY(crd_onnx_give_equal(lowering, view.op, CRD_SLOT_BIAS, n_out,
                                    beta * crd_onnx_get(c, 0)));
    else if (c != NULL)
        CRD_TRY(crd_onnx_give(lowering, view.op, CRD_SLOT_BIAS,
                              &(crd_onnx_source){c, NULL, false, beta}));
    while (view.n > 0 && view.atoms[view.n - 1].axis == last)
        view.n--;
    if (!is_vector)
        crd_onnx_view_add(&view, &(crd_onnx_atom){n_out, 1, 0, last});
    CRD_TRY(crd_onnx_put_view(lowering, node, 0, &view));
cleanup:
    return status;
}

CRD_ONNX_LOWER(gemm)
{
    const crd_onnx_tensor *b = crd_onnx_constant(lowering->graph, node, 1);
    const crd_onnx_tensor *c = crd_onnx_constant(lowering->graph, node, 2);
    double alpha = crd_onnx_attr_real(node, "alpha", 1);
    double beta = crd_onnx_attr_real(node, "beta", 1);
    bool is_turned = crd_onnx_attr_int(node, "transB", 0) != 0;
    if (b == NULL || (crd_onnx_is_given(node, 2) && c == NULL) ||
        crd_onnx_input(lowering, node, 0).op < 0 || alpha == 0 || beta == 0)
        return crd_onnx_lack(lowering, node, "its weights are not constant");
    if (crd_onnx_attr_int(node, "transA", 0) != 0)
        return crd_onnx_lack(lowering, node, "transA");
    if (c != NULL && c->count != 1 &&
        (c->count != b->shape.dims[is_turned ? 0 : 1] || c->shape.dims[c->shape.n_dims - 1] == 1))
        return crd_onnx_lack(lowering, node, "C is no bias");
    return emit_linear(lowering, node, is_turned, alpha, beta);
}

/* A factor of a product, its axes counted by the equation's labels. A label that the output lacks
 * is summed over; one that both factors have is of the matrices; else it is of rows or columns. */
typedef struct factor {
    crd_onnx_view view;
    int k;                  /* input of the node */
    int axes[CRD_MAX_DIMS]; /* by label; -1: it has none */
    bool is_constant, is_turned;
} factor;

static factor factor_of(const crd_onnx_view *view, int k, const crd_onnx_equation *equation)
{
    factor f = {.view = *view, .k = k, .is_constant = view->op < 0};
    for (int label = 0; label < CRD_MAX_DIMS; label++)
        f.axes[label] = -1;
    for (int d = 0; d < equation->n_axes[k]; d++)
        f.axes[equation->labels[k][d]] = d;
    crd_onnx_view_transpose(&f.view, f.axes, CRD_MAX_DIMS);
    return f;
}

/* Atoms of a constant: along labels that the other factor has, as these are cut there. */
static void set_constant(factor *f, const crd_onnx_lowering *lowering, const crd_onnx_node *node,
                         const crd_onnx_view *other, const crd_onnx_equation *equation)
{
    const crd_shape *shape = crd_onnx_shape_of(lowering->graph, node, f->k);
    f->view = (crd_onnx_view){.op = CRD_ONNX_NOWHERE};
    for (int label = 0; label < equation->n_labels; label++) {
        int64_t extent = f->axes[label] < 0 ? 1 : shape->dims[f->axes[label]];
        bool is_others = false;
        for (int i = 0; !equation->is_summed[label] && extent > 1 && i < other->n; i++)
            if (other->atoms[i].axis == label) {
                crd_onnx_view_add(&f->view, &other->atoms[i]);
                is_others = true;
            }
        if (!is_others)
            crd_onnx_view_add(&f->view, &(crd_onnx_atom){extent, 1, 0, label});
    }
}

/* Brings a factor into (matrices, rows, inner) or (matrices, inner, columns), or the one transposed
 * where memory is nearer to that. */
static crd_status bring(factor *f, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                        const crd_onnx_view *other, const crd_onnx_equation *equation)
{
    int64_t least[2] = {INT64_MAX, INT64_MAX}; /* steps in memory: of the inner extent, others */
    bool is_matrix[CRD_MAX_DIMS] = {false};
    crd_onnx_plan plan = {.n_dims = 3};
    for (int label = 0; label < equation->n_labels; label++)
        is_matrix[label] = !equation->is_summed[label] && crd_onnx_view_has(other, label);
    for (int i = 0; i < f->view.n && !f->is_constant; i++) {
        const crd_onnx_atom *atom = &f->view.atoms[i];
        if (atom->dim == CRD_ONNX_IMAGES || is_matrix[atom->axis])
            continue;
        int64_t step = crd_onnx_linear_step(lowering, &f->view, i);
        int64_t *to = &least[equation->is_summed[atom->axis] ? 0 : 1];
        *to = step < *to ? step : *to;
    }
    f->is_turned = !f->is_constant && (f->k == 0 ? least[1] < least[0] : least[0] < least[1]);
    int dim_of_inner = (f->k == 0) != f->is_turned ? 2 : 1;
    for (int dim = 0; dim < 3; dim++)
        for (int label = 0; label < equation->n_labels; label++)
            if (dim == 0 ? is_matrix[label]
                         : !is_matrix[label] && equation->is_summed[label] == (dim == dim_of_inner))
                crd_onnx_plan_axis(&plan, &f->view, label, dim);
    if (!f->is_constant)
        return crd_onnx_arrange(&f->view, lowering, node, node->inputs[f->k], &plan);
    crd_shape dims = crd_shape_make(3, 1, 1, 1);
    for (int i = plan.n - 1; i >= 0; i--) {
        crd_onnx_atom *atom = &f->view.atoms[plan.atom[i]];
        atom->dim = plan.dim[i];
        atom->step = dims.dims[atom->dim];
        dims.dims[atom->dim] *= atom->extent;
    }
    crd_onnx_view like = f->view;
    crd_onnx_view_renumber(&like, f->axes);
    return crd_onnx_emit_constant(&f->view.op, lowering, node, f->k, &like, &dims);
}

/* Atoms of the product: of each label those of the first factor that has any. */
static void set_product(crd_onnx_view *out, const factor *f, const crd_onnx_equation *equation)
{
    out->n = 0;
    for (int d = 0; d < equation->n_axes[2]; d++) {
        int label = equation->labels[2][d];
        bool has[2] = {crd_onnx_view_has(&f[0].view, label), crd_onnx_view_has(&f[1].view, label)};
        bool has_images = !f[0].is_constant && crd_onnx_view_has_images(&f[0].view, label);
        const crd_onnx_view *from = &f[has[0] || (!has[1] && has_images) ? 0 : 1].view;
        for (int i = 0; i < from->n; i++) {
            crd_onnx_atom atom = from->atoms[i];
            if (atom.axis != label)
                continue;
            atom.axis = d;
            if (atom.dim != CRD_ONNX_IMAGES)
                atom.dim = has[0] && has[1] ? 0 : has[0] ? 1 : 2;
            crd_onnx_view_add(out, &atom);
        }
    }
}

/* The images' label; -1: none. */
static int label_of_images(const crd_onnx_view *view)
{
    for (int label = 0; label < CRD_MAX_DIMS; label++)
        if (crd_onnx_view_has_images(view, label))
            return label;
    return -1;
}

/* Both factors in terms of the same atoms, with the images among the matrices; or a reason. */
static crd_status match_factors(const char **differs, factor *f, crd_onnx_lowering *lowering,
                                const crd_onnx_node *node, const crd_onnx_equation *equation)
{
    crd_status status = CRD_OK;
    int images = -1;
    *differs = NULL;
    for (int k = 0; k < 2; k++) {
        int label = label_of_images(&f[k].view);
        if (f[k].is_constant)
            continue;
        if (label < 0 || equation->is_summed[label] || (images >= 0 && label != images))
            *differs = "its images are rows or columns";
        images = label;
    }
    if (*differs != NULL)
        return CRD_OK;
    if (!f[0].is_constant && !f[1].is_constant && !crd_onnx_view_refine(&f[0].view, &f[1].view)) {
        for (int k = 0; k < 2; k++)
            CRD_TRY(crd_onnx_in_order(&f[k].view, lowering, node, node->inputs[k]));
        if (!crd_onnx_view_refine(&f[0].view, &f[1].view))
            *differs = "its matrices are laid out differently";
    }
    for (int k = 0; k < 2; k++)
        if (f[k].is_constant)
            set_constant(&f[k], lowering, node, &f[1 - k].view, equation);
    for (int label = 0; label < equation->n_labels; label++)
        if (equation->is_summed[label] &&
            crd_onnx_view_has(&f[0].view, label) != crd_onnx_view_has(&f[1].view, label))
            *differs = "of a sum over one of its factors";
cleanup:
    return status;
}

/* The product of two views, of which a constant has no op; put nowhere. Lacking, it has no
 * atoms. */
static crd_status emit_product(crd_onnx_view *out, crd_onnx_lowering *lowering,
                               const crd_onnx_node *node, const crd_onnx_view *const *views,
                               const crd_onnx_equation *equation)
{
    crd_status status = CRD_OK;
    const char *differs;
    factor f[2] = {factor_of(views[0], 0, equation), factor_of(views[1], 1, equation)};
    *out = (crd_onnx_view){.op = CRD_ONNX_LACKING};
    CRD_TRY(match_factors(&differs, f, lowering, node, equation));
    if (differs != NULL)
        return crd_onnx_lack(lowering, node, differs);
    crd_onnx_view first = f[0].view;
    CRD_TRY(bring(&f[0], lowering, node, &f[1].view, equation));
    CRD_TRY(bring(&f[1], lowering, node, &first, equation));
    set_product(out, f, equation);
    const int64_t ops[] = {f[0].view.op, f[1].view.op};
    const crd_attr attrs[] = {CRD_ATTR("transpose_a", f[0].is_turned),
                              CRD_ATTR("transpose_b", f[1].is_turned), CRD_ATTR_END};
    CRD_TRY(crd_onnx_emit(&out->op, lowering, node,
                          &(crd_onnx_emission){"MatMul", attrs, ops, 2, .weight = 0}));
cleanup:
    return status;
}

bool crd_onnx_are_factors(const crd_onnx_lowering *lowering, const crd_onnx_node *node, int n)
{
    for (int k = 0; k < n; k++) {
        crd_onnx_view view = crd_onnx_input(lowering, node, k);
        const crd_shape *shape = crd_onnx_shape_of(lowering->graph, node, k);
        if (view.op < 0 ? crd_onnx_constant(lowering->graph, node, k) == NULL
                        : !crd_onnx_view_is_whole(&view, shape))
            return false;
    }
    return true;
}

static crd_status multiply(crd_onnx_lowering *lowering, const crd_onnx_node *node,
                           const crd_onnx_equation *equation)
{
    crd_status status = CRD_OK;
    const crd_onnx_view a = crd_onnx_input(lowering, node, 0);
    const crd_onnx_view b = crd_onnx_input(lowering, node, 1);
    crd_onnx_view out;
    if (!crd_onnx_are_factors(lowering, node, 2) || (a.op < 0 && b.op < 0))
        return crd_onnx_lack(lowering, node, "of what is broadcast");
    CRD_TRY(emit_product(&out, lowering, node, (const crd_onnx_view *const[]){&a, &b}, equation));
    CRD_TRY(crd_onnx_put_view(lowering, node, 0, &out));
cleanup:
    return status;
}

/* (... rows, inner) and (... inner, columns) of so many extents as labels: those of the output, of
 * n_out extents, and the inner one. */
static crd_onnx_equation equation_of_matmul(int n_a, int n_b, int n_out)
{
    const int n_of[2] = {n_a, n_b};
    crd_onnx_equation e = {.n_labels = n_out + 1, .n_axes = {n_a, n_b, n_out}};
    e.is_summed[n_out] = true;
    for (int d = 0; d < n_out; d++)
        e.labels[2][d] = d;
    for (int k = 0; k < 2; k++) {
        int n = n_of[k];
        for (int d = 0; d < n; d++)
            e.labels[k][d] = d + n_out - n;
        e.labels[k][k == 0 ? n - 1 : n - 2] = n_out;
    }
    return e;
}

crd_status crd_onnx_emit_matmul(crd_onnx_view *out, crd_onnx_lowering *lowering,
                                const crd_onnx_node *node, const crd_onnx_view *const *views, int n)
{
    const crd_onnx_equation equation = equation_of_matmul(n, n, n);
    return emit_product(out, lowering, node, views, &equation);
}

CRD_ONNX_LOWER(einsum)
{
    crd_onnx_equation equation;
    bool is_known;
    crd_onnx_equation_of(&equation, &is_known, crd_onnx_attr_text(node, "equation", ""));
    if (!is_known || node->n_inputs != 2)
        return crd_onnx_lack(lowering, node, "of other than two factors");
    return multiply(lowering, node, &equation);
}

CRD_ONNX_LOWER(matmul)
{
    const crd_onnx_tensor *b = crd_onnx_constant(lowering->graph, node, 1);
    if (b != NULL && b->shape.n_dims <= 2 && crd_onnx_input(lowering, node, 0).op >= 0)
        return emit_linear(lowering, node, false, 1, 1);
    for (int k = 0; k < 2; k++)
        if (crd_onnx_shape_of(lowering->graph, node, k)->n_dims < 2)
            return crd_onnx_lack(lowering, node, "of a vector");
    if (lowering->graph->values[node->outputs[0]].shape.n_dims >= CRD_MAX_DIMS)
        return crd_onnx_lack(lowering, node, "of too many extents");
    const crd_onnx_equation equation =
        equation_of_matmul(crd_onnx_shape_of(lowering->graph, node, 0)->n_dims,
                           crd_onnx_shape_of(lowering->graph, node, 1)->n_dims,
                           lowering->graph->values[node->outputs[0]].shape.n_dims);
    return multiply(lowering, node, &equation);
}

/* Over the last axes, which become the features. */
CRD_ONNX_LOWER(layer_norm)
{
    crd_status status = CRD_OK;
    const crd_shape *shape = crd_onnx_shape_of(lowering->graph, node, 0);
    crd_onnx_view view;
    int axis;
    bool done;
    int64_t features = 1;
    CRD_TRY(crd_onnx_axis(&axis, crd_onnx_attr_int(node, "axis", -1), shape->n_dims));
    for (int d = axis; d < shape->n_dims; d++)
        features *= shape->dims[d];
    if (!crd_onnx_has_constants(lowering, node, 3))
        return crd_onnx_lack(lowering, node, "its vectors are not constant");
    if (crd_onnx_is_read(lowering, node, 1) || crd_onnx_is_read(lowering, node, 2))
        return crd_onnx_lack(lowering, node, "its means or deviations are asked for");
    for (int k = 1; k < 3; k++)
        if (crd_onnx_is_given(node, k) &&
            crd_onnx_constant(lowering->graph, node, k)->count != features)
            return crd_onnx_lack(lowering, node, "its vectors are broadcast");
    CRD_TRY(crd_onnx_to_features(&done, &view, lowering, node, 0, axis, shape->n_dims));
    if (!done)
        return crd_onnx_lack(lowering, node, "over the images");
    const crd_attr attrs[] = {CRD_ATTR("normalized_shape", (double)features),
                              CRD_ATTR("eps", crd_onnx_attr_real(node, "epsilon", 1e-5)),
                              CRD_ATTR_END};
    CRD_TRY(crd_onnx_emit(&view.op, lowering, node,
                          &(crd_onnx_emission){"LayerNorm", attrs, &view.op, 1, .weight = 1}));
    CRD_TRY(crd_onnx_give_input(lowering, node, 1, view.op, 0));
    if (crd_onnx_is_given(node, 2))
        CRD_TRY(crd_onnx_give_input(lowering, node, 2, view.op, 1));
    else
        CRD_TRY(crd_onnx_give_equal(lowering, view.op, 1, features, 0));
    CRD_TRY(crd_onnx_put_view(lowering, node, 0, &view));
cleanup:
    return status;
}

CRD_ONNX_LOWER(softmax)
{
    crd_status status = CRD_OK;
    crd_onnx_view view = crd_onnx_input(lowering, node, 0);
    int first, end;
    bool done = true;
    crd_onnx_node_call of;
    CRD_TRY(crd_onnx_node_call_of(&of, lowering, node, 1));
    CRD_TRY(crd_onnx_softmax_axes(&first, &end, &of.call));
    int dim = crd_onnx_dim_of(lowering, &view, first, end);
    if (dim < 0) {
        CRD_TRY(crd_onnx_to_features(&done, &view, lowering, node, 0, first, end));
        dim = 0;
    }
    if (!done)
        return crd_onnx_lack(lowering, node, "over the images");
    const crd_attr attrs[] = {CRD_ATTR("dim", dim + 1), CRD_ATTR_END};
    CRD_TRY(crd_onnx_emit_one(&view.op, lowering, node, "Softmax", attrs, view.op));
    if (node->kind->rule == 1)
        CRD_TRY(crd_onnx_emit_one(&view.op, lowering, node, "Log", NULL, view.op));
    CRD_TRY(crd_onnx_put_view(lowering, node, 0, &view));
cleanup:
    return status;
}

/* One number of all positions: their mean, or their largest. */
static crd_status pool_positions(crd_onnx_view *view, crd_onnx_lowering *lowering,
                                 const crd_onnx_node *node, bool is_mean)
{
    bool is_volume = crd_onnx_op_shape(lowering, view->op)->n_dims == 4;
    static const char *const kinds[2][2] = {{"AdaptiveMaxPool2d", "AdaptiveMaxPool3d"},
                                            {"AdaptiveAvgPool2d", "AdaptiveAvgPool3d"}};
    const crd_attr image[] = {CRD_ATTR("output_size", 1, 1), CRD_ATTR_END};
    const crd_attr volume[] = {CRD_ATTR("output_size", 1, 1, 1), CRD_ATTR_END};
    return crd_onnx_emit_one(&view->op, lowering, node, kinds[is_mean][is_volume],
                             is_volume ? volume : image, view->op);
}

/* The marked axes as positions, of 2 or 3 extents; all others as features. */
static crd_status to_positions(crd_onnx_view *view, crd_onnx_lowering *lowering,
                               const crd_onnx_node *node, const bool *marks)
{
    int n_dims = crd_onnx_op_shape(lowering, view->op)->n_dims;
    bool fits = n_dims == 3 || n_dims == 4;
    crd_onnx_plan plan = {.n_dims = 3};
    for (int i = 0; i < view->n; i++)
        if (view->atoms[i].dim != CRD_ONNX_IMAGES)
            fits &= marks[view->atoms[i].axis] == (view->atoms[i].dim > 0);
    for (int dim = 0; dim <= 2; dim += 2)
        for (int axis = 0; axis < CRD_MAX_DIMS; axis++)
            if (marks[axis] == (dim == 2))
                crd_onnx_plan_axis(&plan, view, axis, dim);
    return fits ? CRD_OK : crd_onnx_arrange(view, lowering, node, node->inputs[0], &plan);
}

static crd_status apply(crd_onnx_view *view, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                        const char *kind)
{
    return crd_onnx_emit_one(&view->op, lowering, node, kind, NULL, view->op);
}

static crd_status square(crd_onnx_view *view, crd_onnx_lowering *lowering,
                         const crd_onnx_node *node)
{
    const crd_attr attrs[] = {CRD_ATTR("exponent", 2), CRD_ATTR_END};
    return crd_onnx_emit_one(&view->op, lowering, node, "Pow", attrs, view->op);
}

/* Sums are means times their number of elements; the others are functions before and behind. */
CRD_ONNX_LOWER(reduce)
{
    crd_status status = CRD_OK;
    crd_onnx_node_call of;
    bool marks[CRD_MAX_DIMS] = {false}, is_known, keeps;
    const crd_shape *shape = crd_onnx_shape_of(lowering->graph, node, 0);
    crd_onnx_view view = crd_onnx_input(lowering, node, 0);
    int rule = node->kind->rule, map[CRD_MAX_DIMS], to = 0;
    double count = 1;
    bool is_pooled = false, is_mean = rule != CRD_ONNX_MAX && rule != CRD_ONNX_MIN;
    CRD_TRY(crd_onnx_node_call_of(&of, lowering, node, 2));
    CRD_TRY(crd_onnx_reduced(marks, &is_known, &of.call));
    keeps = crd_onnx_attr_int(node, "keepdims", 1) != 0;
    for (int d = 0; d < shape->n_dims; d++) {
        if (marks[d] && crd_onnx_view_has_images(&view, d))
            return crd_onnx_lack(lowering, node, "over the images");
        is_pooled |= marks[d] && crd_onnx_view_has(&view, d);
        count *= marks[d] ? (double)shape->dims[d] : 1;
        map[d] = to;
        to += keeps || !marks[d];
    }
    if (rule == CRD_ONNX_L1)
        CRD_TRY(apply(&view, lowering, node, "Abs"));
    if (rule == CRD_ONNX_L2 || rule == CRD_ONNX_SUM_SQUARE)
        CRD_TRY(square(&view, lowering, node));
    if (rule == CRD_ONNX_MIN)
        CRD_TRY(apply(&view, lowering, node, "Neg"));
    if (is_pooled) {
        CRD_TRY(to_positions(&view, lowering, node, marks));
        CRD_TRY(pool_positions(&view, lowering, node, is_mean));
    }
    const crd_attr times[] = {CRD_ATTR("scale", count), CRD_ATTR("shift", 0), CRD_ATTR_END};
    if (is_mean && rule != CRD_ONNX_MEAN && count != 1)
        CRD_TRY(crd_onnx_emit_one(&view.op, lowering, node, "ScaleShift", times, view.op));
    if (rule == CRD_ONNX_L2)
        CRD_TRY(apply(&view, lowering, node, "Sqrt"));
    if (rule == CRD_ONNX_LOG_SUM)
        CRD_TRY(apply(&view, lowering, node, "Log"));
    if (rule == CRD_ONNX_MIN)
        CRD_TRY(apply(&view, lowering, node, "Neg"));
    crd_onnx_view out = {.op = view.op};
    for (int i = 0; i < view.n; i++)
        if (!marks[view.atoms[i].axis])
            crd_onnx_view_add(&out, &view.atoms[i]);
    crd_onnx_view_renumber(&out, map);
    CRD_TRY(crd_onnx_put_view(lowering, node, 0, &out));
cleanup:
    return status;
}
