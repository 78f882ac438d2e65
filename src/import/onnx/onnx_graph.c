/* The import graph: its parts, its rules, and questions about nodes. onnx_build.c makes it of a
 * file. */
#include "import/onnx/onnx_graph.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "import/onnx/onnx_operators.h"

static void clear_attr(crd_onnx_attr *attr)
{
    crd_free(attr->name);
    crd_free(attr->text);
    crd_free(attr->ints);
    crd_free(attr->floats);
    crd_onnx_tensor_destroy(attr->tensor);
}

static void clear_node(crd_onnx_node *node)
{
    for (int64_t i = 0; i < node->n_attributes; i++)
        clear_attr(&node->attributes[i]);
    crd_free(node->attributes);
    crd_free(node->op_type);
    crd_free(node->name);
    crd_free(node->domain);
    crd_free(node->inputs);
    crd_free(node->outputs);
}

void crd_onnx_graph_clear(crd_onnx_graph *graph)
{
    for (int64_t i = 0; i < graph->n_nodes; i++)
        clear_node(&graph->nodes[i]);
    for (int64_t i = 0; i < graph->n_values; i++) {
        crd_free(graph->values[i].name);
        crd_onnx_tensor_destroy(graph->values[i].constant);
    }
    crd_free(graph->nodes);
    crd_free(graph->values);
    crd_free(graph->inputs);
    crd_free(graph->outputs);
    crd_free(graph->name);
    *graph = (crd_onnx_graph){0};
}

const char *crd_onnx_label(char out[CRD_ONNX_LABEL_SIZE], const crd_onnx_graph *graph,
                           const crd_onnx_node *node)
{
    const char *name = node->name;
    for (int k = 0; k < node->n_outputs && name[0] == '\0'; k++)
        if (node->outputs[k] >= 0)
            name = graph->values[node->outputs[k]].name;
    snprintf(out, CRD_ONNX_LABEL_SIZE, "node '%.80s' (%.40s)", name, node->op_type);
    for (char *c = out; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c >= 127)
            *c = '?';
    return out;
}

crd_status crd_onnx_graph_verify(const crd_onnx_graph *graph, const char *after)
{
    crd_status status = CRD_OK;
    char label[CRD_ONNX_LABEL_SIZE];
    for (int64_t n = 0; n < graph->n_nodes; n++) {
        const crd_onnx_node *node = &graph->nodes[n];
        for (int k = 0; !node->is_dead && k < node->n_inputs; k++) {
            const crd_onnx_value *in = node->inputs[k] < 0 ? NULL : &graph->values[node->inputs[k]];
            CRD_REQUIRE(in == NULL || in->producer < n, CRD_ERR_INPUT,
                        "after %s: %s reads '%.80s', which is made later: nodes must be in "
                        "topological order",
                        after, crd_onnx_label(label, graph, node), in->name);
            CRD_REQUIRE(in == NULL || in->constant != NULL || in->producer < 0 ||
                            !graph->nodes[in->producer].is_dead,
                        CRD_ERR_INTERNAL, "after %s: %s reads '%.80s', which nobody makes", after,
                        crd_onnx_label(label, graph, node), in->name);
        }
        for (int k = 0; !node->is_dead && k < node->n_outputs; k++)
            CRD_REQUIRE(node->outputs[k] < 0 || graph->values[node->outputs[k]].producer == n,
                        CRD_ERR_INTERNAL, "after %s: two nodes make '%.80s'", after,
                        graph->values[node->outputs[k]].name);
    }
    for (int64_t i = 0; i < graph->n_values; i++) {
        const crd_onnx_value *v = &graph->values[i];
        CRD_REQUIRE(v->constant == NULL || (v->constant->type == v->type &&
                                            crd_shape_equal(&v->constant->shape, &v->shape)),
                    CRD_ERR_INTERNAL, "after %s: the shape of constant '%.80s' is not its value's",
                    after, v->name);
    }
    for (int64_t i = 0; i < graph->n_outputs; i++) {
        const crd_onnx_value *v = &graph->values[graph->outputs[i]];
        CRD_REQUIRE(v->constant != NULL || v->producer < 0 || !graph->nodes[v->producer].is_dead,
                    CRD_ERR_INTERNAL, "after %s: nobody makes output '%.80s'", after, v->name);
    }
cleanup:
    return status;
}

