/* The walk, and what all lowerings use. Nodes that read what is lacking are passed over, so that
 * the list names causes only. */
#include "import/onnx/onnx_lower.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "import/onnx/onnx_fold.h"

crd_shape crd_onnx_network_shape(const crd_shape *shape)
{
    crd_shape out = {0};
    int n = shape->n_dims;
    if (n < 2)
        return out;
    out.dims[out.n_dims++] = shape->dims[1];
    if (n == 3)
        out.dims[out.n_dims++] = 1;
    for (int d = 2; d < n; d++)
        out.dims[out.n_dims++] = shape->dims[d];
    return out;
}

int crd_onnx_network_dim(int n_dims, int axis)
{
    return axis == 0 ? CRD_ONNX_IMAGES : axis == 1 ? 0 : axis - 1 + (n_dims == 3);
}

const crd_shape *crd_onnx_op_shape(const crd_onnx_lowering *lowering, int64_t op)
{
    static const crd_shape none;
    return op < 0 ? &none : crd_network_op_shape(lowering->network, op);
}

crd_onnx_view crd_onnx_input(const crd_onnx_lowering *lowering, const crd_onnx_node *node, int k)
{
    return k < node->n_inputs && node->inputs[k] >= 0 ? lowering->views[node->inputs[k]]
                                                      : (crd_onnx_view){.op = CRD_ONNX_NOWHERE};
}

bool crd_onnx_is_read(const crd_onnx_lowering *lowering, const crd_onnx_node *node, int k)
{
    return k < node->n_outputs && node->outputs[k] >= 0 && lowering->is_read[node->outputs[k]];
}

crd_status crd_onnx_lack(crd_onnx_lowering *lowering, const crd_onnx_node *node, const char *reason)
{
    char label[CRD_ONNX_LABEL_SIZE];
    size_t used = strlen(lowering->lacking), room = sizeof lowering->lacking - used;
    for (int k = 0; k < node->n_outputs; k++)
        if (node->outputs[k] >= 0)
            lowering->views[node->outputs[k]].op = CRD_ONNX_LACKING;
    crd_onnx_label(label, lowering->graph, node);
    if (strlen(label) + (reason == NULL ? 0 : strlen(reason)) + 8 < room)
        snprintf(lowering->lacking + used, room, "%s%s%s%s", used == 0 ? "" : "; ", label,
                 reason == NULL ? "" : ": ", reason == NULL ? "" : reason);
    lowering->n_lacking++;
    return CRD_OK;
}

crd_status crd_onnx_emit(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                         const crd_onnx_emission *emission)
{
    crd_status status = CRD_OK;
    char name[CRD_ONNX_NAME_SIZE];
    bool is_lacking = false, is_nowhere = false;
    for (int k = 0; k < emission->n_inputs; k++) {
        is_lacking |= emission->inputs[k] == CRD_ONNX_LACKING;
        is_nowhere |= emission->inputs[k] == CRD_ONNX_NOWHERE;
    }
    if (is_lacking || is_nowhere || crd_op_find(emission->kind) == NULL) {
        *op = CRD_ONNX_LACKING; /* which may be one of the inputs */
        return is_lacking ? CRD_OK
                          : crd_onnx_lack(lowering, node,
                                          is_nowhere ? "an input does not depend on the images"
                                                     : emission->kind);
    }
    crd_onnx_name(name, lowering, node, emission->weight, emission->name);
    CRD_TRY(crd_network_add(op, lowering->network,
                            &(crd_op_request){.kind = emission->kind,
                                              .name = name,
                                              .attrs = emission->attributes,
                                              .inputs = emission->inputs,
                                              .n_inputs = emission->n_inputs}));
    int64_t n = lowering->network->params.n_params;
    if (n > lowering->n_sources) {
        CRD_TRY(crd_alloc_grow((void **)&lowering->sources, lowering->n_sources, n,
                               sizeof *lowering->sources, "weights"));
        lowering->n_sources = n;
    }
cleanup:
    return status;
}

crd_status crd_onnx_emit_one(int64_t *op, crd_onnx_lowering *lowering, const crd_onnx_node *node,
                             const char *kind, const crd_attr *attrs, int64_t input)
{
    return crd_onnx_emit(op, lowering, node,
                         &(crd_onnx_emission){kind, attrs, &input, 1, .weight = 0});
}

