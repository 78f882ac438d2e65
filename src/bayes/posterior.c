/* The posterior as an object: its names after bayesian-torch, and whether its values are usable. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bayes/prior.h"
#include "graph/graph.h"

enum { MODULE_SIZE = 512, LEAF_SIZE = 64 };

const char *const *crd_output_kind_names(void)
{
    static const char *const names[] = {"logits", "means", "normals", NULL};
    return names;
}

crd_status crd_posterior_create(crd_posterior **out, crd_network *network)
{
    crd_status status = CRD_OK;
    crd_posterior *posterior = NULL;
    *out = NULL;
    CRD_ALLOC(&posterior, 1, "posterior");
    posterior->network = network;
    posterior->conversion = crd_conversion_defaults();
    posterior->n_classes = crd_network_n_outputs(network);
    CRD_ALLOC(&posterior->mu, network->params.n_floats, "mu");
    CRD_ALLOC(&posterior->rho, network->params.n_floats, "rho");
    CRD_ALLOC(&posterior->bayesian, network->params.n_params, "Bayesian flags");
    *out = posterior;
    return CRD_OK;
cleanup:
    if (posterior == NULL)
        crd_network_destroy(network);
    crd_posterior_destroy(posterior);
    return status;
}

void crd_posterior_destroy(crd_posterior *posterior)
{
    if (posterior == NULL)
        return;
    for (int64_t i = 0; posterior->classes != NULL && i < posterior->n_classes; i++)
        crd_free(posterior->classes[i]);
    crd_free(posterior->classes);
    crd_free(posterior->prior_mu);
    crd_free(posterior->bayesian);
    crd_free(posterior->rho);
    crd_free(posterior->mu);
    crd_network_destroy(posterior->network);
    crd_free(posterior);
}

crd_status crd_posterior_param_name(char *module, size_t module_size, char *leaf, size_t leaf_size,
                                    const crd_posterior *posterior, int64_t index, char which)
{
    crd_status status = CRD_OK;
    const crd_network *network = posterior->network;
    CRD_REQUIRE(index >= 0 && index < network->params.n_params, CRD_ERR_INTERNAL,
                "parameter %lld: not in the table", (long long)index);
    const crd_graph_op *op;
    const crd_param_spec *spec = crd_network_param_spec(&op, network, index);
    const char *name = network->params.entries[index].name, *dot = strrchr(op->name, '.');
    const char *own = spec->leaf, *bayesian = spec->bayesian_leaf;
    size_t length = strlen(op->name);
    int written;
    if (own[0] == '\0') { /* the op's own name: its last part is the leaf */
        own = bayesian = dot == NULL ? op->name : dot + 1;
        length = dot == NULL ? 0 : (size_t)(dot - op->name);
    }
    if (posterior->bayesian[index]) {
        CRD_REQUIRE(which == 'm' || which == 'r', CRD_ERR_INTERNAL, "%s: 'm' or 'r', not '%c'",
                    name, which);
        written = snprintf(leaf, leaf_size, "%s_%s", which == 'm' ? "mu" : "rho", bayesian);
    } else {
        written = snprintf(leaf, leaf_size, "%s", own);
    }
    CRD_REQUIRE((size_t)written < leaf_size && length < module_size, CRD_ERR_INTERNAL,
                "%s: the name is too long", name);
    memcpy(module, op->name, length);
    module[length] = '\0';
cleanup:
    return status;
}

static crd_status bad_value(const crd_posterior *posterior, int64_t index, char which,
                            int64_t element, double value, const char *allowed)
{
    char module[MODULE_SIZE], leaf[LEAF_SIZE];
    crd_status status =
        crd_posterior_param_name(module, sizeof module, leaf, sizeof leaf, posterior, index, which);
    if (status != CRD_OK)
        return status;
    return CRD_FAIL(CRD_ERR_INPUT, "%s%s%s: element %lld is %g; %s", module,
                    module[0] == '\0' ? "" : ".", leaf, (long long)element, value, allowed);
}

/* In one pass without a way out; which value it is matters only where one is not. */
static bool all_finite(const float *values, int64_t n, float least)
{
    int fine = 1;
    for (int64_t i = 0; i < n; i++)
        fine &= (values[i] >= least) & (values[i] <= FLT_MAX);
    return fine;
}

static crd_status check_values(const crd_posterior *posterior, int64_t index, char which,
                               const float *values, bool is_non_negative)
{
    int64_t i = 0, n = posterior->network->params.entries[index].count;
    if (all_finite(values, n, is_non_negative ? 0 : -FLT_MAX))
        return CRD_OK;
    while (isfinite(values[i]) && !(is_non_negative && values[i] < 0))
        i++;
    return bad_value(posterior, index, which, i, (double)values[i],
                     !isfinite(values[i]) ? "it must be finite" : "it must not be negative");
}

crd_status crd_posterior_check(const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    const crd_params *params = &posterior->network->params;
    CRD_TRY(crd_prior_check(&posterior->conversion, CRD_ERR_INPUT));
    for (int64_t p = 0; p < params->n_params; p++) {
        int64_t offset = params->entries[p].offset;
        bool is_variance = crd_network_param_spec(NULL, posterior->network, p)->is_non_negative;
        CRD_TRY(check_values(posterior, p, 'm', posterior->mu + offset, is_variance));
        if (!posterior->bayesian[p])
            continue;
        CRD_TRY(check_values(posterior, p, 'r', posterior->rho + offset, false));
        if (posterior->prior_mu == NULL)
            continue;
        const float *means = posterior->prior_mu + offset;
        for (int64_t i = 0; i < params->entries[p].count; i++)
            if (!isfinite(means[i]))
                return bad_value(posterior, p, 'm', i, (double)means[i],
                                 "the prior's mean must be finite");
    }
cleanup:
    return status;
}
