/* From a file to the import graph. Names become indices by a sorted table; whatever a node, a value
 * or an attribute is, it is copied, so that the protobuf messages are given back at once. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "import/onnx/onnx_graph.h"
#include "import/onnx/onnx_operators.h"
#include "import/onnx/onnx_proto.h"

enum {
    FIRST_OPSET = 1,
    AS_TODAY_OPSET = 6,
    LAST_OPSET = 25,
    MAX_NODES = 1 << 15,
    MAX_LIST = 1 << 20
};

/* A name and what has it. */
typedef struct entry {
    const char *name;
    int64_t value;
} entry;

typedef struct builder {
    crd_onnx_graph *graph;
    const Onnx__GraphProto *proto;
    const char *folder;
    entry *entries; /* of all values, sorted by name */
    int64_t n_entries;
} builder;

static const char *text_or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

static int by_name(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : (x->value > y->value) - (x->value < y->value);
}

static int64_t find(const builder *b, const char *name)
{
    int64_t low = 0, high = b->n_entries;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        int order = strcmp(b->entries[middle].name, name);
        if (order == 0)
            return b->entries[middle].value;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

/* Outputs of a node; those left out at the end, or "" in between, have no value. */
static crd_status define(builder *b, const char *name, int64_t producer)
{
    crd_status status = CRD_OK;
    int64_t index;
    CRD_TRY(crd_onnx_graph_add_value(&index, b->graph, name));
    b->graph->values[index].producer = producer;
    b->entries[b->n_entries++] = (entry){name, index};
cleanup:
    return status;
}

/* An initializer may be listed as an input too, with its value as the fallback: one value. */
static crd_status define_all(builder *b)
{
    crd_status status = CRD_OK;
    const Onnx__GraphProto *p = b->proto;
    int64_t n = (int64_t)(p->n_initializer + p->n_input);
    for (size_t i = 0; i < p->n_node; i++)
        n += (int64_t)p->node[i]->n_output;
    CRD_TRY(crd_onnx_budget_take(&b->graph->budget, n * (int64_t)sizeof *b->entries));
    CRD_ALLOC(&b->entries, n, "names of values");
    for (size_t i = 0; i < p->n_initializer; i++)
        CRD_TRY(define(b, text_or_empty(p->initializer[i]->name), -1));
    qsort(b->entries, (size_t)b->n_entries, sizeof *b->entries, by_name);
    entry *inputs = b->entries + b->n_entries;
    int64_t n_initializers = b->n_entries, n_inputs = 0;
    for (size_t i = 0; i < p->n_input; i++) {
        const char *name = text_or_empty(p->input[i]->name);
        if (find(b, name) >= 0)
            continue;
        int64_t index;
        CRD_TRY(crd_onnx_graph_add_value(&index, b->graph, name));
        inputs[n_inputs++] = (entry){name, index};
        b->graph->inputs[b->graph->n_inputs++] = index;
    }
    b->n_entries = n_initializers + n_inputs;
    for (size_t i = 0; i < p->n_node; i++)
        for (size_t k = 0; k < p->node[i]->n_output; k++)
            if (text_or_empty(p->node[i]->output[k])[0] != '\0')
                CRD_TRY(define(b, p->node[i]->output[k], (int64_t)i));
    qsort(b->entries, (size_t)b->n_entries, sizeof *b->entries, by_name);
    for (int64_t i = 1; i < b->n_entries; i++)
        CRD_REQUIRE(strcmp(b->entries[i - 1].name, b->entries[i].name) != 0, CRD_ERR_INPUT,
                    "two things have the name '%.80s'", b->entries[i].name);
cleanup:
    return status;
}

/* Type and extents of an input; an extent that is not given, or below 1, is -1. */
static void set_input(crd_onnx_value *value, const Onnx__ValueInfoProto *info)
{
    const Onnx__TypeProto *type = info->type;
    if (type == NULL || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        return;
    value->type = (crd_onnx_type)type->tensor_type->elem_type;
    const Onnx__TensorShapeProto *shape = type->tensor_type->shape;
    if (shape == NULL || shape->n_dim > CRD_MAX_DIMS)
        return;
    value->shape.n_dims = (int)shape->n_dim;
    for (size_t d = 0; d < shape->n_dim; d++) {
        const Onnx__TensorShapeProto__Dimension *dim = shape->dim[d];
        bool is_given = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        value->shape.dims[d] = is_given && dim->dim_value > 0 ? dim->dim_value : -1;
    }
}

static crd_status add_initializers(builder *b)
{
    crd_status status = CRD_OK;
    for (size_t i = 0; i < b->proto->n_initializer; i++) {
        Onnx__TensorProto *proto = b->proto->initializer[i];
        crd_onnx_value *value = &b->graph->values[i];
        status = crd_onnx_tensor_from_proto(&value->constant, &b->graph->budget, proto, b->folder);
        if (status != CRD_OK)
            return CRD_FAIL(status, "tensor '%.80s': %s", value->name, crd_status_message());
        value->type = value->constant->type;
        value->shape = value->constant->shape;
    }
    return status;
}

static crd_status copy_lists(crd_onnx_attr *out, const Onnx__AttributeProto *proto,
                             crd_onnx_budget *budget)
{
    crd_status status = CRD_OK;
    size_t n = proto->n_ints > proto->n_floats ? proto->n_ints : proto->n_floats;
    CRD_REQUIRE(n <= MAX_LIST, CRD_ERR_INPUT, "attribute '%.40s' has %zu numbers, allowed are %d",
                out->name, n, MAX_LIST);
    CRD_TRY(crd_onnx_budget_take(budget, 16 * (int64_t)n));
    if (proto->n_ints > 0)
        CRD_ALLOC(&out->ints, n, "attribute");
    if (proto->n_floats > 0)
        CRD_ALLOC(&out->floats, n, "attribute");
    for (size_t i = 0; i < proto->n_ints; i++)
        out->ints[i] = proto->ints[i];
    for (size_t i = 0; i < proto->n_floats; i++)
        out->floats[i] = (double)proto->floats[i];
    out->n = (int64_t)n;
cleanup:
    return status;
}

static crd_status join(char **out, const ProtobufCBinaryData *strings, size_t n, const char *end)
{
    crd_status status = CRD_OK;
    size_t size = 1, end_size = strlen(end);
    for (size_t i = 0; i < n; i++)
        size += strings[i].len + end_size;
    CRD_ALLOC(out, size, "attribute");
    char *to = *out;
    for (size_t i = 0; i < n; i++) {
        if (strings[i].len > 0)
            memcpy(to, strings[i].data, strings[i].len);
        memcpy(to + strings[i].len, end, end_size);
        to += strings[i].len + end_size;
    }
cleanup:
    return status;
}

static crd_status copy_attr(crd_onnx_attr *out, const Onnx__AttributeProto *proto, builder *b)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_alloc_string(&out->name, text_or_empty(proto->name)));
    out->i = proto->has_i ? proto->i : 0;
    out->f = proto->has_f ? (double)proto->f : (double)out->i;
    out->is_other = proto->g != NULL || proto->n_graphs > 0 || proto->sparse_tensor != NULL;
    if (proto->has_s)
        CRD_TRY(join(&out->text, &proto->s, 1, ""));
    else if (proto->n_strings > 0)
        CRD_TRY(join(&out->text, proto->strings, proto->n_strings, " "));
    CRD_TRY(copy_lists(out, proto, &b->graph->budget));
    if (proto->t != NULL && proto->t->data_type != CRD_ONNX_STRING)
        CRD_TRY(crd_onnx_tensor_from_proto(&out->tensor, &b->graph->budget, proto->t, b->folder));
cleanup:
    return status;
}

