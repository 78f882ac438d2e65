/* The list of datasets that a reader knows. Others are refused by name, since a misspelt one would
 * pass for a missing one. */
#include "io/known_datasets.h"

#include <string.h>

#include "base/alloc.h"

crd_status crd_known_datasets_add(crd_known_datasets *known, const char *path)
{
    crd_status status = CRD_OK;
    if (known->n_paths == known->capacity) {
        int64_t capacity = known->capacity == 0 ? 64 : 2 * known->capacity;
        CRD_TRY(crd_alloc_grow((void **)&known->paths, known->capacity, capacity,
                               sizeof *known->paths, "dataset names"));
        known->capacity = capacity;
    }
    CRD_TRY(crd_alloc_string(&known->paths[known->n_paths], path));
    known->n_paths++;
cleanup:
    return status;
}

typedef struct check_state {
    const crd_known_datasets *known;
    crd_h5 *h5;
} check_state;

static crd_status check_one(const char *path, void *payload)
{
    const check_state *state = payload;
    for (int64_t i = 0; i < state->known->n_paths; i++) {
        const char *known = state->known->paths[i];
        size_t length = strlen(known);
        /* The final zero counts too, unless what is known is a group. */
        if (strncmp(path, known, known[length - 1] == '/' ? length : length + 1) == 0)
            return CRD_OK;
    }
    return CRD_FAIL(CRD_ERR_INPUT, "%s: %s: belongs to nothing in the graph",
                    crd_h5_name(state->h5), path);
}

crd_status crd_known_datasets_check(const crd_known_datasets *known, crd_h5 *h5, const char *group)
{
    check_state state = {known, h5};
    return crd_h5_visit_datasets(h5, group, check_one, &state);
}

void crd_known_datasets_clear(crd_known_datasets *known)
{
    for (int64_t i = 0; i < known->n_paths; i++)
        crd_free(known->paths[i]);
    crd_free(known->paths);
    *known = (crd_known_datasets){0};
}
