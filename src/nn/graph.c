#include "credence/network.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "nn/layer_kinds.h"

/* Searches by name are linear; this bounds what a hostile graph can cost. */
enum { MAX_NODES = 10000, MAX_TEXT = 200 };

static const char *const slot_names[CRD_NODE_MAX_PARAMS] = {"weight", "bias", "running_mean",
                                                            "running_var"};

const char *crd_node_kind(const crd_node *node)
{
    return node->layer->name;
}

int crd_node_is_weighted(const crd_node *node)
{
    return node->layer->is_weighted;
}

/* Names become part of parameter names and of paths in files. */
static crd_status check_name(const char *name)
{
    crd_status status = CRD_OK;
    size_t length = strlen(name);
    CRD_REQUIRE(length >= 1 && length <= MAX_TEXT, CRD_ERR_INPUT,
                "node name '%.20s' has %zu bytes, allowed are 1 to %d", name, length, MAX_TEXT);
    for (const char *c = name; *c != '\0'; c++)
        CRD_REQUIRE(isalnum((unsigned char)*c) || strchr("_-.", *c) != NULL, CRD_ERR_INPUT,
                    "node '%s': a name has letters, digits, '_', '-' and '.' only", name);
    CRD_REQUIRE(name[0] != '.' && name[length - 1] != '.' && strstr(name, "..") == NULL,
                CRD_ERR_INPUT, "node '%s': a name has no empty part between dots", name);
cleanup:
    return status;
}

static crd_status check_shape(const crd_node *node, const char *what, const crd_shape *shape)
{
    char text[CRD_SHAPE_TEXT_SIZE];
    int64_t count = crd_shape_count(shape);
    if (count < 1 || count > CRD_NODE_MAX_ELEMENTS)
        return CRD_NODE_FAIL(node, "%s has shape %s, allowed are 1 to %d elements", what,
                             crd_shape_text(text, shape), CRD_NODE_MAX_ELEMENTS);
    return CRD_OK;
}

static crd_status check_attr(const crd_node *node, const crd_attr_spec *spec)
{
    const char *member = (const char *)&node->attrs + spec->offset;
    for (int i = 0; i < spec->count; i++) {
        char place[16] = "";
        if (spec->count > 1)
            snprintf(place, sizeof place, "[%d]", i);
        if (spec->is_double) {
            double value = ((const double *)(const void *)member)[i];
            if (!(value >= spec->min && value <= spec->max))
                return CRD_NODE_FAIL(node, "%s%s is %g, allowed are %g to %g", spec->name, place,
                                     value, spec->min, spec->max);
        } else {
            int64_t value = ((const int64_t *)(const void *)member)[i];
            if (value < (int64_t)spec->min || value > (int64_t)spec->max)
                return CRD_NODE_FAIL(node, "%s%s is %lld, allowed are %.0f to %.0f", spec->name,
                                     place, (long long)value, spec->min, spec->max);
        }
    }
    return CRD_OK;
}

static crd_status reserve_node(crd_network *network)
{
    if (network->n_nodes < network->capacity)
        return CRD_OK;
    int64_t capacity = network->capacity == 0 ? 64 : 2 * network->capacity;
    crd_status status = crd_alloc_grow((void **)&network->nodes, network->capacity, capacity,
                                       sizeof *network->nodes, "nodes");
    if (status == CRD_OK)
        network->capacity = capacity;
    return status;
}

crd_status crd_network_create(crd_network **out, const char *arch, const crd_shape *input)
{
    crd_status status = CRD_OK;
    crd_network *network = NULL;
    *out = NULL;
    CRD_REQUIRE(strlen(arch) <= MAX_TEXT, CRD_ERR_INPUT, "arch '%.20s' has more than %d bytes",
                arch, MAX_TEXT);
    CRD_ALLOC(&network, 1, "network");
    crd_params_init(&network->params);
    CRD_TRY(crd_alloc_string(&network->arch, arch));
    CRD_TRY(reserve_node(network));
    crd_node *node = &network->nodes[0];
    CRD_TRY(crd_alloc_string(&node->name, "input"));
    network->n_nodes = 1;
    node->layer = &crd_layer_input;
    node->shape = *input;
    for (int i = 0; i < CRD_NODE_MAX_PARAMS; i++)
        node->params[i] = -1;
    CRD_TRY(crd_layer_require_image(node, input));
    CRD_TRY(check_shape(node, "output", input));
    *out = network;
    network = NULL;
cleanup:
    crd_network_destroy(network);
    return status;
}

void crd_network_destroy(crd_network *network)
{
    if (network == NULL)
        return;
    for (int64_t i = 0; i < network->n_nodes; i++)
        crd_free(network->nodes[i].name);
    crd_free(network->nodes);
    crd_params_clear(&network->params);
    crd_free(network->arch);
    crd_free(network);
}

static crd_status check_new_name(const crd_network *network, const char *name)
{
    crd_status status = check_name(name);
    for (int64_t i = 0; status == CRD_OK && i < network->n_nodes; i++)
        if (strcmp(network->nodes[i].name, name) == 0)
            status = CRD_FAIL(CRD_ERR_INPUT, "node '%s': the name is there twice", name);
    return status;
}

