/* The tree is what crd_pickle_parse gives: nothing has been called, tensors are calls to be
 * read. */
#include "import/torch_tree.h"

#include <string.h>

#include "credence/log.h"
#include "import/spans.h"

enum {
    DEEPEST = 4,            /* dicts around the state dict */
    MAX_ENTRIES = 1 << 18,  /* looked at below one key */
    MAX_WRAPPER_KEYS = 1000 /* of a dict that holds no tensor itself */
};

static int is_tensor(const crd_pickle_value *value)
{
    return value->kind == CRD_PICKLE_CALL;
}

/* A call of torch's own that is not in the table makes a tensor of a kind that is not read. */
static int is_strange_tensor(const crd_pickle_value *value)
{
    static const char start[] = "_rebuild";
    size_t n = sizeof start - 1;
    return value->kind == CRD_PICKLE_OPAQUE && value->n_name >= n &&
           memcmp(value->as.opaque.name, start, n) == 0;
}

static int64_t count_tensors(const crd_pickle_value *dict)
{
    int64_t n = 0;
    for (const crd_pickle_cell *c = dict->as.items.first; c != NULL; c = c->next->next)
        n += is_tensor(c->next->value) || is_strange_tensor(c->next->value);
    return n;
}

/* Looks for tensors in the dict, or in the dicts in it. A dict may hold itself many times: `budget`
 * bounds the entries that are looked at. */
static int look_for_tensors(const crd_pickle_value *value, int depth, int64_t *budget)
{
    if (value->kind != CRD_PICKLE_DICT || (*budget -= value->n_items + 1) < 0)
        return 0;
    if (count_tensors(value) > 0)
        return 1;
    for (const crd_pickle_cell *c = value->as.items.first; depth < DEEPEST && c != NULL;
         c = c->next->next)
        if (c->value->kind == CRD_PICKLE_STRING &&
            look_for_tensors(c->next->value, depth + 1, budget))
            return 1;
    return 0;
}

static int leads_to_tensors(const crd_pickle_value *value)
{
    int64_t budget = MAX_ENTRIES;
    return look_for_tensors(value, 0, &budget);
}

/* The value of a string key; the last one, as Python would have it. NULL if there is none. */
static const crd_pickle_value *dict_get(const crd_pickle_value *dict, const char *key)
{
    const crd_pickle_value *found = NULL;
    for (const crd_pickle_cell *c = dict->as.items.first; c != NULL; c = c->next->next)
        if (crd_pickle_is_text(c->value, key))
            found = c->next->value;
    return found;
}

/* Weights averaged over the steps, beside those of the last one. */
static int is_average(const crd_pickle_value *key)
{
    return key->kind == CRD_PICKLE_STRING && key->n_items >= 3 &&
           (memcmp(key->as.text, "ema", 3) == 0 ||
            memcmp(key->as.text + key->n_items - 3, "ema", 3) == 0);
}

static crd_status refuse_root(const crd_pickle_value *root)
{
    char shown[CRD_PRINTABLE_SIZE];
    if (root->kind == CRD_PICKLE_OPAQUE && crd_pickle_is_module(root))
        return CRD_FAIL(CRD_ERR_INPUT,
                        "holds a whole module (%s), which only Python can rebuild; save "
                        "model.state_dict() instead",
                        crd_pickle_opaque_name(shown, root));
    if (root->kind == CRD_PICKLE_OPAQUE)
        return CRD_FAIL(CRD_ERR_INPUT,
                        "holds an object (%s) that only Python can rebuild, and nothing in a file "
                        "is ever called here; save model.state_dict() instead",
                        crd_pickle_opaque_name(shown, root));
    return CRD_FAIL(CRD_ERR_INPUT, "holds a %s, not a dict of tensors; save model.state_dict()",
                    crd_pickle_kind_name(root));
}