static crd_status fail_shape(const crd_shape *have, const crd_shape *need)
{
    char a[CRD_SHAPE_TEXT_SIZE], b[CRD_SHAPE_TEXT_SIZE];
    return CRD_FAIL(CRD_ERR_INTERNAL, "its shape is %s in the network, and %s in the file",
                    crd_shape_text(a, have), crd_shape_text(b, need));
}

crd_status crd_onnx_put(crd_onnx_lowering *lowering, const crd_onnx_node *node, int k, int64_t op)
{
    crd_status status = CRD_OK;
    const crd_shape *shape = &lowering->graph->values[node->outputs[k]].shape;
    crd_onnx_view view;
    if (op >= 0) {
        crd_shape need = crd_onnx_network_shape(shape);
        const crd_shape *have = crd_onnx_op_shape(lowering, op);
        if (need.n_dims == 1 && have->n_dims > 1 && need.dims[0] == have->dims[0])
            CRD_TRY(crd_onnx_emit_one(&op, lowering, node, "Flatten", NULL, op));
        have = crd_onnx_op_shape(lowering, op);
        if (!crd_shape_equal(have, &need))
            CRD_TRY(fail_shape(have, &need));
    }
    crd_onnx_view_plain(&view, op, shape);
    lowering->views[node->outputs[k]] = view;
cleanup:
    return status;
}

crd_status crd_onnx_put_view(crd_onnx_lowering *lowering, const crd_onnx_node *node, int k,
                             const crd_onnx_view *view)
{
    const crd_shape *shape = &lowering->graph->values[node->outputs[k]].shape;
    int64_t count = 1;
    for (int i = 0; i < view->n; i++)
        count *= view->atoms[i].dim == CRD_ONNX_IMAGES ? 1 : view->atoms[i].extent;
    lowering->views[node->outputs[k]] = *view;
    for (int i = 0; view->op >= 0 && i < view->n; i++)
        if (view->atoms[i].axis >= shape->n_dims)
            return fail_shape(crd_onnx_op_shape(lowering, view->op), shape);
    if (view->op >= 0 && count != crd_shape_count(crd_onnx_op_shape(lowering, view->op)))
        return fail_shape(crd_onnx_op_shape(lowering, view->op), shape);
    return CRD_OK;
}

crd_status crd_onnx_give(crd_onnx_lowering *lowering, int64_t op, int slot,
                         const crd_onnx_source *source)
{
    if (op < 0) {
        crd_onnx_tensor_destroy(source->owned);
        return CRD_OK;
    }
    int64_t param = lowering->network->ops[op].params[slot];
    int64_t count = lowering->network->params.entries[param].count;
    lowering->sources[param] = *source;
    if (source->scale == 0)
        lowering->sources[param].scale = 1;
    if (source->tensor->count != count)
        return CRD_FAIL(CRD_ERR_INPUT, "%s has %lld numbers, the file gives %lld",
                        lowering->network->params.entries[param].name, (long long)count,
                        (long long)source->tensor->count);
    return CRD_OK;
}

crd_status crd_onnx_give_input(crd_onnx_lowering *lowering, const crd_onnx_node *node, int k,
                               int64_t op, int slot)
{
    return crd_onnx_give(lowering, op, slot,
                         &(crd_onnx_source){.tensor = crd_onnx_constant(lowering->graph, node, k)});
}

crd_status crd_onnx_give_equal(crd_onnx_lowering *lowering, int64_t op, int slot, int64_t n,
                               double value)
{
    crd_shape shape = crd_shape_make(1, n);
    crd_onnx_tensor *tensor;
    crd_status status =
        crd_onnx_tensor_create(&tensor, &lowering->graph->budget, CRD_ONNX_FLOAT, &shape);
    for (int64_t i = 0; status == CRD_OK && i < n; i++)
        tensor->f[i] = (float)value;
    return status != CRD_OK ? status
                            : crd_onnx_give(lowering, op, slot,
                                            &(crd_onnx_source){.tensor = tensor, .owned = tensor});
}

crd_status crd_onnx_node_call_of(crd_onnx_node_call *out, const crd_onnx_lowering *lowering,
                                 const crd_onnx_node *node, int most_in)
{
    if (node->n_inputs > most_in || node->n_outputs > 1)
        return CRD_ONNX_FAIL("%s", "has too many inputs or outputs");
    crd_onnx_call_of(&out->call, out->in, out->out, lowering->graph, node);
    return CRD_OK;
}

