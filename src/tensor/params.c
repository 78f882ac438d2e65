/* The parameter table: names and shapes with offsets into one flat block, which is allocated once
 * the table is complete. */
#include <string.h>

#include "base/alloc.h"
#include "credence/tensor.h"

enum { FLOATS_PER_LINE = CRD_ALIGNMENT / (int)sizeof(float) };

void crd_params_init(crd_params *params)
{
    *params = (crd_params){0};
}

void crd_params_clear(crd_params *params)
{
    for (int64_t i = 0; i < params->n_params; i++)
        crd_free(params->entries[i].name);
    crd_free(params->entries);
    crd_free(params->data);
    crd_params_init(params);
}

crd_status crd_params_add(int64_t *index, crd_params *params, const char *name,
                          const crd_shape *shape)
{
    crd_status status = CRD_OK;
    int64_t count = crd_shape_count(shape);
    CRD_REQUIRE(params->data == NULL, CRD_ERR_INTERNAL, "%s: the block is already allocated", name);
    CRD_REQUIRE(count >= 0, CRD_ERR_INPUT, "%s: impossible shape", name);
    CRD_REQUIRE(crd_params_find(params, name) < 0, CRD_ERR_INPUT, "%s: there twice", name);
    if (params->n_params == params->capacity) {
        int64_t capacity = params->capacity == 0 ? 64 : 2 * params->capacity;
        CRD_TRY(crd_alloc_grow((void **)&params->entries, params->capacity, capacity,
                               sizeof *params->entries, "parameter table"));
        params->capacity = capacity;
    }
    crd_param *entry = &params->entries[params->n_params];
    CRD_TRY(crd_alloc_string(&entry->name, name));
    entry->shape = *shape;
    entry->count = count;
    entry->offset = params->n_floats;
    params->n_floats += (count + FLOATS_PER_LINE - 1) / FLOATS_PER_LINE * FLOATS_PER_LINE;
    if (index != NULL)
        *index = params->n_params;
    params->n_params++;
cleanup:
    return status;
}

crd_status crd_params_allocate(crd_params *params)
{
    return crd_alloc_zeroed((void **)&params->data, params->n_floats, sizeof *params->data,
                            "parameters");
}

int64_t crd_params_find(const crd_params *params, const char *name)
{
    for (int64_t i = 0; i < params->n_params; i++)
        if (strcmp(params->entries[i].name, name) == 0)
            return i;
    return -1;
}

float *crd_params_view(const crd_params *params, int64_t index)
{
    return params->data + params->entries[index].offset;
}
