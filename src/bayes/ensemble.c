/* Joins posteriors of one architecture into an ensemble: what they must agree in, which family they
 * make, and a copy of their numbers, component after component. It averages nothing: every
 * component keeps its own weights and its own statistics. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "credence/posterior.h"
#include "graph/graph.h"
#include "weights/family.h"

enum { VALUE_SIZE = 160 };

static crd_status differ(const crd_component_source *a, const crd_component_source *b,
                         const char *key, const char *value_a, const char *value_b)
{
    return CRD_FAIL(CRD_ERR_INPUT, "%s: %s is %s, but %s has %s: components must agree in it",
                    b->file, key, value_b, a->file, value_a);
}

static crd_status check_integer(const crd_component_source *a, const crd_component_source *b,
                                const char *key, int64_t x, int64_t y)
{
    char first[VALUE_SIZE], second[VALUE_SIZE];
    snprintf(first, sizeof first, "%lld", (long long)x);
    snprintf(second, sizeof second, "%lld", (long long)y);
    return x == y ? CRD_OK : differ(a, b, key, first, second);
}

static crd_status check_floats(const crd_component_source *a, const crd_component_source *b,
                               const char *key, const float *x, const float *y, int64_t n)
{
    char first[VALUE_SIZE], second[VALUE_SIZE], place[VALUE_SIZE];
    for (int64_t i = 0; i < n; i++) {
        snprintf(place, sizeof place, "%s of channel %lld", key, (long long)i);
        snprintf(first, sizeof first, "%.9g", (double)x[i]);
        snprintf(second, sizeof second, "%.9g", (double)y[i]);
        if (x[i] != y[i])
            return differ(a, b, place, first, second);
    }
    return CRD_OK;
}

static crd_status check_preprocessing(const crd_component_source *a, const crd_component_source *b)
{
    crd_status status = CRD_OK;
    const char *const *filters = crd_interpolation_names();
    const crd_preprocessing *x = &a->posterior->preprocessing, *y = &b->posterior->preprocessing;
    CRD_TRY(check_integer(a, b, "preprocessing: channels", x->channels, y->channels));
    CRD_TRY(check_integer(a, b, "preprocessing: resize", x->resize, y->resize));
    CRD_TRY(check_integer(a, b, "preprocessing: crop", x->crop, y->crop));
    if (x->interpolation != y->interpolation)
        CRD_TRY(differ(a, b, "preprocessing: interpolation", filters[x->interpolation],
                       filters[y->interpolation]));
    CRD_TRY(check_floats(a, b, "preprocessing: mean", x->mean, y->mean, x->channels));
    CRD_TRY(check_floats(a, b, "preprocessing: sd", x->sd, y->sd, x->channels));
cleanup:
    return status;
}

static void describe_op(char out[VALUE_SIZE], const crd_network *network, int64_t i)
{
    char shape[CRD_SHAPE_TEXT_SIZE];
    snprintf(out, VALUE_SIZE, "%s %s%s", network->ops[i].name, network->ops[i].kind->name,
             crd_shape_text(shape, &network->ops[i].shape));
}

/* The graphs as text are equal, or the first op that shows how they differ is named. */
static crd_status check_graph(const crd_component_source *a, const crd_component_source *b)
{
    crd_status status = CRD_OK;
    const crd_network *x = a->posterior->network, *y = b->posterior->network;
    char *first = NULL, *second = NULL, own[VALUE_SIZE], other[VALUE_SIZE];
    if (strcmp(x->arch, y->arch) != 0)
        CRD_TRY(differ(a, b, "the architecture", x->arch, y->arch));
    CRD_TRY(crd_network_to_json(&first, x));
    CRD_TRY(crd_network_to_json(&second, y));
    if (strcmp(first, second) == 0)
        goto cleanup;
    for (int64_t i = 0; i < x->n_ops && i < y->n_ops; i++) {
        describe_op(own, x, i);
        describe_op(other, y, i);
        if (strcmp(own, other) != 0)
            CRD_TRY(differ(a, b, "an op of the graph", own, other));
    }
    CRD_TRY(check_integer(a, b, "the number of ops", x->n_ops, y->n_ops));
    CRD_TRY(differ(a, b, "the graph", "other attributes", "one with other attributes"));
cleanup:
    crd_network_text_free(first);
    crd_network_text_free(second);
    return status;
}

crd_status crd_posterior_check_network(const crd_component_source *a, const crd_component_source *b)
{
    return check_graph(a, b);
}

static crd_status check_classes(const crd_component_source *a, const crd_component_source *b)
{
    const crd_posterior *x = a->posterior, *y = b->posterior;
    char key[VALUE_SIZE];
    if ((x->classes == NULL) != (y->classes == NULL))
        return differ(a, b, "the list of classes", x->classes == NULL ? "none" : "one",
                      y->classes == NULL ? "missing" : "there");
    for (int64_t i = 0; x->classes != NULL && i < x->n_classes; i++) {
        snprintf(key, sizeof key, "class %lld", (long long)i);
        if (strcmp(x->classes[i], y->classes[i]) != 0)
            return differ(a, b, key, x->classes[i], y->classes[i]);
    }
    return CRD_OK;
}

