#include <string.h>

#include "import/pickle.h"

static const struct {
    const char *module, *name;
    crd_pickle_global global;
    crd_torch_dtype dtype;
} globals[] = {
    {"collections", "OrderedDict", CRD_GLOBAL_ORDERED_DICT, 0},
    {"torch", "Size", CRD_GLOBAL_SIZE, 0},
    {"torch._utils", "_rebuild_tensor", CRD_GLOBAL_TENSOR, 0},
    {"torch._utils", "_rebuild_tensor_v2", CRD_GLOBAL_TENSOR_V2, 0},
    {"torch._utils", "_rebuild_tensor_v3", CRD_GLOBAL_TENSOR_V3, 0},
    {"torch._utils", "_rebuild_parameter", CRD_GLOBAL_PARAMETER, 0},
    {"torch.storage", "UntypedStorage", CRD_GLOBAL_UNTYPED_STORAGE, 0},
    {"torch", "FloatStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_FLOAT32},
    {"torch", "HalfStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_FLOAT16},
    {"torch", "BFloat16Storage", CRD_GLOBAL_STORAGE, CRD_TORCH_BFLOAT16},
    {"torch", "DoubleStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_FLOAT64},
    {"torch", "LongStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_INT64},
    {"torch", "IntStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_INT32},
    {"torch", "ShortStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_INT16},
    {"torch", "CharStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_INT8},
    {"torch", "ByteStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_INT8},
    {"torch", "BoolStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_INT8},
    {"torch", "float32", CRD_GLOBAL_DTYPE, CRD_TORCH_FLOAT32},
    {"torch", "float16", CRD_GLOBAL_DTYPE, CRD_TORCH_FLOAT16},
    {"torch", "bfloat16", CRD_GLOBAL_DTYPE, CRD_TORCH_BFLOAT16},
    {"torch", "float64", CRD_GLOBAL_DTYPE, CRD_TORCH_FLOAT64},
    {"torch", "int64", CRD_GLOBAL_DTYPE, CRD_TORCH_INT64},
    {"torch", "uint64", CRD_GLOBAL_DTYPE, CRD_TORCH_INT64},
    {"torch", "int32", CRD_GLOBAL_DTYPE, CRD_TORCH_INT32},
    {"torch", "uint32", CRD_GLOBAL_DTYPE, CRD_TORCH_INT32},
    {"torch", "int16", CRD_GLOBAL_DTYPE, CRD_TORCH_INT16},
    {"torch", "uint16", CRD_GLOBAL_DTYPE, CRD_TORCH_INT16},
    {"torch", "int8", CRD_GLOBAL_DTYPE, CRD_TORCH_INT8},
    {"torch", "uint8", CRD_GLOBAL_DTYPE, CRD_TORCH_INT8},
    {"torch", "bool", CRD_GLOBAL_DTYPE, CRD_TORCH_INT8},
};

static int is_same(const char *text, int64_t n_bytes, const char *other)
{
    return strlen(other) == (size_t)n_bytes && memcmp(text, other, (size_t)n_bytes) == 0;
}

static int starts_with(const char *text, int64_t n_bytes, const char *start)
{
    size_t length = strlen(start);
    return length <= (size_t)n_bytes && memcmp(text, start, length) == 0;
}

crd_status crd_pickle_find_global(crd_pickle_value *out, const char *module, int64_t module_bytes,
                                  const char *name, int64_t name_bytes)
{
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (is_same(module, module_bytes, globals[i].module) &&
            is_same(name, name_bytes, globals[i].name)) {
            out->kind = CRD_PICKLE_GLOBAL;
            out->global = (uint8_t)globals[i].global;
            out->dtype = (uint8_t)globals[i].dtype;
            return CRD_OK;
        }
    char shown_module[CRD_PRINTABLE_SIZE], shown_name[CRD_PRINTABLE_SIZE];
    crd_pickle_printable(shown_module, module, module_bytes);
    crd_pickle_printable(shown_name, name, name_bytes);
    /* The usual mistake, told apart from the rest: torch.save(model), or a TorchScript archive. */
    static const char *const of_modules[] = {"torch.nn.", "torchvision.models", "__torch__"};
    for (size_t i = 0; i < sizeof of_modules / sizeof *of_modules; i++)
        if (starts_with(module, module_bytes, of_modules[i]))
            return CRD_FAIL(CRD_ERR_INPUT,
                            "holds a whole module (%s.%s), which only Python can rebuild; save "
                            "model.state_dict() instead",
                            shown_module, shown_name);
    return CRD_FAIL(
        CRD_ERR_INPUT,
        "wants to call %s.%s, and nothing in a file is ever called; allowed are tensors "
        "in a state dict (if this is a whole model, save model.state_dict() instead)",
        shown_module, shown_name);
}

const crd_pickle_value *crd_pickle_item(const crd_pickle_value *container, int index)
{
    const crd_pickle_cell *cell = container->as.items.first;
    for (int i = 0; cell != NULL && i < index; i++)
        cell = cell->next;
    return cell == NULL ? NULL : cell->value;
}

int crd_pickle_is_text(const crd_pickle_value *value, const char *text)
{
    return value->kind == CRD_PICKLE_STRING && (size_t)value->n_items == strlen(text) &&
           memcmp(value->as.text, text, (size_t)value->n_items) == 0;
}

const char *crd_pickle_kind_name(const crd_pickle_value *value)
{
    static const char *const names[] = {
        [CRD_PICKLE_NONE] = "None",
        [CRD_PICKLE_BOOL] = "bool",
        [CRD_PICKLE_INT] = "number",
        [CRD_PICKLE_FLOAT] = "float",
        [CRD_PICKLE_STRING] = "string",
        [CRD_PICKLE_TUPLE] = "tuple",
        [CRD_PICKLE_LIST] = "list",
        [CRD_PICKLE_DICT] = "dict",
        [CRD_PICKLE_SET] = "set",
        [CRD_PICKLE_GLOBAL] = "class or function",
        [CRD_PICKLE_PERSISTENT] = "storage",
        [CRD_PICKLE_CALL] = "tensor",
    };
    return names[value->kind];
}

const char *crd_pickle_printable(char out[CRD_PRINTABLE_SIZE], const void *text, int64_t n_bytes)
{
    const unsigned char *from = text;
    int n = n_bytes < CRD_PRINTABLE_SIZE ? (int)n_bytes : CRD_PRINTABLE_SIZE - 1;
    for (int i = 0; i < n; i++)
        out[i] = (char)(from[i] >= ' ' && from[i] < 127 ? from[i] : '?');
    out[n] = '\0';
    return out;
}
