/* The graph: ops are appended one by one, each checked and its shapes inferred, so that a network
 * that exists is a valid one. */
#include "graph/graph.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* Searches by name are linear; this bounds what a hostile graph can cost. */
enum { MAX_OPS = 10000, MAX_INPUTS = 1024, MAX_TEXT = 200 };

/* Names become part of parameter names and of paths in files. */
static crd_status check_name(const char *name)
{
    crd_status status = CRD_OK;
    size_t length = strlen(name);
    CRD_REQUIRE(length >= 1 && length <= MAX_TEXT, CRD_ERR_INPUT,
                "op name '%.20s' has %zu bytes, allowed are 1 to %d", name, length, MAX_TEXT);
    for (const char *c = name; *c != '\0'; c++)
        CRD_REQUIRE(isalnum((unsigned char)*c) || strchr("_-.", *c) != NULL, CRD_ERR_INPUT,
                    "op '%s': a name has letters, digits, '_', '-' and '.' only", name);
    CRD_REQUIRE(name[0] != '.' && name[length - 1] != '.' && strstr(name, "..") == NULL,
                CRD_ERR_INPUT, "op '%s': a name has no empty part between dots", name);
cleanup:
    return status;
}

static crd_status check_shape(const crd_graph_op *op, const char *what, const crd_shape *shape)
{
    char text[CRD_SHAPE_TEXT_SIZE];
    int64_t count = crd_shape_count(shape);
    if (count < 1 || count > CRD_OP_MAX_ELEMENTS)
        return CRD_OP_FAIL(op, "%s has shape %s, allowed are 1 to %d elements", what,
                           crd_shape_text(text, shape), CRD_OP_MAX_ELEMENTS);
    return CRD_OK;
}

static crd_status reserve_op(crd_network *network)
{
    if (network->n_ops < network->capacity)
        return CRD_OK;
    int64_t capacity = network->capacity == 0 ? 64 : 2 * network->capacity;
    crd_status status = crd_alloc_grow((void **)&network->ops, network->capacity, capacity,
                                       sizeof *network->ops, "ops");
    if (status == CRD_OK)
        network->capacity = capacity;
    return status;
}

static void clear_op(crd_graph_op *op)
{
    crd_free(op->name);
    crd_free(op->attrs);
    crd_free(op->inputs);
    crd_free(op->in);
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
    CRD_TRY(reserve_op(network));
    crd_graph_op *op = &network->ops[0];
    *op = (crd_graph_op){.kind = &crd_op_input, .shape = *input};
    network->n_ops = 1;
    CRD_TRY(crd_alloc_string(&op->name, "input"));
    if (input->n_dims != 3) {
        char text[CRD_SHAPE_TEXT_SIZE];
        CRD_TRY(CRD_OP_FAIL(op, "input has shape %s, needed is (channels, height, width)",
                            crd_shape_text(text, input)));
    }
    CRD_TRY(check_shape(op, "output", input));
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
    for (int64_t i = 0; i < network->n_ops; i++)
        clear_op(&network->ops[i]);
    crd_free(network->ops);
    crd_params_clear(&network->params);
    crd_free(network->arch);
    crd_free(network);
}

static crd_status check_new_name(const crd_network *network, const char *name)
{
    crd_status status = check_name(name);
    for (int64_t i = 0; status == CRD_OK && i < network->n_ops; i++)
        if (strcmp(network->ops[i].name, name) == 0)
            status = CRD_FAIL(CRD_ERR_INPUT, "op '%s': the name is there twice", name);
    return status;
}

