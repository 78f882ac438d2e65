/* The graph as JSON: data/FORMATS.md, "/graph". The reader trusts nothing: what the text says
 * beyond names, kinds, attributes and edges (the shapes) is inferred anew and compared. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "nn/layer_kinds.h"

#define FORMAT "credence-graph"
enum { VERSION = 1, MAX_TEXT_BYTES = 16 << 20 };

static json_t *integers_to_json(const int64_t *values, int count)
{
    json_t *array = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(array, json_integer(values[i]));
    return array;
}

static json_t *attr_to_json(const crd_node *node, const crd_attr_spec *spec)
{
    const void *member = (const char *)&node->attrs + spec->offset;
    if (spec->is_double)
        return json_real(*(const double *)member);
    if (spec->count == 1)
        return json_integer(*(const int64_t *)member);
    return integers_to_json(member, spec->count);
}

static json_t *node_to_json(const crd_network *network, const crd_node *node)
{
    json_t *attrs = json_object(), *inputs = json_array();
    for (const crd_attr_spec *spec = node->layer->attrs; spec->name != NULL; spec++)
        json_object_set_new(attrs, spec->name, attr_to_json(node, spec));
    for (int i = 0; i < node->n_inputs; i++)
        json_array_append_new(inputs, json_string(network->nodes[node->inputs[i]].name));
    return json_pack("{s:s, s:s, s:o, s:o, s:o}", "name", node->name, "kind", node->layer->name,
                     "inputs", inputs, "attrs", attrs, "shape",
                     integers_to_json(node->shape.dims, node->shape.n_dims));
}

crd_status crd_network_to_json(char **out, const crd_network *network)
{
    crd_status status = CRD_OK;
    json_t *root = NULL, *nodes = json_array();
    *out = NULL;
    for (int64_t i = 0; i < network->n_nodes; i++)
        json_array_append_new(nodes, node_to_json(network, &network->nodes[i]));
    /* jansson passes NULL through after a failure; a lost node shows in the count. */
    CRD_REQUIRE(json_array_size(nodes) == (size_t)network->n_nodes, CRD_ERR_INTERNAL,
                "graph: out of memory");
    root = json_pack("{s:s, s:i, s:s, s:O}", "format", FORMAT, "version", VERSION, "arch",
                     network->arch, "nodes", nodes);
    CRD_REQUIRE(root != NULL, CRD_ERR_INPUT, "graph: arch '%s' is not UTF-8", network->arch);
    *out = json_dumps(root, JSON_COMPACT);
    CRD_REQUIRE(*out != NULL, CRD_ERR_INTERNAL, "graph: out of memory");
cleanup:
    json_decref(root);
    json_decref(nodes);
    return status;
}

void crd_network_text_free(char *text)
{
    free(text);
}

/* The object must have exactly these keys; `where` names it in the error. */
static crd_status require_keys(json_t *object, const char *const *keys, const char *where)
{
    crd_status status = CRD_OK;
    const char *key;
    json_t *value;
    CRD_REQUIRE(json_is_object(object), CRD_ERR_INPUT, "graph: %s: needed is an object", where);
    for (const char *const *k = keys; *k != NULL; k++)
        CRD_REQUIRE(json_object_get(object, *k) != NULL, CRD_ERR_INPUT,
                    "graph: %s: key '%s' is missing", where, *k);
    json_object_foreach(object, key, value)
    {
        const char *const *k = keys;
        while (*k != NULL && strcmp(*k, key) != 0)
            k++;
        CRD_REQUIRE(*k != NULL, CRD_ERR_INPUT, "graph: %s: unknown key '%.60s'", where, key);
    }
cleanup:
    return status;
}

static crd_status read_string(const char **out, json_t *object, const char *key, const char *where)
{
    *out = json_string_value(json_object_get(object, key));
    if (*out == NULL)
        return CRD_FAIL(CRD_ERR_INPUT, "graph: %s: key '%s' is not a string", where, key);
    return CRD_OK;
}

