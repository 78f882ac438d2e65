/* Layers that exporters take apart: the norm of features, the bias of a product, the shuffle of
 * channels. */
#include <math.h>
#include <string.h>

#include "import/onnx/onnx_operators.h"
#include "import/onnx/onnx_passes.h"

/* Whether a ReduceMean runs over the last axis only, and keeps it. */
static bool is_last_mean(const crd_onnx_graph *graph, const crd_onnx_node *node)
{
    const crd_onnx_attr *axes = crd_onnx_attr_find(node, "axes");
    int n = crd_onnx_shape_of(graph, node, 0)->n_dims;
    double axis;
    if (axes != NULL && axes->n == 1 && axes->ints != NULL)
        axis = (double)axes->ints[0];
    else if (axes != NULL || !crd_onnx_number(&axis, graph, node, 1))
        return false;
    return n > 1 && (axis == -1 || axis == n - 1) && crd_onnx_attr_int(node, "keepdims", 1) != 0;
}

/* Node is x - mean of x: the value x; else -1. */
static int64_t centred(const crd_onnx_graph *graph, const crd_onnx_node *node)
{
    const crd_onnx_node *mean = node == NULL ? NULL : crd_onnx_maker(graph, node, 1, "ReduceMean");
    return mean != NULL && is_last_mean(graph, mean) && mean->inputs[0] == node->inputs[0]
               ? node->inputs[0]
               : -1;
}

/* Node is Sqrt(mean of squares of `difference` + eps). */
static bool is_deviation(double *eps, const crd_onnx_graph *graph, const crd_onnx_node *node,
                         int64_t difference)
{
    int k;
    double two;
    const crd_onnx_node *sum = node == NULL ? NULL : crd_onnx_maker(graph, node, 0, "Add");
    if (sum == NULL || !crd_onnx_with_number(eps, &k, graph, sum))
        return false;
    const crd_onnx_node *mean = crd_onnx_maker(graph, sum, k, "ReduceMean");
    const crd_onnx_node *square = mean == NULL ? NULL : crd_onnx_maker(graph, mean, 0, "");
    if (square == NULL || !is_last_mean(graph, mean) || square->inputs[0] != difference)
        return false;
    return (crd_onnx_is(square, "Pow") && crd_onnx_number(&two, graph, square, 1) && two == 2) ||
           (crd_onnx_is(square, "Mul") && square->n_inputs == 2 && square->inputs[1] == difference);
}

/* Node is (x - mean) / deviation: the value x; else -1. */
static int64_t normalised(double *eps, const crd_onnx_graph *graph, const crd_onnx_node *node)
{
    if (node == NULL || !crd_onnx_is(node, "Div") || node->n_inputs != 2)
        return -1;
    const crd_onnx_node *difference = crd_onnx_maker(graph, node, 0, "Sub");
    int64_t x = centred(graph, difference);
    return x >= 0 &&
                   is_deviation(eps, graph, crd_onnx_maker(graph, node, 1, "Sqrt"), node->inputs[0])
               ? x
               : -1;
}

/* Whether a node's output has the shape of its input k: its other inputs do not widen it. */
static bool keeps_shape(const crd_onnx_graph *graph, const crd_onnx_node *node, int k)
{
    return crd_shape_equal(crd_onnx_shape_of(graph, node, k),
                           &graph->values[node->outputs[0]].shape);
}

/* The input of a node of two that is a constant vector of the features; -1: none. */
static int vector_input(const crd_onnx_graph *graph, const crd_onnx_node *node)
{
    const crd_shape *shape = &graph->values[node->outputs[0]].shape;
    for (int k = 0; node->n_inputs == 2 && shape->n_dims > 0 && k < 2; k++) {
        const crd_onnx_tensor *c = crd_onnx_constant(graph, node, k);
        if (c != NULL && c->shape.n_dims >= 1 && c->count == shape->dims[shape->n_dims - 1] &&
            c->shape.dims[c->shape.n_dims - 1] == c->count)
            return k;
    }
    return -1;
}

crd_status crd_onnx_fuse_layer_norms(crd_onnx_graph *graph)
{
    crd_status status = CRD_OK;
    for (int64_t n = 0; n < graph->n_nodes; n++) {
        crd_onnx_node *node = &graph->nodes[n];
        double eps;
        if (!crd_onnx_is(node, "Add") || vector_input(graph, node) < 0)
            continue;
        int shift = vector_input(graph, node);
        const crd_onnx_node *scaled = crd_onnx_maker(graph, node, 1 - shift, "Mul");
        int scale = scaled == NULL ? -1 : vector_input(graph, scaled);
        if (scale < 0 || !keeps_shape(graph, node, 1 - shift) ||
            !keeps_shape(graph, scaled, 1 - scale))
            continue;
        int64_t x = normalised(&eps, graph, crd_onnx_maker(graph, scaled, 1 - scale, "Div"));
        if (x < 0)
            continue;
        const int64_t inputs[] = {x, scaled->inputs[scale], node->inputs[shift]};
        CRD_TRY(crd_onnx_become(node, "LayerNormalization", "", inputs, 3));
        CRD_TRY(crd_onnx_attr_add(node, "epsilon", eps));
    }
cleanup:
    return status;
}

