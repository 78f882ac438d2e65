/* RNN, LSTM and GRU, as exporters write torch's: over (steps, images, features), which a Transpose
 * makes of (images, steps, features) and another turns back. In the network it is (features, 1,
 * steps), of which these Transposes, and what joins the directions' states, are views. */
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

/* Gates of torch's layer of the node's kind: where ONNX has them, and its activations. */
typedef struct gates {
    const char *op_type;
    int n;
    int place[4];
    const char *activations, *with_relu; /* with_relu: NULL, or what torch has beside */
} gates;

static const gates *gates_of(const crd_onnx_node *node)
{
    /* torch's input, forget, cell, output of ONNX's input, output, forget, cell; torch's reset,
     * update, new of ONNX's update, reset, new. */
    static const gates all[] = {{"LSTM", 4, {0, 2, 3, 1}, "Sigmoid Tanh Tanh ", NULL},
                                {"GRU", 3, {1, 0, 2}, "Sigmoid Tanh ", NULL},
                                {"RNN", 1, {0}, "Tanh ", "Relu "}};
    const gates *found = all;
    while (strcmp(found->op_type, node->op_type) != 0)
        found++;
    return found;
}

/* Whether the node's activations are these in each direction; those that are not written are
 * `gates`' own. */
static bool has_activations(const crd_onnx_node *node, const char *each)
{
    const char *text = crd_onnx_attr_text(node, "activations", "");
    size_t length = strlen(each);
    if (*text == '\0')
        return strcmp(each, gates_of(node)->activations) == 0;
    while (strncmp(text, each, length) == 0)
        text += length;
    return *text == '\0';
}

static bool has_relu(const crd_onnx_node *node)
{
    const char *activations = gates_of(node)->with_relu;
    return activations != NULL && has_activations(node, activations);
}

