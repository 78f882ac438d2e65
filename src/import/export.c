/* A posterior as the state dict of the network that bayesian-torch's dnn_to_bnn makes: its
 * names, all of them, so that load_state_dict(strict=True) takes it. Batch norm's counters,
 * which a posterior does not have and running statistics do not need, are 0. */
#include "import/export.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "credence/weights.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "values are written as they lie in memory");

enum { MODULE_SIZE = 512, LEAF_SIZE = 64, NAME_SIZE = MODULE_SIZE + LEAF_SIZE };

static const char *const formats[] = {
    [CRD_STATE_SAFETENSORS] = "safetensors", [CRD_STATE_NPZ] = "npz", NULL};

const char *const *crd_state_format_names(void)
{
    return formats;
}

int64_t crd_export_bytes(const crd_export_array *array)
{
    return crd_shape_count(&array->shape) *
           (int64_t)(array->is_int64 ? sizeof(int64_t) : sizeof(float));
}

crd_status crd_export_put(int fd, const void *bytes, int64_t n, const char *path)
{
    const char *from = bytes;
    while (n > 0) {
        ssize_t written = write(fd, from, (size_t)n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return CRD_FAIL(CRD_ERR_IO, "%s: cannot be written: %s", path, strerror(errno));
        from += written;
        n -= written;
    }
    return CRD_OK;
}

/* Arrays in the making, and their names. */
typedef struct array_list {
    crd_export_array *arrays;
    char (*names)[NAME_SIZE];
    int64_t n;
} array_list;

static void add(array_list *list, const char *module, const char *leaf, const crd_shape *shape,
                const float *values)
{
    crd_export_array *array = &list->arrays[list->n];
    snprintf(list->names[list->n], NAME_SIZE, "%.*s%s%.*s", MODULE_SIZE - 1, module,
             module[0] == '\0' ? "" : ".", LEAF_SIZE - 2, leaf);
    *array = (crd_export_array){list->names[list->n], 0, *shape, values};
    list->n++;
}

static void add_counter(array_list *list, const char *module)
{
    static const int64_t none = 0;
    add(list, module, "num_batches_tracked", &(crd_shape){0}, NULL);
    list->arrays[list->n - 1].is_int64 = 1;
    list->arrays[list->n - 1].values = &none;
}

static crd_status add_param(array_list *list, const crd_posterior *posterior, int64_t i)
{
    crd_status status;
    char module[MODULE_SIZE], leaf[LEAF_SIZE];
    const crd_param *param = &posterior->network->params.entries[i];
    CRD_TRY(crd_posterior_param_name(module, sizeof module, leaf, sizeof leaf, posterior, i, 'm'));
    add(list, module, leaf, &param->shape, posterior->mu + param->offset);
    if (strcmp(leaf, "running_var") == 0)
        add_counter(list, module);
    if (!posterior->bayesian[i])
        return CRD_OK;
    CRD_TRY(crd_posterior_param_name(module, sizeof module, leaf, sizeof leaf, posterior, i, 'r'));
    add(list, module, leaf, &param->shape, posterior->rho + param->offset);
cleanup:
    return status;
}

crd_status crd_state_dict_export(int fd, const crd_posterior *posterior, crd_state_format format,
                                 const char *path)
{
    crd_status status;
    array_list list = {0};
    int64_t n_params = posterior->network->params.n_params;
    CRD_ALLOC(&list.arrays, 2 * n_params, "arrays"); /* mu and rho, or running_var and counter */
    CRD_ALLOC(&list.names, 2 * n_params, "names of arrays");
    for (int64_t i = 0; i < n_params; i++)
        CRD_TRY(add_param(&list, posterior, i));
    CRD_TRY((format == CRD_STATE_NPZ ? crd_export_npz : crd_export_safetensors)(fd, list.arrays,
                                                                                list.n, path));
cleanup:
    crd_free(list.names);
    crd_free(list.arrays);
    return status;
}