/* No key leads to tensors. A module under one of them is the usual reason. */
static crd_status refuse_dict(const crd_pickle_value *dict)
{
    char key[CRD_PRINTABLE_SIZE] = "", shown[CRD_PRINTABLE_SIZE];
    if (dict->n_items == 0)
        return CRD_FAIL(CRD_ERR_INPUT, "the state dict is empty");
    const crd_pickle_value *first = dict->as.items.first->value;
    for (const crd_pickle_cell *c = dict->as.items.first; c != NULL; c = c->next->next)
        if (c->value->kind == CRD_PICKLE_STRING && crd_pickle_is_module(c->next->value))
            return CRD_FAIL(CRD_ERR_INPUT,
                            "%s: holds a whole module (%s), which only Python can rebuild; save "
                            "model.state_dict() instead",
                            crd_pickle_printable(key, c->value->as.text, c->value->n_items),
                            crd_pickle_opaque_name(shown, c->next->value));
    if (first->kind == CRD_PICKLE_STRING)
        crd_pickle_printable(key, first->as.text, first->n_items);
    return CRD_FAIL(CRD_ERR_INPUT,
                    "no tensor in its dict: the first entry, '%s', is a %s, not a tensor; expected "
                    "is a dict of tensors, or one under state_dict, model or another key",
                    key, crd_pickle_kind_name(dict->as.items.first->next->value));
}

/* The one dict with tensors below `dict`; averages count only where there is nothing else. */
static crd_status find_only(const crd_pickle_value **out, const crd_pickle_value *dict)
{
    char one[CRD_PRINTABLE_SIZE], other[CRD_PRINTABLE_SIZE];
    if (dict->n_items / 2 > MAX_WRAPPER_KEYS)
        return refuse_dict(dict);
    for (int averages = 0; averages <= 1; averages++) {
        const crd_pickle_cell *found = NULL;
        for (const crd_pickle_cell *c = dict->as.items.first; c != NULL; c = c->next->next) {
            if (c->value->kind != CRD_PICKLE_STRING || is_average(c->value) != averages ||
                crd_pickle_is_text(c->value, "optimizer") || !leads_to_tensors(c->next->value))
                continue;
            if (found != NULL)
                return CRD_FAIL(
                    CRD_ERR_INPUT,
                    "holds more than one dict of tensors: '%s', '%s'; choose with "
                    "--weights-key",
                    crd_pickle_printable(one, found->value->as.text, found->value->n_items),
                    crd_pickle_printable(other, c->value->as.text, c->value->n_items));
            found = c;
        }
        if (found != NULL) {
            *out = found->next->value;
            return CRD_OK;
        }
    }
    return refuse_dict(dict);
}

static void tell_averages(const crd_pickle_value *dict, const crd_pickle_value *taken)
{
    char shown[CRD_PRINTABLE_SIZE];
    for (const crd_pickle_cell *c = dict->as.items.first; c != NULL; c = c->next->next)
        if (c->next->value != taken && is_average(c->value) && leads_to_tensors(c->next->value))
            crd_log(CRD_LOG_INFO,
                    "weights: averaged ones lie beside under '%s' and are passed over; "
                    "--weights-key %s takes them",
                    crd_pickle_printable(shown, c->value->as.text, c->value->n_items), shown);
}

/* The dict under one of the usual keys; NULL: there is none. Tensors beside it are of something
 * else: a random number generator's state, say. */
static const crd_pickle_value *find_usual(const crd_pickle_value *dict)
{
    static const char *const places[] = {"state_dict", "model_state_dict", "model",   "module",
                                         "net",        "network",          "weights", "params"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const crd_pickle_value *inner = dict_get(dict, places[i]);
        if (inner != NULL && leads_to_tensors(inner)) {
            tell_averages(dict, inner);
            return inner;
        }
    }
    return NULL;
}

static crd_status find_dict(const crd_pickle_value **out, const crd_pickle_value *root,
                            const char *key)
{
    crd_status status = CRD_OK;
    const crd_pickle_value *dict = root;
    if (root->kind != CRD_PICKLE_DICT)
        return refuse_root(root);
    if (key != NULL) {
        dict = dict_get(root, key);
        CRD_REQUIRE(dict != NULL && dict->kind == CRD_PICKLE_DICT, CRD_ERR_INPUT,
                    "has no dict under '%s'", key);
    }
    for (int depth = 0; depth < DEEPEST; depth++) {
        const crd_pickle_value *inner = find_usual(dict);
        if (inner == NULL && count_tensors(dict) > 0)
            break;
        if (inner == NULL)
            CRD_TRY(find_only(&inner, dict));
        dict = inner;
    }
    if (count_tensors(dict) == 0)
        CRD_TRY(refuse_dict(dict));
    *out = dict;
cleanup:
    return status;
}

static crd_status copy_name(char *out, int size, const crd_pickle_value *value, const char *what)
{
    if (value->kind != CRD_PICKLE_STRING)
        return CRD_FAIL(CRD_ERR_INPUT, "%s is a %s, not a string", what,
                        crd_pickle_kind_name(value));
    return crd_tensor_name_copy(out, size, value->as.text, value->n_items, what);
}