/* Checks attributes and inputs of a node not yet in the network and infers its shapes. */
static crd_status infer_node(crd_node *node, crd_shape params[CRD_NODE_MAX_PARAMS],
                             const crd_network *network, const int64_t *inputs, int n_inputs)
{
    crd_status status = CRD_OK;
    const crd_shape *in[CRD_NODE_MAX_INPUTS] = {NULL};
    if (n_inputs != node->layer->n_inputs)
        CRD_TRY(
            CRD_NODE_FAIL(node, "has %d inputs, needed are %d", n_inputs, node->layer->n_inputs));
    for (int i = 0; i < n_inputs; i++) {
        if (inputs[i] < 0 || inputs[i] >= network->n_nodes)
            CRD_TRY(CRD_NODE_FAIL(node, "inputs[%d] is %lld, allowed are 0 to %lld", i,
                                  (long long)inputs[i], (long long)network->n_nodes - 1));
        node->inputs[i] = inputs[i];
        in[i] = &network->nodes[inputs[i]].shape;
    }
    for (const crd_attr_spec *spec = node->layer->attrs; spec->name != NULL; spec++)
        CRD_TRY(check_attr(node, spec));
    for (int i = 0; i < CRD_NODE_MAX_PARAMS; i++)
        params[i].n_dims = -1;
    CRD_TRY(node->layer->infer(&node->shape, params, node, in));
    CRD_TRY(check_shape(node, "output", &node->shape));
    for (int i = 0; i < CRD_NODE_MAX_PARAMS; i++)
        if (params[i].n_dims >= 0)
            CRD_TRY(check_shape(node, slot_names[i], &params[i]));
cleanup:
    return status;
}

crd_status crd_network_add(int64_t *index, crd_network *network, const char *kind, const char *name,
                           const crd_attrs *attrs, const int64_t *inputs, int n_inputs)
{
    crd_status status = CRD_OK;
    int64_t old_n_params = network->params.n_params, old_n_floats = network->params.n_floats;
    crd_shape params[CRD_NODE_MAX_PARAMS];
    crd_node node = {.layer = crd_layer_find(kind), .n_inputs = n_inputs};
    CRD_TRY(check_new_name(network, name));
    CRD_REQUIRE(node.layer != NULL && node.layer != &crd_layer_input, CRD_ERR_INPUT,
                "node '%s': unknown kind '%s'", name, kind);
    CRD_REQUIRE(network->n_nodes < MAX_NODES, CRD_ERR_INPUT, "node '%s': more than %d nodes", name,
                MAX_NODES);
    if (attrs != NULL)
        node.attrs = *attrs;
    CRD_TRY(crd_alloc_string(&node.name, name));
    CRD_TRY(infer_node(&node, params, network, inputs, n_inputs));
    CRD_TRY(reserve_node(network));
    for (int i = 0; i < CRD_NODE_MAX_PARAMS; i++) {
        char full_name[MAX_TEXT + 16];
        node.params[i] = -1;
        snprintf(full_name, sizeof full_name, "%s.%s", name, slot_names[i]);
        if (params[i].n_dims >= 0)
            CRD_TRY(crd_params_add(&node.params[i], &network->params, full_name, &params[i]));
    }
    if (index != NULL)
        *index = network->n_nodes;
    network->nodes[network->n_nodes++] = node;
    node.name = NULL;
cleanup:
    if (status != CRD_OK) {
        while (network->params.n_params > old_n_params)
            crd_free(network->params.entries[--network->params.n_params].name);
        network->params.n_floats = old_n_floats;
    }
    crd_free(node.name);
    return status;
}

const crd_shape *crd_network_input_shape(const crd_network *network)
{
    return &network->nodes[0].shape;
}

int64_t crd_network_n_outputs(const crd_network *network)
{
    return crd_shape_count(&network->nodes[network->n_nodes - 1].shape);
}

int64_t crd_network_fold_target(const crd_network *network, int64_t node)
{
    if (network->nodes[node].layer != &crd_layer_batch_norm2d)
        return -1;
    int64_t target = network->nodes[node].inputs[0];
    if (!network->nodes[target].layer->is_weighted)
        return -1;
    for (int64_t i = target + 1; i < network->n_nodes; i++)
        for (int k = 0; k < network->nodes[i].n_inputs; k++)
            if (i != node && network->nodes[i].inputs[k] == target)
                return -1;
    return target;
}

int64_t crd_node_macs(const crd_network *network, int64_t index)
{
    const crd_node *node = &network->nodes[index];
    if (!node->layer->is_weighted)
        return 0;
    /* Every weight is used once an output pixel. Below 2^62: see CRD_NODE_MAX_ELEMENTS. */
    int64_t n_pixels = crd_shape_count(&node->shape) / node->shape.dims[0];
    return n_pixels * network->params.entries[node->params[CRD_PARAM_WEIGHT]].count;
}

int64_t crd_network_macs(const crd_network *network)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < network->n_nodes; i++) {
        int64_t macs = crd_node_macs(network, i);
        sum = macs > INT64_MAX - sum ? INT64_MAX : sum + macs;
    }
    return sum;
}
