/* What a run of chains carries from step to step: made, freed, and how the weights that are sampled
 * lie among all of a network's. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/sample_run.h"

double crd_sample_scale(const crd_loss *loss, int64_t n_values, double noise_sd)
{
    const crd_loss *mse, *nll;
    if (crd_loss_find(&mse, "mse") != CRD_OK || crd_loss_find(&nll, "gaussian-nll") != CRD_OK)
        return NAN;
    return loss == mse   ? (double)n_values / (2 * noise_sd * noise_sd)
           : loss == nll ? (double)n_values
                         : 1;
}

crd_status crd_sample_find_spans(crd_chain_span **out, int64_t *n_spans, int64_t *n,
                                 const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    const crd_params *params = &posterior->network->params;
    *n_spans = *n = 0;
    CRD_ALLOC(out, params->n_params, "spans of weights");
    for (int64_t p = 0; p < params->n_params; p++) {
        if (!posterior->bayesian[p])
            continue;
        (*out)[(*n_spans)++] = (crd_chain_span){p, *n, params->entries[p].count};
        *n += params->entries[p].count;
    }
cleanup:
    return status;
}

crd_status crd_sample_state_init(crd_sample_state *state, const crd_posterior *posterior,
                                 const crd_sample_options *o)
{
    crd_status status = CRD_OK;
    crd_chain_span *spans = NULL;
    int64_t n_spans;
    *state = (crd_sample_state){.n_chains = o->n_chains, .n_draws = o->chain.n_draws};
    CRD_REQUIRE(o->n_chains >= 1 && o->n_chains <= CRD_MAX_CHAINS, CRD_ERR_USAGE,
                "chains: %lld is not from 1 to %d", (long long)o->n_chains, CRD_MAX_CHAINS);
    CRD_TRY(crd_chain_check(&o->chain));
    CRD_TRY(crd_sample_find_spans(&spans, &n_spans, &state->n, posterior));
    CRD_REQUIRE(state->n >= 2, CRD_ERR_INPUT,
                "%lld Bayesian weights; chains need two at least, of whose prior they are",
                (long long)state->n);
    state->n_vectors = 1 + crd_chain_sampler_of(&o->chain)->n_vectors;
    state->n_numbers = CRD_CHAIN_NUMBERS;
    CRD_ALLOC(&state->vectors, o->n_chains, "chains");
    for (int64_t c = 0; c < o->n_chains; c++)
        CRD_ALLOC(&state->vectors[c], state->n_vectors * state->n, "a chain");
    CRD_ALLOC(&state->numbers, o->n_chains * state->n_numbers, "chains");
    CRD_ALLOC(&state->figures, o->n_chains * state->n_draws * CRD_DRAW_FIGURES, "figures of draws");
cleanup:
    crd_free(spans);
    return status;
}

int64_t crd_sample_n_complete(const crd_sample_state *state, const crd_sample_options *options)
{
    int64_t n_complete = 0;
    int64_t step = (state->n_gradients - 1) / crd_chain_n_gradients(&options->chain);
    for (int64_t s = 1; s <= step && state->n_gradients > 0; s++)
        n_complete += crd_chain_draw_at(&options->chain, s) >= 0;
    return n_complete;
}

void crd_sample_scatter(float *values, const float *weights, const crd_posterior *posterior)
{
    const crd_params *params = &posterior->network->params;
    for (int64_t p = 0; p < params->n_params; p++) {
        const crd_param *param = &params->entries[p];
        if (!posterior->bayesian[p])
            continue;
        memcpy(values + param->offset, weights, (size_t)param->count * sizeof *values);
        weights += param->count;
    }
}

void crd_sample_gather(float *weights, const float *values, const crd_posterior *posterior)
{
    const crd_params *params = &posterior->network->params;
    for (int64_t p = 0; p < params->n_params; p++) {
        const crd_param *param = &params->entries[p];
        if (!posterior->bayesian[p])
            continue;
        memcpy(weights, values + param->offset, (size_t)param->count * sizeof *values);
        weights += param->count;
    }
}