crd_status crd_onnx_graph_bind(crd_onnx_graph *graph, int64_t input, crd_onnx_tensor *constant)
{
    crd_onnx_value *value = &graph->values[input];
    if (value->type != constant->type && value->type != CRD_ONNX_UNDEFINED) {
        crd_status status =
            CRD_FAIL(CRD_ERR_INPUT, "input '%.80s' has type %s, not %s", value->name,
                     crd_onnx_type_name((int)value->type), crd_onnx_type_name((int)constant->type));
        crd_onnx_tensor_destroy(constant);
        return status;
    }
    crd_onnx_tensor_destroy(value->constant);
    value->constant = constant;
    value->type = constant->type;
    value->shape = constant->shape;
    return CRD_OK;
}

crd_status crd_onnx_graph_add_value(int64_t *index, crd_onnx_graph *graph, const char *name)
{
    crd_status status = CRD_OK;
    if (graph->n_values == graph->value_capacity) {
        int64_t capacity = graph->value_capacity == 0 ? 64 : 2 * graph->value_capacity;
        CRD_TRY(crd_onnx_budget_take(&graph->budget, (capacity - graph->value_capacity) *
                                                         (int64_t)sizeof *graph->values));
        CRD_TRY(crd_alloc_grow((void **)&graph->values, graph->value_capacity, capacity,
                               sizeof *graph->values, "values"));
        graph->value_capacity = capacity;
    }
    crd_onnx_value *value = &graph->values[graph->n_values];
    *value = (crd_onnx_value){.producer = -1, .shape = {.n_dims = -1}};
    CRD_TRY(crd_alloc_string(&value->name, name));
    *index = graph->n_values++;
cleanup:
    return status;
}

const crd_onnx_attr *crd_onnx_attr_find(const crd_onnx_node *node, const char *name)
{
    for (int64_t i = 0; i < node->n_attributes; i++)
        if (strcmp(node->attributes[i].name, name) == 0)
            return &node->attributes[i];
    return NULL;
}

int64_t crd_onnx_attr_int(const crd_onnx_node *node, const char *name, int64_t fallback)
{
    const crd_onnx_attr *attr = crd_onnx_attr_find(node, name);
    return attr == NULL ? fallback : attr->i;
}

double crd_onnx_attr_real(const crd_onnx_node *node, const char *name, double fallback)
{
    const crd_onnx_attr *attr = crd_onnx_attr_find(node, name);
    return attr == NULL ? fallback : attr->f;
}

const char *crd_onnx_attr_text(const crd_onnx_node *node, const char *name, const char *fallback)
{
    const crd_onnx_attr *attr = crd_onnx_attr_find(node, name);
    return attr == NULL || attr->text == NULL ? fallback : attr->text;
}

crd_status crd_onnx_attr_add(crd_onnx_node *node, const char *name, double value)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_alloc_grow((void **)&node->attributes, node->n_attributes, node->n_attributes + 1,
                           sizeof *node->attributes, "attributes"));
    crd_onnx_attr *attr = &node->attributes[node->n_attributes];
    CRD_TRY(crd_alloc_string(&attr->name, name));
    attr->f = value;
    attr->i = fabs(value) < 0x1p62 ? (int64_t)value : 0;
    node->n_attributes++;
cleanup:
    return status;
}

const crd_onnx_tensor *crd_onnx_constant(const crd_onnx_graph *graph, const crd_onnx_node *node,
                                         int k)
{
    return k >= node->n_inputs || node->inputs[k] < 0 ? NULL
                                                      : graph->values[node->inputs[k]].constant;
}

const crd_shape *crd_onnx_shape_of(const crd_onnx_graph *graph, const crd_onnx_node *node, int k)
{
    static const crd_shape unknown = {.n_dims = -1};
    return k >= node->n_inputs || node->inputs[k] < 0 ? &unknown
                                                      : &graph->values[node->inputs[k]].shape;
}
