/* LSTM and GRU, as exporters write torch's: over (steps, images, features), which a Transpose makes
 * of (images, steps, features) and another turns back. In the network such a value lies as any
 * other, (features, 1, steps), so that these Transposes, and what joins the directions' states,
 * move nothing: which order of extents ONNX has is kept beside the flow (crd_onnx_order). */
#include <string.h>

#include "import/onnx/onnx_lower.h"

enum { X, W, R, B, LENGTHS, H0, C0, PEEPHOLES, N_INPUTS };

CRD_ONNX_SHAPE(recurrent)
{
    const crd_shape *x = &call->in[X].shape, *w = &call->in[W].shape, *r = &call->in[R].shape;
    if (x->n_dims != 3 || w->n_dims != 3 || r->n_dims != 3 || w->dims[0] != r->dims[0])
        return CRD_ONNX_FAIL("%s", "X, W or R has not three extents, or W and R do not fit");
    if (crd_onnx_attr_int(call->node, "layout", 0) != 0)
        return CRD_OK; /* not known, and so lacking */
    if (call->n_out > 0)
        call->out[0].shape = crd_shape_make(4, x->dims[0], w->dims[0], x->dims[1], r->dims[2]);
    for (int k = 1; k < call->n_out; k++)
        call->out[k].shape = crd_shape_make(3, w->dims[0], x->dims[1], r->dims[2]);
    return CRD_OK;
}

static bool is_given(const crd_onnx_node *node, int k)
{
    return k < node->n_inputs && node->inputs[k] >= 0;
}

/* NULL, or why it is not torch's layer. */
static const char *what_differs(const crd_onnx_lowering *lowering, const crd_onnx_node *node)
{
    static const char *const others[] = {"activations", "clip", "activation_alpha",
                                         "activation_beta"};
    const char *direction = crd_onnx_attr_text(node, "direction", "forward");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (crd_onnx_attr_find(node, others[i]) != NULL)
            return "with activations or a clip of its own";
    if (strcmp(direction, "reverse") == 0)
        return "of the reverse direction alone";
    if (crd_onnx_attr_int(node, "layout", 0) != 0 ||
        crd_onnx_attr_int(node, "input_forget", 0) != 0)
        return "with layout or input_forget";
    if (node->op_type[0] == 'G' && crd_onnx_attr_int(node, "linear_before_reset", 0) == 0)
        return "with linear_before_reset 0, which torch's is not";
    if (is_given(node, LENGTHS) || is_given(node, PEEPHOLES))
        return "with lengths of its sequences, or peepholes";
    for (int k = W; k < node->n_inputs; k++) {
        const crd_onnx_tensor *t = crd_onnx_constant(lowering->graph, node, k);
        if (is_given(node, k) && t == NULL)
            return "its weights or states are not constant";
        for (int64_t i = 0; k >= H0 && t != NULL && i < t->count; i++)
            if (crd_onnx_get(t, i) != 0)
                return "with states before the first step that are not 0";
    }
    return NULL;
}

/* Rows of one direction in torch's order of the gates: of `columns` numbers each, from row `first`
 * of an input of the node on. */
static crd_status give_gates(crd_onnx_lowering *lowering, const crd_onnx_node *node, int64_t op,
                             int slot, int input, int64_t first, int64_t columns)
{
    /* torch's input, forget, cell, output of ONNX's input, output, forget, cell; torch's reset,
     * update, new of ONNX's update, reset, new. */
    static const int lstm[4] = {0, 2, 3, 1}, gru[3] = {1, 0, 2};
    bool is_gru = node->op_type[0] == 'G';
    int n_gates = is_gru ? 3 : 4;
    int64_t param = lowering->network->ops[op].params[slot];
    int64_t count = lowering->network->params.entries[param].count;
    int64_t hidden = count / columns / n_gates;
    const crd_shape flat = crd_shape_make(1, count);
    const crd_onnx_tensor *from = crd_onnx_constant(lowering->graph, node, input);
    crd_onnx_tensor *own;
    crd_status status =
        crd_onnx_tensor_create(&own, &lowering->graph->budget, CRD_ONNX_FLOAT, &flat);
    for (int64_t i = 0; status == CRD_OK && i < count; i++) {
        int64_t row = i / columns, gate = (is_gru ? gru : lstm)[row / hidden];
        own->f[i] = (float)crd_onnx_get(from, (first + gate * hidden + row % hidden) * columns +
                                                  i % columns);
    }
    return status != CRD_OK
               ? status
               : crd_onnx_give(lowering, op, slot, &(crd_onnx_source){.tensor = own, .owned = own});
}

