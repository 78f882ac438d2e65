/* One walk over the nodes. Shape and Size of what depends on the input are constants all the same:
 * that is what exporters' chains of Shape, Gather, Concat, Reshape come down to. A limit on the
 * arithmetic keeps a small file from asking for hours of it. */
#include "import/onnx/onnx_fold.h"

#include "base/alloc.h"

/* Multiply-adds, or elements moved, of all folding. */
static const int64_t most_work = (int64_t)1 << 32;

void crd_onnx_call_of(crd_onnx_call *call, crd_onnx_arg *in, crd_onnx_result *out,
                      crd_onnx_graph *graph, const crd_onnx_node *node)
{
    *call = (crd_onnx_call){.node = node,
                            .opset = graph->opset,
                            .budget = &graph->budget,
                            .n_in = node->n_inputs,
                            .n_out = node->n_outputs,
                            .in = in,
                            .out = out};
    while (call->n_in > 0 && node->inputs[call->n_in - 1] < 0)
        call->n_in--;
    for (int k = 0; k < call->n_in; k++) {
        const crd_onnx_value *value = node->inputs[k] < 0 ? NULL : &graph->values[node->inputs[k]];
        in[k] = value == NULL ? (crd_onnx_arg){.shape = {.n_dims = -1}}
                              : (crd_onnx_arg){.is_given = true,
                                               .type = value->type,
                                               .shape = value->shape,
                                               .constant = value->constant};
    }
    for (int k = 0; k < call->n_out; k++)
        out[k] = (crd_onnx_result){.type = call->n_in > 0 ? in[0].type : CRD_ONNX_FLOAT,
                                   .shape = {.n_dims = -1}};
}

static bool knows_shapes(const crd_onnx_call *call)
{
    for (int k = 0; k < call->n_in; k++)
        if (call->in[k].is_given && call->in[k].shape.n_dims < 0)
            return false;
    return true;
}

static bool has_constants(const crd_onnx_call *call)
{
    for (int k = 0; k < call->n_in; k++)
        if (call->in[k].is_given && call->in[k].constant == NULL)
            return false;
    return true;
}

/* What a node costs at most: the elements it reads for each that it writes, where it is a product
 * or sorts; else once. */
static double work_of(const crd_onnx_call *call)
{
    double in = 0, out = 0, inner = 1;
    for (int k = 0; k < call->n_in; k++)
        in += call->in[k].is_given ? (double)crd_shape_count(&call->in[k].shape) : 0;
    for (int k = 0; k < call->n_out; k++)
        out += (double)crd_shape_count(&call->out[k].shape);
    const crd_shape *a = &call->in[0].shape;
    if (call->n_in > 0 && a->n_dims > 0 && call->node->kind->cost == CRD_ONNX_PRODUCT)
        inner = (double)a->dims[a->n_dims - 1] + (double)a->dims[0];
    if (call->n_in > 0 && call->node->kind->cost == CRD_ONNX_SORT)
        inner = (double)crd_shape_count(a);
    return in + out * inner;
}

/* Of a node: needed inputs that are omitted, and outputs that are not known. */
static crd_status check_call(const crd_onnx_call *call)
{
    crd_status status = CRD_OK;
    const crd_onnx_operator *kind = call->node->kind;
    CRD_REQUIRE(call->n_in >= kind->min_inputs, CRD_ERR_INPUT, "has %d inputs, needed are %d",
                call->n_in, kind->min_inputs);
    CRD_REQUIRE(call->n_out >= 1 && call->node->outputs[0] >= 0, CRD_ERR_INPUT, "%s",
                "has no first output");
    for (int k = 0; k < kind->min_inputs; k++)
        CRD_REQUIRE(call->in[k].is_given, CRD_ERR_INPUT, "input %d is omitted", k);
    for (int64_t i = 0; i < call->node->n_attributes; i++)
        CRD_REQUIRE(!call->node->attributes[i].is_other, CRD_ERR_INPUT,
                    "attribute '%.40s' has a type that is not supported",
                    call->node->attributes[i].name);
cleanup:
    return status;
}

static crd_status evaluate(crd_onnx_call *call, crd_onnx_graph *graph)
{
    crd_status status = CRD_OK;
    double work = work_of(call);
    int64_t n = 0;
    CRD_REQUIRE(work <= (double)(most_work - graph->work), CRD_ERR_INPUT, "%s",
                "its constants take too much arithmetic to evaluate");
    graph->work += (int64_t)work;
    for (int k = 0; k < call->n_out; k++) {
        CRD_TRY(crd_onnx_tensor_create(&call->out[k].tensor, call->budget, call->out[k].type,
                                       &call->out[k].shape));
        n += call->out[k].tensor->count;
    }
    if (n > 0) /* of empty outputs an extent that is left may ask for a loop without an end */
        CRD_TRY(call->node->kind->eval(call));
cleanup:
    for (int k = 0; status != CRD_OK && k < call->n_out; k++) {
        crd_onnx_tensor_destroy(call->out[k].tensor);
        call->out[k].tensor = NULL;
    }
    return status;
}

static crd_status visit(crd_onnx_graph *graph, crd_onnx_node *node, crd_onnx_call *call)
{
    crd_status status = CRD_OK;
    const crd_onnx_operator *kind = node->kind;
    CRD_TRY(check_call(call));
    if (kind->shape == NULL || !knows_shapes(call))
        goto cleanup;
    CRD_TRY(kind->shape(call));
    bool is_known = true;
    for (int k = 0; k < call->n_out; k++) {
        if (call->out[k].shape.n_dims >= 0)
            CRD_TRY(crd_onnx_shape_check(&call->out[k].shape));
        is_known &= call->out[k].shape.n_dims >= 0;
    }
    if (is_known && kind->eval != NULL && (kind->tells_shapes || has_constants(call))) {
        CRD_TRY(evaluate(call, graph));
        node->is_dead = true;
    }
    for (int k = 0; k < call->n_out; k++) {
        crd_onnx_value *value = node->outputs[k] < 0 ? NULL : &graph->values[node->outputs[k]];
        if (value == NULL) {
            crd_onnx_tensor_destroy(call->out[k].tensor);
            continue;
        }
        value->type = call->out[k].type;
        value->shape = call->out[k].shape;
        value->constant = call->out[k].tensor;
    }
cleanup:
    return status;
}

crd_status crd_onnx_fold(crd_onnx_graph *graph)
{
    crd_status status = CRD_OK;
    int n_in = 1, n_out = 1;
    crd_onnx_arg *in = NULL;
    crd_onnx_result *out = NULL;
    for (int64_t i = 0; i < graph->n_nodes; i++) {
        n_in = graph->nodes[i].n_inputs > n_in ? graph->nodes[i].n_inputs : n_in;
        n_out = graph->nodes[i].n_outputs > n_out ? graph->nodes[i].n_outputs : n_out;
    }
    CRD_ALLOC(&in, n_in, "inputs");
    CRD_ALLOC(&out, n_out, "outputs");
    for (int64_t i = 0; i < graph->n_nodes; i++) {
        crd_onnx_node *node = &graph->nodes[i];
        char label[CRD_ONNX_LABEL_SIZE];
        crd_onnx_call call;
        if (node->kind == NULL || node->is_dead)
            continue;
        crd_onnx_call_of(&call, in, out, graph, node);
        status = visit(graph, node, &call);
        if (status != CRD_OK) {
            CRD_FAIL(status, "%s: %s", crd_onnx_label(label, graph, node), crd_status_message());
            goto cleanup;
        }
    }
cleanup:
    crd_free(in);
    crd_free(out);
    return status;
}
