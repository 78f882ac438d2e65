/* The graph as JSON: data/FORMATS.md, "/graph". Version 2 is written; 1 and 2 are read. The reader
 * trusts nothing: what the text says beyond names, kinds, attributes and edges (the shapes) is
 * inferred anew and compared. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "graph/graph.h"

#define FORMAT "credence-graph"
enum { VERSION = 2, MAX_TEXT_BYTES = 16 << 20, MAX_ATTRS = 32, MAX_INPUTS = 1024 };

static json_t *integers_to_json(const int64_t *values, int count)
{
    json_t *array = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(array, json_integer(values[i]));
    return array;
}

static json_t *number_to_json(const crd_attr_spec *spec, double value)
{
    return spec->is_real ? json_real(value) : json_integer((json_int_t)value);
}

static json_t *attr_to_json(const crd_graph_op *op, const crd_attr_spec *spec)
{
    const crd_attr attr = crd_op_get_attr(op, spec);
    if (attr.text != NULL)
        return json_string(attr.text);
    if (spec->count == 1 && !spec->is_list)
        return number_to_json(spec, attr.values[0]);
    json_t *array = json_array();
    for (int i = 0; i < attr.n; i++)
        json_array_append_new(array, number_to_json(spec, attr.values[i]));
    return array;
}

static json_t *op_to_json(const crd_network *network, const crd_graph_op *op)
{
    json_t *attrs = json_object(), *inputs = json_array();
    for (const crd_attr_spec *spec = op->kind->attrs; spec != NULL && spec->name != NULL; spec++)
        json_object_set_new(attrs, spec->name, attr_to_json(op, spec));
    for (int k = 0; k < op->n_inputs; k++)
        json_array_append_new(inputs, json_string(network->ops[op->inputs[k]].name));
    return json_pack("{s:s, s:s, s:o, s:o, s:o}", "name", op->name, "kind", op->kind->name,
                     "inputs", inputs, "attrs", attrs, "shape",
                     integers_to_json(op->shape.dims, op->shape.n_dims));
}

crd_status crd_network_to_json(char **out, const crd_network *network)
{
    crd_status status = CRD_OK;
    json_t *root = NULL, *ops = json_array();
    const crd_graph_op *input = &network->ops[0];
    *out = NULL;
    for (int64_t i = 1; i < network->n_ops; i++)
        json_array_append_new(ops, op_to_json(network, &network->ops[i]));
    /* jansson passes NULL through after a failure; a lost op shows in the count. */
    CRD_REQUIRE(json_array_size(ops) + 1 == (size_t)network->n_ops, CRD_ERR_INTERNAL,
                "graph: out of memory");
    root = json_pack("{s:s, s:i, s:s, s:[{s:s, s:o}], s:[s], s:O}", "format", FORMAT, "version",
                     VERSION, "arch", network->arch, "inputs", "name", input->name, "shape",
                     integers_to_json(input->shape.dims, input->shape.n_dims), "outputs",
                     network->ops[network->n_ops - 1].name, "ops", ops);
    CRD_REQUIRE(root != NULL, CRD_ERR_INPUT, "graph: arch '%s' is not UTF-8", network->arch);
    *out = json_dumps(root, JSON_COMPACT);
    CRD_REQUIRE(*out != NULL, CRD_ERR_INTERNAL, "graph: out of memory");
cleanup:
    json_decref(root);
    json_decref(ops);
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