/* Checks the inputs of an op not yet in the network and copies their shapes. */
static crd_status connect(crd_graph_op *op, const crd_network *network, const int64_t *inputs,
                          int n_inputs)
{
    crd_status status = CRD_OK;
    const crd_op *kind = op->kind;
    if (n_inputs < kind->min_inputs || (kind->max_inputs >= 0 && n_inputs > kind->max_inputs))
        CRD_TRY(CRD_OP_FAIL(op, "has %d inputs, needed are %s%d", n_inputs,
                            kind->max_inputs == kind->min_inputs ? "" : "at least ",
                            kind->min_inputs));
    if (n_inputs > MAX_INPUTS)
        CRD_TRY(CRD_OP_FAIL(op, "has %d inputs, allowed are %d", n_inputs, MAX_INPUTS));
    CRD_ALLOC(&op->inputs, n_inputs, "inputs");
    CRD_ALLOC(&op->in, n_inputs, "inputs");
    op->n_inputs = n_inputs;
    for (int k = 0; k < n_inputs; k++) {
        if (inputs[k] < 0 || inputs[k] >= network->n_ops)
            CRD_TRY(CRD_OP_FAIL(op, "inputs[%d] is %lld, allowed are 0 to %lld", k,
                                (long long)inputs[k], (long long)network->n_ops - 1));
        op->inputs[k] = inputs[k];
        op->in[k] = network->ops[inputs[k]].shape;
    }
cleanup:
    return status;
}

/* Shapes of the output and of the parameters, n_dims -1 where there is none. */
static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    crd_status status = CRD_OK;
    for (int slot = 0; slot < CRD_OP_MAX_PARAMS; slot++)
        params[slot].n_dims = -1;
    CRD_TRY(op->kind->infer(op, params));
    CRD_TRY(check_shape(op, "output", &op->shape));
    for (int slot = 0; slot < op->kind->n_params; slot++)
        if (params[slot].n_dims >= 0)
            CRD_TRY(check_shape(op, op->kind->params[slot].leaf, &params[slot]));
cleanup:
    return status;
}

static crd_status add_params(crd_graph_op *op, crd_network *network,
                             const crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    crd_status status = CRD_OK;
    for (int slot = 0; slot < CRD_OP_MAX_PARAMS; slot++)
        op->params[slot] = -1;
    for (int slot = 0; slot < op->kind->n_params; slot++) {
        char full_name[MAX_TEXT + 64];
        const char *leaf = op->kind->params[slot].leaf;
        if (shapes[slot].n_dims < 0)
            continue;
        snprintf(full_name, sizeof full_name, "%s%s%s", op->name, leaf[0] == '\0' ? "" : ".", leaf);
        CRD_TRY(crd_params_add(&op->params[slot], &network->params, full_name, &shapes[slot]));
    }
cleanup:
    return status;
}

crd_status crd_network_add(int64_t *index, crd_network *network, const crd_op_request *request)
{
    crd_status status = CRD_OK;
    int64_t old_n_params = network->params.n_params, old_n_floats = network->params.n_floats;
    crd_shape shapes[CRD_OP_MAX_PARAMS];
    crd_graph_op op = {.kind = crd_op_find(request->kind)};
    CRD_TRY(check_new_name(network, request->name));
    CRD_REQUIRE(op.kind != NULL, CRD_ERR_INPUT, "op '%s': unknown kind '%.60s'", request->name,
                request->kind);
    CRD_REQUIRE(network->n_ops < MAX_OPS, CRD_ERR_INPUT, "op '%s': more than %d ops", request->name,
                MAX_OPS);
    CRD_TRY(crd_alloc_string(&op.name, request->name));
    CRD_TRY(connect(&op, network, request->inputs, request->n_inputs));
    CRD_TRY(crd_op_set_attrs(&op, request->attrs));
    CRD_TRY(infer(&op, shapes));
    CRD_TRY(reserve_op(network));
    CRD_TRY(add_params(&op, network, shapes));
    if (index != NULL)
        *index = network->n_ops;
    network->ops[network->n_ops++] = op;
    return CRD_OK;
cleanup:
    while (network->params.n_params > old_n_params)
        crd_free(network->params.entries[--network->params.n_params].name);
    network->params.n_floats = old_n_floats;
    clear_op(&op);
    return status;
}