/* NULL, or why it is not torch's layer. */
static const char *what_differs(const crd_onnx_lowering *lowering, const crd_onnx_node *node)
{
    static const char *const others[] = {"clip", "activation_alpha", "activation_beta"};
    const char *direction = crd_onnx_attr_text(node, "direction", "forward");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (crd_onnx_attr_find(node, others[i]) != NULL)
            return "with a clip, or with parameters of its activations";
    if (!has_activations(node, gates_of(node)->activations) && !has_relu(node))
        return "with activations that torch's has not";
    if (strcmp(direction, "reverse") == 0)
        return "of the reverse direction alone";
    if (crd_onnx_attr_int(node, "layout", 0) != 0 ||
        crd_onnx_attr_int(node, "input_forget", 0) != 0)
        return "with layout or input_forget";
    if (node->op_type[0] == 'G' && crd_onnx_attr_int(node, "linear_before_reset", 0) == 0)
        return "with linear_before_reset 0, which torch's is not";
    if (crd_onnx_is_given(node, LENGTHS) || crd_onnx_is_given(node, PEEPHOLES))
        return "with lengths of its sequences, or peepholes";
    for (int k = W; k < node->n_inputs; k++) {
        const crd_onnx_tensor *t = crd_onnx_constant(lowering->graph, node, k);
        if (crd_onnx_is_given(node, k) && t == NULL)
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
    const gates *its = gates_of(node);
    int64_t param = lowering->network->ops[op].params[slot];
    int64_t count = lowering->network->params.entries[param].count;
    int64_t hidden = count / columns / its->n;
    const crd_shape flat = crd_shape_make(1, count);
    const crd_onnx_tensor *from = crd_onnx_constant(lowering->graph, node, input);
    crd_onnx_tensor *own;
    crd_status status =
        crd_onnx_tensor_create(&own, &lowering->graph->budget, CRD_ONNX_FLOAT, &flat);
    for (int64_t i = 0; status == CRD_OK && i < count; i++) {
        int64_t row = i / columns, gate = its->place[row / hidden];
        own->f[i] = (float)crd_onnx_get(from, (first + gate * hidden + row % hidden) * columns +
                                                  i % columns);
    }
    return status != CRD_OK
               ? status
               : crd_onnx_give(lowering, op, slot, &(crd_onnx_source){.tensor = own, .owned = own});
}

/* States of all steps, (steps, directions, images, hidden). */
static crd_status put_states(crd_onnx_lowering *lowering, const crd_onnx_node *node, int64_t op)
{
    const int64_t *extents = lowering->graph->values[node->outputs[0]].shape.dims;
    crd_onnx_view view = {.op = op};
    crd_onnx_view_add(&view, &(crd_onnx_atom){extents[0], 1, 2, 0});
    crd_onnx_view_add(&view, &(crd_onnx_atom){extents[1], extents[3], 0, 1});
    crd_onnx_view_add(&view, &(crd_onnx_atom){extents[2], 1, CRD_ONNX_IMAGES, 2});
    crd_onnx_view_add(&view, &(crd_onnx_atom){extents[3], 1, 0, 3});
    return crd_onnx_put_view(lowering, node, 0, &view);
}

static crd_status emit_part(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                            int dim, int64_t start, int64_t length)
{
    const crd_attr attrs[] = {CRD_ATTR("dim", dim), CRD_ATTR("start", (double)start),
                              CRD_ATTR("length", (double)length), CRD_ATTR_END};
    return crd_onnx_emit_one(op, lowering, node, "Narrow", attrs, *op);
}

/* The state after each direction's last step, (directions, images, hidden): of the last position
 * forward, of the first one backward. */
static crd_status put_last_states(crd_onnx_lowering *lowering, const crd_onnx_node *node,
                                  int64_t op)
{
    crd_status status = CRD_OK;
    const int64_t *extents = lowering->graph->values[node->outputs[1]].shape.dims;
    int64_t steps = crd_onnx_op_shape(lowering, op)->dims[2], states[2] = {op, op};
    for (int set = 0; set < extents[0]; set++) {
        CRD_TRY(emit_part(&states[set], lowering, node, 3, set == 0 ? steps - 1 : 0, 1));
        if (extents[0] == 2)
            CRD_TRY(emit_part(&states[set], lowering, node, 1, set * extents[2], extents[2]));
    }
    crd_onnx_view view = {.op = states[0]};
    if (extents[0] == 2)
        CRD_TRY(crd_onnx_emit(&view.op, lowering, node,
                              &(crd_onnx_emission){"Concat", NULL, states, 2, .weight = 0}));
    crd_onnx_view_add(&view, &(crd_onnx_atom){extents[0], extents[2], 0, 0});
    crd_onnx_view_add(&view, &(crd_onnx_atom){extents[1], 1, CRD_ONNX_IMAGES, 1});
    crd_onnx_view_add(&view, &(crd_onnx_atom){extents[2], 1, 0, 2});
    CRD_TRY(crd_onnx_put_view(lowering, node, 1, &view));
cleanup:
    return status;
}

/* Its input in the network's order; *done: its images are an axis of their own. */
static crd_status enter(int64_t *op, bool *done, crd_onnx_lowering *lowering,
                        const crd_onnx_node *node)
{
    crd_onnx_view view = crd_onnx_input(lowering, node, X);
    crd_onnx_plan plan = {.n_dims = 3};
    *done = view.op >= 0 && crd_onnx_view_has_images(&view, 1) && !crd_onnx_view_has(&view, 1) &&
            crd_onnx_view_is_whole(&view, crd_onnx_shape_of(lowering->graph, node, X));
    if (!*done)
        return CRD_OK;
    crd_onnx_plan_axis(&plan, &view, 2, 0);
    crd_onnx_plan_axis(&plan, &view, 0, 2);
    crd_status status = crd_onnx_arrange(&view, lowering, node, node->inputs[X], &plan);
    *op = view.op;
    return status;
}

CRD_ONNX_LOWER(recurrent)
{
    crd_status status = CRD_OK;
    const crd_onnx_graph *graph = lowering->graph;
    int64_t in;
    bool is_entered;
    const char *differs = what_differs(lowering, node);
    if (differs != NULL)
        return crd_onnx_lack(lowering, node, differs);
    CRD_TRY(enter(&in, &is_entered, lowering, node));
    if (!is_entered)
        return crd_onnx_lack(lowering, node, "its images are not its second extent");
    const crd_shape *w = crd_onnx_shape_of(graph, node, W), *r = crd_onnx_shape_of(graph, node, R);
    int64_t n_sets = w->dims[0], rows = w->dims[1], hidden = r->dims[2], op;
    if (n_sets > 2 || rows != r->dims[1] || rows != gates_of(node)->n * hidden)
        return CRD_ONNX_FAIL("%s", "W or R has another shape than hidden_size gives");
    bool has_bias = crd_onnx_is_given(node, B);
    if (has_bias && crd_onnx_constant(graph, node, B)->count != n_sets * 2 * rows)
        return CRD_ONNX_FAIL("%s", "B has another shape than hidden_size gives");
    const crd_attr attrs[] = {CRD_ATTR("input_size", (double)w->dims[2]),
                              CRD_ATTR("hidden_size", (double)hidden),
                              CRD_ATTR("bias", has_bias),
                              CRD_ATTR("bidirectional", n_sets == 2),
                              has_relu(node) ? (crd_attr)CRD_ATTR_WORD("nonlinearity", "relu")
                                             : (crd_attr)CRD_ATTR_END,
                              CRD_ATTR_END};
    CRD_TRY(crd_onnx_emit_one(&op, lowering, node, node->op_type, attrs, in));
    for (int set = 0; set < n_sets && op >= 0; set++) {
        CRD_TRY(give_gates(lowering, node, op, 4 * set, W, set * rows, w->dims[2]));
        CRD_TRY(give_gates(lowering, node, op, 4 * set + 1, R, set * rows, hidden));
        for (int k = 0; k < 2 && has_bias; k++)
            CRD_TRY(give_gates(lowering, node, op, 4 * set + 2 + k, B, (2 * set + k) * rows, 1));
    }
    if (op < 0 || crd_onnx_is_read(lowering, node, 2)) /* the cells, of which there are no ops */
        return crd_onnx_lack(lowering, node, "its cells are asked for");
    CRD_TRY(put_states(lowering, node, op));
    if (crd_onnx_is_read(lowering, node, 1))
        CRD_TRY(put_last_states(lowering, node, op));
cleanup:
    return status;
}
