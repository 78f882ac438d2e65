/* Joins posteriors of one architecture into an ensemble: what they must agree in, which family they
 * make, and where each component comes from. It averages nothing: every component keeps its own
 * weights and its own statistics. */
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
    CRD_TRY(check_integer(a, b, "preprocessing: crop_width", crd_preprocessing_width(x),
                          crd_preprocessing_width(y)));
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

crd_status crd_posterior_create_like(crd_posterior **out, const crd_posterior *like,
                                     const crd_family *family, int64_t n_components)
{
    crd_status status = CRD_OK;
    crd_network *network = NULL;
    crd_posterior *posterior = NULL;
    *out = NULL;
    CRD_TRY(copy_network(&network, like->network));
    CRD_TRY(crd_posterior_create_bare(&posterior, network, family, n_components));
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

struct crd_join {
    bool mean;
    crd_component_source first;
    int64_t n_sources, n_components, n_chains, source_capacity, capacity;
    int64_t *n_before;   /* [n_sources + 1] components of the sources before */
    crd_origin *origins; /* [n_components] of no chains */
    uint8_t *bayesian;   /* [n_components][n_params] */
    bool is_random, is_one_estimator;
    /* With deviations, or without them but drawn: the first of each; file NULL: there is none. */
    crd_component_source low_rank, drawn;
    int64_t rank;
    const crd_family *low_rank_family, *drawn_family;
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
    for (int64_t c = 0; join->origins != NULL && c < join->n_components; c++) {
        crd_free(join->origins[c].file);
        crd_free(join->origins[c].digest);
    }
    crd_free(join->origins);
    crd_free(join->bayesian);
    crd_free(join->n_before);
    crd_free(join);
}

static crd_status make_room(crd_join *join, int64_t n_more, int64_t n_params)
{
    crd_status status = CRD_OK;
    int64_t needed = join->n_components + n_more, capacity = 2 * join->capacity;
    int64_t n_sources = 2 * join->source_capacity + 2;
    if (join->n_sources + 2 > join->source_capacity) {
        CRD_TRY(crd_alloc_grow((void **)&join->n_before, join->source_capacity, n_sources,
                               sizeof *join->n_before, "sources"));
        join->source_capacity = n_sources;
    }
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

/* Chains join chains, with as many draws each. */
static crd_status check_chains(const crd_component_source *a, const crd_component_source *b)
{
    const crd_posterior *first = a->posterior, *p = b->posterior;
    if ((p->n_chains > 0) != (first->n_chains > 0))
        return differ(a, b, "a component", first->n_chains > 0 ? "a chain's draw" : "no chain's",
                      p->n_chains > 0 ? "a chain's draw" : "one that is no chain's");
    return p->n_chains == 0 ? CRD_OK
                            : check_integer(a, b, "the number of draws of a chain",
                                            first->n_components / first->n_chains,
                                            p->n_components / p->n_chains);
}

/* All that have deviations have as many, and no other one has anything that is drawn. */
static crd_status check_deviations(crd_join *join, const crd_component_source *source)
{
    const crd_posterior *own = source->posterior;
    bool has_deviations = own->family->has_deviations;
    if (join->mean || !(has_deviations || has_bayesian(own)))
        return CRD_OK;
    if (has_deviations && join->low_rank.file != NULL)
        return check_integer(&join->low_rank, source, "the rank", join->rank, own->rank);
    if (has_deviations) {
        join->low_rank.file = source->file;
        join->low_rank_family = own->family;
        join->rank = own->rank;
    } else if (join->drawn.file == NULL) {
        join->drawn.file = source->file;
        join->drawn_family = own->family;
    }
    if (join->low_rank.file == NULL || join->drawn.file == NULL)
        return CRD_OK;
    return differ(&join->low_rank, &join->drawn, "the family of weights",
                  join->low_rank_family->name, join->drawn_family->name);
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
    CRD_TRY(check_chains(&join->first, source));
    CRD_TRY(check_deviations(join, source));
    CRD_TRY(make_room(join, from->n_components, n_params));
    memcpy(join->bayesian + join->n_components * n_params, from->bayesian,
           (size_t)(from->n_components * n_params));
    for (int64_t c = 0; c < from->n_components; c++) {
        const crd_origin own = {(char *)(uintptr_t)source->file, (char *)(uintptr_t)source->digest};
        const crd_origin *origin = from->origins == NULL ? &own : &from->origins[c];
        crd_origin *to = &join->origins[join->n_components++];
        *to = (crd_origin){NULL, NULL};
        if (from->n_chains > 0)
            continue;
        CRD_TRY(crd_alloc_string(&to->file, origin->file));
        CRD_TRY(crd_alloc_string(&to->digest, origin->digest));
    }
    join->n_chains += from->n_chains;
    join->is_random |=
        crd_network_is_stochastic(from->network) || (!join->mean && has_bayesian(from));
    join->is_one_estimator &=
        strcmp(from->conversion.type, join->first.posterior->conversion.type) == 0;
    join->n_before[++join->n_sources] = join->n_components;
cleanup:
    return status;
}

static const crd_family *family_of(const crd_join *join)
{
    return join->low_rank.file != NULL ? &crd_family_multiswag
           : join->is_random           ? &crd_family_mixture
                                       : &crd_family_members;
}

crd_status crd_join_finish(crd_posterior **out, crd_join *join)
{
    crd_status status = CRD_OK;
    const crd_posterior *first = join->first.posterior;
    crd_posterior *posterior = NULL;
    *out = NULL;
    CRD_REQUIRE(join->n_sources >= 2, CRD_ERR_USAGE,
                "an ensemble has at least two components, not %lld", (long long)join->n_sources);
    CRD_REQUIRE(join->n_chains <= CRD_MAX_COMPONENTS, CRD_ERR_USAGE,
                "an ensemble has at most %d chains, not %lld", CRD_MAX_COMPONENTS,
                (long long)join->n_chains);
    CRD_REQUIRE(!join->is_random || join->n_components <= CRD_MAX_COMPONENTS, CRD_ERR_USAGE,
                "a mixture has at most %d components, not %lld: an image's sums grow with them",
                CRD_MAX_COMPONENTS, (long long)join->n_components);
    CRD_TRY(crd_posterior_create_like(&posterior, first, family_of(join), join->n_components));
    const crd_family *family = posterior->family;
    if (family->has_deviations) {
        CRD_TRY(crd_posterior_set_rank(posterior, join->rank));
        crd_posterior_set_trained(posterior); /* a network among them varies by zeros */
    } else if (!join->mean) {
        memcpy(posterior->bayesian, join->bayesian,
               (size_t)(join->n_components * first->network->params.n_params));
    }
    posterior->n_chains = join->n_chains;
    crd_free(posterior->origins);
    posterior->origins = join->origins;
    join->origins = NULL;
    if (family->has_sigma && !family->has_deviations && join->is_one_estimator)
        memcpy(posterior->conversion.type, first->conversion.type,
               sizeof posterior->conversion.type);
    *out = posterior;
    posterior = NULL;
cleanup:
    crd_posterior_destroy(posterior);
    return status;
}

void crd_join_locate(int64_t *source, int64_t *own, const crd_join *join, int64_t component)
{
    int64_t n_rounds = join->n_chains > 0 ? join->n_components / join->n_chains : 1;
    int64_t share = join->n_components / n_rounds, within = component % share, i = 0;
    while (within >= join->n_before[i + 1] / n_rounds)
        i++;
    int64_t n_own = (join->n_before[i + 1] - join->n_before[i]) / n_rounds;
    *source = i;
    *own = component / share * n_own + within - join->n_before[i] / n_rounds;
}

/* The numbers of a source's component become component `at`; kinds that it has not stay 0. */
static void copy_numbers(crd_posterior *out, int64_t at, const crd_posterior *from, int64_t c)
{
    int64_t n = from->network->params.n_floats;
    size_t bytes = (size_t)n * sizeof(float);
    memcpy(out->mu + at * n, from->mu + c * n, bytes);
    if (out->rho != NULL && from->rho != NULL)
        memcpy(out->rho + at * n, from->rho + c * n, bytes);
    if (out->variance != NULL && from->variance != NULL)
        memcpy(out->variance + at * n, from->variance + c * n, bytes);
    if (out->deviations != NULL && from->deviations != NULL)
        memcpy(out->deviations + at * out->rank * n, from->deviations + c * out->rank * n,
               (size_t)out->rank * bytes);
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
    for (int64_t c = 0; c < (*out)->n_components; c++) {
        int64_t source, own;
        crd_join_locate(&source, &own, join, c);
        copy_numbers(*out, c, sources[source].posterior, own);
    }
cleanup:
    crd_join_destroy(join);
    if (status != CRD_OK) {
        crd_posterior_destroy(*out);
        *out = NULL;
    }
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