int crd_network_has_attr(const crd_network *network, int64_t op, const char *name)
{
    const crd_attr_spec *spec = network->ops[op].kind->attrs;
    for (; spec != NULL && spec->name != NULL; spec++)
        if (strcmp(spec->name, name) == 0)
            return 1;
    return 0;
}

crd_status crd_network_set_attr(crd_network *network, int64_t index, const crd_attr *attr)
{
    enum { MAX_ATTRS = 32 };
    crd_status status = CRD_OK;
    crd_graph_op *op = &network->ops[index], changed = *op;
    crd_attr attrs[MAX_ATTRS + 1] = {{0}};
    crd_shape shapes[CRD_OP_MAX_PARAMS];
    int n = 0;
    changed.attrs = NULL;
    for (const crd_attr_spec *spec = op->kind->attrs; spec != NULL && spec->name != NULL; spec++)
        if (strcmp(spec->name, attr->name) != 0 && n < MAX_ATTRS - 1)
            attrs[n++] = crd_op_get_attr(op, spec);
    attrs[n] = *attr;
    CRD_TRY(crd_op_set_attrs(&changed, attrs));
    CRD_TRY(infer(&changed, shapes));
    for (int slot = 0; slot < op->kind->n_params; slot++) {
        int64_t param = op->params[slot];
        if ((param < 0) != (shapes[slot].n_dims < 0) ||
            (param >= 0 && !crd_shape_equal(&shapes[slot], &network->params.entries[param].shape)))
            CRD_TRY(CRD_OP_FAIL(op, "%s cannot change the shape of a parameter", attr->name));
    }
    if (!crd_shape_equal(&changed.shape, &op->shape))
        CRD_TRY(CRD_OP_FAIL(op, "%s cannot change the shape of the output", attr->name));
    void *old = op->attrs;
    op->attrs = changed.attrs;
    changed.attrs = old;
cleanup:
    crd_free(changed.attrs);
    return status;
}

static crd_status copy_op(crd_network *out, const crd_graph_op *op)
{
    enum { MAX_ATTRS = 32 };
    crd_attr attrs[MAX_ATTRS + 1] = {{0}};
    int n = 0;
    for (const crd_attr_spec *spec = op->kind->attrs; spec != NULL && spec->name != NULL; spec++)
        if (n < MAX_ATTRS)
            attrs[n++] = crd_op_get_attr(op, spec);
    const crd_op_request request = {op->kind->name, op->name, attrs, op->inputs, op->n_inputs};
    return crd_network_add(NULL, out, &request);
}

crd_status crd_network_copy_front(crd_network **out, const crd_network *network, int64_t n_ops)
{
    crd_status status = CRD_OK;
    crd_network *front = NULL;
    *out = NULL;
    CRD_TRY(crd_network_create(&front, network->arch, &network->ops[0].shape));
    for (int64_t i = 1; i < n_ops; i++)
        CRD_TRY(copy_op(front, &network->ops[i]));
    *out = front;
    front = NULL;
cleanup:
    crd_network_destroy(front);
    return status;
}

static bool has_params(const crd_graph_op *op)
{
    for (int slot = 0; slot < op->kind->n_params; slot++)
        if (op->params[slot] >= 0)
            return true;
    return false;
}

crd_status crd_network_drop_unread(crd_network *network)
{
    crd_status status = CRD_OK;
    int64_t n = network->n_ops, *place = NULL, n_kept = 0; /* new index; -1: nobody reads it */
    CRD_ALLOC(&place, n, "ops");
    for (int64_t i = 0; i < n; i++)
        place[i] = i == 0 || i == n - 1 || has_params(&network->ops[i]) ? 0 : -1;
    for (int64_t i = n - 1; i >= 0; i--)
        for (int k = 0; place[i] >= 0 && k < network->ops[i].n_inputs; k++)
            place[network->ops[i].inputs[k]] = 0;
    for (int64_t i = 0; i < n; i++) {
        crd_graph_op *op = &network->ops[i];
        if (place[i] < 0) {
            clear_op(op);
            continue;
        }
        for (int k = 0; k < op->n_inputs; k++)
            op->inputs[k] = place[op->inputs[k]];
        place[i] = n_kept;
        network->ops[n_kept++] = *op;
    }
    network->n_ops = n_kept;
cleanup:
    crd_free(place);
    return status;
}

