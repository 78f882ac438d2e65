/* A norm on running statistics is y = g x + shift for every channel (ops/op.h, crd_op_fold). After
 * an affine op with normal weights it gives another such op: mu' = g mu, sigma' = g sigma, bias' =
 * g bias + shift. Double arithmetic, rounded once to float32. */
#include <string.h>

#include "credence/sampler.h"
#include "graph/graph.h"
#include "kernels/kernels.h"

/* Elements [first, first + n) of the block, times gain, mu plus shift. */
static void fill_scaled(float *mu, float *sigma, const crd_posterior *posterior, int64_t first,
                        int64_t n, int is_bayesian, double gain, double shift)
{
    for (int64_t i = first; i < first + n; i++)
        mu[i] = (float)((double)posterior->mu[i] * gain + shift);
    if (is_bayesian && sigma != NULL)
        crd_kernels_get()->param->softplus(sigma + first, posterior->rho + first, n, gain);
}

static crd_status fold(float *mu, float *sigma, const crd_posterior *posterior,
                       const crd_graph_op *norm, const crd_graph_op *target)
{
    crd_status status = CRD_OK;
    const crd_param *params = posterior->network->params.entries;
    const crd_op_fold *map = norm->kind->fold;
    int64_t weight = target->params[CRD_SLOT_WEIGHT], bias = target->params[CRD_SLOT_BIAS];
    int64_t n_channels = params[weight].shape.dims[0];
    int64_t per_channel = params[weight].count / n_channels;
    const float *values[CRD_OP_MAX_PARAMS] = {NULL};
    for (int slot = 0; slot < norm->kind->n_params; slot++)
        if (norm->params[slot] >= 0)
            values[slot] = posterior->mu + params[norm->params[slot]].offset;
    for (int64_t c = 0; c < n_channels; c++) {
        double gain, shift;
        CRD_TRY(map->affine(&gain, &shift, norm, values, c));
        fill_scaled(mu, sigma, posterior, params[weight].offset + c * per_channel, per_channel,
                    posterior->bayesian[weight], gain, 0);
        if (bias >= 0)
            fill_scaled(mu, sigma, posterior, params[bias].offset + c, 1, posterior->bayesian[bias],
                        gain, shift);
        else
            mu[params[norm->params[map->shift_slot]].offset + c] = (float)shift;
    }
cleanup:
    return status;
}

crd_status crd_model_fill(float *mu, float *sigma, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    const crd_network *network = posterior->network;
    /* The gaps between tensors too: the block is broadcast and digested as a whole. */
    memset(mu, 0, (size_t)network->params.n_floats * sizeof *mu);
    if (sigma != NULL)
        memset(sigma, 0, (size_t)network->params.n_floats * sizeof *sigma);
    for (int64_t p = 0; p < network->params.n_params; p++) {
        const crd_param *param = &network->params.entries[p];
        fill_scaled(mu, sigma, posterior, param->offset, param->count, posterior->bayesian[p], 1,
                    0);
    }
    for (int64_t i = 0; i < network->n_ops; i++) {
        int64_t target = crd_network_fold_target(network, i);
        if (target >= 0)
            CRD_TRY(fold(mu, sigma, posterior, &network->ops[i], &network->ops[target]));
    }
cleanup:
    return status;
}