bool crd_onnx_is_given(const crd_onnx_node *node, int k)
{
    return k < node->n_inputs && node->inputs[k] >= 0;
}

bool crd_onnx_has_constants(const crd_onnx_lowering *lowering, const crd_onnx_node *node, int n)
{
    for (int k = 1; k < n; k++)
        if (crd_onnx_is_given(node, k) && crd_onnx_constant(lowering->graph, node, k) == NULL)
            return false;
    return crd_onnx_input(lowering, node, 0).op >= 0;
}

/* Brings all inputs that depend on the images into plain view. */
static crd_status settle_inputs(bool *done, crd_onnx_lowering *lowering, const crd_onnx_node *node)
{
    crd_status status = CRD_OK;
    *done = true;
    for (int k = 0; *done && k < node->n_inputs; k++)
        if (node->inputs[k] >= 0 && lowering->views[node->inputs[k]].op >= 0)
            CRD_TRY(crd_onnx_settle(done, lowering, node, node->inputs[k]));
cleanup:
    return status;
}

/* Lowers one node, if all that it reads lies somewhere. */
static crd_status visit(crd_onnx_lowering *lowering, const crd_onnx_node *node)
{
    crd_status status = CRD_OK;
    const crd_onnx_graph *graph = lowering->graph;
    bool is_lacking = false, is_settled = true;
    for (int k = 0; k < node->n_inputs; k++)
        is_lacking |=
            node->inputs[k] >= 0 && lowering->views[node->inputs[k]].op == CRD_ONNX_LACKING;
    if (node->kind == NULL || node->kind->lower == NULL)
        return crd_onnx_lack(lowering, node, NULL);
    for (int k = 0; k < node->n_outputs && is_lacking; k++)
        if (node->outputs[k] >= 0)
            lowering->views[node->outputs[k]].op = CRD_ONNX_LACKING;
    if (is_lacking)
        return CRD_OK;
    for (int k = 0; k < node->n_outputs; k++)
        if (node->outputs[k] >= 0 && graph->values[node->outputs[k]].shape.n_dims < 0)
            return crd_onnx_lack(lowering, node, "its shape depends on the image");
    if (!node->kind->takes_views)
        CRD_TRY(settle_inputs(&is_settled, lowering, node));
    if (!is_settled)
        return crd_onnx_lack(lowering, node, "its images are not its first extent");
    CRD_TRY(node->kind->lower(lowering, node));
cleanup:
    return status;
}

/* From the network's image to the input's own extents, where these are others. */
static crd_status enter(crd_onnx_lowering *lowering, int64_t input)
{
    const crd_shape *shape = &lowering->graph->values[input].shape;
    const crd_shape own = crd_onnx_network_shape(shape);
    const crd_onnx_node stem = {.name = (char[]){"input_extents"}, .op_type = (char[]){""}};
    const crd_attr volume[] = {CRD_ATTR("shape", (double)own.dims[0], (double)own.dims[1],
                                        (double)own.dims[2], (double)own.dims[3]),
                               CRD_ATTR_END};
    crd_status status = CRD_OK;
    int64_t op = 0;
    if (own.n_dims == 1)
        CRD_TRY(crd_onnx_emit_one(&op, lowering, &stem, "Flatten", NULL, 0));
    else if (own.n_dims != 3)
        CRD_TRY(crd_onnx_emit_one(&op, lowering, &stem, "Reshape", volume, 0));
    crd_onnx_view_plain(&lowering->views[input], op, shape);
cleanup:
    return status;
}

/* Which values somebody reads. */
static crd_status mark_read(crd_onnx_lowering *lowering)
{
    crd_status status = CRD_OK;
    const crd_onnx_graph *graph = lowering->graph;
    CRD_ALLOC(&lowering->is_read, graph->n_values, "values");
    for (int64_t i = 0; i < graph->n_outputs; i++)
        lowering->is_read[graph->outputs[i]] = true;
    for (int64_t i = 0; i < graph->n_nodes; i++)
        for (int k = 0; !graph->nodes[i].is_dead && k < graph->nodes[i].n_inputs; k++)
            if (graph->nodes[i].inputs[k] >= 0)
                lowering->is_read[graph->nodes[i].inputs[k]] = true;
cleanup:
    return status;
}

