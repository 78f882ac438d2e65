/* The posterior as an object: its names after bayesian-torch, and whether its values are usable. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bayes/param_place.h"
#include "bayes/prior.h"
#include "graph/graph.h"
#include "weights/family.h"

enum { MODULE_SIZE = 512, LEAF_SIZE = 64 };

const char *const *crd_output_kind_names(void)
{
    static const char *const names[] = {"logits", "means", "normals", NULL};
    return names;
}

crd_status crd_posterior_create_bare(crd_posterior **out, crd_network *network,
                                     const crd_family *family, int64_t n_components)
{
    crd_status status = CRD_OK;
    crd_posterior *posterior = NULL;
    *out = NULL;
    CRD_ALLOC(&posterior, 1, "posterior");
    posterior->network = network;
    posterior->conversion = crd_conversion_defaults();
    posterior->n_classes = crd_network_n_outputs(network);
    posterior->family = family;
    posterior->n_components = n_components;
    CRD_ALLOC(&posterior->bayesian, n_components * network->params.n_params, "Bayesian flags");
    if (family->is_ensemble)
        CRD_ALLOC(&posterior->origins, n_components, "origins of components");
    *out = posterior;
    return CRD_OK;
cleanup:
    if (posterior == NULL)
        crd_network_destroy(network);
    crd_posterior_destroy(posterior);
    return status;
}

crd_status crd_posterior_allocate(crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    int64_t n = posterior->n_components * posterior->network->params.n_floats;
    CRD_ALLOC(&posterior->mu, n, "mu");
    if (posterior->family->has_deviations)
        CRD_ALLOC(&posterior->variance, n, "variances");
    else if (posterior->family->has_sigma)
        CRD_ALLOC(&posterior->rho, n, "rho");
    if (posterior->rank > 0)
        CRD_ALLOC(&posterior->deviations, n * posterior->rank, "deviations");
cleanup:
    return status;
}

crd_status crd_posterior_set_rank(crd_posterior *posterior, int64_t rank)
{
    crd_status status = CRD_OK;
    CRD_REQUIRE(rank == 0 || (rank >= 2 && rank <= CRD_MAX_RANK), CRD_ERR_USAGE,
                "rank: %lld; it must be 0 (the diagonal only) or 2 to %d", (long long)rank,
                CRD_MAX_RANK);
    posterior->rank = rank;
    if (rank > 0 && posterior->mu != NULL)
        CRD_ALLOC(&posterior->deviations,
                  posterior->n_components * rank * posterior->network->params.n_floats,
                  "deviations");
cleanup:
    return status;
}

crd_status crd_posterior_create_ensemble(crd_posterior **out, crd_network *network,
                                         const crd_family *family, int64_t n_components)
{
    crd_status status = crd_posterior_create_bare(out, network, family, n_components);
    if (status == CRD_OK)
        status = crd_posterior_allocate(*out);
    if (status != CRD_OK) {
        crd_posterior_destroy(*out);
        *out = NULL;
    }
    return status;
}

void crd_posterior_set_trained(crd_posterior *posterior)
{
    const crd_network *network = posterior->network;
    for (int64_t p = 0; p < network->params.n_params; p++)
        for (int64_t c = 0; c < posterior->n_components; c++)
            posterior->bayesian[c * network->params.n_params + p] =
                crd_network_param_spec(NULL, network, p)->role == CRD_TRAINED;
}

crd_status crd_posterior_create(crd_posterior **out, crd_network *network)
{
    return crd_posterior_create_ensemble(out, network, &crd_family_normal, 1);
}

void crd_posterior_destroy(crd_posterior *posterior)
{
    if (posterior == NULL)
        return;
    for (int64_t i = 0; posterior->classes != NULL && i < posterior->n_classes; i++)
        crd_free(posterior->classes[i]);
    crd_free(posterior->classes);
    for (int64_t c = 0; posterior->origins != NULL && c < posterior->n_components; c++) {
        crd_free(posterior->origins[c].file);
        crd_free(posterior->origins[c].digest);
    }
    crd_free(posterior->origins);
    crd_free(posterior->prior_mu);
    crd_free(posterior->bayesian);
    crd_free(posterior->deviations);
    crd_free(posterior->variance);
    crd_free(posterior->rho);
    crd_free(posterior->mu);
    crd_network_destroy(posterior->network);
    crd_free(posterior);
}

/* Where a posterior has the numbers of a component; NULL: it has none of this kind. */
static crd_component_numbers numbers_of(const crd_posterior *posterior, int64_t component)
{
    int64_t n = posterior->network->params.n_floats;
    float *second = posterior->variance != NULL ? posterior->variance : posterior->rho;
    return (crd_component_numbers){
        posterior->mu + component * n, second == NULL ? NULL : second + component * n,
        posterior->deviations == NULL ? NULL
                                      : posterior->deviations + component * posterior->rank * n};
}

