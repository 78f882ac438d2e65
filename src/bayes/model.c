/* A norm on running statistics is y = g x + shift for every channel (ops/op.h, crd_op_fold). After
 * an affine op with normal weights it gives another such op: mu' = g mu, sigma' = g sigma, bias' =
 * g bias + shift. Double arithmetic, rounded once to float32. */
#include <math.h>
#include <string.h>

#include "credence/sampler.h"
#include "graph/graph.h"
#include "weights/family.h"

static crd_weights weights_of(const crd_posterior *posterior)
{
    const crd_params *params = &posterior->network->params;
    return (crd_weights){params->n_params, params->n_floats, posterior->bayesian, posterior->mu,
                         posterior->rho, posterior->variance};
}

/* A component that is being filled. */
typedef struct filling {
    float *mu, *sigma; /* of all components */
    crd_weights weights;
    const crd_posterior *posterior;
    int64_t component;
} filling;

/* Elements [first, + n) of a parameter, times gain, mu plus shift. */
static void fill_scaled(const filling *f, int64_t param, int64_t first, int64_t n, double gain,
                        double shift)
{
    const crd_affine_map map = {.component = f->component,
                                .param = param,
                                .first =
                                    f->posterior->network->params.entries[param].offset + first,
                                .n = n,
                                .gain = gain,
                                .shift = shift};
    f->posterior->family->map(f->mu, f->sigma, &f->weights, &map);
}

static crd_status fold(const filling *f, const crd_graph_op *norm, const crd_graph_op *target)
{
    crd_status status = CRD_OK;
    const crd_params *table = &f->posterior->network->params;
    const crd_param *params = table->entries;
    const crd_op_fold *map = norm->kind->fold;
    int64_t weight = target->params[CRD_SLOT_WEIGHT], bias = target->params[CRD_SLOT_BIAS];
    int64_t n_channels = params[weight].shape.dims[0];
    int64_t per_channel = params[weight].count / n_channels;
    int64_t block = f->component * table->n_floats;
    const float *values[CRD_OP_MAX_PARAMS] = {NULL};
    for (int slot = 0; slot < norm->kind->n_params; slot++)
        if (norm->params[slot] >= 0)
            values[slot] = f->posterior->mu + block + params[norm->params[slot]].offset;
    for (int64_t c = 0; c < n_channels; c++) {
        double gain, shift;
        CRD_TRY(map->affine(&gain, &shift, norm, values, c));
        fill_scaled(f, weight, c * per_channel, per_channel, gain, 0);
        if (bias >= 0)
            fill_scaled(f, bias, c, 1, gain, shift);
        else
            f->mu[block + params[norm->params[map->shift_slot]].offset + c] = (float)shift;
    }
cleanup:
    return status;
}

crd_status crd_model_fill(float *mu, float *sigma, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    const crd_network *network = posterior->network;
    int64_t n_floats = posterior->n_components * network->params.n_floats;
    filling f = {mu, sigma, weights_of(posterior), posterior, 0};
    /* The gaps between tensors too: the block is broadcast and digested as a whole. */
    memset(mu, 0, (size_t)n_floats * sizeof *mu);
    if (sigma != NULL)
        memset(sigma, 0, (size_t)n_floats * sizeof *sigma);
    for (f.component = 0; f.component < posterior->n_components; f.component++) {
        for (int64_t p = 0; p < network->params.n_params; p++)
            fill_scaled(&f, p, 0, network->params.entries[p].count, 1, 0);
        for (int64_t i = 0; i < network->n_ops && !posterior->family->draws_all; i++) {
            int64_t target = crd_network_fold_target(network, i);
            if (target >= 0)
                CRD_TRY(fold(&f, &network->ops[i], &network->ops[target]));
        }
    }
cleanup:
    return status;
}

void crd_model_fill_deviations(float *deviations, const crd_posterior *posterior)
{
    int64_t n = posterior->n_components * posterior->rank * posterior->network->params.n_floats;
    double scale = 1 / sqrt(2 * ((double)posterior->rank - 1));
    for (int64_t i = 0; i < n; i++)
        deviations[i] = (float)(scale * (double)posterior->deviations[i]);
}
