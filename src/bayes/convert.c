/* From deterministic weights to a posterior, as bayesian-torch's dnn_to_bnn does it: the initial
 * mu and rho of every layer that is to be Bayesian, everything else as it is.
 *
 * bayesian-torch computes in float32; here it is double, rounded once, so rho agrees within
 * 1e-6 max(1, |rho|). Its initial values without MOPED come from torch's generator; ours from the
 * seed, with the same law. */
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bayes/estimator.h"
#include "bayes/prior.h"
#include "credence/posterior.h"
#include "credence/rng.h"

/* A module path and a leaf; longer names are refused by crd_posterior_param_name. */
enum { MODULE_SIZE = 512, LEAF_SIZE = 64, NAME_SIZE = MODULE_SIZE + LEAF_SIZE };

/* bayesian-torch fixes the spread of initial values; none of its keys sets it. */
static const double initial_sd = 0.1;

crd_conversion crd_conversion_defaults(void)
{
    return (crd_conversion){.prior_mu = 0,
                            .prior_sigma = 1,
                            .prior_pi = 0.5,
                            .prior_sigma2 = 0.0024787521766663585,
                            .posterior_mu_init = 0,
                            .posterior_rho_init = -3,
                            .type = "reparameterization",
                            .moped_enable = 0,
                            .moped_delta = 0.5};
}

static crd_status check_conversion(const crd_conversion *c)
{
    crd_status status = CRD_OK;
    const crd_estimator *estimator;
    CRD_TRY(crd_estimator_find(&estimator, c->type, "type"));
    CRD_TRY(crd_prior_check(c, CRD_ERR_USAGE));
    CRD_REQUIRE(isfinite(c->posterior_mu_init), CRD_ERR_USAGE,
                "posterior_mu_init: %g is not finite", c->posterior_mu_init);
    CRD_REQUIRE(isfinite(c->posterior_rho_init), CRD_ERR_USAGE,
                "posterior_rho_init: %g is not finite", c->posterior_rho_init);
    CRD_REQUIRE(isfinite(c->moped_delta) && c->moped_delta > 0, CRD_ERR_USAGE,
                "moped_delta: %g is not a positive number", c->moped_delta);
    CRD_REQUIRE(isfinite(c->sigma_min) && c->sigma_min >= 0, CRD_ERR_USAGE,
                "sigma_min: %g is not zero or a positive number", c->sigma_min);
    CRD_REQUIRE(c->moped_enable || !c->moped_prior, CRD_ERR_USAGE,
                "moped_prior: needs moped_enable");
cleanup:
    return status;
}

/* Name of a parameter in bayesian-torch's state dict: by its Bayesian flag. */
static crd_status full_name(char out[NAME_SIZE], const crd_posterior *posterior, int64_t index,
                            char which)
{
    char leaf[LEAF_SIZE];
    crd_status status =
        crd_posterior_param_name(out, MODULE_SIZE, leaf, LEAF_SIZE, posterior, index, which);
    if (status == CRD_OK)
        snprintf(out + strlen(out), LEAF_SIZE + 1, ".%s", leaf);
    return status;
}

static int is_bayesian_state_dict(const crd_params *weights)
{
    for (int64_t i = 0; i < weights->n_params; i++) {
        const char *dot = strrchr(weights->entries[i].name, '.');
        if (dot != NULL && strncmp(dot, ".mu_", 4) == 0)
            return 1;
    }
    return 0;
}

/* Sets the flags of all parameters that dnn_to_bnn makes random. */
static void choose_usual(crd_posterior *posterior)
{
    for (int64_t p = 0; p < posterior->network->params.n_params; p++) {
        const crd_param_spec *spec = crd_network_param_spec(NULL, posterior->network, p);
        posterior->bayesian[p] = spec->may_be_random && !spec->is_by_name_only;
    }
}

