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

static void fill_normal(float *values, const crd_param *param, int64_t index, uint64_t seed,
                        double sd)
{
    float scale = (float)sd;
    crd_stream stream = {
        .seed = seed, .tensor = (uint32_t)index, .purpose = CRD_PURPOSE_INITIAL_MU};
    crd_normal_fill(values, param->count, 0, &stream);
    for (int64_t i = 0; i < param->count; i++)
        values[i] *= scale;
}

static void fill_own(float *values, const crd_param *param, const crd_graph_op *op, int64_t index,
                     uint64_t seed)
{
    double mean, sd;
    op->kind->initial(&mean, &sd, op);
    fill_normal(values, param, index, seed, sd);
    for (int64_t i = 0; i < param->count; i++)
        values[i] += (float)mean;
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
        const crd_graph_op *op;
        crd_init_rule rule = crd_network_param_spec(&op, network, i)->initial;
        double fan_in = (double)param->count / (double)param->shape.dims[0];
        if (rule == CRD_INIT_HE)
            fill_normal(crd_params_view(out, i), param, i, seed, sqrt(2 / fan_in));
        else if (rule == CRD_INIT_OWN)
            fill_own(crd_params_view(out, i), param, op, i, seed);
        else
            fill_constant(crd_params_view(out, i), param, rule == CRD_INIT_ONE ? 1 : 0);
    }
    return CRD_OK;
cleanup:
    crd_params_clear(out);
    return status;
}
