/* The ends of a training by IVON: its prior and first Hessian, sigma of the Hessian for the draws,
 * rho of it for whoever looks at the posterior. The steps between are in update.c. */
#include "engine/train_ivon.h"

#include <math.h>

#include "base/alloc.h"
#include "bayes/gradient_scales.h"

/* The first half of the one state vector is the momentum of mu. */
float *crd_train_ivon_hessian(const crd_train_state *state)
{
    return state->states[0] + state->posterior->network->params.n_floats;
}

static void set_prior(crd_posterior *posterior, const crd_optimizer_options *options)
{
    crd_conversion *c = &posterior->conversion;
    crd_free(posterior->prior_mu);
    posterior->prior_mu = NULL;
    c->moped_prior = 0;
    c->prior_kind = CRD_PRIOR_NORMAL;
    c->prior_scale = CRD_PRIOR_SCALE_FIXED;
    c->prior_mu = 0;
    c->prior_sigma = 1 / sqrt(options->ess * options->weight_decay);
}

void crd_train_ivon_begin(crd_train_state *state, const crd_optimizer_options *options)
{
    float *hess = crd_train_ivon_hessian(state);
    set_prior(state->posterior, options);
    for (int64_t i = 0; state->step == 0 && i < state->posterior->network->params.n_floats; i++)
        hess[i] = (float)options->hess_init;
}

void crd_train_ivon_set_sigma(crd_gradient *gradient, const crd_train_state *state,
                              const crd_optimizer_options *options)
{
    const crd_posterior *posterior = state->posterior;
    const crd_params *params = &posterior->network->params;
    float *sigma, *slope;
    crd_gradient_scales(&sigma, &slope, gradient);
    for (int64_t p = 0; p < params->n_params; p++)
        if (posterior->bayesian[p])
            crd_ivon_sigma(sigma + params->entries[p].offset,
                           crd_train_ivon_hessian(state) + params->entries[p].offset,
                           params->entries[p].count, options);
}

void crd_train_ivon_write_rho(crd_train_state *state, const crd_optimizer_options *options)
{
    enum { PIECE = 256 };
    const crd_posterior *posterior = state->posterior;
    const crd_params *params = &posterior->network->params;
    for (int64_t p = 0; p < params->n_params; p++) {
        const crd_param *param = &params->entries[p];
        for (int64_t at = 0; posterior->bayesian[p] && at < param->count; at += PIECE) {
            float sigma[PIECE], *rho = posterior->rho + param->offset + at;
            int64_t n = param->count - at < PIECE ? param->count - at : PIECE;
            crd_ivon_sigma(sigma, crd_train_ivon_hessian(state) + param->offset + at, n, options);
            for (int64_t i = 0; i < n; i++)
                rho[i] = (float)crd_rho_of_sigma((double)sigma[i]);
        }
    }
}