static crd_status check_fit(const crd_component_source *a, const crd_component_source *b)
{
    crd_status status = CRD_OK;
    const char *const *kinds = crd_output_kind_names();
    if (a->posterior->outputs != b->posterior->outputs)
        CRD_TRY(differ(a, b, "the kind of outputs", kinds[a->posterior->outputs],
                       kinds[b->posterior->outputs]));
    CRD_TRY(check_graph(a, b));
    CRD_TRY(check_classes(a, b));
    CRD_TRY(check_preprocessing(a, b));
cleanup:
    return status;
}

static int has_bayesian(const crd_posterior *posterior)
{
    int64_t n = posterior->n_components * posterior->network->params.n_params;
    return memchr(posterior->bayesian, 1, (size_t)n) != NULL;
}

/* The numbers and origin of component c of a source become component `at`. */
static crd_status copy_component(crd_posterior *out, int64_t at, const crd_component_source *source,
                                 int64_t c)
{
    crd_status status = CRD_OK;
    const crd_posterior *from = source->posterior;
    int64_t n = from->network->params.n_floats, n_params = from->network->params.n_params;
    const crd_origin *origin = from->origins == NULL ? NULL : &from->origins[c];
    memcpy(out->mu + at * n, from->mu + c * n, (size_t)n * sizeof *out->mu);
    if (out->rho != NULL && from->rho != NULL)
        memcpy(out->rho + at * n, from->rho + c * n, (size_t)n * sizeof *out->rho);
    if (out->variance != NULL && from->variance != NULL)
        memcpy(out->variance + at * n, from->variance + c * n, (size_t)n * sizeof *out->variance);
    if (out->deviations != NULL && from->deviations != NULL)
        memcpy(out->deviations + at * out->rank * n, from->deviations + c * out->rank * n,
               (size_t)(out->rank * n) * sizeof *out->deviations);
    memcpy(out->bayesian + at * n_params, from->bayesian + c * n_params, (size_t)n_params);
    if (out->n_chains > 0)
        return CRD_OK;
    CRD_TRY(crd_alloc_string(&out->origins[at].file, origin != NULL ? origin->file : source->file));
    CRD_TRY(crd_alloc_string(&out->origins[at].digest,
                             origin != NULL ? origin->digest : source->digest));
cleanup:
    return status;
}

/* The estimator that all are meant for, if there is one. */
static void copy_estimator(crd_posterior *out, const crd_component_source *sources, int n)
{
    const crd_posterior *first = sources[0].posterior;
    int is_common = out->family->has_sigma && !out->family->has_deviations;
    for (int i = 1; i < n; i++)
        is_common &= strcmp(sources[i].posterior->conversion.type, first->conversion.type) == 0;
    if (is_common)
        memcpy(out->conversion.type, first->conversion.type, sizeof out->conversion.type);
}

static crd_status copy_network(crd_network **out, const crd_network *network)
{
    crd_status status = CRD_OK;
    char *json = NULL;
    CRD_TRY(crd_network_to_json(&json, network));
    CRD_TRY(crd_network_from_json(out, json));
cleanup:
    crd_network_text_free(json);
    return status;
}

/* Chains join chains, with as many draws each: *n_chains is how many there are then. */
static crd_status count_chains(int64_t *n_chains, const crd_component_source *sources, int n)
{
    crd_status status = CRD_OK;
    const crd_posterior *first = sources[0].posterior;
    *n_chains = 0;
    for (int i = 0; i < n; i++) {
        const crd_posterior *p = sources[i].posterior;
        if ((p->n_chains > 0) != (first->n_chains > 0))
            CRD_TRY(differ(&sources[0], &sources[i], "a component",
                           first->n_chains > 0 ? "a chain's draw" : "no chain's",
                           p->n_chains > 0 ? "a chain's draw" : "one that is no chain's"));
        if (p->n_chains > 0)
            CRD_TRY(check_integer(&sources[0], &sources[i], "the number of draws of a chain",
                                  first->n_components / first->n_chains,
                                  p->n_components / p->n_chains));
        *n_chains += p->n_chains;
    }
    CRD_REQUIRE(*n_chains <= CRD_MAX_COMPONENTS, CRD_ERR_USAGE,
                "an ensemble has at most %d chains, not %lld", CRD_MAX_COMPONENTS,
                (long long)*n_chains);
cleanup:
    return status;
}

/* One source after the other; of chains draw by draw. */
static crd_status copy_components(crd_posterior *out, const crd_component_source *sources, int n)
{
    crd_status status = CRD_OK;
    int64_t at = 0;
    int64_t n_rounds = out->n_chains > 0 ? out->n_components / out->n_chains : 1;
    for (int64_t round = 0; round < n_rounds; round++)
        for (int i = 0; i < n; i++) {
            int64_t share = sources[i].posterior->n_components / n_rounds;
            for (int64_t c = 0; c < share; c++)
                CRD_TRY(copy_component(out, at++, &sources[i], round * share + c));
        }
cleanup:
    return status;
}