static void put_in_order(crd_onnx_lowering *lowering, const crd_onnx_node *node, int k, int64_t op,
                         crd_onnx_order order)
{
    if (k >= node->n_outputs || node->outputs[k] < 0)
        return;
    lowering->flows[node->outputs[k]] = (crd_onnx_flow){op, true};
    lowering->orders[node->outputs[k]] = order;
}

/* The state after the last step: the last of the output's. */
static crd_status put_last_state(crd_onnx_lowering *lowering, const crd_onnx_node *node, int64_t op)
{
    crd_status status = CRD_OK;
    int64_t steps = crd_onnx_op_shape(lowering, op)->dims[2];
    const crd_attr attrs[] = {CRD_ATTR("dim", 3), CRD_ATTR("start", (double)(steps - 1)),
                              CRD_ATTR("length", 1), CRD_ATTR_END};
    CRD_TRY(crd_onnx_emit_one(&op, lowering, node, "Narrow", attrs, op));
    CRD_TRY(crd_onnx_put(lowering, node, 0, (crd_onnx_flow){op, false}));
cleanup:
    return status;
}

static crd_status lower_recurrent(crd_onnx_lowering *lowering, const crd_onnx_node *node)
{
    crd_status status = CRD_OK;
    const crd_onnx_graph *graph = lowering->graph;
    const crd_onnx_flow in = crd_onnx_input(lowering, node, X);
    const char *differs = what_differs(lowering, node);
    if (differs != NULL)
        return crd_onnx_lack(lowering, node, differs);
    if (in.op < 0 || lowering->orders[node->inputs[X]] != CRD_ONNX_STEPS_FIRST)
        return crd_onnx_lack(lowering, node, "its images are not its second extent");
    const crd_shape *w = crd_onnx_shape_of(graph, node, W), *r = crd_onnx_shape_of(graph, node, R);
    int64_t n_sets = w->dims[0], gates = w->dims[1], hidden = r->dims[2], op;
    if (n_sets > 2 || gates != r->dims[1] || gates != (node->op_type[0] == 'G' ? 3 : 4) * hidden)
        return CRD_ONNX_FAIL("%s", "W or R has another shape than hidden_size gives");
    bool has_bias = is_given(node, B);
    if (has_bias && crd_onnx_constant(graph, node, B)->count != n_sets * 2 * gates)
        return CRD_ONNX_FAIL("%s", "B has another shape than hidden_size gives");
    const crd_attr attrs[] = {CRD_ATTR("input_size", (double)w->dims[2]),
                              CRD_ATTR("hidden_size", (double)hidden), CRD_ATTR("bias", has_bias),
                              CRD_ATTR("bidirectional", n_sets == 2), CRD_ATTR_END};
    CRD_TRY(crd_onnx_emit_one(&op, lowering, node, node->op_type, attrs, in.op));
    for (int set = 0; set < n_sets && op >= 0; set++) {
        CRD_TRY(give_gates(lowering, node, op, 4 * set, W, set * gates, w->dims[2]));
        CRD_TRY(give_gates(lowering, node, op, 4 * set + 1, R, set * gates, hidden));
        for (int k = 0; k < 2 && has_bias; k++)
            CRD_TRY(give_gates(lowering, node, op, 4 * set + 2 + k, B, (2 * set + k) * gates, 1));
    }
    for (int k = 1; k < node->n_outputs; k++)
        put_in_order(lowering, node, k, op,
                     n_sets == 1 && k == 1 ? CRD_ONNX_LAST_STATE : CRD_ONNX_UNREADABLE);
    put_in_order(lowering, node, 0, op, CRD_ONNX_STEPS_DIRECTIONS);
cleanup:
    return status;
}

static bool has_perm(const crd_onnx_node *node, int n, const int64_t *wanted)
{
    const crd_onnx_attr *perm = crd_onnx_attr_find(node, "perm");
    if (!crd_onnx_is(node, "Transpose") || perm == NULL || perm->ints == NULL || perm->n != n)
        return false;
    return memcmp(perm->ints, wanted, (size_t)n * sizeof *wanted) == 0;
}

/* Of values that are not turned: does a Transpose bring (steps, images, features)? */
static bool turns(const crd_onnx_lowering *lowering, const crd_onnx_node *node)
{
    static const int64_t of_last[3] = {1, 0, 2}, of_first[3] = {2, 0, 1};
    const crd_onnx_flow in = crd_onnx_input(lowering, node, 0);
    return in.op >= 0 && has_perm(node, 3, in.last ? of_last : of_first);
}