static crd_status read_shape(crd_shape *out, json_t *op, const char *where)
{
    crd_status status = CRD_OK;
    json_t *array = json_object_get(op, "shape");
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

/* Types only: crd_network_add checks names and ranges. */
static crd_status read_attr(crd_attr *out, const char *key, json_t *value, const char *where)
{
    crd_status status = CRD_OK;
    int is_list = json_is_array(value);
    size_t n = is_list ? json_array_size(value) : 1;
    *out = (crd_attr){.name = key, .text = json_string_value(value)};
    if (out->text != NULL)
        return CRD_OK;
    CRD_REQUIRE(n >= 1 && n <= CRD_ATTR_MAX_VALUES, CRD_ERR_INPUT,
                "graph: %s: key '%.60s' has %zu numbers, allowed are 1 to %d", where, key, n,
                CRD_ATTR_MAX_VALUES);
    for (size_t i = 0; i < n; i++) {
        json_t *item = is_list ? json_array_get(value, i) : value;
        CRD_REQUIRE(json_is_number(item), CRD_ERR_INPUT, "graph: %s: key '%.60s' is not a number",
                    where, key);
        out->values[out->n++] = json_number_value(item);
    }
cleanup:
    return status;
}

static crd_status read_attrs(crd_attr out[MAX_ATTRS + 1], json_t *op, const char *where)
{
    crd_status status = CRD_OK;
    json_t *attrs = json_object_get(op, "attrs"), *value;
    const char *key;
    int n = 0;
    CRD_REQUIRE(json_is_object(attrs), CRD_ERR_INPUT, "graph: %s: key 'attrs' is not an object",
                where);
    CRD_REQUIRE(json_object_size(attrs) <= MAX_ATTRS, CRD_ERR_INPUT,
                "graph: %s: key 'attrs' has more than %d keys", where, MAX_ATTRS);
    json_object_foreach(attrs, key, value) CRD_TRY(read_attr(&out[n++], key, value, where));
    out[n] = (crd_attr){0};
cleanup:
    return status;
}

static int64_t find_op(const crd_network *network, const char *name)
{
    int64_t i = network->n_ops - 1;
    while (i >= 0 && strcmp(network->ops[i].name, name) != 0)
        i--;
    return i;
}

/* *inputs is freed by the caller. */
static crd_status read_inputs(int64_t **inputs, int *n_inputs, const crd_network *network,
                              json_t *op, const char *where)
{
    crd_status status = CRD_OK;
    json_t *array = json_object_get(op, "inputs");
    CRD_REQUIRE(json_is_array(array) && json_array_size(array) <= MAX_INPUTS, CRD_ERR_INPUT,
                "graph: %s: key 'inputs' is not an array of at most %d names", where, MAX_INPUTS);
    *n_inputs = (int)json_array_size(array);
    CRD_ALLOC(inputs, *n_inputs, "inputs");
    for (int i = 0; i < *n_inputs; i++) {
        const char *name = json_string_value(json_array_get(array, (size_t)i));
        CRD_REQUIRE(name != NULL, CRD_ERR_INPUT, "graph: %s: key 'inputs'[%d] is not a string",
                    where, i);
        (*inputs)[i] = find_op(network, name);
        CRD_REQUIRE((*inputs)[i] >= 0, CRD_ERR_INPUT,
                    "graph: %s: key 'inputs'[%d]: no op '%.60s' is before it", where, i, name);
    }
cleanup:
    return status;
}

static crd_status read_op(crd_network *network, json_t *op, size_t index)
{
    static const char *const keys[] = {"name", "kind", "inputs", "attrs", "shape", NULL};
    crd_status status = CRD_OK;
    char where[96], given_text[CRD_SHAPE_TEXT_SIZE], inferred_text[CRD_SHAPE_TEXT_SIZE];
    crd_op_request request = {0};
    crd_attr attrs[MAX_ATTRS + 1];
    crd_shape given;
    int64_t *inputs = NULL;
    snprintf(where, sizeof where, "op %zu", index);
    CRD_TRY(require_keys(op, keys, where));
    CRD_TRY(read_string(&request.name, op, "name", where));
    snprintf(where, sizeof where, "op '%.60s'", request.name);
    CRD_TRY(read_string(&request.kind, op, "kind", where));
    CRD_TRY(read_attrs(attrs, op, where));
    CRD_TRY(read_inputs(&inputs, &request.n_inputs, network, op, where));
    CRD_TRY(read_shape(&given, op, where));
    request.attrs = attrs;
    request.inputs = inputs;
    CRD_TRY(crd_network_add(NULL, network, &request));
    const crd_shape *inferred = &network->ops[network->n_ops - 1].shape;
    CRD_REQUIRE(crd_shape_equal(&given, inferred), CRD_ERR_INPUT,
                "graph: %s: key 'shape' is %s, but its inputs and attributes give %s", where,
                crd_shape_text(given_text, &given), crd_shape_text(inferred_text, inferred));
cleanup:
    crd_free(inputs);
    return status;
}

static crd_status read_input(crd_network **out, const char *arch, json_t *input, const char *where)
{
    crd_status status = CRD_OK;
    const char *name = NULL;
    crd_shape shape;
    CRD_TRY(read_string(&name, input, "name", where));
    CRD_REQUIRE(strcmp(name, "input") == 0, CRD_ERR_INPUT,
                "graph: %s: key 'name' is '%.60s', needed is 'input'", where, name);
    CRD_TRY(read_shape(&shape, input, where));
    CRD_TRY(crd_network_create(out, arch, &shape));
cleanup:
    return status;
}

/* Version 1: the input is the first of the "nodes". */
static crd_status read_version_1(crd_network **out, const char *arch, json_t *root)
{
    static const char *const top[] = {"format", "version", "arch", "nodes", NULL};
    static const char *const keys[] = {"name", "kind", "inputs", "attrs", "shape", NULL};
    static const char *const where = "first node";
    crd_status status = CRD_OK;
    const char *kind = NULL;
    json_t *nodes = json_object_get(root, "nodes"), *first = json_array_get(nodes, 0);
    CRD_TRY(require_keys(root, top, "top level"));
    CRD_REQUIRE(first != NULL, CRD_ERR_INPUT, "graph: key 'nodes' is not an array of nodes");
    CRD_TRY(require_keys(first, keys, where));
    CRD_TRY(read_string(&kind, first, "kind", where));
    CRD_REQUIRE(strcmp(kind, crd_op_input.name) == 0, CRD_ERR_INPUT,
                "graph: %s: kind is '%.60s', needed is '%s'", where, kind, crd_op_input.name);
    CRD_TRY(read_input(out, arch, first, where));
    for (size_t i = 1; i < json_array_size(nodes); i++)
        CRD_TRY(read_op(*out, json_array_get(nodes, i), i));
cleanup:
    return status;
}

/* Version 2: named inputs and outputs; one of each, so far. */
static crd_status read_version_2(crd_network **out, const char *arch, json_t *root)
{
    static const char *const top[] = {"format",  "version", "arch", "inputs",
                                      "outputs", "ops",     NULL};
    static const char *const keys[] = {"name", "shape", NULL};
    crd_status status = CRD_OK;
    json_t *inputs = json_object_get(root, "inputs"), *outputs = json_object_get(root, "outputs");
    json_t *ops = json_object_get(root, "ops");
    CRD_TRY(require_keys(root, top, "top level"));
    CRD_REQUIRE(json_is_array(inputs) && json_array_size(inputs) == 1, CRD_ERR_INPUT,
                "graph: key 'inputs' is not an array of one input");
    CRD_REQUIRE(json_is_array(outputs) && json_array_size(outputs) == 1 &&
                    json_is_string(json_array_get(outputs, 0)),
                CRD_ERR_INPUT, "graph: key 'outputs' is not an array of one name");
    CRD_REQUIRE(json_is_array(ops), CRD_ERR_INPUT, "graph: key 'ops' is not an array of ops");
    CRD_TRY(require_keys(json_array_get(inputs, 0), keys, "input"));
    CRD_TRY(read_input(out, arch, json_array_get(inputs, 0), "input"));
    for (size_t i = 0; i < json_array_size(ops); i++)
        CRD_TRY(read_op(*out, json_array_get(ops, i), i + 1));
    const char *name = json_string_value(json_array_get(outputs, 0));
    CRD_REQUIRE(strcmp(name, (*out)->ops[(*out)->n_ops - 1].name) == 0, CRD_ERR_INPUT,
                "graph: key 'outputs': '%.60s' is not the last op", name);
cleanup:
    return status;
}

crd_status crd_network_from_json(crd_network **out, const char *text)
{
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
    CRD_REQUIRE(json_is_object(root), CRD_ERR_INPUT, "graph: top level: needed is an object");
    CRD_TRY(read_string(&format, root, "format", "top level"));
    CRD_REQUIRE(strcmp(format, FORMAT) == 0, CRD_ERR_INPUT,
                "graph: key 'format' is '%.60s', needed is '" FORMAT "'", format);
    json_t *version = json_object_get(root, "version");
    int64_t number = json_is_integer(version) ? json_integer_value(version) : 0;
    CRD_REQUIRE(number >= 1 && number <= VERSION, CRD_ERR_INPUT,
                "graph: key 'version' is not 1 to %d, the versions this program reads", VERSION);
    CRD_TRY(read_string(&arch, root, "arch", "top level"));
    CRD_TRY(number == 1 ? read_version_1(&network, arch, root)
                        : read_version_2(&network, arch, root));
    *out = network;
    network = NULL;
cleanup:
    crd_network_destroy(network);
    json_decref(root);
    return status;
}