static crd_status copy_ints(int64_t *out, int *n, const crd_pickle_value *tuple, const char *what)
{
    if (tuple->kind != CRD_PICKLE_TUPLE)
        return CRD_FAIL(CRD_ERR_INPUT, "%s is a %s, not a tuple", what,
                        crd_pickle_kind_name(tuple));
    if (tuple->n_items > CRD_MAX_DIMS)
        return CRD_FAIL(CRD_ERR_INPUT, "%d dimensions, at most %d are allowed", (int)tuple->n_items,
                        CRD_MAX_DIMS);
    *n = 0;
    for (const crd_pickle_cell *c = tuple->as.items.first; *n < tuple->n_items; c = c->next) {
        if (c->value->kind != CRD_PICKLE_INT)
            return CRD_FAIL(CRD_ERR_INPUT, "%s holds a %s, not an int", what,
                            crd_pickle_kind_name(c->value));
        out[(*n)++] = c->value->as.integer;
    }
    return CRD_OK;
}

/* What a storage is said to be: ('storage', class, key, device, number of elements). */
static crd_status read_storage(crd_listed_tensor *out, int64_t *n_elements,
                               const crd_pickle_value *storage, const crd_pickle_value *dtype,
                               crd_storages *storages)
{
    crd_status status = CRD_OK;
    char key[CRD_SPAN_KEY_SIZE];
    CRD_REQUIRE(storage->kind == CRD_PICKLE_PERSISTENT &&
                    storage->n_items == storages->kind->id_items &&
                    crd_pickle_is_text(crd_pickle_item(storage, 0), "storage"),
                CRD_ERR_INPUT, "its storage is not ('storage', class, key, device, count ...)");
    const crd_pickle_value *class = crd_pickle_item(storage, 1),
                           *count = crd_pickle_item(storage, 4);
    CRD_TRY(copy_name(key, sizeof key, crd_pickle_item(storage, 2), "storage key"));
    CRD_REQUIRE(count->kind == CRD_PICKLE_INT && count->as.integer >= 0, CRD_ERR_INPUT,
                "its storage has no element count");
    /* Either the class knows the type and counts elements, or bytes are counted and the tensor
     * knows. */
    int is_typed = class->kind == CRD_PICKLE_GLOBAL && class->global == CRD_GLOBAL_STORAGE;
    int is_untyped =
        class->kind == CRD_PICKLE_GLOBAL && class->global == CRD_GLOBAL_UNTYPED_STORAGE;
    CRD_REQUIRE(dtype == NULL ? is_typed : is_untyped, CRD_ERR_INPUT,
                "its storage class does not fit the way the tensor is built");
    out->view.dtype = dtype == NULL ? class->dtype : dtype->dtype;

    int64_t item = crd_torch_dtype_bytes(out->view.dtype), n_bytes;
    CRD_TRY(storages->kind->find(&out->member, &out->member_bytes, storages, key));
    CRD_REQUIRE(!__builtin_mul_overflow(count->as.integer, is_typed ? item : 1, &n_bytes) &&
                    n_bytes == out->member_bytes && n_bytes % item == 0,
                CRD_ERR_INPUT, "its storage has %lld elements of %d bytes, but %s%s has %lld bytes",
                (long long)count->as.integer, (int)(is_typed ? item : 1), storages->kind->noun, key,
                (long long)out->member_bytes);
    *n_elements = n_bytes / item;
cleanup:
    return status;
}

/* The call that makes the tensor: a Parameter is looked through. */
static crd_status find_tensor_call(const crd_pickle_value **out, const crd_pickle_value *value)
{
    char shown[CRD_PRINTABLE_SIZE];
    if (value->kind == CRD_PICKLE_CALL && value->global == CRD_GLOBAL_PARAMETER &&
        (value->n_items == 3 || value->n_items == 4))
        value = crd_pickle_item(value, 0);
    if (is_strange_tensor(value))
        return CRD_FAIL(CRD_ERR_INPUT,
                        "is made by %s, a kind of tensor that is not read here; save it as a plain "
                        "one",
                        crd_pickle_opaque_name(shown, value));
    if (value->kind != CRD_PICKLE_CALL || value->global == CRD_GLOBAL_PARAMETER)
        return CRD_FAIL(CRD_ERR_INPUT, "is a %s, not a tensor", crd_pickle_kind_name(value));
    *out = value;
    return CRD_OK;
}