/* Sets the flags of all parameters that may be random of ops that a glob matches. */
static crd_status choose_by_globs(crd_posterior *posterior, const char *const *globs, int n_globs)
{
    const crd_network *network = posterior->network;
    if (n_globs < 0)
        choose_usual(posterior);
    for (int g = 0; g < n_globs; g++) {
        int n_matches = 0;
        for (int64_t p = 0; p < network->params.n_params; p++) {
            const crd_graph_op *op;
            const crd_param_spec *spec = crd_network_param_spec(&op, network, p);
            if (!spec->may_be_random || fnmatch(globs[g], op->name, 0) != 0)
                continue;
            n_matches++;
            posterior->bayesian[p] = 1;
        }
        if (n_matches == 0)
            return CRD_FAIL(CRD_ERR_USAGE,
                            "bayesian: '%s' matches no convolution or linear layer of network %s",
                            globs[g], network->arch);
    }
    return CRD_OK;
}

/* Sets the flags of all parameters that the state dict has a mu for. */
static crd_status choose_by_state_dict(crd_posterior *posterior, const crd_params *weights)
{
    crd_status status = CRD_OK;
    const crd_network *network = posterior->network;
    for (int64_t p = 0; p < network->params.n_params; p++) {
        char name[NAME_SIZE];
        if (!crd_network_param_may_be_random(network, p))
            continue;
        posterior->bayesian[p] = 1; /* the name depends on it */
        CRD_TRY(full_name(name, posterior, p, 'm'));
        posterior->bayesian[p] = crd_params_find(weights, name) >= 0;
    }
cleanup:
    return status;
}

/* The state dict, and which of its tensors have been asked for. */
typedef struct source {
    const crd_params *weights;
    uint8_t *used;
} source;

/* What to say of a misfit in the last layer: the usual one is a head of another size. */
static const char *misfit_hint(const crd_network *network, const crd_param *param)
{
    int64_t index = param - network->params.entries;
    int is_head = crd_network_param_op(network, index) == network->n_ops - 1;
    return is_head ? " (another number of classes)" : "";
}

static crd_status take(float *out, const source *from, const char *name, const crd_param *param,
                       const crd_network *network)
{
    crd_status status = CRD_OK;
    char want[CRD_SHAPE_TEXT_SIZE], have[CRD_SHAPE_TEXT_SIZE];
    crd_shape_text(want, &param->shape);
    int64_t index = crd_params_find(from->weights, name);
    CRD_REQUIRE(index >= 0, CRD_ERR_INPUT,
                "weights: no tensor %s; network %s needs it with shape %s", name, network->arch,
                want);
    const crd_param *found = &from->weights->entries[index];
    CRD_REQUIRE(crd_shape_equal(&found->shape, &param->shape), CRD_ERR_INPUT,
                "weights: %s has shape %s; network %s needs %s%s", name,
                crd_shape_text(have, &found->shape), network->arch, want,
                misfit_hint(network, param));
    const float *values = crd_params_view(from->weights, index);
    for (int64_t i = 0; i < param->count; i++) {
        CRD_REQUIRE(isfinite(values[i]), CRD_ERR_INPUT,
                    "weights: %s: element %lld is %g; it must be finite", name, (long long)i,
                    (double)values[i]);
        out[i] = values[i];
    }
    from->used[index] = 1;
cleanup:
    return status;
}