static crd_status read_shape(crd_shape *out, json_t *node, const char *where)
{
    crd_status status = CRD_OK;
    json_t *array = json_object_get(node, "shape");
    CRD_REQUIRE(json_is_array(array) && json_array_size(array) <= CRD_MAX_DIMS, CRD_ERR_INPUT,
                "graph: %s: key 'shape' is not an array of at most %d integers", where,
                CRD_MAX_DIMS);
    *out = (crd_shape){.n_dims = (int)json_array_size(array)};
    for (int i = 0; i < out->n_dims; i++) {
        json_t *value = json_array_get(array, (size_t)i);
        CRD_REQUIRE(json_is_integer(value), CRD_ERR_INPUT,
                    "graph: %s: key 'shape'[%d] is not an integer", where, i);
        out->dims[i] = json_integer_value(value);
    }
cleanup:
    return status;
}

/* Types only: crd_network_add checks the ranges. */
static crd_status read_attr(crd_attrs *out, const crd_attr_spec *spec, json_t *attrs,
                            const char *where)
{
    crd_status status = CRD_OK;
    void *member = (char *)out + spec->offset;
    json_t *value = json_object_get(attrs, spec->name);
    if (spec->is_double) {
        CRD_REQUIRE(json_is_number(value), CRD_ERR_INPUT, "graph: %s: key '%s' is not a number",
                    where, spec->name);
        *(double *)member = json_number_value(value);
        return CRD_OK;
    }
    if (spec->count > 1)
        CRD_REQUIRE(json_is_array(value) && json_array_size(value) == (size_t)spec->count,
                    CRD_ERR_INPUT, "graph: %s: key '%s' is not an array of %d integers", where,
                    spec->name, spec->count);
    for (int i = 0; i < spec->count; i++) {
        json_t *item = spec->count > 1 ? json_array_get(value, (size_t)i) : value;
        CRD_REQUIRE(json_is_integer(item), CRD_ERR_INPUT, "graph: %s: key '%s' is not an integer",
                    where, spec->name);
        ((int64_t *)member)[i] = json_integer_value(item);
    }
cleanup:
    return status;
}

static crd_status read_attrs(crd_attrs *out, const crd_layer *layer, json_t *node,
                             const char *where)
{
    enum { MAX_ATTRS = 16 };
    crd_status status = CRD_OK;
    const char *keys[MAX_ATTRS] = {NULL};
    json_t *attrs = json_object_get(node, "attrs");
    for (int i = 0; i < MAX_ATTRS - 1 && layer->attrs[i].name != NULL; i++)
        keys[i] = layer->attrs[i].name;
    CRD_TRY(require_keys(attrs, keys, where));
    for (const crd_attr_spec *spec = layer->attrs; spec->name != NULL; spec++)
        CRD_TRY(read_attr(out, spec, attrs, where));
cleanup:
    return status;
}

static crd_status read_inputs(int64_t inputs[CRD_NODE_MAX_INPUTS], int *n_inputs,
                              const crd_network *network, json_t *node, const char *where)
{
    crd_status status = CRD_OK;
    json_t *array = json_object_get(node, "inputs");
    CRD_REQUIRE(json_is_array(array) && json_array_size(array) <= CRD_NODE_MAX_INPUTS,
                CRD_ERR_INPUT, "graph: %s: key 'inputs' is not an array of at most %d names", where,
                CRD_NODE_MAX_INPUTS);
    *n_inputs = (int)json_array_size(array);
    for (int i = 0; i < *n_inputs; i++) {
        const char *name = json_string_value(json_array_get(array, (size_t)i));
        CRD_REQUIRE(name != NULL, CRD_ERR_INPUT, "graph: %s: key 'inputs'[%d] is not a string",
                    where, i);
        inputs[i] = network->n_nodes - 1;
        while (inputs[i] >= 0 && strcmp(network->nodes[inputs[i]].name, name) != 0)
            inputs[i]--;
        CRD_REQUIRE(inputs[i] >= 0, CRD_ERR_INPUT,
                    "graph: %s: key 'inputs'[%d]: no node '%.60s' stands before it", where, i,
                    name);
    }
cleanup:
    return status;
}

/* Node 0: creates the network. */
static crd_status read_input_node(crd_network **out, const char *arch, const char *name,
                                  const char *kind, json_t *node, const char *where)
{
    static const char *const no_keys[] = {NULL};
    crd_status status = CRD_OK;
    crd_shape shape;
    CRD_REQUIRE(strcmp(kind, crd_layer_input.name) == 0, CRD_ERR_INPUT,
                "graph: %s: the first node is a '%.60s', needed is '%s'", where, kind,
                crd_layer_input.name);
    CRD_REQUIRE(strcmp(name, "input") == 0, CRD_ERR_INPUT,
                "graph: %s: the first node's name is '%.60s', needed is 'input'", where, name);
    CRD_REQUIRE(json_is_array(json_object_get(node, "inputs")) &&
                    json_array_size(json_object_get(node, "inputs")) == 0,
                CRD_ERR_INPUT, "graph: %s: key 'inputs' is not an empty array", where);
    CRD_TRY(require_keys(json_object_get(node, "attrs"), no_keys, where));
    CRD_TRY(read_shape(&shape, node, where));
    CRD_TRY(crd_network_create(out, arch, &shape));
cleanup:
    return status;
}

