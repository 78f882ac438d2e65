/* Activations that exporters spell out. */
#include <math.h>

#include "import/onnx/onnx_operators.h"
#include "import/onnx/onnx_passes.h"

static bool is_near(double x, double wanted)
{
    return fabs(x - wanted) <= 1e-5 * fabs(wanted);
}

/* Node is Add(x, 3): the value x; else -1. */
static int64_t plus_three(const crd_onnx_graph *graph, const crd_onnx_node *node)
{
    double number;
    int k;
    return node != NULL && crd_onnx_with_number(&number, &k, graph, node) && number == 3
               ? node->inputs[k]
               : -1;
}

/* Node is Clip(x + 3, 0, 6): the value x; else -1. */
static int64_t clipped(const crd_onnx_graph *graph, const crd_onnx_node *node)
{
    double low = NAN, high = NAN;
    if (node == NULL)
        return -1;
    if (node->n_inputs == 3) {
        if (!crd_onnx_number(&low, graph, node, 1) || !crd_onnx_number(&high, graph, node, 2))
            return -1;
    } else {
        low = crd_onnx_attr_real(node, "min", NAN);
        high = crd_onnx_attr_real(node, "max", NAN);
    }
    return low == 0 && high == 6 ? plus_three(graph, crd_onnx_maker(graph, node, 0, "Add")) : -1;
}

/* Node is HardSigmoid(x) of torch's numbers, or Clip(x + 3, 0, 6) / 6: the value x; else -1. */
static int64_t hard_sigmoid(const crd_onnx_graph *graph, const crd_onnx_node *node)
{
    double number;
    int k;
    if (node == NULL)
        return -1;
    if (crd_onnx_is(node, "HardSigmoid"))
        return is_near(crd_onnx_attr_real(node, "alpha", 0.2), 1.0 / 6) &&
                       crd_onnx_attr_real(node, "beta", 0.5) == 0.5
                   ? node->inputs[0]
                   : -1;
    bool is_div = crd_onnx_is(node, "Div"), is_mul = crd_onnx_is(node, "Mul");
    if ((!is_div && !is_mul) || !crd_onnx_with_number(&number, &k, graph, node) ||
        (is_div && k != 0) || !is_near(number, is_div ? 6 : 1.0 / 6))
        return -1;
    return clipped(graph, crd_onnx_maker(graph, node, k, "Clip"));
}

/* Node is a product of a value x and of what makes `inner` of x: the value; else -1. */
static int64_t product_with(const crd_onnx_graph *graph, const crd_onnx_node *node,
                            int64_t (*inner)(const crd_onnx_graph *, const crd_onnx_node *))
{
    for (int k = 0; crd_onnx_is(node, "Mul") && node->n_inputs == 2 && k < 2; k++) {
        int64_t x = inner(graph, crd_onnx_maker(graph, node, k, ""));
        if (x >= 0 && x == node->inputs[1 - k])
            return x;
    }
    return -1;
}

static int64_t sigmoid(const crd_onnx_graph *graph, const crd_onnx_node *node)
{
    (void)graph;
    return node != NULL && crd_onnx_is(node, "Sigmoid") ? node->inputs[0] : -1;
}

static int64_t clip_alone(const crd_onnx_graph *graph, const crd_onnx_node *node)
{
    return node != NULL && crd_onnx_is(node, "Clip") ? clipped(graph, node) : -1;
}

/* (x Clip(x + 3, 0, 6)) / 6, or x HardSigmoid(x). */
static int64_t hard_swish(const crd_onnx_graph *graph, const crd_onnx_node *node)
{
    double number;
    int k;
    int64_t x = product_with(graph, node, hard_sigmoid);
    bool is_div = crd_onnx_is(node, "Div");
    if (x >= 0 || !(is_div || crd_onnx_is(node, "Mul")) ||
        !crd_onnx_with_number(&number, &k, graph, node) || (is_div && k != 0) ||
        !is_near(number, is_div ? 6 : 1.0 / 6))
        return x;
    const crd_onnx_node *inner = crd_onnx_maker(graph, node, k, "Mul");
    return inner == NULL ? -1 : product_with(graph, inner, clip_alone);
}

