/* safetensors: the header first, padded to 8 bytes, then the arrays in its order. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "import/export.h"

static json_t *describe(const crd_export_array *array, int64_t begin)
{
    json_t *shape = json_array();
    for (int d = 0; d < array->shape.n_dims; d++)
        json_array_append_new(shape, json_integer(array->shape.dims[d]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", array->is_int64 ? "I64" : "F32", "shape",
                     shape, "data_offsets", (json_int_t)begin,
                     (json_int_t)(begin + crd_export_bytes(array)));
}

static char *make_header(const crd_export_array *arrays, int64_t n)
{
    json_t *header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        json_object_set_new(header, arrays[i].name, describe(&arrays[i], at));
        at += crd_export_bytes(&arrays[i]);
    }
    char *text = json_dumps(header, JSON_COMPACT);
    json_decref(header);
    return text;
}

crd_status crd_export_safetensors(int fd, const crd_export_array *arrays, int64_t n,
                                  const char *path)
{
    crd_status status;
    char *header = make_header(arrays, n);
    CRD_REQUIRE(header != NULL, CRD_ERR_INTERNAL, "%s: header: out of memory", path);
    int64_t length = (int64_t)strlen(header);
    uint64_t padded = (uint64_t)(length + 7) / 8 * 8;
    CRD_TRY(crd_export_put(fd, &padded, sizeof padded, path));
    CRD_TRY(crd_export_put(fd, header, length, path));
    CRD_TRY(crd_export_put(fd, "       ", (int64_t)padded - length, path));
    for (int64_t i = 0; i < n; i++)
        CRD_TRY(crd_export_put(fd, arrays[i].values, crd_export_bytes(&arrays[i]), path));
cleanup:
    free(header);
    return status;
}