static void clear_numbers(float *block, int64_t n)
{
    if (block != NULL)
        memset(block, 0, (size_t)n * sizeof *block);
}

void crd_posterior_copy_numbers(const crd_component_numbers *to, const crd_posterior *posterior,
                                int64_t component)
{
    const crd_params *params = &posterior->network->params;
    const crd_component_numbers own = numbers_of(posterior, component);
    clear_numbers(to->mu, params->n_floats);
    clear_numbers(to->rho, params->n_floats);
    clear_numbers(to->deviations, posterior->rank * params->n_floats);
    for (int64_t p = 0; p < params->n_params; p++) {
        int64_t at = params->entries[p].offset;
        size_t n_bytes = (size_t)params->entries[p].count * sizeof *own.mu;
        memcpy(to->mu + at, own.mu + at, n_bytes);
        if (!posterior->bayesian[component * params->n_params + p])
            continue;
        if (to->rho != NULL)
            memcpy(to->rho + at, own.rho + at, n_bytes);
        for (int64_t k = 0; to->deviations != NULL && k < posterior->rank; k++)
            memcpy(to->deviations + k * params->n_floats + at,
                   own.deviations + k * params->n_floats + at, n_bytes);
    }
}

static crd_status read_own(const crd_component_numbers *to, int64_t first, int64_t n, void *payload)
{
    for (int64_t i = 0; i < n; i++)
        crd_posterior_copy_numbers(&to[i], payload, first + i);
    return CRD_OK;
}

static crd_status compare_own(uint8_t *differs, void *payload)
{
    const crd_posterior *posterior = payload;
    const crd_params *params = &posterior->network->params;
    for (int64_t p = 0; p < params->n_params; p++) {
        const float *first = posterior->mu + params->entries[p].offset;
        differs[p] = 0;
        for (int64_t c = 1; c < posterior->n_components && !differs[p]; c++)
            differs[p] = memcmp(first, first + c * params->n_floats,
                                (size_t)params->entries[p].count * sizeof *first) != 0;
    }
    return CRD_OK;
}

crd_numbers_source crd_posterior_source(const crd_posterior *posterior)
{
    return (crd_numbers_source){
        .read = read_own, .compare = compare_own, .payload = (void *)(uintptr_t)posterior};
}

crd_status crd_param_place_of(crd_param_place *out, const crd_network *network, int64_t index,
                              const char *prefix)
{
    const crd_graph_op *op;
    const crd_param_spec *spec = crd_network_param_spec(&op, network, index);
    const char *dot = strrchr(op->name, '.');
    const char *leaf = *prefix != '\0' ? spec->bayesian_leaf : spec->leaf;
    size_t length = strlen(op->name);
    if (spec->leaf[0] == '\0') { /* the op's own name: its last part is the leaf */
        leaf = dot == NULL ? op->name : dot + 1;
        length = dot == NULL ? 0 : (size_t)(dot - op->name);
    }
    int written = snprintf(out->leaf, sizeof out->leaf, "%s%s", prefix, leaf);
    if ((size_t)written >= sizeof out->leaf || length >= sizeof out->module)
        return CRD_FAIL(CRD_ERR_INTERNAL, "%s: the name is too long",
                        network->params.entries[index].name);
    memcpy(out->module, op->name, length);
    out->module[length] = '\0';
    return CRD_OK;
}

crd_status crd_posterior_param_name(char *module, size_t module_size, char *leaf, size_t leaf_size,
                                    const crd_posterior *posterior, int64_t index, char which)
{
    crd_status status = CRD_OK;
    const crd_network *network = posterior->network;
    crd_param_place place;
    const char *prefix = "";
    CRD_REQUIRE(index >= 0 && index < network->params.n_params, CRD_ERR_INTERNAL,
                "parameter %lld: not in the table", (long long)index);
    const char *name = network->params.entries[index].name;
    if (posterior->bayesian[index]) {
        CRD_REQUIRE(which == 'm' || which == 'r', CRD_ERR_INTERNAL, "%s: 'm' or 'r', not '%c'",
                    name, which);
        prefix = which == 'm' ? "mu_" : "rho_";
    }
    CRD_TRY(crd_param_place_of(&place, network, index, prefix));
    CRD_REQUIRE(strlen(place.leaf) < leaf_size && strlen(place.module) < module_size,
                CRD_ERR_INTERNAL, "%s: the name is too long", name);
    memcpy(module, place.module, strlen(place.module) + 1);
    memcpy(leaf, place.leaf, strlen(place.leaf) + 1);
cleanup:
    return status;
}