/* A storage of the stacked form may be a part of another: (key, offset, elements). Such files
 * are of 2016 and 2017. */
static crd_status check_whole(const crd_pickle_value *call)
{
    const crd_pickle_value *storage = crd_pickle_item(call, 0);
    const crd_pickle_value *part = crd_pickle_item(storage, 5);
    if (part != NULL && part->kind != CRD_PICKLE_NONE)
        return CRD_FAIL(CRD_ERR_INPUT, "its storage is a part of another one; save it again with "
                                       "torch 1.6 or later");
    return CRD_OK;
}

static crd_status read_tensor(crd_listed_tensor *out, const crd_pickle_value *value,
                              crd_storages *storages)
{
    crd_status status;
    const crd_pickle_value *call = NULL, *dtype = NULL;
    int64_t n_elements = 0;
    int n_strides = 0;
    CRD_TRY(find_tensor_call(&call, value));
    int n = call->n_items;
    switch ((crd_pickle_global)call->global) {
    case CRD_GLOBAL_TENSOR_V3: /* one more argument, metadata, is possible here and in v2 */
        CRD_REQUIRE(n == 7 || n == 8, CRD_ERR_INPUT, "is built from %d arguments", n);
        dtype = crd_pickle_item(call, 6);
        CRD_REQUIRE(dtype->kind == CRD_PICKLE_GLOBAL && dtype->global == CRD_GLOBAL_DTYPE,
                    CRD_ERR_INPUT, "is built without a dtype");
        break;
    case CRD_GLOBAL_TENSOR_V2:
        CRD_REQUIRE(n == 6 || n == 7, CRD_ERR_INPUT, "is built from %d arguments", n);
        break;
    default:
        CRD_REQUIRE(n == 4, CRD_ERR_INPUT, "is built from %d arguments", n);
    }
    CRD_TRY(read_storage(out, &n_elements, crd_pickle_item(call, 0), dtype, storages));
    const crd_pickle_value *offset = crd_pickle_item(call, 1);
    CRD_REQUIRE(offset->kind == CRD_PICKLE_INT, CRD_ERR_INPUT, "its storage offset is a %s",
                crd_pickle_kind_name(offset));
    out->view.offset = offset->as.integer;
    CRD_TRY(copy_ints(out->view.shape.dims, &out->view.shape.n_dims, crd_pickle_item(call, 2),
                      "its size"));
    CRD_TRY(copy_ints(out->view.strides, &n_strides, crd_pickle_item(call, 3), "its stride"));
    CRD_REQUIRE(n_strides == out->view.shape.n_dims, CRD_ERR_INPUT, "has %d sizes and %d strides",
                out->view.shape.n_dims, n_strides);
    CRD_TRY(crd_torch_view_check(&out->view, n_elements));
    CRD_TRY(check_whole(call));
cleanup:
    return status;
}

static crd_status add_entry(crd_tensor_list *out, const crd_pickle_value *key,
                            const crd_pickle_value *value, crd_storages *storages)
{
    crd_status status;
    char name[CRD_TENSOR_NAME_SIZE];
    crd_listed_tensor tensor = {0};
    CRD_TRY(copy_name(name, sizeof name, key, "tensor name"));
    status = read_tensor(&tensor, value, storages);
    if (status != CRD_OK)
        return CRD_FAIL(status, "%s: %s", name, crd_status_message());
    CRD_TRY(crd_tensor_list_add(out, &tensor, name));
cleanup:
    return status;
}

crd_status crd_torch_tree_list(crd_tensor_list *out, const crd_pickle *pickle,
                               crd_storages *storages, const char *key)
{
    crd_status status;
    const crd_pickle_value *dict = NULL;
    *out = (crd_tensor_list){0};
    CRD_TRY(find_dict(&dict, pickle->root, key));
    CRD_TRY(crd_tensor_list_init(out, count_tensors(dict)));
    for (const crd_pickle_cell *c = dict->as.items.first; c != NULL; c = c->next->next)
        if (is_tensor(c->next->value) || is_strange_tensor(c->next->value))
            CRD_TRY(add_entry(out, c->value, c->next->value, storages));
cleanup:
    if (status != CRD_OK)
        crd_tensor_list_clear(out);
    return status;
}
