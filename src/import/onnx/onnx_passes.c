/* The order of the passes, and what patterns are found with. A pass rewrites the last node of a
 * pattern; the others die in the next pruning, unless somebody else reads them. */
#include "import/onnx/onnx_passes.h"

#include <string.h>

#include "base/alloc.h"
#include "import/onnx/onnx_fold.h"
#include "import/onnx/onnx_operators.h"

crd_status crd_onnx_prune(crd_onnx_graph *graph)
{
    crd_status status = CRD_OK;
    uint8_t *is_read = NULL;
    CRD_ALLOC(&is_read, graph->n_values, "values");
    for (int64_t i = 0; i < graph->n_outputs; i++)
        is_read[graph->outputs[i]] = 1;
    for (int64_t n = graph->n_nodes - 1; n >= 0; n--) {
        crd_onnx_node *node = &graph->nodes[n];
        bool is_needed = false;
        for (int k = 0; k < node->n_outputs; k++)
            is_needed |= node->outputs[k] >= 0 && is_read[node->outputs[k]];
        node->is_dead |= !is_needed;
        for (int k = 0; !node->is_dead && k < node->n_inputs; k++)
            if (node->inputs[k] >= 0)
                is_read[node->inputs[k]] = 1;
    }
cleanup:
    crd_free(is_read);
    return status;
}

crd_onnx_node *crd_onnx_maker(const crd_onnx_graph *graph, const crd_onnx_node *node, int k,
                              const char *op_type)
{
    if (k >= node->n_inputs || node->inputs[k] < 0)
        return NULL;
    int64_t producer = graph->values[node->inputs[k]].producer;
    if (producer < 0 || graph->nodes[producer].is_dead || graph->nodes[producer].kind == NULL)
        return NULL;
    crd_onnx_node *maker = &graph->nodes[producer];
    return op_type[0] == '\0' || crd_onnx_is(maker, op_type) ? maker : NULL;
}

bool crd_onnx_number(double *out, const crd_onnx_graph *graph, const crd_onnx_node *node, int k)
{
    const crd_onnx_tensor *constant = crd_onnx_constant(graph, node, k);
    if (constant == NULL || constant->count != 1)
        return false;
    *out = crd_onnx_get(constant, 0);
    return true;
}

bool crd_onnx_with_number(double *number, int *k, const crd_onnx_graph *graph,
                          const crd_onnx_node *node)
{
    for (*k = 0; *k < 2 && node->n_inputs == 2; ++*k)
        if (crd_onnx_number(number, graph, node, 1 - *k) &&
            crd_onnx_constant(graph, node, *k) == NULL &&
            crd_onnx_shape_of(graph, node, 1 - *k)->n_dims <=
                crd_onnx_shape_of(graph, node, *k)->n_dims)
            return true;
    return false;
}

crd_status crd_onnx_become(crd_onnx_node *node, const char *op_type, const char *domain,
                           const int64_t *inputs, int n_inputs)
{
    crd_status status = CRD_OK;
    char *new_type = NULL, *new_domain = NULL;
    int64_t *new_inputs = NULL;
    CRD_TRY(crd_alloc_string(&new_type, op_type));
    CRD_TRY(crd_alloc_string(&new_domain, domain));
    CRD_ALLOC(&new_inputs, n_inputs, "inputs");
    for (int k = 0; k < n_inputs; k++)
        new_inputs[k] = inputs[k];
    crd_free(node->op_type);
    crd_free(node->domain);
    crd_free(node->inputs);
    node->op_type = new_type;
    node->domain = new_domain;
    node->inputs = new_inputs;
    node->n_inputs = n_inputs;
    node->kind = crd_onnx_operator_find(op_type, domain);
    return CRD_OK;
cleanup:
    crd_free(new_type);
    crd_free(new_domain);
    crd_free(new_inputs);
    return status;
}

static const struct {
    const char *name;
    crd_status (*run)(crd_onnx_graph *);
} passes[] = {
    {"folding of constants", crd_onnx_fold},
    {"pruning", crd_onnx_prune},
    {"fusion of activations", crd_onnx_fuse_activations},
    {"fusion of layer norms", crd_onnx_fuse_layer_norms},
    {"fusion of attentions", crd_onnx_fuse_attentions},
    {"fusion of biases", crd_onnx_fuse_biases},
    {"fusion of shuffles", crd_onnx_fuse_shuffles},
    {"last pruning", crd_onnx_prune},
};

crd_status crd_onnx_run_passes(crd_onnx_graph *graph)
{
    crd_status status = CRD_OK;
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        CRD_TRY(passes[i].run(graph));
        CRD_TRY(crd_onnx_graph_verify(graph, passes[i].name));
    }
cleanup:
    return status;
}
