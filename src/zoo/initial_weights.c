#include <math.h>
#include <string.h>

#include "credence/rng.h"
#include "credence/zoo.h"

/* Vectors: scale and variance of a batch norm 1, every shift and bias 0. */
static void fill_vector(float *values, const crd_param *param)
{
    const char *leaf = strrchr(param->name, '.');
    int is_one = strcmp(leaf, ".weight") == 0 || strcmp(leaf, ".running_var") == 0;
    for (int64_t i = 0; i < param->count; i++)
        values[i] = is_one ? 1.0f : 0.0f;
}

static void fill_weight(float *values, const crd_param *param, int64_t index, uint64_t seed)
{
    double fan_in = (double)param->count / (double)param->shape.dims[0];
    float scale = (float)sqrt(2 / fan_in);
    crd_stream stream = {
        .seed = seed, .tensor = (uint32_t)index, .purpose = CRD_PURPOSE_INITIAL_MU};
    crd_normal_fill(values, param->count, 0, &stream);
    for (int64_t i = 0; i < param->count; i++)
        values[i] *= scale;
}

crd_status crd_zoo_initial_weights(crd_params *out, const crd_network *network, uint64_t seed)
{
    crd_status status = CRD_OK;
    crd_params_init(out);
    for (int64_t i = 0; i < network->params.n_params; i++) {
        const crd_param *param = &network->params.entries[i];
        CRD_TRY(crd_params_add(NULL, out, param->name, &param->shape));
    }
    CRD_TRY(crd_params_allocate(out));
    for (int64_t i = 0; i < out->n_params; i++) {
        const crd_param *param = &out->entries[i];
        if (param->shape.n_dims < 2)
            fill_vector(crd_params_view(out, i), param);
        else
            fill_weight(crd_params_view(out, i), param, i, seed);
    }
    return CRD_OK;
cleanup:
    crd_params_clear(out);
    return status;
}
