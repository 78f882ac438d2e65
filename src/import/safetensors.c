/* The header is parsed by jansson, whose tree is some 25 times as large as the text: hence its
 * limit. Tensors must cover the rest of the file without holes or overlaps, as the reference
 * demands. */
#include "import/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/file.h"
#include "import/pickle.h"
#include "import/spans.h"

enum { MAX_HEADER = 2 << 20 }; /* CRD_MAX_TENSORS tensors with names of the longest kind */

static const struct {
    const char *name;
    crd_torch_dtype dtype;
} types[] = {
    {"F32", CRD_TORCH_FLOAT32},   {"F16", CRD_TORCH_FLOAT16},     {"BF16", CRD_TORCH_BFLOAT16},
    {"F64", CRD_TORCH_FLOAT64},   {"I8", CRD_TORCH_INT8},         {"U8", CRD_TORCH_UINT8},
    {"BOOL", CRD_TORCH_BOOL},     {"I16", CRD_TORCH_INT16},       {"U16", CRD_TORCH_UINT16},
    {"I32", CRD_TORCH_INT32},     {"U32", CRD_TORCH_UINT32},      {"I64", CRD_TORCH_INT64},
    {"U64", CRD_TORCH_UINT64},    {"F8_E4M3", CRD_TORCH_FLOAT8},  {"F8_E5M2", CRD_TORCH_FLOAT8},
    {"C64", CRD_TORCH_COMPLEX64}, {"C128", CRD_TORCH_COMPLEX128},
};

static uint64_t header_bytes(const uint8_t bytes[8])
{
    uint64_t n = 0;
    for (int i = 0; i < 8; i++)
        n |= (uint64_t)bytes[i] << (8 * i);
    return n;
}

int crd_safetensors_fits(const uint8_t *bytes, int64_t n, int64_t file_bytes)
{
    return n >= 9 && bytes[8] == '{' && header_bytes(bytes) <= (uint64_t)file_bytes - 8;
}

/* A list of numbers not below 0; *n of at most `most`. */
static crd_status read_numbers(int64_t *out, int *n, int most, const json_t *list, const char *key)
{
    if (!json_is_array(list))
        return CRD_FAIL(CRD_ERR_INPUT, "has no list %s", key);
    if (json_array_size(list) > (size_t)most)
        return CRD_FAIL(CRD_ERR_INPUT, "%s: %lld numbers, at most %d are allowed", key,
                        (long long)json_array_size(list), most);
    *n = (int)json_array_size(list);
    for (int i = 0; i < *n; i++) {
        const json_t *number = json_array_get(list, (size_t)i);
        if (!json_is_integer(number) || json_integer_value(number) < 0)
            return CRD_FAIL(CRD_ERR_INPUT, "%s: number %d is no integer from 0 on", key, i);
        out[i] = json_integer_value(number);
    }
    return CRD_OK;
}

static crd_status read_type(crd_torch_dtype *out, const json_t *type)
{
    char shown[CRD_PRINTABLE_SIZE] = "";
    for (size_t i = 0; json_is_string(type) && i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, json_string_value(type)) == 0) {
            *out = types[i].dtype;
            return CRD_OK;
        }
    if (json_is_string(type))
        crd_pickle_printable(shown, json_string_value(type), (int64_t)json_string_length(type));
    return CRD_FAIL(CRD_ERR_INPUT, "dtype '%s' is not known", shown);
}

/* Row-major strides of a shape whose count does not overflow. */
static void set_strides(crd_torch_view *view)
{
    int64_t stride = 1;
    for (int d = view->shape.n_dims - 1; d >= 0; d--) {
        view->strides[d] = stride;
        stride *= view->shape.dims[d] > 0 ? view->shape.dims[d] : 1;
    }
}

/* {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}; *begin is the first offset. */
static crd_status read_tensor(crd_listed_tensor *out, int64_t *begin, const json_t *value,
                              int64_t n_data)
{
    crd_status status;
    int64_t offsets[2], n_bytes;
    int n_offsets;
    CRD_TRY(read_type(&out->view.dtype, json_object_get(value, "dtype")));
    CRD_TRY(read_numbers(out->view.shape.dims, &out->view.shape.n_dims, CRD_MAX_DIMS,
                         json_object_get(value, "shape"), "shape"));
    CRD_TRY(read_numbers(offsets, &n_offsets, 2, json_object_get(value, "data_offsets"),
                         "data_offsets"));
    CRD_REQUIRE(n_offsets == 2 && offsets[0] <= offsets[1] && offsets[1] <= n_data, CRD_ERR_INPUT,
                "data_offsets do not lie within the %lld bytes after the header (truncated?)",
                (long long)n_data);
    int64_t count = crd_shape_count(&out->view.shape);
    CRD_REQUIRE(
        count >= 0 &&
            !__builtin_mul_overflow(count, crd_torch_dtype_bytes(out->view.dtype), &n_bytes) &&
            n_bytes == offsets[1] - offsets[0],
        CRD_ERR_INPUT, "its shape does not fit the %lld bytes it has",
        (long long)(offsets[1] - offsets[0]));
    set_strides(&out->view);
    out->member_bytes = n_bytes;
    *begin = offsets[0];
cleanup:
    return status;
}