static crd_status take_all(crd_posterior *posterior, const crd_params *weights, int is_bayesian)
{
    crd_status status = CRD_OK;
    const crd_network *network = posterior->network;
    const crd_params *params = &network->params;
    source from = {weights, NULL};
    CRD_ALLOC(&from.used, weights->n_params, "tensors taken");
    for (int64_t i = 0; i < params->n_params; i++) {
        const crd_param *param = &params->entries[i];
        float *mu = posterior->mu + param->offset;
        if (is_bayesian && posterior->bayesian[i]) {
            char name[NAME_SIZE];
            CRD_TRY(full_name(name, posterior, i, 'm'));
            CRD_TRY(take(mu, &from, name, param, network));
            CRD_TRY(full_name(name, posterior, i, 'r'));
            CRD_TRY(take(posterior->rho + param->offset, &from, name, param, network));
        } else {
            CRD_TRY(take(mu, &from, param->name, param, network));
        }
    }
    for (int64_t i = 0; i < weights->n_params; i++)
        CRD_REQUIRE(from.used[i], CRD_ERR_INPUT, "weights: network %s has no tensor %s",
                    network->arch, weights->entries[i].name);
cleanup:
    crd_free(from.used);
    return status;
}

/* N(mean, initial_sd^2) into out, from the stream of this tensor and purpose. */
static void fill_initial(float *out, int64_t n, double mean, uint64_t seed, int64_t index,
                         crd_purpose purpose)
{
    const crd_stream stream = {.seed = seed, .tensor = (uint32_t)index, .purpose = purpose};
    crd_normal_fill(out, n, 0, &stream);
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(mean + initial_sd * (double)out[i]);
}

/* The posterior's start where mu holds the deterministic weights so far. Source: Krishnan et al.
 * 2020. */
static crd_status initialize(crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    const crd_params *params = &posterior->network->params;
    const crd_conversion *c = &posterior->conversion;
    if (c->moped_prior)
        CRD_ALLOC(&posterior->prior_mu, params->n_floats, "prior means");
    for (int64_t p = 0; p < params->n_params; p++) {
        if (!posterior->bayesian[p])
            continue;
        int64_t n = params->entries[p].count, offset = params->entries[p].offset;
        float *mu = posterior->mu + offset, *rho = posterior->rho + offset;
        if (c->moped_prior)
            memcpy(posterior->prior_mu + offset, mu, (size_t)n * sizeof *mu);
        if (c->moped_enable) {
            for (int64_t i = 0; i < n; i++)
                rho[i] = (float)crd_rho_of_sigma(
                    fmax(c->moped_delta * fabs((double)mu[i]), c->sigma_min));
        } else {
            fill_initial(mu, n, c->posterior_mu_init, c->seed, p, CRD_PURPOSE_INITIAL_MU);
            fill_initial(rho, n, c->posterior_rho_init, c->seed, p, CRD_PURPOSE_INITIAL_RHO);
        }
    }
cleanup:
    return status;
}

crd_status crd_posterior_convert(crd_posterior **out, crd_network *network,
                                 const crd_params *weights, const crd_conversion *conversion,
                                 const char *const *globs, int n_globs)
{
    crd_status status = CRD_OK;
    crd_posterior *posterior = NULL;
    int is_bayesian = is_bayesian_state_dict(weights);
    *out = NULL;
    CRD_TRY(crd_posterior_create(&posterior, network));
    CRD_TRY(check_conversion(conversion));
    posterior->conversion = *conversion;
    CRD_TRY(choose_by_globs(posterior, globs, n_globs));
    if (is_bayesian) {
        CRD_REQUIRE(!conversion->moped_prior, CRD_ERR_USAGE,
                    "moped_prior: needs deterministic weights; these are a posterior already");
        CRD_TRY(choose_by_state_dict(posterior, weights));
    }
    CRD_TRY(take_all(posterior, weights, is_bayesian));
    posterior->conversion.moped_enable = conversion->moped_enable && !is_bayesian;
    posterior->conversion.initial = is_bayesian                ? CRD_INITIAL_IMPORTED
                                    : conversion->moped_enable ? CRD_INITIAL_MOPED
                                                               : CRD_INITIAL_RANDOM;
    if (!is_bayesian)
        CRD_TRY(initialize(posterior));
    CRD_TRY(crd_posterior_check(posterior));
    *out = posterior;
    return CRD_OK;
cleanup:
    crd_posterior_destroy(posterior);
    return status;
}