/* The network's output is in plain view. */
static crd_status settle_output(crd_onnx_lowering *lowering)
{
    crd_status status = CRD_OK;
    const crd_onnx_graph *graph = lowering->graph;
    int64_t value = graph->outputs[0], producer = graph->values[value].producer;
    bool done = false;
    if (producer >= 0)
        CRD_TRY(crd_onnx_settle(&done, lowering, &graph->nodes[producer], value));
    CRD_REQUIRE(done, CRD_ERR_INPUT, "%s", "the images are not the first extent of its output");
cleanup:
    return status;
}

crd_status crd_onnx_lower(crd_onnx_lowering *lowering, int64_t input)
{
    crd_status status = CRD_OK;
    crd_onnx_graph *graph = lowering->graph;
    char label[CRD_ONNX_LABEL_SIZE];
    CRD_TRY(
        crd_onnx_budget_take(&graph->budget, graph->n_values * (int64_t)sizeof *lowering->views));
    CRD_ALLOC(&lowering->views, graph->n_values, "values");
    for (int64_t i = 0; i < graph->n_values; i++)
        lowering->views[i].op = CRD_ONNX_NOWHERE;
    CRD_TRY(mark_read(lowering));
    lowering->batch = graph->values[input].shape.dims[0];
    CRD_TRY(enter(lowering, input));
    for (int64_t i = 0; i < graph->n_nodes; i++) {
        if (graph->nodes[i].is_dead)
            continue;
        status = visit(lowering, &graph->nodes[i]);
        if (status != CRD_OK)
            return CRD_FAIL(status, "%s: %s", crd_onnx_label(label, graph, &graph->nodes[i]),
                            crd_status_message());
    }
    if (lowering->views[graph->outputs[0]].op >= 0)
        CRD_TRY(settle_output(lowering));
    CRD_REQUIRE(lowering->n_lacking == 0, CRD_ERR_INPUT,
                "%lld of its nodes cannot become operators of Credence: %s%s",
                (long long)lowering->n_lacking, lowering->lacking,
                strlen(lowering->lacking) + 200 > sizeof lowering->lacking ? "; ..." : "");
cleanup:
    return status;
}

static void fill(float *out, const crd_onnx_source *source, const crd_shape *shape)
{
    const crd_onnx_tensor *t = source->tensor;
    int64_t columns = source->is_transposed ? shape->dims[1] : 1;
    int64_t rows = t->count / columns;
    for (int64_t i = 0; i < t->count; i++) {
        double value =
            crd_onnx_get(t, source->is_transposed ? i % columns * rows + i / columns : i);
        out[i] = (float)(source->scale == 1 ? value : value * source->scale);
    }
}

crd_status crd_onnx_lower_weights(crd_params *out, const crd_onnx_lowering *lowering)
{
    crd_status status = CRD_OK;
    const crd_params *params = &lowering->network->params;
    crd_params_init(out);
    for (int64_t i = 0; i < params->n_params; i++)
        CRD_TRY(crd_params_add(NULL, out, params->entries[i].name, &params->entries[i].shape));
    CRD_TRY(crd_onnx_budget_take(&lowering->graph->budget, out->n_floats * (int64_t)sizeof(float)));
    CRD_TRY(crd_params_allocate(out));
    for (int64_t i = 0; i < params->n_params; i++) {
        CRD_REQUIRE(lowering->sources[i].tensor != NULL, CRD_ERR_INTERNAL, "%s has no numbers",
                    params->entries[i].name);
        fill(crd_params_view(out, i), &lowering->sources[i], &params->entries[i].shape);
    }
cleanup:
    if (status != CRD_OK)
        crd_params_clear(out);
    return status;
}

void crd_onnx_lowering_clear(crd_onnx_lowering *lowering)
{
    for (int64_t i = 0; i < lowering->n_sources; i++)
        crd_onnx_tensor_destroy(lowering->sources[i].owned);
    crd_free(lowering->sources);
    crd_free(lowering->views);
    crd_free(lowering->is_read);
    crd_network_destroy(lowering->network);
    *lowering = (crd_onnx_lowering){0};
}