const crd_shape *crd_network_input_shape(const crd_network *network)
{
    return &network->ops[0].shape;
}

int64_t crd_network_n_outputs(const crd_network *network)
{
    return crd_shape_count(&network->ops[network->n_ops - 1].shape);
}

const char *crd_network_op_name(const crd_network *network, int64_t op)
{
    return network->ops[op].name;
}

const char *crd_network_op_kind(const crd_network *network, int64_t op)
{
    return network->ops[op].kind->name;
}

const crd_shape *crd_network_op_shape(const crd_network *network, int64_t op)
{
    return &network->ops[op].shape;
}

int crd_network_op_may_be_random(const crd_network *network, int64_t op)
{
    return crd_op_may_be_random(&network->ops[op]);
}

int crd_network_is_stochastic(const crd_network *network)
{
    for (int64_t i = 0; i < network->n_ops; i++)
        if (crd_op_is_stochastic(&network->ops[i]))
            return 1;
    return 0;
}

/* Every parameter is made by an op, so there is one; its slot goes to *slot. */
static int64_t find_owner(int *slot, const crd_network *network, int64_t param)
{
    for (int64_t i = 0; i < network->n_ops; i++)
        for (*slot = 0; *slot < network->ops[i].kind->n_params; ++*slot)
            if (network->ops[i].params[*slot] == param)
                return i;
    return -1;
}

int64_t crd_network_param_op(const crd_network *network, int64_t param)
{
    int slot = 0;
    return find_owner(&slot, network, param);
}

const crd_param_spec *crd_network_param_spec(const crd_graph_op **op, const crd_network *network,
                                             int64_t param)
{
    int slot = 0;
    const crd_graph_op *owner = &network->ops[find_owner(&slot, network, param)];
    if (op != NULL)
        *op = owner;
    return &owner->kind->params[slot];
}

int64_t crd_network_op_param(const crd_network *network, int64_t op)
{
    for (int slot = 0; slot < network->ops[op].kind->n_params; slot++)
        if (network->ops[op].params[slot] >= 0)
            return network->ops[op].params[slot];
    return -1;
}

int crd_network_param_may_be_random(const crd_network *network, int64_t param)
{
    return crd_network_param_spec(NULL, network, param)->may_be_random;
}

int crd_network_param_is_trained(const crd_network *network, int64_t param)
{
    return crd_network_param_spec(NULL, network, param)->role == CRD_TRAINED;
}

int64_t crd_network_n_trained(const crd_network *network)
{
    int64_t n = 0;
    for (int64_t p = 0; p < network->params.n_params; p++)
        if (crd_network_param_is_trained(network, p))
            n += network->params.entries[p].count;
    return n;
}

double crd_network_fan_in(const crd_network *network, int64_t param)
{
    const crd_graph_op *op;
    crd_network_param_spec(&op, network, param);
    const crd_param *first = &network->params.entries[op->params[0] >= 0 ? op->params[0] : param];
    return (double)first->count / (double)first->shape.dims[0];
}

int crd_network_max_inputs(const crd_network *network)
{
    int most = 1;
    for (int64_t i = 0; i < network->n_ops; i++)
        most = network->ops[i].n_inputs > most ? network->ops[i].n_inputs : most;
    return most;
}

int64_t crd_network_op_macs(const crd_network *network, int64_t op)
{
    const crd_op *kind = network->ops[op].kind;
    return kind->work == NULL ? 0 : kind->work(&network->ops[op]);
}

int64_t crd_network_macs(const crd_network *network)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < network->n_ops; i++) {
        int64_t macs = crd_network_op_macs(network, i);
        sum = macs > INT64_MAX - sum ? INT64_MAX : sum + macs;
    }
    return sum;
}