/* One element of the first extent. */
static bool takes_one(const crd_onnx_lowering *lowering, const crd_onnx_node *node)
{
    const crd_onnx_tensor *index = crd_onnx_constant(lowering->graph, node, 1);
    return crd_onnx_is(node, "Gather") && index != NULL && index->count == 1 &&
           index->shape.n_dims == 0 && crd_onnx_attr_int(node, "axis", 0) == 0;
}

static bool reshapes(const crd_onnx_node *node)
{
    return crd_onnx_is(node, "Reshape") || crd_onnx_is(node, "Squeeze");
}

/* What a node makes of a value that is turned; CRD_ONNX_UNREADABLE: nothing known. */
static crd_onnx_order order_after(const crd_onnx_lowering *lowering, const crd_onnx_node *node,
                                  crd_onnx_order order)
{
    static const int64_t back[3] = {1, 0, 2}, swap[4] = {0, 2, 1, 3};
    const int64_t *from = crd_onnx_shape_of(lowering->graph, node, 0)->dims;
    const crd_shape *to = &lowering->graph->values[node->outputs[0]].shape;
    if (crd_onnx_is(node, "Identity"))
        return order;
    if (order == CRD_ONNX_STEPS_FIRST && has_perm(node, 3, back))
        return CRD_ONNX_IMAGES_FIRST;
    if (order == CRD_ONNX_STEPS_DIRECTIONS && has_perm(node, 4, swap))
        return CRD_ONNX_STEPS_IMAGES;
    if (order == CRD_ONNX_STEPS_DIRECTIONS && reshapes(node) && from[1] == 1) {
        const crd_shape joined = crd_shape_make(3, from[0], from[2], from[3]);
        return crd_shape_equal(to, &joined) ? CRD_ONNX_STEPS_FIRST : CRD_ONNX_UNREADABLE;
    }
    if (order == CRD_ONNX_STEPS_IMAGES && reshapes(node)) {
        const crd_shape joined = crd_shape_make(3, from[0], from[1], from[2] * from[3]);
        return crd_shape_equal(to, &joined) ? CRD_ONNX_STEPS_FIRST : CRD_ONNX_UNREADABLE;
    }
    if (order == CRD_ONNX_LAST_STATE && (reshapes(node) || takes_one(lowering, node))) {
        const crd_shape vector = crd_shape_make(2, from[1], from[2]);
        return crd_shape_equal(to, &vector) ? CRD_ONNX_IMAGES_FIRST : CRD_ONNX_UNREADABLE;
    }
    return CRD_ONNX_UNREADABLE;
}

bool crd_onnx_is_turned(const crd_onnx_lowering *lowering, const crd_onnx_node *node)
{
    for (int k = 0; k < node->n_inputs; k++)
        if (node->inputs[k] >= 0 && lowering->orders[node->inputs[k]] != CRD_ONNX_IMAGES_FIRST)
            return true;
    return crd_onnx_is(node, "LSTM") || crd_onnx_is(node, "GRU") || turns(lowering, node);
}

CRD_ONNX_LOWER(turned)
{
    crd_onnx_flow in = crd_onnx_input(lowering, node, 0);
    if (crd_onnx_is(node, "LSTM") || crd_onnx_is(node, "GRU"))
        return lower_recurrent(lowering, node);
    if (in.op < 0)
        return crd_onnx_lack(lowering, node, "its images are not its first extent");
    crd_onnx_order order = lowering->orders[node->inputs[0]];
    if (order == CRD_ONNX_IMAGES_FIRST && turns(lowering, node)) {
        put_in_order(lowering, node, 0, in.op, CRD_ONNX_STEPS_FIRST);
        return CRD_OK;
    }
    crd_onnx_order after =
        order == CRD_ONNX_IMAGES_FIRST ? CRD_ONNX_UNREADABLE : order_after(lowering, node, order);
    if (after == CRD_ONNX_UNREADABLE)
        return crd_onnx_lack(lowering, node, "its images are not its first extent");
    if (after == CRD_ONNX_IMAGES_FIRST)
        return order == CRD_ONNX_LAST_STATE
                   ? put_last_state(lowering, node, in.op)
                   : crd_onnx_put(lowering, node, 0, (crd_onnx_flow){in.op, true});
    put_in_order(lowering, node, 0, in.op, after);
    return CRD_OK;
}