/* An element that cannot be used. */
typedef struct value_fault {
    int64_t component, param, element;
    char which; /* 'm' or 'r', 'v' of a variance, 'd' of deviations */
    double value;
    const char *allowed; /* NULL: there is none */
} value_fault;

static crd_status bad_value(const crd_posterior *posterior, const value_fault *f)
{
    char module[MODULE_SIZE], leaf[LEAF_SIZE];
    if (posterior->family != &crd_family_normal)
        return CRD_FAIL(CRD_ERR_INPUT, "component %lld: %s: element %lld of the %s is %g; %s",
                        (long long)f->component, posterior->network->params.entries[f->param].name,
                        (long long)f->element,
                        f->which == 'v'   ? "variance"
                        : f->which == 'd' ? "deviations"
                        : f->which == 'r' ? "rho"
                                          : "mean",
                        f->value, f->allowed);
    crd_status status = crd_posterior_param_name(module, sizeof module, leaf, sizeof leaf,
                                                 posterior, f->param, f->which);
    if (status != CRD_OK)
        return status;
    return CRD_FAIL(CRD_ERR_INPUT, "%s%s%s: element %lld is %g; %s", module,
                    module[0] == '\0' ? "" : ".", leaf, (long long)f->element, f->value,
                    f->allowed);
}

/* In one pass without a way out; which value it is matters only where one is not. */
static bool all_finite(const float *values, int64_t n, float least)
{
    int fine = 1;
    for (int64_t i = 0; i < n; i++)
        fine &= (values[i] >= least) & (values[i] <= FLT_MAX);
    return fine;
}

/* Values of a parameter of a component, from the first one on. NULL: there are none. */
static crd_status check_values(const crd_posterior *posterior, value_fault fault,
                               const float *values, bool is_non_negative)
{
    int64_t n = posterior->network->params.entries[fault.param].count;
    if (values == NULL || all_finite(values, n, is_non_negative ? 0 : -FLT_MAX))
        return CRD_OK;
    while (isfinite(values[fault.element]) && !(is_non_negative && values[fault.element] < 0))
        fault.element++;
    fault.value = (double)values[fault.element];
    if (isfinite(fault.value))
        fault.allowed = "it must not be negative";
    return bad_value(posterior, &fault);
}

/* What the elements of a parameter must be; kinds of numbers that are NULL are not looked at. */
static crd_status check_param(const crd_posterior *posterior, int64_t component, int64_t p,
                              const crd_component_numbers *of)
{
    crd_status status = CRD_OK;
    const crd_params *params = &posterior->network->params;
    int64_t at = params->entries[p].offset;
    bool has_deviations = posterior->family->has_deviations;
    bool is_variance = crd_network_param_spec(NULL, posterior->network, p)->is_non_negative;
    value_fault fault = {component, p, 0, 'm', 0, "it must be finite"};
    CRD_TRY(check_values(posterior, fault, of->mu + at, is_variance));
    if (!posterior->bayesian[component * params->n_params + p])
        goto cleanup;
    fault.which = has_deviations ? 'v' : 'r';
    CRD_TRY(check_values(posterior, fault, of->rho == NULL ? NULL : of->rho + at, has_deviations));
    fault.which = 'd';
    for (int64_t k = 0; of->deviations != NULL && k < posterior->rank; k++)
        CRD_TRY(check_values(posterior, fault, of->deviations + k * params->n_floats + at, false));
    if (posterior->prior_mu == NULL)
        goto cleanup;
    fault.which = 'm';
    fault.allowed = "the prior's mean must be finite";
    CRD_TRY(check_values(posterior, fault, posterior->prior_mu + at, false));
cleanup:
    return status;
}

crd_status crd_posterior_check_numbers(const crd_posterior *posterior, int64_t component,
                                       const crd_component_numbers *numbers)
{
    crd_status status = CRD_OK;
    for (int64_t p = 0; status == CRD_OK && p < posterior->network->params.n_params; p++)
        status = check_param(posterior, component, p, numbers);
    return status;
}

crd_status crd_posterior_check(const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_prior_check(&posterior->conversion, CRD_ERR_INPUT));
    for (int64_t c = 0; posterior->mu != NULL && c < posterior->n_components; c++) {
        const crd_component_numbers own = numbers_of(posterior, c);
        CRD_TRY(crd_posterior_check_numbers(posterior, c, &own));
    }
cleanup:
    return status;
}
