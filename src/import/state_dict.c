#include "import/state_dict.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "import/gather.h"

enum {
    MAX_TENSORS = 1 << 13, /* names are compared each with each */
    MAX_NAME = 256,
    MAX_KEY = 64,
    PIECE_BYTES = 1 << 22 /* of a storage, held at a time; a multiple of every element size */
};

struct crd_state_tensor {
    crd_torch_view view;
    int64_t i_param; /* -1: an integer tensor */
    int64_t member, member_bytes;
};

/* The value of a string key; the last one, as Python would have it. NULL if there is none. */
static const crd_pickle_value *dict_get(const crd_pickle_value *dict, const char *key)
{
    const crd_pickle_value *found = NULL;
    for (const crd_pickle_cell *c = dict->as.items.first; c != NULL; c = c->next->next)
        if (crd_pickle_is_text(c->value, key))
            found = c->next->value;
    return found;
}

static crd_status find_dict(const crd_pickle_value **out, const crd_pickle_value *root)
{
    static const char *const places[] = {"state_dict", "model", "model_state_dict"};
    if (root->kind != CRD_PICKLE_DICT)
        return CRD_FAIL(CRD_ERR_INPUT, "holds a %s, not a dict of tensors; save model.state_dict()",
                        crd_pickle_kind_name(root));
    *out = root;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const crd_pickle_value *inner = dict_get(root, places[i]);
        if (inner != NULL && inner->kind == CRD_PICKLE_DICT) {
            *out = inner;
            break;
        }
    }
    return CRD_OK;
}

/* Copies a name that comes from outside: 1 to size - 1 printable characters without blanks. */
static crd_status copy_name(char *out, int size, const crd_pickle_value *value, const char *what)
{
    char shown[CRD_PRINTABLE_SIZE];
    if (value->kind != CRD_PICKLE_STRING)
        return CRD_FAIL(CRD_ERR_INPUT, "%s is a %s, not a string", what,
                        crd_pickle_kind_name(value));
    if (value->n_items < 1 || value->n_items >= size)
        return CRD_FAIL(CRD_ERR_INPUT, "%s '%s' has %d characters, allowed are 1 to %d", what,
                        crd_pickle_printable(shown, value->as.text, value->n_items),
                        (int)value->n_items, size - 1);
    for (int i = 0; i < value->n_items; i++)
        if (value->as.text[i] <= ' ' || value->as.text[i] > '~')
            return CRD_FAIL(CRD_ERR_INPUT, "%s '%s' has a character that is not printable ASCII",
                            what, crd_pickle_printable(shown, value->as.text, value->n_items));
    memcpy(out, value->as.text, (size_t)value->n_items);
    out[value->n_items] = '\0';
    return CRD_OK;
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
static crd_status read_storage(crd_state_tensor *out, int64_t *n_elements,
                               const crd_pickle_value *storage, const crd_pickle_value *dtype,
                               crd_torch_zip *archive)
{
    crd_status status = CRD_OK;
    char key[MAX_KEY];
    CRD_REQUIRE(storage->kind == CRD_PICKLE_PERSISTENT && storage->n_items == 5 &&
                    crd_pickle_is_text(crd_pickle_item(storage, 0), "storage"),
                CRD_ERR_INPUT, "its storage is not ('storage', class, key, device, count)");
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
    CRD_TRY(crd_torch_zip_find_storage(&out->member, &out->member_bytes, archive, key));
    CRD_REQUIRE(!__builtin_mul_overflow(count->as.integer, is_typed ? item : 1, &n_bytes) &&
                    n_bytes == out->member_bytes && n_bytes % item == 0,
                CRD_ERR_INPUT,
                "its storage has %lld elements of %d bytes, but member data/%s has "
                "%lld bytes",
                (long long)count->as.integer, (int)(is_typed ? item : 1), key,
                (long long)out->member_bytes);
    *n_elements = n_bytes / item;
cleanup:
    return status;
}

/* The call that makes the tensor: a Parameter is looked through. */
static crd_status find_tensor_call(const crd_pickle_value **out, const crd_pickle_value *value)
{
    if (value->kind == CRD_PICKLE_CALL && value->global == CRD_GLOBAL_PARAMETER &&
        value->n_items == 3)
        value = crd_pickle_item(value, 0);
    if (value->kind != CRD_PICKLE_CALL || value->global == CRD_GLOBAL_PARAMETER)
        return CRD_FAIL(CRD_ERR_INPUT,
                        "is a %s, not a tensor; expected is a dict of tensors, or one under "
                        "state_dict, model or model_state_dict",
                        crd_pickle_kind_name(value));
    *out = value;
    return CRD_OK;
}

static crd_status read_tensor(crd_state_tensor *out, const crd_pickle_value *value,
                              crd_torch_zip *archive)
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
    CRD_TRY(read_storage(out, &n_elements, crd_pickle_item(call, 0), dtype, archive));
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
cleanup:
    return status;
}

static const char prefix[] = "module.";

/* DataParallel puts "module." before every name; a name of the network's own is not before all. */
static int has_prefix(const crd_pickle_value *dict)
{
    size_t length = sizeof prefix - 1;
    for (const crd_pickle_cell *c = dict->as.items.first; c != NULL; c = c->next->next)
        if (c->value->kind != CRD_PICKLE_STRING || (size_t)c->value->n_items <= length ||
            memcmp(c->value->as.text, prefix, length) != 0)
            return 0;
    return 1;
}

