/* What an unpickler's values are and how they are named in messages; and the table of globals that
 * mean something, beside those that only an attack would name. */
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
    {"torch._utils", "_rebuild_parameter_with_state", CRD_GLOBAL_PARAMETER, 0},
    {"torch.storage", "UntypedStorage", CRD_GLOBAL_UNTYPED_STORAGE, 0},
    {"torch", "FloatStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_FLOAT32},
    {"torch", "HalfStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_FLOAT16},
    {"torch", "BFloat16Storage", CRD_GLOBAL_STORAGE, CRD_TORCH_BFLOAT16},
    {"torch", "DoubleStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_FLOAT64},
    {"torch", "LongStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_INT64},
    {"torch", "IntStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_INT32},
    {"torch", "ShortStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_INT16},
    {"torch", "CharStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_INT8},
    {"torch", "ByteStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_UINT8},
    {"torch", "BoolStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_BOOL},
    {"torch", "ComplexFloatStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_COMPLEX64},
    {"torch", "ComplexDoubleStorage", CRD_GLOBAL_STORAGE, CRD_TORCH_COMPLEX128},
    {"torch", "float32", CRD_GLOBAL_DTYPE, CRD_TORCH_FLOAT32},
    {"torch", "float16", CRD_GLOBAL_DTYPE, CRD_TORCH_FLOAT16},
    {"torch", "bfloat16", CRD_GLOBAL_DTYPE, CRD_TORCH_BFLOAT16},
    {"torch", "float64", CRD_GLOBAL_DTYPE, CRD_TORCH_FLOAT64},
    {"torch", "int64", CRD_GLOBAL_DTYPE, CRD_TORCH_INT64},
    {"torch", "uint64", CRD_GLOBAL_DTYPE, CRD_TORCH_UINT64},
    {"torch", "int32", CRD_GLOBAL_DTYPE, CRD_TORCH_INT32},
    {"torch", "uint32", CRD_GLOBAL_DTYPE, CRD_TORCH_UINT32},
    {"torch", "int16", CRD_GLOBAL_DTYPE, CRD_TORCH_INT16},
    {"torch", "uint16", CRD_GLOBAL_DTYPE, CRD_TORCH_UINT16},
    {"torch", "int8", CRD_GLOBAL_DTYPE, CRD_TORCH_INT8},
    {"torch", "uint8", CRD_GLOBAL_DTYPE, CRD_TORCH_UINT8},
    {"torch", "bool", CRD_GLOBAL_DTYPE, CRD_TORCH_BOOL},
    {"torch", "float8_e4m3fn", CRD_GLOBAL_DTYPE, CRD_TORCH_FLOAT8},
    {"torch", "float8_e5m2", CRD_GLOBAL_DTYPE, CRD_TORCH_FLOAT8},
    {"torch", "complex64", CRD_GLOBAL_DTYPE, CRD_TORCH_COMPLEX64},
    {"torch", "complex128", CRD_GLOBAL_DTYPE, CRD_TORCH_COMPLEX128},
};

/* What a file of weights has no reason to name, and an attack has. Nothing is ever called; such a
 * file is refused all the same, for its user should know. NULL: everything in the module. */
static const struct {
    const char *module, *name;
} attacks[] = {
    {"os", NULL},
    {"posix", NULL},
    {"nt", NULL},
    {"sys", NULL},
    {"subprocess", NULL},
    {"commands", NULL},
    {"pty", NULL},
    {"shutil", NULL},
    {"socket", NULL},
    {"importlib", NULL},
    {"runpy", NULL},
    {"ctypes", NULL},
    {"webbrowser", NULL},
    {"pickle", NULL},
    {"_pickle", NULL},
    {"torch.hub", NULL},
    {"torch.serialization", "load"},
    {"torch", "load"},
    {"builtins", "eval"},
    {"builtins", "exec"},
    {"builtins", "compile"},
    {"builtins", "open"},
    {"builtins", "__import__"},
    {"__builtin__", "eval"},
    {"__builtin__", "execfile"},
    {"__builtin__", "compile"},
    {"__builtin__", "open"},
    {"__builtin__", "file"},
    {"__builtin__", "__import__"},
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

static crd_status refuse_attack(const char *module, int64_t module_bytes, const char *name,
                                int64_t name_bytes)
{
    char shown_module[CRD_PRINTABLE_SIZE], shown_name[CRD_PRINTABLE_SIZE];
    return CRD_FAIL(
        CRD_ERR_INPUT,
        "wants to call %s.%s, which no file of weights has a reason for: do not load it "
        "in Python (nothing in a file is ever called here)",
        crd_pickle_printable(shown_module, module, module_bytes),
        crd_pickle_printable(shown_name, name, name_bytes));
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
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
        if (is_same(module, module_bytes, attacks[i].module) &&
            (attacks[i].name == NULL || is_same(name, name_bytes, attacks[i].name)))
            return refuse_attack(module, module_bytes, name, name_bytes);
    if (name_bytes > UINT8_MAX)
        return CRD_FAIL(CRD_ERR_INPUT,
                        "the name of a global has %lld bytes, at most %d are allowed",
                        (long long)name_bytes, UINT8_MAX);
    out->kind = CRD_PICKLE_OPAQUE;
    out->n_items = (int32_t)module_bytes;
    out->n_name = (uint8_t)name_bytes;
    out->as.opaque.module = module;
    out->as.opaque.name = name;
    return CRD_OK;
}

const char *crd_pickle_opaque_name(char out[CRD_PRINTABLE_SIZE], const crd_pickle_value *value)
{
    char joined[2 * CRD_PRINTABLE_SIZE];
    int n_module = value->n_items < CRD_PRINTABLE_SIZE ? value->n_items : CRD_PRINTABLE_SIZE;
    int n_name = value->n_name < CRD_PRINTABLE_SIZE - 1 ? value->n_name : CRD_PRINTABLE_SIZE - 1;
    memcpy(joined, value->as.opaque.module, (size_t)n_module);
    joined[n_module] = '.';
    memcpy(joined + n_module + 1, value->as.opaque.name, (size_t)n_name);
    return crd_pickle_printable(out, joined, n_module + 1 + n_name);
}

int crd_pickle_is_module(const crd_pickle_value *value)
{
    static const char *const starts[] = {"torch.nn.modules", "torch.jit",   "torchvision.models",
                                         "__torch__",        "timm.models", "models."};
    for (size_t i = 0; value->kind == CRD_PICKLE_OPAQUE && i < sizeof starts / sizeof *starts; i++)
        if (starts_with(value->as.opaque.module, value->n_items, starts[i]))
            return 1;
    return 0;
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
        [CRD_PICKLE_OPAQUE] = "Python object",
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