static crd_status link_values(int64_t *out, const builder *b, char **names, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const char *name = text_or_empty(names[k]);
        out[k] = name[0] == '\0' ? -1 : find(b, name);
        if (out[k] < 0 && name[0] != '\0')
            return CRD_FAIL(CRD_ERR_INPUT, "reads '%.80s', which is nowhere", name);
    }
    return CRD_OK;
}

/* Operators that opsets 2 to 6 changed; the others say in older files what they say in 6. */
static bool has_changed(const char *op_type)
{
    static const char *const names[] = {"Abs",
                                        "Add",
                                        "BatchNormalization",
                                        "Cast",
                                        "Ceil",
                                        "Clip",
                                        "Concat",
                                        "Div",
                                        "Dropout",
                                        "Elu",
                                        "Exp",
                                        "Floor",
                                        "GRU",
                                        "Gemm",
                                        "HardSigmoid",
                                        "InstanceNormalization",
                                        "LeakyRelu",
                                        "Log",
                                        "Max",
                                        "Mean",
                                        "Min",
                                        "Mul",
                                        "Neg",
                                        "PRelu",
                                        "Pad",
                                        "Reciprocal",
                                        "Relu",
                                        "Reshape",
                                        "Selu",
                                        "Sigmoid",
                                        "Split",
                                        "Sqrt",
                                        "Sub",
                                        "Sum",
                                        "Tanh",
                                        "Tile"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(op_type, names[i]) == 0)
            return true;
    return false;
}

