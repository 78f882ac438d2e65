/* Attention that exporters spell out: softmax(Q K^T scale) V. */
#include "import/onnx/onnx_operators.h"
#include "import/onnx/onnx_passes.h"

/* The value behind input k of a node that numbers are multiplied with; they go to *scale. */
static int64_t unscaled(double *scale, const crd_onnx_graph *graph, const crd_onnx_node *node,
                        int k)
{
    double number;
    for (;;) {
        int64_t value = node->inputs[k];
        const crd_onnx_node *maker = crd_onnx_maker(graph, node, k, "");
        bool is_div = maker != NULL && crd_onnx_is(maker, "Div");
        if (maker == NULL || (!is_div && !crd_onnx_is(maker, "Mul")) ||
            !crd_onnx_with_number(&number, &k, graph, maker) || (is_div && k != 0) || number == 0)
            return value;
        *scale *= is_div ? 1 / number : number;
        node = maker;
    }
}

static bool is_over_last(const crd_onnx_graph *graph, const crd_onnx_node *softmax)
{
    int64_t axis = crd_onnx_attr_int(softmax, "axis", graph->opset >= 13 ? -1 : 1);
    return axis == -1 || axis == crd_onnx_shape_of(graph, softmax, 0)->n_dims - 1;
}

/* Whether (... queries, width), (... width, keys) and (... keys, width) are as many matrices. */
static bool are_matrices(const crd_onnx_graph *graph, const int64_t inputs[3])
{
    const crd_shape *q = &graph->values[inputs[0]].shape, *k = &graph->values[inputs[1]].shape;
    const crd_shape *v = &graph->values[inputs[2]].shape;
    int n = q->n_dims;
    if (n < 3 || n >= CRD_MAX_DIMS || k->n_dims != n || v->n_dims != n ||
        k->dims[n - 2] != q->dims[n - 1] || v->dims[n - 2] != k->dims[n - 1] ||
        v->dims[n - 1] != q->dims[n - 1])
        return false;
    for (int d = 0; d < n - 2; d++)
        if (k->dims[d] != q->dims[d] || v->dims[d] != q->dims[d])
            return false;
    for (int i = 0; i < 3; i++)
        if (graph->values[inputs[i]].constant != NULL)
            return false;
    return true;
}

crd_status crd_onnx_fuse_attentions(crd_onnx_graph *graph)
{
    crd_status status = CRD_OK;
    for (int64_t n = 0; n < graph->n_nodes; n++) {
        crd_onnx_node *node = &graph->nodes[n];
        const crd_onnx_node *softmax =
            crd_onnx_is(node, "MatMul") ? crd_onnx_maker(graph, node, 0, "Softmax") : NULL;
        if (softmax == NULL || node->n_inputs != 2 || !is_over_last(graph, softmax))
            continue;
        double scale = 1;
        int64_t scores = unscaled(&scale, graph, softmax, 0);
        int64_t producer = graph->values[scores].producer;
        const crd_onnx_node *product = producer < 0 ? NULL : &graph->nodes[producer];
        if (product == NULL || !crd_onnx_is(product, "MatMul") || product->n_inputs != 2)
            continue;
        const int64_t inputs[3] = {unscaled(&scale, graph, product, 0),
                                   unscaled(&scale, graph, product, 1), node->inputs[1]};
        if (!(scale > 0) || !are_matrices(graph, inputs))
            continue;
        CRD_TRY(crd_onnx_become(node, "ScaledDotProduct", CRD_ONNX_OWN_DOMAIN, inputs, 3));
        CRD_TRY(crd_onnx_attr_add(node, "scale", scale));
    }
cleanup:
    return status;
}
