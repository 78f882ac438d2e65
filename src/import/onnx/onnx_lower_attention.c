/* Attention: softmax(Q K^T scale) V, as ONNX has it or as a pass has found it. Where queries, keys
 * and values are of the same tokens it is one op over all of them; else two products with a softmax
 * between them. */
#include <float.h>
#include <math.h>

#include "import/onnx/onnx_lower.h"

/* Adds -infinity, as far as float32 goes, where a key comes after the query. */
static crd_status hide_later(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node)
{
    crd_status status = CRD_OK;
    const crd_shape *shape = crd_onnx_op_shape(lowering, *op);
    const crd_shape square = crd_shape_make(3, 1, shape->dims[1], shape->dims[2]);
    const crd_attr attrs[] = {CRD_ATTR("shape", 1, (double)square.dims[1], (double)square.dims[2]),
                              CRD_ATTR("dim", 0), CRD_ATTR_END};
    crd_onnx_tensor *mask;
    int64_t inputs[2] = {*op, CRD_ONNX_LACKING};
    if (*op < 0)
        return CRD_OK;
    CRD_TRY(crd_onnx_tensor_create(&mask, &lowering->graph->budget, CRD_ONNX_FLOAT, &square));
    for (int64_t i = 0; i < mask->count; i++)
        mask->f[i] = i % square.dims[2] > i / square.dims[2] ? -FLT_MAX : 0;
    status = crd_onnx_emit(&inputs[1], lowering, node,
                           &(crd_onnx_emission){"Buffer", attrs, .weight = 0});
    if (status != CRD_OK) {
        crd_onnx_tensor_destroy(mask);
        goto cleanup;
    }
    CRD_TRY(
        crd_onnx_give(lowering, inputs[1], 0, &(crd_onnx_source){.tensor = mask, .owned = mask}));
    CRD_TRY(crd_onnx_emit(op, lowering, node,
                          &(crd_onnx_emission){"BroadcastAdd", NULL, inputs, 2, .weight = 0}));
cleanup:
    return status;
}

/* Extents of what is attended: axes (images and heads ..., tokens, features of a head). */
typedef struct extents {
    int64_t heads, tokens, width;
} extents;

static extents extents_of(const crd_onnx_view *view, int n)
{
    extents e = {1, 1, 1};
    for (int i = 0; i < view->n; i++) {
        const crd_onnx_atom *atom = &view->atoms[i];
        int64_t *to = atom->axis == n - 1 ? &e.width : atom->axis == n - 2 ? &e.tokens : &e.heads;
        *to *= atom->dim == CRD_ONNX_IMAGES ? 1 : atom->extent;
    }
    return e;
}

/* Whether the axes of three views are cut alike: the same heads, tokens and features, and images
 * among the heads only. Cuts them so far. */
static bool are_of_same_tokens(crd_onnx_view views[3], int n)
{
    if (!crd_onnx_view_refine(&views[0], &views[1]) ||
        !crd_onnx_view_refine(&views[0], &views[2]) || !crd_onnx_view_refine(&views[0], &views[1]))
        return false;
    for (int k = 0; k < 3; k++) {
        if (views[k].n != views[0].n)
            return false;
        for (int i = 0; i < views[k].n; i++) {
            const crd_onnx_atom *atom = &views[k].atoms[i], *first = &views[0].atoms[i];
            bool is_image = atom->dim == CRD_ONNX_IMAGES;
            if (atom->axis != first->axis || atom->extent != first->extent ||
                is_image != (first->dim == CRD_ONNX_IMAGES) || (is_image && atom->axis >= n - 2))
                return false;
        }
    }
    return true;
}

/* The op whose features from `first` on another one takes; -1: none. */
static int64_t whole_of(const crd_onnx_lowering *lowering, int64_t op, int64_t first)
{
    const crd_graph_op *part = &lowering->network->ops[op];
    return part->kind->first_feature != NULL && part->kind->first_feature(part) == first
               ? part->inputs[0]
               : -1;
}