static crd_status copy_node(crd_onnx_node *out, const Onnx__NodeProto *proto, builder *b)
{
    crd_status status = CRD_OK;
    const size_t most = 1 << 16;
    CRD_TRY(crd_alloc_string(&out->op_type, text_or_empty(proto->op_type)));
    CRD_TRY(crd_alloc_string(&out->name, text_or_empty(proto->name)));
    CRD_TRY(crd_alloc_string(&out->domain, text_or_empty(proto->domain)));
    CRD_REQUIRE(proto->n_input <= most && proto->n_output <= most && proto->n_attribute <= most,
                CRD_ERR_INPUT, "has more than %zu inputs, outputs or attributes", most);
    CRD_ALLOC(&out->inputs, proto->n_input, "node");
    CRD_ALLOC(&out->outputs, proto->n_output, "node");
    CRD_ALLOC(&out->attributes, proto->n_attribute, "node");
    out->n_inputs = (int)proto->n_input;
    out->n_outputs = (int)proto->n_output;
    CRD_TRY(link_values(out->inputs, b, proto->input, proto->n_input));
    CRD_TRY(link_values(out->outputs, b, proto->output, proto->n_output));
    if (out->n_outputs > 1 && out->outputs[0] < 0 &&
        (strcmp(out->op_type, "LSTM") == 0 || strcmp(out->op_type, "GRU") == 0 ||
         strcmp(out->op_type, "RNN") == 0)) {
        /* Only the last state is asked for, which is read from those of all steps. */
        CRD_TRY(crd_onnx_graph_add_value(&out->outputs[0], b->graph, out->name));
        b->graph->values[out->outputs[0]].producer = b->graph->n_nodes - 1;
    }
    for (size_t i = 0; i < proto->n_attribute; i++) {
        out->n_attributes++;
        CRD_TRY(copy_attr(&out->attributes[i], proto->attribute[i], b));
    }
    CRD_REQUIRE(b->graph->opset >= AS_TODAY_OPSET || !has_changed(out->op_type), CRD_ERR_INPUT,
                "opset %lld says another %s than opset %d", (long long)b->graph->opset,
                out->op_type, AS_TODAY_OPSET);
    out->kind = crd_onnx_operator_find(out->op_type, out->domain);
cleanup:
    return status;
}

static crd_status add_nodes(builder *b)
{
    crd_status status = CRD_OK;
    crd_onnx_graph *graph = b->graph;
    size_t n = b->proto->n_node;
    CRD_REQUIRE(n <= MAX_NODES, CRD_ERR_INPUT, "has %zu nodes, allowed are %d", n, MAX_NODES);
    CRD_TRY(crd_onnx_budget_take(&graph->budget, (int64_t)(n * sizeof *graph->nodes)));
    CRD_ALLOC(&graph->nodes, n, "nodes");
    for (size_t i = 0; i < n; i++) {
        char label[CRD_ONNX_LABEL_SIZE];
        crd_onnx_node *node = &graph->nodes[graph->n_nodes++];
        status = copy_node(node, b->proto->node[i], b);
        if (status != CRD_OK)
            return node->op_type == NULL || node->name == NULL
                       ? status
                       : CRD_FAIL(status, "%s: %s", crd_onnx_label(label, graph, node),
                                  crd_status_message());
    }
cleanup:
    return status;
}