/* A tensor and where it begins; for the check that they cover the file. */
typedef struct stretch {
    int64_t begin, n_bytes;
} stretch;

static int by_begin(const void *a, const void *b)
{
    const stretch *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->n_bytes > y->n_bytes) - (x->n_bytes < y->n_bytes);
}

static crd_status check_cover(stretch *stretches, int64_t n, int64_t n_data)
{
    int64_t end = 0;
    qsort(stretches, (size_t)n, sizeof *stretches, by_begin);
    for (int64_t i = 0; i < n; i++) {
        if (stretches[i].begin != end)
            return CRD_FAIL(CRD_ERR_INPUT,
                            "damaged: its tensors overlap or leave a hole at byte %lld "
                            "after the header",
                            (long long)end);
        end += stretches[i].n_bytes;
    }
    if (end != n_data)
        return CRD_FAIL(CRD_ERR_INPUT,
                        "damaged: its tensors have %lld bytes, and %lld follow the "
                        "header",
                        (long long)end, (long long)n_data);
    return CRD_OK;
}

static crd_status add_entry(crd_tensor_list *list, crd_storages *storages, stretch *stretches,
                            const char *key, const json_t *value, int64_t data, int64_t n_data)
{
    crd_status status;
    char name[CRD_TENSOR_NAME_SIZE];
    crd_listed_tensor tensor = {.member = list->n_tensors};
    int64_t begin = 0;
    CRD_TRY(crd_tensor_name_copy(name, sizeof name, key, (int64_t)strlen(key), "tensor name"));
    status = read_tensor(&tensor, &begin, value, n_data);
    if (status != CRD_OK)
        return CRD_FAIL(status, "%s: %s", name, crd_status_message());
    stretches[list->n_tensors] = (stretch){begin, tensor.member_bytes};
    crd_spans_add(storages, NULL, data + begin, tensor.member_bytes);
    CRD_TRY(crd_tensor_list_add(list, &tensor, name));
cleanup:
    return status;
}

static crd_status parse_header(json_t **out, int fd, int64_t *n_header, int64_t file_bytes,
                               const char *path)
{
    crd_status status;
    uint8_t length[8];
    char *text = NULL, shown[CRD_PRINTABLE_SIZE];
    json_error_t error;
    *out = NULL;
    CRD_REQUIRE(file_bytes >= 8, CRD_ERR_INPUT, "truncated: only %lld bytes long",
                (long long)file_bytes);
    CRD_TRY(crd_file_read(length, fd, 8, 0, path));
    uint64_t n = header_bytes(length);
    CRD_REQUIRE(n <= (uint64_t)file_bytes - 8 && n <= MAX_HEADER, CRD_ERR_INPUT,
                "its header has %llu bytes, at most %d are allowed, and the file has %lld",
                (unsigned long long)n, MAX_HEADER, (long long)file_bytes);
    *n_header = (int64_t)n;
    CRD_ALLOC(&text, *n_header, "header");
    CRD_TRY(crd_file_read(text, fd, *n_header, 8, path));
    *out = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &error);
    CRD_REQUIRE(*out != NULL, CRD_ERR_INPUT, "its header is damaged: byte %d: %s", error.position,
                crd_pickle_printable(shown, error.text, (int64_t)strlen(error.text)));
    CRD_REQUIRE(json_is_object(*out), CRD_ERR_INPUT, "its header is no JSON object");
cleanup:
    crd_free(text);
    return status;
}

crd_status crd_safetensors_list(crd_tensor_list *out, crd_storages **storages, int fd,
                                int64_t file_bytes, const char *path)
{
    crd_status status;
    json_t *header = NULL, *value;
    const char *key;
    int64_t n_header = 0;
    stretch *stretches = NULL;
    *out = (crd_tensor_list){0};
    *storages = NULL;
    CRD_TRY(parse_header(&header, fd, &n_header, file_bytes, path));
    json_object_del(header, "__metadata__");
    int64_t n = (int64_t)json_object_size(header), n_data = file_bytes - 8 - n_header;
    CRD_REQUIRE(n > 0, CRD_ERR_INPUT, "the state dict is empty");
    CRD_TRY(crd_tensor_list_init(out, n));
    CRD_TRY(crd_spans_create(storages, fd, path, n));
    CRD_ALLOC(&stretches, n, "places of tensors");
    json_object_foreach(header, key, value)
        CRD_TRY(add_entry(out, *storages, stretches, key, value, 8 + n_header, n_data));
    CRD_TRY(check_cover(stretches, n, n_data));
cleanup:
    crd_free(stretches);
    json_decref(header);
    if (status != CRD_OK) {
        crd_tensor_list_clear(out);
        crd_storages_close(*storages);
        *storages = NULL;
    }
    return status;
}