/* Queries, keys and values over the features of one op: what they were cut from, if it was one. */
static crd_status join(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                       const crd_onnx_view views[3])
{
    const int64_t parts[3] = {views[0].op, views[1].op, views[2].op};
    int64_t features = crd_onnx_op_shape(lowering, parts[0])->dims[0];
    int64_t whole = whole_of(lowering, parts[0], 0);
    if (whole >= 0 && crd_onnx_op_shape(lowering, whole)->dims[0] == 3 * features &&
        whole_of(lowering, parts[1], features) == whole &&
        whole_of(lowering, parts[2], 2 * features) == whole) {
        *op = whole;
        return CRD_OK;
    }
    return crd_onnx_emit(op, lowering, node,
                         &(crd_onnx_emission){"Concat", NULL, parts, 3, .weight = 0});
}

/* As one op, if that can be: *done. */
static crd_status attend_at_once(bool *done, crd_onnx_view *out, crd_onnx_lowering *lowering,
                                 const crd_onnx_node *node, const crd_onnx_view given[3], int n,
                                 double scale)
{
    crd_status status = CRD_OK;
    crd_onnx_view views[3] = {given[0], given[1], given[2]};
    int64_t op;
    *done = false;
    if (!are_of_same_tokens(views, n))
        return CRD_OK;
    const extents e = extents_of(&views[0], n);
    /* As many scores as an op may have elements, and a scale that Attention takes. */
    if (e.tokens * e.tokens > CRD_OP_MAX_ELEMENTS || !(scale > 0 && scale <= 1e6))
        return CRD_OK;
    for (int k = 0; k < 3; k++) {
        crd_onnx_plan plan = {.n_dims = 3};
        for (int axis = 0; axis < n; axis++)
            if (axis != n - 2)
                crd_onnx_plan_axis(&plan, &views[k], axis, 0);
        crd_onnx_plan_axis(&plan, &views[k], n - 2, 2);
        CRD_TRY(crd_onnx_arrange(&views[k], lowering, node, node->inputs[k], &plan));
        if (views[k].op < 0)
            return CRD_OK;
    }
    CRD_TRY(join(&op, lowering, node, views));
    const crd_attr attrs[] = {CRD_ATTR("num_heads", (double)e.heads), CRD_ATTR("scale", scale),
                              CRD_ATTR_END};
    CRD_TRY(crd_onnx_emit_one(&op, lowering, node, "Attention", attrs, op));
    *out = views[0];
    out->op = op;
    *done = true;
cleanup:
    return status;
}

/* Exchanges the last two of n axes. */
static void turn(crd_onnx_view *view, int n)
{
    int order[CRD_MAX_DIMS];
    for (int d = 0; d < n; d++)
        order[d] = d < n - 2 ? d : 2 * n - 3 - d;
    crd_onnx_view_transpose(view, order, n);
}

/* Of n axes each: the last two are tokens and features. */
static crd_status attend(crd_onnx_view *out, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                         crd_onnx_view views[3], int n, double scale, bool is_causal)
{
    crd_status status = CRD_OK;
    crd_onnx_view scores;
    bool done = false;
    if (!is_causal)
        CRD_TRY(attend_at_once(&done, out, lowering, node, views, n, scale));
    if (done)
        return CRD_OK;
    const crd_attr times[] = {CRD_ATTR("scale", scale), CRD_ATTR("shift", 0), CRD_ATTR_END};
    const crd_attr over_keys[] = {CRD_ATTR("dim", 3), CRD_ATTR_END};
    *out = (crd_onnx_view){.op = CRD_ONNX_LACKING};
    turn(&views[1], n);
    CRD_TRY(crd_onnx_emit_one(&views[0].op, lowering, node, "ScaleShift", times, views[0].op));
    CRD_TRY(crd_onnx_emit_matmul(&scores, lowering, node,
                                 (const crd_onnx_view *const[]){&views[0], &views[1]}, n));
    if (is_causal)
        CRD_TRY(hide_later(&scores.op, lowering, node));
    CRD_TRY(crd_onnx_emit_one(&scores.op, lowering, node, "Softmax", over_keys, scores.op));
    if (scores.op >= 0)
        CRD_TRY(crd_onnx_emit_matmul(out, lowering, node,
                                     (const crd_onnx_view *const[]){&scores, &views[2]}, n));
cleanup:
    return status;
}