crd_status crd_posterior_create_like(crd_posterior **out, const crd_posterior *like,
                                     const crd_family *family, int64_t n_components)
{
    crd_status status = CRD_OK;
    crd_network *network = NULL;
    crd_posterior *posterior = NULL;
    *out = NULL;
    CRD_TRY(copy_network(&network, like->network));
    CRD_TRY(crd_posterior_create_ensemble(&posterior, network, family, n_components));
    posterior->outputs = like->outputs;
    posterior->preprocessing = like->preprocessing;
    if (like->classes != NULL)
        CRD_ALLOC(&posterior->classes, posterior->n_classes, "classes");
    for (int64_t i = 0; like->classes != NULL && i < posterior->n_classes; i++)
        CRD_TRY(crd_alloc_string(&posterior->classes[i], like->classes[i]));
    *out = posterior;
    posterior = NULL;
cleanup:
    crd_posterior_destroy(posterior);
    return status;
}

/* The first source with deviations; every other one has as many, or nothing that is drawn. NULL:
 * there is none. */
static crd_status find_deviations(const crd_component_source **out,
                                  const crd_component_source *sources, int n)
{
    const crd_component_source *first = NULL;
    *out = NULL;
    for (int i = 0; i < n && first == NULL; i++)
        if (sources[i].posterior->family->has_deviations)
            first = &sources[i];
    for (int i = 0; first != NULL && i < n; i++) {
        const crd_posterior *own = sources[i].posterior;
        if (own->family->has_deviations) {
            crd_status status =
                check_integer(first, &sources[i], "the rank", first->posterior->rank, own->rank);
            if (status != CRD_OK)
                return status;
        } else if (has_bayesian(own)) {
            return differ(first, &sources[i], "the family of weights",
                          first->posterior->family->name, own->family->name);
        }
    }
    *out = first;
    return CRD_OK;
}

crd_status crd_posterior_join(crd_posterior **out, const crd_component_source *sources, int n,
                              bool mean)
{
    crd_status status = CRD_OK;
    const crd_component_source *low_rank = NULL;
    crd_posterior *posterior = NULL;
    int64_t n_components = 0, n_chains = 0;
    *out = NULL;
    CRD_REQUIRE(n >= 2, CRD_ERR_USAGE, "an ensemble has at least two components, not %d", n);
    int is_random = crd_network_is_stochastic(sources[0].posterior->network);
    for (int i = 0; i < n; i++) {
        n_components += sources[i].posterior->n_components;
        is_random |= !mean && has_bayesian(sources[i].posterior);
        if (i > 0)
            CRD_TRY(check_fit(&sources[0], &sources[i]));
    }
    CRD_TRY(count_chains(&n_chains, sources, n));
    CRD_REQUIRE(!is_random || n_components <= CRD_MAX_COMPONENTS, CRD_ERR_USAGE,
                "a mixture has at most %d components, not %lld: an image's sums grow with them",
                CRD_MAX_COMPONENTS, (long long)n_components);
    if (!mean)
        CRD_TRY(find_deviations(&low_rank, sources, n));
    CRD_TRY(crd_posterior_create_like(&posterior, sources[0].posterior,
                                      low_rank != NULL ? &crd_family_multiswag
                                      : is_random      ? &crd_family_mixture
                                                       : &crd_family_members,
                                      n_components));
    if (low_rank != NULL)
        CRD_TRY(crd_posterior_set_rank(posterior, low_rank->posterior->rank));
    posterior->n_chains = n_chains;
    CRD_TRY(copy_components(posterior, sources, n));
    if (low_rank != NULL)
        crd_posterior_set_trained(posterior); /* a network among them varies by zeros */
    if (mean)
        memset(posterior->bayesian, 0,
               (size_t)(n_components * posterior->network->params.n_params));
    copy_estimator(posterior, sources, n);
    *out = posterior;
    posterior = NULL;
cleanup:
    crd_posterior_destroy(posterior);
    return status;
}

crd_status crd_posterior_check_normal(const crd_posterior *posterior, const char *file,
                                      const char *verb)
{
    if (posterior->family == &crd_family_normal)
        return CRD_OK;
    if (!posterior->family->is_ensemble)
        return CRD_FAIL(CRD_ERR_INPUT,
                        "%s: is a %s; %s takes posteriors with independent normal weights", file,
                        posterior->family->title, verb);
    return CRD_FAIL(CRD_ERR_INPUT, "%s: is an ensemble (%s): %s each of its %lld components", file,
                    posterior->family->name, verb, (long long)posterior->n_components);
}

crd_status crd_posterior_n_draws(int64_t *out, const crd_posterior *posterior, int64_t wanted,
                                 int mean)
{
    int64_t n = crd_family_n_networks(posterior->family, posterior->n_components);
    if (mean)
        wanted = posterior->n_components;
    else if (wanted == 0)
        wanted = n > 0 ? n : CRD_DEFAULT_DRAWS;
    *out = wanted;
    if (n > 0 && wanted > n)
        return CRD_FAIL(CRD_ERR_USAGE,
                        "--draws: %lld is more than the %lld networks of the ensemble, and one of "
                        "them twice is no new evidence",
                        (long long)wanted, (long long)n);
    return CRD_OK;
}
