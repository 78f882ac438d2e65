/* Batch norm on running statistics is y = g x + shift with g = gamma / sqrt(var + eps) and shift =
 * beta - g mean. Behind a layer with normal weights it gives another such layer: mu' = g mu,
 * sigma' = g sigma, bias' = g bias + shift. Double arithmetic, rounded once to float32. */
#include <math.h>
#include <string.h>

#include "credence/sampler.h"
#include "kernels/kernels.h"

/* Value of a fixed parameter of `node` for one channel. */
static double fixed_value(const crd_posterior *posterior, const crd_node *node, int slot,
                          int64_t channel)
{
    const crd_param *param = &posterior->network->params.entries[node->params[slot]];
    return (double)posterior->mu[param->offset + channel];
}

/* Elements [first, first + n) of the block, times gain, mu plus shift. */
static void fill_scaled(float *mu, float *sigma, const crd_posterior *posterior, int64_t first,
                        int64_t n, int is_bayesian, double gain, double shift)
{
    for (int64_t i = first; i < first + n; i++)
        mu[i] = (float)((double)posterior->mu[i] * gain + shift);
    if (is_bayesian)
        crd_kernels_get()->param->softplus(sigma + first, posterior->rho + first, n, gain);
}

static crd_status fold(float *mu, float *sigma, const crd_posterior *posterior,
                       const crd_node *norm, const crd_node *target)
{
    const crd_param *params = posterior->network->params.entries;
    int64_t weight = target->params[CRD_PARAM_WEIGHT], bias = target->params[CRD_PARAM_BIAS];
    int64_t n_channels = params[weight].shape.dims[0];
    int64_t per_channel = params[weight].count / n_channels;
    for (int64_t c = 0; c < n_channels; c++) {
        double variance = fixed_value(posterior, norm, CRD_PARAM_RUNNING_VAR, c);
        double gain = fixed_value(posterior, norm, CRD_PARAM_WEIGHT, c) /
                      sqrt(variance + norm->attrs.batch_norm2d.eps);
        double shift = fixed_value(posterior, norm, CRD_PARAM_BIAS, c) -
                       gain * fixed_value(posterior, norm, CRD_PARAM_RUNNING_MEAN, c);
        if (!isfinite(gain) || !isfinite(shift))
            return CRD_FAIL(CRD_ERR_INPUT,
                            "%s: running_var %g and eps %g of channel %lld cannot be divided by",
                            norm->name, variance, norm->attrs.batch_norm2d.eps, (long long)c);
        fill_scaled(mu, sigma, posterior, params[weight].offset + c * per_channel, per_channel,
                    posterior->bayesian[weight], gain, 0);
        if (bias >= 0)
            fill_scaled(mu, sigma, posterior, params[bias].offset + c, 1, posterior->bayesian[bias],
                        gain, shift);
        else
            mu[params[norm->params[CRD_PARAM_BIAS]].offset + c] = (float)shift;
    }
    return CRD_OK;
}

crd_status crd_model_fill(float *mu, float *sigma, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    const crd_network *network = posterior->network;
    /* The gaps between tensors too: the block is broadcast and digested as a whole. */
    memset(mu, 0, (size_t)network->params.n_floats * sizeof *mu);
    memset(sigma, 0, (size_t)network->params.n_floats * sizeof *sigma);
    for (int64_t p = 0; p < network->params.n_params; p++) {
        const crd_param *param = &network->params.entries[p];
        fill_scaled(mu, sigma, posterior, param->offset, param->count, posterior->bayesian[p], 1,
                    0);
    }
    for (int64_t i = 0; i < network->n_nodes; i++) {
        int64_t target = crd_network_fold_target(network, i);
        if (target >= 0)
            CRD_TRY(fold(mu, sigma, posterior, &network->nodes[i], &network->nodes[target]));
    }
cleanup:
    return status;
}
