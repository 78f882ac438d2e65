/* A norm on running statistics is y = g x + shift for every channel (ops/op.h, crd_op_fold). After
 * an affine op with normal weights it gives another such op: mu' = g mu, sigma' = g sigma, bias' =
 * g bias + shift. Double arithmetic, rounded once to float32. */
#include <math.h>

#include "base/alloc.h"
#include "credence/sampler.h"
#include "graph/graph.h"
#include "weights/family.h"

/* A component whose mu and rho (or variance) become mu and sigma where they lie. */
typedef struct filling {
    float *mu, *sigma;
    crd_weights weights; /* the same blocks */
    const crd_posterior *posterior;
    uint8_t *is_done; /* [n_params]; NULL: nothing is */
} filling;

/* Elements [first, + n) of a parameter, times gain, mu plus shift. */
static void fill_scaled(const filling *f, int64_t param, int64_t first, int64_t n, double gain,
                        double shift)
{
    const crd_affine_map map = {.param = param,
                                .first =
                                    f->posterior->network->params.entries[param].offset + first,
                                .n = n,
                                .gain = gain,
                                .shift = shift};
    f->posterior->family->map(f->mu, f->sigma, &f->weights, &map);
    if (f->is_done != NULL)
        f->is_done[param] = 1;
}

/* A channel's numbers are read before they are replaced, and none is read twice. */
static crd_status fold(const filling *f, const crd_graph_op *norm, const crd_graph_op *target)
{
    crd_status status = CRD_OK;
    const crd_param *params = f->posterior->network->params.entries;
    const crd_op_fold *map = norm->kind->fold;
    int64_t weight = target->params[CRD_SLOT_WEIGHT], bias = target->params[CRD_SLOT_BIAS];
    int64_t n_channels = params[weight].shape.dims[0];
    int64_t per_channel = params[weight].count / n_channels;
    const float *values[CRD_OP_MAX_PARAMS] = {NULL};
    for (int slot = 0; slot < norm->kind->n_params; slot++)
        if (norm->params[slot] >= 0)
            values[slot] = f->mu + params[norm->params[slot]].offset;
    for (int64_t c = 0; c < n_channels; c++) {
        double gain, shift;
        CRD_TRY(map->affine(&gain, &shift, norm, values, c));
        fill_scaled(f, weight, c * per_channel, per_channel, gain, 0);
        if (bias >= 0)
            fill_scaled(f, bias, c, 1, gain, shift);
        else
            f->mu[params[norm->params[map->shift_slot]].offset + c] = (float)shift;
    }
    if (bias < 0)
        f->is_done[norm->params[map->shift_slot]] = 1;
cleanup:
    return status;
}

static filling filling_of(float *mu, float *sigma, const crd_posterior *posterior,
                          int64_t component)
{
    const crd_params *params = &posterior->network->params;
    return (filling){.mu = mu,
                     .sigma = sigma,
                     .weights = {params->n_params, params->n_floats,
                                 posterior->bayesian + component * params->n_params, mu, sigma,
                                 sigma},
                     .posterior = posterior};
}

/* What no norm was folded into. */
static void fill_rest(const filling *f)
{
    const crd_params *params = &f->posterior->network->params;
    for (int64_t p = 0; p < params->n_params; p++)
        if (f->is_done == NULL || !f->is_done[p])
            fill_scaled(f, p, 0, params->entries[p].count, 1, 0);
}

crd_status crd_model_make(float *mu, float *sigma, const crd_posterior *posterior,
                          int64_t component)
{
    crd_status status = CRD_OK;
    const crd_network *network = posterior->network;
    filling f = filling_of(mu, sigma, posterior, component);
    CRD_ALLOC(&f.is_done, network->params.n_params, "parameters");
    for (int64_t i = 0; i < network->n_ops && !posterior->family->draws_all; i++) {
        int64_t target = crd_network_fold_target(network, i);
        if (target >= 0)
            CRD_TRY(fold(&f, &network->ops[i], &network->ops[target]));
    }
    fill_rest(&f);
cleanup:
    crd_free(f.is_done);
    return status;
}

void crd_model_make_unfolded(float *mu, float *sigma, const crd_posterior *posterior,
                             int64_t component)
{
    const filling f = filling_of(mu, sigma, posterior, component);
    fill_rest(&f);
}

crd_status crd_model_fill(float *mu, float *sigma, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    const crd_params *params = &posterior->network->params;
    for (int64_t c = 0; status == CRD_OK && c < posterior->n_components; c++) {
        const crd_component_numbers to = {.mu = mu + c * params->n_floats,
                                          .rho =
                                              sigma == NULL ? NULL : sigma + c * params->n_floats};
        crd_posterior_copy_numbers(&to, posterior, c);
        status = crd_model_make(to.mu, to.rho, posterior, c);
    }
    return status;
}

void crd_model_make_deviations(float *deviations, const crd_posterior *posterior)
{
    int64_t n = posterior->rank * posterior->network->params.n_floats;
    double scale = 1 / sqrt(2 * ((double)posterior->rank - 1));
    for (int64_t i = 0; i < n; i++)
        deviations[i] = (float)(scale * (double)deviations[i]);
}