/* Queries, keys or values as (images, heads, tokens, features of a head); false: they are not. */
static bool to_heads(crd_onnx_view *view, const crd_shape *shape, int64_t heads)
{
    static const int order[4] = {0, 2, 1, 3};
    if (shape->n_dims == 4)
        return true;
    if (shape->n_dims != 3 || heads < 1 || shape->dims[2] % heads != 0)
        return false;
    const crd_shape cut =
        crd_shape_make(4, shape->dims[0], shape->dims[1], heads, shape->dims[2] / heads);
    if (!crd_onnx_view_reshape(view, &cut))
        return false;
    crd_onnx_view_transpose(view, order, 4);
    return true;
}

/* Without a mask that the file gives and without a past. */
CRD_ONNX_LOWER(attention)
{
    static const char *const heads[] = {"q_num_heads", "kv_num_heads", "kv_num_heads"};
    crd_status status = CRD_OK;
    const crd_shape *shape = crd_onnx_shape_of(lowering->graph, node, 0);
    int64_t n_heads = crd_onnx_attr_int(node, heads[0], 0);
    crd_onnx_view views[3], out;
    bool fits =
        crd_onnx_are_factors(lowering, node, 3) && crd_onnx_attr_real(node, "softcap", 0) == 0;
    for (int k = 3; k < node->n_inputs; k++)
        fits &= node->inputs[k] < 0;
    for (int k = 1; k < node->n_outputs; k++)
        fits &= !crd_onnx_is_read(lowering, node, k);
    for (int k = 0; fits && k < 3; k++) {
        const crd_shape *own = crd_onnx_shape_of(lowering->graph, node, k);
        views[k] = crd_onnx_input(lowering, node, k);
        fits = views[k].op >= 0 && own->n_dims == shape->n_dims &&
               (own->n_dims == 4 ? own->dims[1] == shape->dims[1]
                                 : crd_onnx_attr_int(node, heads[k], 0) == n_heads) &&
               to_heads(&views[k], own, n_heads);
    }
    if (!fits)
        return crd_onnx_lack(lowering, node, "with a mask, a past, or fewer keys' heads");
    double width = (double)(shape->n_dims == 4 ? shape->dims[3] : shape->dims[2] / n_heads);
    CRD_TRY(attend(&out, lowering, node, views, 4,
                   crd_onnx_attr_real(node, "scale", 1 / sqrt(width)),
                   crd_onnx_attr_int(node, "is_causal", 0) != 0));
    if (out.op < 0)
        return CRD_OK;
    if (shape->n_dims == 3) {
        crd_onnx_view_transpose(&out, (const int[]){0, 2, 1, 3}, 4);
        crd_onnx_view_renumber(&out, (const int[]){0, 1, 2, 2});
    }
    CRD_TRY(crd_onnx_put_view(lowering, node, 0, &out));
cleanup:
    return status;
}

/* What the pass makes: its keys are transposed. */
CRD_ONNX_LOWER(scaled_dot_product)
{
    crd_status status = CRD_OK;
    int n = crd_onnx_shape_of(lowering->graph, node, 0)->n_dims;
    crd_onnx_view views[3], out;
    for (int k = 0; k < 3; k++)
        views[k] = crd_onnx_input(lowering, node, k);
    if (!crd_onnx_are_factors(lowering, node, 3))
        return crd_onnx_lack(lowering, node, "of what is broadcast");
    turn(&views[1], n);
    CRD_TRY(attend(&out, lowering, node, views, n, crd_onnx_attr_real(node, "scale", 1), false));
    if (out.op >= 0)
        CRD_TRY(crd_onnx_put_view(lowering, node, 0, &out));
cleanup:
    return status;
}