/* Node is 1 + Erf(x / sqrt(2)): the value x; else -1. */
static int64_t one_plus_erf(const crd_onnx_graph *graph, const crd_onnx_node *node)
{
    double number;
    int k;
    if (node == NULL || !crd_onnx_is(node, "Add") ||
        !crd_onnx_with_number(&number, &k, graph, node) || number != 1)
        return -1;
    const crd_onnx_node *erf = crd_onnx_maker(graph, node, k, "Erf");
    const crd_onnx_node *scaled = erf == NULL ? NULL : crd_onnx_maker(graph, erf, 0, "");
    if (scaled == NULL || !crd_onnx_with_number(&number, &k, graph, scaled))
        return -1;
    bool is_div = crd_onnx_is(scaled, "Div") && k == 0, is_mul = crd_onnx_is(scaled, "Mul");
    return (is_div && is_near(number, sqrt(2))) || (is_mul && is_near(number, sqrt(0.5)))
               ? scaled->inputs[k]
               : -1;
}

/* Node is x / 2: the value x; else -1. */
static int64_t half(const crd_onnx_graph *graph, const crd_onnx_node *node)
{
    double number;
    int k;
    return node != NULL && crd_onnx_is(node, "Mul") &&
                   crd_onnx_with_number(&number, &k, graph, node) && number == 0.5
               ? node->inputs[k]
               : -1;
}

/* x (1 + Erf(x / sqrt(2))) / 2, whichever product comes first. */
static int64_t gelu(const crd_onnx_graph *graph, const crd_onnx_node *node)
{
    double number;
    int k;
    for (k = 0; crd_onnx_is(node, "Mul") && node->n_inputs == 2 && k < 2; k++) {
        int64_t x = one_plus_erf(graph, crd_onnx_maker(graph, node, k, "Add"));
        if (x >= 0 && x == half(graph, crd_onnx_maker(graph, node, 1 - k, "Mul")))
            return x;
        const crd_onnx_node *scaled = crd_onnx_maker(graph, node, k, "Mul");
        int64_t inner = half(graph, scaled);
        const crd_onnx_node *sum = inner < 0 || graph->values[inner].producer < 0
                                       ? NULL
                                       : &graph->nodes[graph->values[inner].producer];
        x = one_plus_erf(graph, sum);
        if (x >= 0 && x == node->inputs[1 - k])
            return x;
    }
    if (!crd_onnx_is(node, "Mul") || !crd_onnx_with_number(&number, &k, graph, node) ||
        number != 0.5)
        return -1;
    const crd_onnx_node *inner = crd_onnx_maker(graph, node, k, "Mul");
    return inner == NULL ? -1 : product_with(graph, inner, one_plus_erf);
}

static int64_t silu(const crd_onnx_graph *graph, const crd_onnx_node *node)
{
    return product_with(graph, node, sigmoid);
}

static int64_t plain_hard_sigmoid(const crd_onnx_graph *graph, const crd_onnx_node *node)
{
    return crd_onnx_is(node, "HardSigmoid") ? -1 : hard_sigmoid(graph, node);
}

static const struct {
    int64_t (*find)(const crd_onnx_graph *, const crd_onnx_node *);
    const char *op_type, *domain;
} patterns[] = {
    {silu, "SiLU", CRD_ONNX_OWN_DOMAIN},
    {hard_swish, "HardSwish", ""},
    {gelu, "Gelu", ""},
    {plain_hard_sigmoid, "HardSigmoid", ""},
};

crd_status crd_onnx_fuse_activations(crd_onnx_graph *graph)
{
    crd_status status = CRD_OK;
    for (int64_t n = 0; n < graph->n_nodes; n++) {
        crd_onnx_node *node = &graph->nodes[n];
        for (size_t i = 0; !node->is_dead && i < sizeof patterns / sizeof *patterns; i++) {
            int64_t x = patterns[i].find(graph, node);
            if (x < 0)
                continue;
            CRD_TRY(crd_onnx_become(node, patterns[i].op_type, patterns[i].domain, &x, 1));
            if (patterns[i].find == plain_hard_sigmoid) {
                CRD_TRY(crd_onnx_attr_add(node, "alpha", 1.0 / 6));
                CRD_TRY(crd_onnx_attr_add(node, "beta", 0.5));
            }
            break;
        }
    }
cleanup:
    return status;
}