static crd_status add_tensor(crd_state_dict *out, const crd_pickle_value *value, const char *name,
                             crd_torch_zip *archive)
{
    crd_state_tensor *tensor = &out->tensors[out->n_tensors];
    crd_status status = read_tensor(tensor, value, archive);
    if (status != CRD_OK)
        return CRD_FAIL(status, "%s: %s", name, crd_status_message());
    tensor->i_param = -1;
    if (crd_torch_dtype_is_float(tensor->view.dtype))
        status = crd_params_add(&tensor->i_param, &out->params, name, &tensor->view.shape);
    crd_torch_view_simplify(&tensor->view);
    out->n_tensors++;
    return status;
}

crd_status crd_state_dict_init(crd_state_dict *out, const crd_pickle *pickle,
                               crd_torch_zip *archive)
{
    crd_status status;
    const crd_pickle_value *dict = NULL;
    *out = (crd_state_dict){0};
    CRD_TRY(find_dict(&dict, pickle->root));
    CRD_REQUIRE(dict->n_items > 0, CRD_ERR_INPUT, "the state dict is empty");
    CRD_REQUIRE(dict->n_items / 2 <= MAX_TENSORS, CRD_ERR_INPUT,
                "%d tensors, at most %d are allowed", (int)(dict->n_items / 2), MAX_TENSORS);
    size_t skipped = has_prefix(dict) ? sizeof prefix - 1 : 0;
    CRD_ALLOC(&out->tensors, dict->n_items / 2, "tensors of the state dict");
    for (const crd_pickle_cell *c = dict->as.items.first; c != NULL; c = c->next->next) {
        char name[MAX_NAME];
        CRD_TRY(copy_name(name, sizeof name, c->value, "tensor name"));
        CRD_TRY(add_tensor(out, c->next->value, name + skipped, archive));
    }
    CRD_REQUIRE(out->params.n_params > 0, CRD_ERR_INPUT,
                "the state dict has no floating-point tensor");
cleanup:
    if (status != CRD_OK)
        crd_state_dict_clear(out);
    return status;
}

void crd_state_dict_clear(crd_state_dict *dict)
{
    crd_params_clear(&dict->params);
    crd_free(dict->tensors);
    *dict = (crd_state_dict){0};
}

static int compare_members(const void *a, const void *b)
{
    const crd_state_tensor *one = a, *other = b;
    return (one->member > other->member) - (one->member < other->member);
}

/* Reads one member piece by piece and gives all tensors on it their elements. */
static crd_status load_storage(crd_params *params, const crd_state_tensor *tensors, int64_t n,
                               crd_torch_zip *archive, char *piece)
{
    crd_status status;
    CRD_TRY(crd_torch_zip_begin(archive, tensors[0].member));
    for (int64_t at = 0; at < tensors[0].member_bytes; at += PIECE_BYTES) {
        int64_t left = tensors[0].member_bytes - at,
                n_bytes = left < PIECE_BYTES ? left : PIECE_BYTES;
        CRD_TRY(crd_torch_zip_read(piece, archive, n_bytes));
        for (int64_t i = 0; i < n; i++) {
            int item = crd_torch_dtype_bytes(tensors[i].view.dtype);
            if (tensors[i].i_param >= 0)
                crd_torch_view_gather(crd_params_view(params, tensors[i].i_param), &tensors[i].view,
                                      piece, at / item, n_bytes / item);
        }
    }
    CRD_TRY(crd_torch_zip_end(archive));
cleanup:
    return status;
}

crd_status crd_state_dict_load(crd_state_dict *dict, crd_torch_zip *archive, int64_t max_bytes)
{
    crd_status status = CRD_OK;
    char *piece = NULL;
    int64_t piece_bytes = 0;
    /* Views of one storage may say more than the file has: stride 0 makes 10^12 elements of one. */
    CRD_REQUIRE(
        dict->params.n_floats <= max_bytes / (int64_t)sizeof(float), CRD_ERR_INPUT,
        "its tensors need %lld floats, more than %lld bytes, the most for a file of this size",
        (long long)dict->params.n_floats, (long long)max_bytes);
    CRD_TRY(crd_params_allocate(&dict->params));
    for (int64_t i = 0; i < dict->n_tensors; i++)
        if (dict->tensors[i].member_bytes > piece_bytes)
            piece_bytes = dict->tensors[i].member_bytes;
    CRD_ALLOC(&piece, piece_bytes < PIECE_BYTES ? piece_bytes : PIECE_BYTES, "piece of a storage");
    qsort(dict->tensors, (size_t)dict->n_tensors, sizeof *dict->tensors, compare_members);
    for (int64_t first = 0, end; first < dict->n_tensors; first = end) {
        end = first + 1;
        while (end < dict->n_tensors && dict->tensors[end].member == dict->tensors[first].member)
            end++;
        CRD_TRY(load_storage(&dict->params, dict->tensors + first, end - first, archive, piece));
    }
cleanup:
    crd_free(piece);
    return status;
}