/* The input of an Add that is a constant with one number a channel; -1: none. */
static int channel_input(const crd_onnx_graph *graph, const crd_onnx_node *node)
{
    const crd_shape *shape = &graph->values[node->outputs[0]].shape;
    for (int k = 0; node->n_inputs == 2 && shape->n_dims > 2 && k < 2; k++) {
        const crd_onnx_tensor *c = crd_onnx_constant(graph, node, k);
        int at = c == NULL ? -1 : c->shape.n_dims - shape->n_dims + 1;
        if (at >= 0 && c->count == shape->dims[1] && c->shape.dims[at] == c->count)
            return k;
    }
    return -1;
}

static int64_t n_readers(const crd_onnx_graph *graph, int64_t value)
{
    int64_t n = 0;
    for (int64_t i = 0; i < graph->n_outputs; i++)
        n += graph->outputs[i] == value;
    for (int64_t i = 0; i < graph->n_nodes; i++)
        for (int k = 0; !graph->nodes[i].is_dead && k < graph->nodes[i].n_inputs; k++)
            n += graph->nodes[i].inputs[k] == value;
    return n;
}

/* Conv without a bias, read by this Add only: the Conv takes the bias, the Add is nothing more. */
static crd_status give_conv_bias(crd_onnx_graph *graph, crd_onnx_node *node)
{
    crd_status status = CRD_OK;
    int bias = channel_input(graph, node);
    crd_onnx_node *conv = bias < 0 ? NULL : crd_onnx_maker(graph, node, 1 - bias, "Conv");
    if (conv == NULL || conv->n_inputs != 2 || !keeps_shape(graph, node, 1 - bias) ||
        n_readers(graph, conv->outputs[0]) != 1)
        return status;
    int64_t vector = node->inputs[bias];
    /* A constant whose maker came after the Conv: folded, it needs none. */
    if (graph->values[vector].producer > graph->values[conv->outputs[0]].producer)
        graph->values[vector].producer = -1;
    const int64_t inputs[] = {conv->inputs[0], conv->inputs[1], vector};
    CRD_TRY(crd_onnx_become(conv, "Conv", "", inputs, 3));
    CRD_TRY(crd_onnx_become(node, "Identity", "", conv->outputs, 1));
cleanup:
    return status;
}

/* MatMul with a constant matrix: the Add becomes the product with three inputs. */
static crd_status give_product_bias(crd_onnx_graph *graph, crd_onnx_node *node)
{
    int bias = vector_input(graph, node);
    const crd_onnx_node *product =
        bias < 0 ? NULL : crd_onnx_maker(graph, node, 1 - bias, "MatMul");
    if (product == NULL || product->n_inputs != 2 || !keeps_shape(graph, node, 1 - bias) ||
        crd_onnx_constant(graph, product, 1) == NULL ||
        crd_onnx_shape_of(graph, product, 1)->n_dims != 2)
        return CRD_OK;
    const int64_t inputs[] = {product->inputs[0], product->inputs[1], node->inputs[bias]};
    return crd_onnx_become(node, "MatMul", "", inputs, 3);
}

crd_status crd_onnx_fuse_biases(crd_onnx_graph *graph)
{
    crd_status status = CRD_OK;
    for (int64_t n = 0; n < graph->n_nodes; n++) {
        if (crd_onnx_is(&graph->nodes[n], "Add"))
            CRD_TRY(give_product_bias(graph, &graph->nodes[n]));
        if (crd_onnx_is(&graph->nodes[n], "Add"))
            CRD_TRY(give_conv_bias(graph, &graph->nodes[n]));
    }
cleanup:
    return status;
}

/* Whether a Transpose exchanges extents 1 and 2 of five. */
static bool exchanges_groups(const crd_onnx_node *node)
{
    static const int64_t order[] = {0, 2, 1, 3, 4};
    const crd_onnx_attr *perm = crd_onnx_attr_find(node, "perm");
    return perm != NULL && perm->n == 5 && perm->ints != NULL &&
           memcmp(perm->ints, order, sizeof order) == 0;
}

crd_status crd_onnx_fuse_shuffles(crd_onnx_graph *graph)
{
    crd_status status = CRD_OK;
    for (int64_t n = 0; n < graph->n_nodes; n++) {
        crd_onnx_node *node = &graph->nodes[n];
        const crd_onnx_node *turn =
            crd_onnx_is(node, "Reshape") ? crd_onnx_maker(graph, node, 0, "Transpose") : NULL;
        const crd_onnx_node *cut = turn == NULL ? NULL : crd_onnx_maker(graph, turn, 0, "Reshape");
        if (cut == NULL || !exchanges_groups(turn))
            continue;
        const crd_shape *from = crd_onnx_shape_of(graph, cut, 0);
        const crd_shape *groups = crd_onnx_shape_of(graph, turn, 0);
        if (from->n_dims != 4 || groups->n_dims != 5 ||
            !crd_shape_equal(from, &graph->values[node->outputs[0]].shape) ||
            groups->dims[0] != from->dims[0] || groups->dims[3] != from->dims[2] ||
            groups->dims[4] != from->dims[3])
            continue;
        CRD_TRY(crd_onnx_become(node, "ChannelShuffle", CRD_ONNX_OWN_DOMAIN, cut->inputs, 1));
        CRD_TRY(crd_onnx_attr_add(node, "groups", (double)groups->dims[1]));
    }
cleanup:
    return status;
}