/* Each part in the place of the file. */
static crd_status build(builder *b)
{
    crd_status status = CRD_OK;
    const Onnx__GraphProto *p = b->proto;
    crd_onnx_graph *graph = b->graph;
    CRD_REQUIRE(p->n_sparse_initializer == 0, CRD_ERR_INPUT,
                "has sparse tensors, which are not supported");
    CRD_TRY(crd_alloc_string(&graph->name, "onnx"));
    CRD_ALLOC(&graph->inputs, p->n_input, "inputs");
    CRD_ALLOC(&graph->outputs, p->n_output, "outputs");
    CRD_TRY(define_all(b));
    for (size_t i = 0; i < p->n_input; i++)
        set_input(&graph->values[find(b, text_or_empty(p->input[i]->name))], p->input[i]);
    CRD_TRY(add_initializers(b));
    CRD_TRY(add_nodes(b));
    for (size_t i = 0; i < p->n_output; i++) {
        int64_t value = find(b, text_or_empty(p->output[i]->name));
        CRD_REQUIRE(value >= 0, CRD_ERR_INPUT, "nobody makes output '%.80s'",
                    text_or_empty(p->output[i]->name));
        graph->outputs[graph->n_outputs++] = value;
    }
    CRD_TRY(crd_onnx_graph_verify(graph, "reading"));
cleanup:
    return status;
}

static crd_status check_opset(crd_onnx_graph *graph, const Onnx__ModelProto *model)
{
    crd_status status = CRD_OK;
    CRD_REQUIRE(model->graph != NULL, CRD_ERR_INPUT, "holds no graph: no ONNX model");
    for (size_t i = 0; i < model->n_opset_import; i++)
        if (text_or_empty(model->opset_import[i]->domain)[0] == '\0' ||
            strcmp(model->opset_import[i]->domain, "ai.onnx") == 0)
            graph->opset = model->opset_import[i]->version;
    CRD_REQUIRE(graph->opset >= FIRST_OPSET && graph->opset <= LAST_OPSET, CRD_ERR_INPUT,
                "its opset is %lld, known are %d to %d", (long long)graph->opset, FIRST_OPSET,
                LAST_OPSET);
cleanup:
    return status;
}

/* The folder of a path, for files beside it. */
static crd_status folder_of(char **out, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return crd_alloc_string(out, ".");
    crd_status status = crd_alloc_string(out, path);
    if (status == CRD_OK)
        (*out)[slash == path ? 1 : slash - path] = '\0';
    return status;
}

/* The messages of a file; its bytes are given back at once. */
static crd_status load_model(Onnx__ModelProto **out, crd_onnx_graph *graph, const char *path)
{
    crd_status status = CRD_OK;
    ProtobufCMessage *message = NULL;
    char *bytes = NULL;
    int64_t n;
    *out = NULL;
    CRD_TRY(crd_file_load(&bytes, &n, path, INT32_MAX));
    graph->budget.limit = 2 * n + CRD_ONNX_SPARE_BYTES;
    graph->budget.used = n;
    CRD_TRY(crd_onnx_message_unpack(&message, &graph->budget, &onnx__model_proto__descriptor,
                                    (const uint8_t *)bytes, n));
    *out = (Onnx__ModelProto *)message;
    graph->budget.used -= n;
cleanup:
    crd_free(bytes);
    return status;
}

crd_status crd_onnx_graph_read(crd_onnx_graph *out, const char *path)
{
    crd_status status = CRD_OK;
    Onnx__ModelProto *model = NULL;
    char *folder = NULL;
    *out = (crd_onnx_graph){0};
    builder b = {.graph = out};
    CRD_TRY(load_model(&model, out, path));
    CRD_TRY(check_opset(out, model));
    CRD_TRY(folder_of(&folder, path));
    b.proto = model->graph;
    b.folder = folder;
    CRD_TRY(build(&b));
cleanup:
    crd_free(b.entries);
    crd_free(folder);
    if (model != NULL)
        crd_onnx_message_free(&model->base, &out->budget);
    if (status != CRD_OK)
        crd_onnx_graph_clear(out);
    return status;
}
