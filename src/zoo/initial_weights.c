/* Values to train from, by the rule that each parameter's specification has. */
#include <math.h>

#include "credence/rng.h"
#include "credence/zoo.h"
#include "graph/graph.h"

static void fill_constant(float *values, const crd_param *param, float value)
{
    for (int64_t i = 0; i < param->count; i++)
        values[i] = value;
}

static void fill_he(float *values, const crd_param *param, int64_t index, uint64_t seed)
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
        crd_init_rule rule = crd_network_param_spec(NULL, network, i)->initial;
        if (rule == CRD_INIT_HE)
            fill_he(crd_params_view(out, i), param, i, seed);
        else
            fill_constant(crd_params_view(out, i), param, rule == CRD_INIT_ONE ? 1 : 0);
    }
    return CRD_OK;
cleanup:
    crd_params_clear(out);
    return status;
}
