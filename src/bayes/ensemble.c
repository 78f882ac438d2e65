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

struct crd_join {
    bool mean;
    crd_component_source first;
    int64_t n_sources, n_components, capacity;
    crd_origin *origins; /* [n_components] */
    uint8_t *bayesian;   /* [n_components][n_params] */
    bool is_random, is_one_estimator;
};

crd_status crd_join_create(crd_join **out, bool mean)
{
    crd_status status = CRD_OK;
    *out = NULL;
    CRD_ALLOC(out, 1, "ensemble");
    (*out)->mean = mean;
    (*out)->is_one_estimator = true;
cleanup:
    return status;
}

void crd_join_destroy(crd_join *join)
{
    if (join == NULL)
        return;
    for (int64_t c = 0; c < join->n_components; c++) {
        crd_free(join->origins[c].file);
        crd_free(join->origins[c].digest);
    }
    crd_free(join->origins);
    crd_free(join->bayesian);
    crd_free(join);
}

static crd_status make_room(crd_join *join, int64_t n_more, int64_t n_params)
{
    crd_status status = CRD_OK;
    int64_t needed = join->n_components + n_more, capacity = 2 * join->capacity;
    if (needed <= join->capacity)
        return CRD_OK;
    capacity = capacity > needed ? capacity : needed;
    CRD_TRY(crd_alloc_grow((void **)&join->origins, join->capacity, capacity, sizeof *join->origins,
                           "origins of components"));
    CRD_TRY(crd_alloc_grow((void **)&join->bayesian, join->capacity * n_params, capacity * n_params,
                           1, "Bayesian flags"));
    join->capacity = capacity;
cleanup:
    return status;
}

crd_status crd_join_add(crd_join *join, const crd_component_source *source)
{
    crd_status status = CRD_OK;
    const crd_posterior *from = source->posterior;
    int64_t n_params = from->network->params.n_params;
    if (join->n_sources == 0)
        join->first = *source;
    else
        CRD_TRY(check_fit(&join->first, source));
    CRD_TRY(make_room(join, from->n_components, n_params));
    memcpy(join->bayesian + join->n_components * n_params, from->bayesian,
           (size_t)(from->n_components * n_params));
    for (int64_t c = 0; c < from->n_components; c++) {
        const crd_origin own = {(char *)(uintptr_t)source->file, (char *)(uintptr_t)source->digest};
        const crd_origin *origin = from->origins == NULL ? &own : &from->origins[c];
        crd_origin *to = &join->origins[join->n_components++];
        *to = (crd_origin){NULL, NULL};
        CRD_TRY(crd_alloc_string(&to->file, origin->file));
        CRD_TRY(crd_alloc_string(&to->digest, origin->digest));
    }
    join->is_random |=
        crd_network_is_stochastic(from->network) || (!join->mean && has_bayesian(from));
    join->is_one_estimator &=
        strcmp(from->conversion.type, join->first.posterior->conversion.type) == 0;
    join->n_sources++;
cleanup:
    return status;
}

/* What the components agree in. */
static crd_status copy_common(crd_posterior *out, const crd_join *join)
{
    crd_status status = CRD_OK;
    const crd_posterior *first = join->first.posterior;
    out->outputs = first->outputs;
    out->preprocessing = first->preprocessing;
    out->conversion = crd_conversion_defaults();
    if (out->family->has_sigma && join->is_one_estimator) /* the one that all are meant for */
        memcpy(out->conversion.type, first->conversion.type, sizeof out->conversion.type);
    if (first->classes == NULL)
        return CRD_OK;
    CRD_ALLOC(&out->classes, out->n_classes, "classes");
    for (int64_t i = 0; i < out->n_classes; i++)
        CRD_TRY(crd_alloc_string(&out->classes[i], first->classes[i]));
cleanup:
    return status;
}

crd_status crd_join_finish(crd_posterior **out, crd_join *join)
{
    crd_status status = CRD_OK;
    crd_network *network = NULL;
    crd_posterior *posterior = NULL;
    *out = NULL;
    CRD_REQUIRE(join->n_sources >= 2, CRD_ERR_USAGE,
                "an ensemble has at least two components, not %lld", (long long)join->n_sources);
    CRD_REQUIRE(!join->is_random || join->n_components <= CRD_MAX_COMPONENTS, CRD_ERR_USAGE,
                "a mixture has at most %d components, not %lld: an image's sums grow with them",
                CRD_MAX_COMPONENTS, (long long)join->n_components);
    CRD_TRY(copy_network(&network, join->first.posterior->network));
    CRD_TRY(crd_posterior_create_bare(&posterior, network,
                                      join->is_random ? &crd_family_mixture : &crd_family_members,
                                      join->n_components));
    if (!join->mean)
        memcpy(posterior->bayesian, join->bayesian,
               (size_t)(join->n_components * network->params.n_params));
    crd_free(posterior->origins);
    posterior->origins = join->origins;
    join->origins = NULL;
    join->n_components = join->capacity = 0;
    CRD_TRY(copy_common(posterior, join));
    *out = posterior;
    posterior = NULL;
cleanup:
    crd_posterior_destroy(posterior);
    return status;
}

/* The numbers of a source's components become those from `at` on. */
static void copy_numbers(crd_posterior *out, int64_t at, const crd_posterior *from)
{
    int64_t n = from->network->params.n_floats;
    size_t bytes = (size_t)(from->n_components * n) * sizeof(float);
    memcpy(out->mu + at * n, from->mu, bytes);
    if (out->rho != NULL && from->rho != NULL)
        memcpy(out->rho + at * n, from->rho, bytes);
}

crd_status crd_posterior_join(crd_posterior **out, const crd_component_source *sources, int n,
                              bool mean)
{
    crd_status status = CRD_OK;
    crd_join *join = NULL;
    *out = NULL;
    CRD_TRY(crd_join_create(&join, mean));
    for (int i = 0; i < n; i++)
        CRD_TRY(crd_join_add(join, &sources[i]));
    CRD_TRY(crd_join_finish(out, join));
    CRD_TRY(crd_posterior_allocate(*out));
    for (int64_t i = 0, at = 0; i < n; at += sources[i++].posterior->n_components)
        copy_numbers(*out, at, sources[i].posterior);
cleanup:
    crd_join_destroy(join);
    if (status != CRD_OK) {
        crd_posterior_destroy(*out);
        *out = NULL;
    }
    return status;
}

crd_status crd_posterior_check_single(const crd_posterior *posterior, const char *file,
                                      const char *verb)
{
    if (!posterior->family->is_ensemble)
        return CRD_OK;
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