static crd_status read_node(crd_network **network, const char *arch, json_t *node, size_t index)
{
    static const char *const keys[] = {"name", "kind", "inputs", "attrs", "shape", NULL};
    crd_status status = CRD_OK;
    char where[96], given_text[CRD_SHAPE_TEXT_SIZE], inferred_text[CRD_SHAPE_TEXT_SIZE];
    const char *name = NULL, *kind = NULL;
    crd_attrs attrs;
    crd_shape given;
    int64_t inputs[CRD_NODE_MAX_INPUTS] = {0};
    int n_inputs = 0;
    snprintf(where, sizeof where, "node %zu", index);
    CRD_TRY(require_keys(node, keys, where));
    CRD_TRY(read_string(&name, node, "name", where));
    snprintf(where, sizeof where, "node '%.60s'", name);
    CRD_TRY(read_string(&kind, node, "kind", where));
    if (index == 0)
        return read_input_node(network, arch, name, kind, node, where);
    const crd_layer *layer = crd_layer_find(kind);
    CRD_REQUIRE(layer != NULL, CRD_ERR_INPUT, "graph: %s: key 'kind': unknown kind '%.60s'", where,
                kind);
    memset(&attrs, 0, sizeof attrs);
    CRD_TRY(read_attrs(&attrs, layer, node, where));
    CRD_TRY(read_inputs(inputs, &n_inputs, *network, node, where));
    CRD_TRY(read_shape(&given, node, where));
    CRD_TRY(crd_network_add(NULL, *network, kind, name, &attrs, inputs, n_inputs));
    const crd_shape *inferred = &(*network)->nodes[index].shape;
    CRD_REQUIRE(crd_shape_equal(&given, inferred), CRD_ERR_INPUT,
                "graph: %s: key 'shape' is %s, but its inputs and attributes give %s", where,
                crd_shape_text(given_text, &given), crd_shape_text(inferred_text, inferred));
cleanup:
    return status;
}

crd_status crd_network_from_json(crd_network **out, const char *text)
{
    static const char *const keys[] = {"format", "version", "arch", "nodes", NULL};
    crd_status status = CRD_OK;
    crd_network *network = NULL;
    json_t *root = NULL;
    json_error_t error;
    const char *format = NULL, *arch = NULL;
    *out = NULL;
    CRD_REQUIRE(strlen(text) <= MAX_TEXT_BYTES, CRD_ERR_INPUT,
                "graph: %zu bytes, allowed are at most %d", strlen(text), MAX_TEXT_BYTES);
    root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    CRD_REQUIRE(root != NULL, CRD_ERR_INPUT, "graph: not JSON: line %d, column %d: %s", error.line,
                error.column, error.text);
    CRD_TRY(require_keys(root, keys, "top level"));
    CRD_TRY(read_string(&format, root, "format", "top level"));
    CRD_REQUIRE(strcmp(format, FORMAT) == 0, CRD_ERR_INPUT,
                "graph: key 'format' is '%.60s', needed is '" FORMAT "'", format);
    json_t *version = json_object_get(root, "version");
    CRD_REQUIRE(json_is_integer(version) && json_integer_value(version) == VERSION, CRD_ERR_INPUT,
                "graph: key 'version' is not %d, the version this program reads", VERSION);
    CRD_TRY(read_string(&arch, root, "arch", "top level"));
    json_t *nodes = json_object_get(root, "nodes");
    CRD_REQUIRE(json_is_array(nodes) && json_array_size(nodes) > 0, CRD_ERR_INPUT,
                "graph: key 'nodes' is not an array of nodes");
    for (size_t i = 0; i < json_array_size(nodes); i++)
        CRD_TRY(read_node(&network, arch, json_array_get(nodes, i), i));
    *out = network;
    network = NULL;
cleanup:
    crd_network_destroy(network);
    json_decref(root);
    return status;
}
