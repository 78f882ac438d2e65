/* The registry of samplers: what is the same for all of them, options, draws, noise. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/names.h"
#include "chains/chain.h"
#include "credence/rng.h"

static const crd_chain_sampler *const samplers[] = {&crd_sampler_sgld,   &crd_sampler_sghmc,
                                                    &crd_sampler_csghmc, &crd_sampler_hmc,
                                                    &crd_sampler_mclmc,  &crd_sampler_smile};
enum { N_SAMPLERS = sizeof samplers / sizeof *samplers };

const char *const *crd_chain_sampler_names(void)
{
    static const char *const names[N_SAMPLERS + 1] = {"sgld", "sghmc", "csghmc",
                                                      "hmc",  "mclmc", "smile"};
    return names;
}

const crd_chain_sampler *crd_chain_sampler_of(const crd_chain_options *options)
{
    return samplers[crd_names_find(crd_chain_sampler_names(), options->name)];
}

crd_status crd_chain_defaults(crd_chain_options *out, const char *name)
{
    int i;
    crd_status status =
        crd_names_require(&i, crd_chain_sampler_names(), name, "sampler", CRD_ERR_USAGE);
    if (status != CRD_OK)
        return status;
    *out = samplers[i]->defaults;
    snprintf(out->name, sizeof out->name, "%s", name);
    out->temperature = 1;
    out->rms_decay = 0.99;
    out->rms_eps = 1e-7;
    out->n_draws = 100;
    return CRD_OK;
}

static int is_cyclical(const crd_chain_options *options)
{
    return options->cycle_length > 0;
}

static crd_status check_cycle(const crd_chain_options *o)
{
    crd_status status = CRD_OK;
    CRD_REQUIRE(o->cycle_length >= 1 && o->draws_per_cycle >= 1, CRD_ERR_USAGE,
                "cycle length, draws of a cycle: %lld, %lld; at least 1",
                (long long)o->cycle_length, (long long)o->draws_per_cycle);
    CRD_REQUIRE(o->exploration >= 0 && o->exploration < 1, CRD_ERR_USAGE,
                "exploration: %g is not a share from 0 to below 1", o->exploration);
    int64_t n = o->cycle_length - (int64_t)ceil(o->exploration * (double)o->cycle_length);
    CRD_REQUIRE((o->draws_per_cycle - 1) * o->thin < n, CRD_ERR_USAGE,
                "cycle length: %lld draws %lld steps apart need more than the last %lld of a "
                "cycle's %lld steps",
                (long long)o->draws_per_cycle, (long long)o->thin, (long long)n,
                (long long)o->cycle_length);
    CRD_REQUIRE(o->burn_in % o->cycle_length == 0, CRD_ERR_USAGE,
                "burn-in: %lld steps are not whole cycles of %lld", (long long)o->burn_in,
                (long long)o->cycle_length);
cleanup:
    return status;
}

crd_status crd_chain_check(const crd_chain_options *o)
{
    crd_status status = CRD_OK;
    CRD_REQUIRE(isfinite(o->step_size) && o->step_size > 0, CRD_ERR_USAGE,
                "step size: %g is not a positive number", o->step_size);
    CRD_REQUIRE(isfinite(o->temperature) && o->temperature > 0, CRD_ERR_USAGE,
                "temperature: %g is not a positive number", o->temperature);
    CRD_REQUIRE(o->momentum >= 0 && o->momentum < 1, CRD_ERR_USAGE,
                "momentum: %g is not from 0 to below 1", o->momentum);
    CRD_REQUIRE(o->n_draws >= 1 && o->thin >= 1 && o->burn_in >= 0, CRD_ERR_USAGE,
                "draws, thinning: at least 1, burn-in: at least 0");
    CRD_REQUIRE(o->target_accept >= 0 && o->target_accept < 1, CRD_ERR_USAGE,
                "target acceptance: %g is not from 0 to below 1", o->target_accept);
    if (is_cyclical(o))
        CRD_TRY(check_cycle(o));
    CRD_REQUIRE(!o->is_preconditioned || o->burn_in > 0 ||
                    (is_cyclical(o) && o->exploration * (double)o->cycle_length >= 1),
                CRD_ERR_USAGE, "burn-in: 0 steps leave none to adapt the preconditioner in");
    double steps = (double)o->burn_in + (double)o->n_draws * (double)o->thin;
    if (is_cyclical(o))
        steps = (double)o->burn_in + (double)o->n_draws * (double)o->cycle_length;
    CRD_REQUIRE(steps < 0x1p31, CRD_ERR_USAGE, "steps: %.0f are too many; a chain has below 2^31",
                steps);
cleanup:
    return status;
}

int crd_chain_needs_all(const crd_chain_options *options)
{
    return crd_chain_sampler_of(options)->needs_all;
}

int64_t crd_chain_n_gradients(const crd_chain_options *options)
{
    const crd_chain_sampler *sampler = crd_chain_sampler_of(options);
    return sampler->n_gradients != NULL ? sampler->n_gradients(options) : 1;
}

int64_t crd_chain_n_steps(const crd_chain_options *o)
{
    if (!is_cyclical(o))
        return o->burn_in + o->n_draws * o->thin;
    /* The last cycle may be left early. */
    int64_t last = (o->n_draws - 1) / o->draws_per_cycle, i = (o->n_draws - 1) % o->draws_per_cycle;
    return o->burn_in + (last + 1) * o->cycle_length - (o->draws_per_cycle - 1 - i) * o->thin;
}

int64_t crd_chain_draw_at(const crd_chain_options *o, int64_t step)
{
    int64_t after = step - o->burn_in, draw = -1;
    if (after <= 0)
        return -1;
    if (!is_cyclical(o)) {
        draw = after % o->thin == 0 ? after / o->thin - 1 : -1;
    } else {
        int64_t left = o->cycle_length - 1 - (after - 1) % o->cycle_length;
        if (left % o->thin == 0 && left / o->thin < o->draws_per_cycle)
            draw = (after - 1) / o->cycle_length * o->draws_per_cycle + o->draws_per_cycle - 1 -
                   left / o->thin;
    }
    return draw < o->n_draws ? draw : -1;
}

static crd_stream stream_of(const crd_chain *chain, int64_t step, int64_t param, uint32_t purpose)
{
    return (crd_stream){.seed = chain->options->seed,
                        .draw = (uint32_t)step,
                        .image = (uint32_t)chain->number,
                        .tensor = (uint32_t)param,
                        .purpose = purpose};
}

void crd_chain_fill_noise(crd_chain *chain, int64_t step, uint32_t purpose)
{
    for (int64_t i = 0; i < chain->n_spans; i++) {
        const crd_chain_span *span = &chain->spans[i];
        const crd_stream stream = stream_of(chain, step, span->param, purpose);
        crd_normal_fill(chain->noise + span->at, span->count, 0, &stream);
    }
}

double crd_chain_uniform(const crd_chain *chain, int64_t step)
{
    const crd_stream s = stream_of(chain, step, 0, CRD_PURPOSE_CHAIN_ACCEPT);
    const uint32_t counter[4] = {0, s.draw, s.image, s.tensor << 8 | s.purpose};
    const uint32_t key[2] = {(uint32_t)s.seed, (uint32_t)(s.seed >> 32)};
    uint32_t words[4];
    crd_philox4x32(words, counter, key);
    return ((double)words[0] + 0.5) * 0x1p-32;
}
