/* The weights of other families than the normal one in HDF5: a dataset a parameter and kind of
 * number, with the components as its first axis, so that a component is one piece of each; and
 * where the components come from: files, or chains. What is fixed in one component of a mixture
 * and Bayesian in another has rho -inf there, that is sigma 0. Layout: data/FORMATS.md. */
#include "io/ensemble_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bayes/param_place.h"
#include "credence/chains.h"

static const char group[] = "/weights", components[] = "/components", files[] = "/components/file",
                  digests[] = "/components/digest", chain[] = "/components/chain",
                  draw[] = "/components/draw";

/* A dataset: mu (or mean, or what is fixed), rho, variance or deviations of a parameter, of all
 * components. */
typedef struct stack {
    char group[CRD_H5_PATH_SIZE], path[CRD_H5_PATH_SIZE];
    int64_t param;
    crd_number_kind kind;
    int64_t n_rows; /* of a component: 1, or its deviations, which are the second axis */
    crd_shape shape;
} stack;

static int is_bayesian(const crd_posterior *posterior, int64_t component, int64_t param)
{
    return posterior->bayesian[component * posterior->network->params.n_params + param];
}

static int is_ever_bayesian(const crd_posterior *posterior, int64_t param)
{
    for (int64_t c = 0; c < posterior->n_components; c++)
        if (is_bayesian(posterior, c, param))
            return 1;
    return 0;
}

/* The kinds of numbers of what is Bayesian anywhere; of what is fixed there is the first one, which
 * has no prefix then. */
typedef struct kind_name {
    crd_number_kind kind;
    const char *prefix; /* before the leaf's name */
} kind_name;

enum { MAX_KINDS = 3 };

static const kind_name deviations_kind = {CRD_NUMBER_DEVIATIONS, "deviations_"};

static int list_kinds(kind_name out[MAX_KINDS], const crd_posterior *posterior)
{
    int n = 0;
    if (crd_family_has_deviations(posterior->family)) {
        out[n++] = (kind_name){CRD_NUMBER_MU, "mean_"};
        out[n++] = (kind_name){CRD_NUMBER_VARIANCE, "variance_"};
        if (posterior->rank > 0)
            out[n++] = deviations_kind;
    } else {
        out[n++] = (kind_name){CRD_NUMBER_MU, "mu_"};
        out[n++] = (kind_name){CRD_NUMBER_RHO, "rho_"};
    }
    return n;
}

static crd_status place_stack(stack *out, const crd_posterior *posterior, int64_t param,
                              crd_number_kind kind, const char *prefix)
{
    crd_status status = CRD_OK;
    crd_param_place place;
    const crd_shape *shape = &posterior->network->params.entries[param].shape;
    CRD_TRY(crd_param_place_of(&place, posterior->network, param, prefix));
    snprintf(out->group, sizeof out->group, "%s", group);
    if (place.module[0] != '\0')
        CRD_TRY(crd_h5_join(out->group, group, place.module));
    CRD_TRY(crd_h5_join(out->path, out->group, place.leaf));
    int has_rows = kind == CRD_NUMBER_DEVIATIONS, n_axes = 1 + has_rows; /* in front */
    CRD_REQUIRE(shape->n_dims + n_axes <= CRD_MAX_DIMS, CRD_ERR_INTERNAL, "%s: too many axes",
                out->path);
    out->param = param;
    out->kind = kind;
    out->n_rows = has_rows ? posterior->rank : 1;
    out->shape.n_dims = shape->n_dims + n_axes;
    out->shape.dims[0] = posterior->n_components;
    out->shape.dims[1] = out->n_rows; /* or the parameter's own first axis, next */
    memcpy(out->shape.dims + n_axes, shape->dims, (size_t)shape->n_dims * sizeof *shape->dims);
cleanup:
    return status;
}

typedef crd_status stack_visit(const stack *s, void *payload);

/* Visits every dataset of numbers: the one place that says where what lies. */
static crd_status visit_stacks(const crd_posterior *posterior, stack_visit *visit, void *payload)
{
    crd_status status = CRD_OK;
    stack s;
    kind_name kinds[MAX_KINDS];
    int n_kinds = list_kinds(kinds, posterior);
    for (int64_t p = 0; p < posterior->network->params.n_params; p++) {
        int has_law = is_ever_bayesian(posterior, p);
        for (int k = 0; k < (has_law ? n_kinds : 1); k++) {
            CRD_TRY(place_stack(&s, posterior, p, kinds[k].kind, has_law ? kinds[k].prefix : ""));
            CRD_TRY(visit(&s, payload));
        }
    }
cleanup:
    return status;
}

static crd_status count_bytes(const stack *s, void *payload)
{
    *(int64_t *)payload += crd_shape_count(&s->shape) * (int64_t)sizeof(float);
    return CRD_OK;
}

crd_status crd_ensemble_measure(int64_t *bytes, const crd_posterior *posterior)
{
    return visit_stacks(posterior, count_bytes, bytes);
}

static crd_status create_stack(const stack *s, void *payload)
{
    crd_status status = CRD_OK;
    crd_h5 *h5 = payload;
    int there;
    CRD_TRY(crd_h5_exists(&there, h5, s->group));
    if (!there)
        CRD_TRY(crd_h5_group_create(h5, s->group));
    CRD_TRY(crd_h5_dataset_create_whole(h5, s->path, CRD_H5_FLOAT32, &s->shape));
cleanup:
    return status;
}

/* Chain and draw of every component. */
static void number_draws(int64_t *chains, int64_t *draws, int64_t n, int64_t n_chains)
{
    for (int64_t c = 0; c < n; c++) {
        chains[c] = c % n_chains;
        draws[c] = c / n_chains;
    }
}

static crd_status write_chains(crd_h5 *h5, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    int64_t n = posterior->n_components, *numbers = NULL;
    const crd_shape shape = crd_shape_make(1, n);
    CRD_ALLOC(&numbers, 2 * n, "numbers of draws");
    number_draws(numbers, numbers + n, n, posterior->n_chains);
    CRD_TRY(crd_h5_attr_put(h5, group, "n_chains", CRD_H5_INT64, &posterior->n_chains, 1));
    CRD_TRY(crd_h5_dataset_create(h5, chain, CRD_H5_INT64, &shape));
    CRD_TRY(crd_h5_write(h5, chain, CRD_H5_INT64, numbers, NULL, NULL));
    CRD_TRY(crd_h5_dataset_create(h5, draw, CRD_H5_INT64, &shape));
    CRD_TRY(crd_h5_write(h5, draw, CRD_H5_INT64, numbers + n, NULL, NULL));
cleanup:
    crd_free(numbers);
    return status;
}

static crd_status write_origins(crd_h5 *h5, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    const char **texts = NULL;
    int64_t n = posterior->n_components;
    CRD_TRY(crd_h5_group_create(h5, components));
    if (posterior->n_chains > 0)
        return write_chains(h5, posterior);
    CRD_ALLOC(&texts, n, "origins of components");
    for (int64_t c = 0; c < n; c++)
        texts[c] = posterior->origins[c].file;
    CRD_TRY(crd_h5_strings_write(h5, files, texts, n));
    for (int64_t c = 0; c < n; c++)
        texts[c] = posterior->origins[c].digest;
    CRD_TRY(crd_h5_strings_write(h5, digests, texts, n));
cleanup:
    crd_free(texts);
    return status;
}

crd_status crd_ensemble_create(crd_h5 *h5, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_h5_group_create(h5, group));
    CRD_TRY(crd_h5_attr_put_text(h5, group, "family", crd_family_name(posterior->family)));
    CRD_TRY(crd_h5_attr_put(h5, group, "n_components", CRD_H5_INT64, &posterior->n_components, 1));
    CRD_TRY(crd_h5_attr_put_text(h5, group, "estimator", posterior->conversion.type));
    if (crd_family_has_deviations(posterior->family))
        CRD_TRY(crd_h5_attr_put(h5, group, "rank", CRD_H5_INT64, &posterior->rank, 1));
    if (crd_family_is_ensemble(posterior->family))
        CRD_TRY(write_origins(h5, posterior));
    CRD_TRY(visit_stacks(posterior, create_stack, h5));
cleanup:
    return status;
}

/* A component on its way into the datasets. */
typedef struct writing {
    crd_h5 *h5;
    const crd_posterior *posterior;
    int64_t component;
    crd_component_numbers numbers;
} writing;

static crd_status write_rows(const stack *s, void *payload)
{
    crd_status status = CRD_OK;
    const writing *w = payload;
    const crd_params *params = &w->posterior->network->params;
    const crd_param *param = &params->entries[s->param];
    float *block = s->kind == CRD_NUMBER_MU           ? w->numbers.mu
                   : s->kind == CRD_NUMBER_DEVIATIONS ? w->numbers.deviations
                                                      : w->numbers.rho;
    int64_t start[CRD_MAX_DIMS] = {w->component}, count[CRD_MAX_DIMS];
    memcpy(count, s->shape.dims, sizeof count);
    count[0] = 1;
    for (int64_t r = 0; r < s->n_rows; r++) {
        float *row = block + r * params->n_floats + param->offset;
        for (int64_t i = 0; s->kind == CRD_NUMBER_RHO && i < param->count; i++)
            if (!is_bayesian(w->posterior, w->component, s->param))
                row[i] = -INFINITY;
        if (s->kind == CRD_NUMBER_DEVIATIONS) {
            start[1] = r;
            count[1] = 1;
        }
        CRD_TRY(crd_h5_write(w->h5, s->path, CRD_H5_FLOAT32, row, start, count));
    }
cleanup:
    return status;
}

crd_status crd_ensemble_write(crd_h5 *h5, const crd_posterior *posterior,
                              const crd_numbers_source *source)
{
    crd_status status = CRD_OK;
    writing w = {.h5 = h5, .posterior = posterior};
    int64_t n = posterior->network->params.n_floats;
    CRD_ALLOC(&w.numbers.mu, n, "numbers of a component");
    if (crd_family_is_random(posterior->family))
        CRD_ALLOC(&w.numbers.rho, n, "numbers of a component");
    if (posterior->rank > 0)
        CRD_ALLOC(&w.numbers.deviations, posterior->rank * n, "numbers of a component");
    for (; w.component < posterior->n_components; w.component++) {
        CRD_TRY(source->read(&w.numbers, w.component, 1, source->payload));
        CRD_TRY(visit_stacks(posterior, write_rows, &w));
    }
    for (bool done = source->finish == NULL; !done;)
        CRD_TRY(source->finish(&done, source->payload));
cleanup:
    crd_free(w.numbers.deviations);
    crd_free(w.numbers.rho);
    crd_free(w.numbers.mu);
    return status;
}

crd_status crd_ensemble_is_there(int *out, crd_h5 *h5)
{
    return crd_h5_exists(out, h5, group);
}

/* The texts of a list, one a component. */
static crd_status read_texts(char ***out, int64_t *n, crd_h5 *h5, const char *path)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_reader_check(h5, path));
    CRD_TRY(crd_h5_strings_read(out, n, h5, path));
cleanup:
    return status;
}

static crd_status read_origins(crd_posterior *posterior, char **names, char **sums)
{
    crd_status status = CRD_OK;
    for (int64_t c = 0; posterior->origins != NULL && c < posterior->n_components; c++) {
        CRD_TRY(crd_alloc_string(&posterior->origins[c].file, names[c]));
        CRD_TRY(crd_alloc_string(&posterior->origins[c].digest, sums[c]));
    }
cleanup:
    return status;
}

/* Of a posterior of chains; 0: of another. Its lists are those that such a posterior has. */
static crd_status read_chains(int64_t *n_chains, crd_h5 *h5, int64_t n)
{
    crd_status status = CRD_OK;
    const char *name = crd_h5_name(h5);
    int64_t *found = NULL, *right = NULL;
    const crd_shape shape = crd_shape_make(1, n);
    int there;
    *n_chains = 0;
    CRD_TRY(crd_h5_attr_exists(&there, h5, group, "n_chains"));
    if (!there)
        return CRD_OK;
    CRD_TRY(crd_h5_attr_get(n_chains, h5, group, "n_chains", CRD_H5_INT64, 1));
    CRD_REQUIRE(n >= 1 && *n_chains >= 1 && *n_chains <= CRD_MAX_CHAINS && n % *n_chains == 0,
                CRD_ERR_INPUT,
                "%s: %s: n_chains is %" PRId64 ", of %" PRId64 " components; it must be 1 to %d, "
                "and divide them",
                name, group, *n_chains, n, CRD_MAX_CHAINS);
    CRD_TRY(crd_reader_expect(h5, chain, CRD_H5_INT64, &shape));
    CRD_ALLOC(&found, 2 * n, "numbers of draws");
    CRD_ALLOC(&right, 2 * n, "numbers of draws");
    CRD_TRY(crd_reader_numbers(found, h5, chain, CRD_H5_INT64, &shape));
    CRD_TRY(crd_reader_numbers(found + n, h5, draw, CRD_H5_INT64, &shape));
    number_draws(right, right + n, n, *n_chains);
    CRD_REQUIRE(memcmp(found, right, (size_t)(2 * n) * sizeof *found) == 0, CRD_ERR_INPUT,
                "%s: %s: component c is not draw c div n_chains of chain c mod n_chains", name,
                components);
cleanup:
    crd_free(found);
    crd_free(right);
    return status;
}

/* The deviations of a component, of a family that has them: 0 where there is no dataset of them,
 * else its second axis must be as long, so that a damaged number makes no room. */
static crd_status read_rank(crd_posterior *posterior, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    int64_t rank, first = 0, n_params = posterior->network->params.n_params;
    stack s;
    crd_h5_type type;
    crd_shape shape = {0};
    int there = 0;
    CRD_TRY(crd_h5_attr_get(&rank, h5, group, "rank", CRD_H5_INT64, 1));
    while (first < n_params && !posterior->bayesian[first])
        first++;
    if (first < n_params) {
        CRD_TRY(place_stack(&s, posterior, first, deviations_kind.kind, deviations_kind.prefix));
        CRD_TRY(crd_h5_exists(&there, h5, s.path));
        if (there)
            CRD_TRY(crd_h5_dataset_info(&type, &shape, h5, s.path));
    }
    CRD_REQUIRE(rank == 0 || (rank >= 2 && rank <= CRD_MAX_RANK), CRD_ERR_INPUT,
                "%s: %s: rank is %" PRId64 "; it must be 0 or 2 to %d", crd_h5_name(h5), group,
                rank, CRD_MAX_RANK);
    CRD_REQUIRE(rank == (shape.n_dims > 1 ? shape.dims[1] : 0), CRD_ERR_INPUT,
                "%s: %s: rank is %" PRId64 ", but %s has %" PRId64 " deviations", crd_h5_name(h5),
                group, rank, first < n_params ? s.path : "the file",
                shape.n_dims > 1 ? shape.dims[1] : 0);
    CRD_TRY(crd_posterior_set_rank(posterior, rank));
cleanup:
    return status;
}

/* Takes the network over, also on error. The number of components is that of the lists of their
 * origins, so that no number of a file is believed that its data do not bear out. */
static crd_status make_posterior(crd_posterior **out, crd_network *network, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    const char *name = crd_h5_name(h5);
    char *family_name = NULL, **names = NULL, **sums = NULL;
    int64_t n = 0, n_names = 0, n_sums = 0, n_chains = 0;
    CRD_TRY(crd_h5_attr_get_text(&family_name, h5, group, "family"));
    const crd_family *family = crd_family_find(family_name);
    CRD_REQUIRE(family != NULL && !crd_family_is_normal(family), CRD_ERR_INPUT,
                "%s: %s: family '%s' is not known to this Credence", name, group, family_name);
    CRD_TRY(crd_h5_attr_get(&n, h5, group, "n_components", CRD_H5_INT64, 1));
    CRD_TRY(read_chains(&n_chains, h5, n));
    CRD_REQUIRE(n_chains == 0 || family == crd_family_find("members"), CRD_ERR_INPUT,
                "%s: %s: family '%s' has no chains", name, group, family_name);
    if (crd_family_is_ensemble(family) && n_chains == 0) {
        CRD_TRY(read_texts(&names, &n_names, h5, files));
        CRD_TRY(read_texts(&sums, &n_sums, h5, digests));
    } else {
        n_names = n_sums = n_chains > 0 ? n : 1;
    }
    CRD_REQUIRE(n >= 1 && n == n_names && n == n_sums, CRD_ERR_INPUT,
                "%s: %s: n_components is %" PRId64 ", but %s names %" PRId64 " and %s %" PRId64,
                name, group, n, files, n_names, digests, n_sums);
    CRD_REQUIRE(!crd_family_is_random(family) || n <= CRD_MAX_COMPONENTS, CRD_ERR_INPUT,
                "%s: %s: %" PRId64 " components of a mixture; at most %d are allowed", name, group,
                n, CRD_MAX_COMPONENTS);
    crd_network *given = network;
    network = NULL;
    CRD_TRY(crd_posterior_create_bare(out, given, family, n));
    (*out)->n_chains = n_chains;
    if (n_chains == 0)
        CRD_TRY(read_origins(*out, names, sums));
cleanup:
    crd_network_destroy(network);
    if (names != NULL)
        crd_h5_strings_free(names, n_names);
    if (sums != NULL)
        crd_h5_strings_free(sums, n_sums);
    crd_free(family_name);
    return status;
}

/* A parameter has a law if the file holds a mu for it: in all components, until it is found fixed
 * in one. Of SWAG everything trained has. */
static crd_status find_bayesian(crd_posterior *posterior, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    const crd_params *params = &posterior->network->params;
    kind_name kinds[MAX_KINDS];
    stack s;
    list_kinds(kinds, posterior);
    if (crd_family_has_deviations(posterior->family)) {
        crd_posterior_set_trained(posterior);
        CRD_TRY(read_rank(posterior, h5));
        return CRD_OK;
    }
    for (int64_t p = 0; p < params->n_params; p++) {
        int there;
        if (!crd_network_param_may_be_random(posterior->network, p) ||
            !crd_family_is_random(posterior->family))
            continue;
        CRD_TRY(place_stack(&s, posterior, p, kinds[0].kind, kinds[0].prefix));
        CRD_TRY(crd_h5_exists(&there, h5, s.path));
        for (int64_t c = 0; c < posterior->n_components; c++)
            posterior->bayesian[c * params->n_params + p] = (uint8_t)there;
    }
cleanup:
    return status;
}

static crd_status add_stack(const stack *s, void *payload)
{
    return crd_components_add(payload, s->path, &s->shape, s->kind == CRD_NUMBER_DEVIATIONS ? 2 : 1,
                              s->param, s->kind);
}

crd_status crd_ensemble_open(crd_posterior **out, crd_network *network, crd_h5 *h5,
                             crd_components *numbers)
{
    crd_status status = CRD_OK;
    char *type = NULL;
    CRD_TRY(make_posterior(out, network, h5));
    crd_conversion *conversion = &(*out)->conversion;
    CRD_TRY(crd_h5_attr_get_text(&type, h5, group, "estimator"));
    CRD_REQUIRE(strlen(type) < sizeof conversion->type, CRD_ERR_INPUT,
                "%s: %s: estimator '%s' is longer than any estimator's name", crd_h5_name(h5),
                group, type);
    memcpy(conversion->type, type, strlen(type) + 1);
    CRD_TRY(find_bayesian(*out, h5));
    CRD_TRY(visit_stacks(*out, add_stack, numbers));
    CRD_TRY(crd_components_find_fixed(numbers, *out));
    CRD_TRY(crd_components_know(numbers, "/history/"));
    if (crd_family_is_ensemble((*out)->family)) {
        CRD_TRY(crd_components_know(numbers, files));
        CRD_TRY(crd_components_know(numbers, digests));
    }
    if ((*out)->n_chains > 0) {
        CRD_TRY(crd_components_know(numbers, chain));
        CRD_TRY(crd_components_know(numbers, draw));
        CRD_TRY(crd_components_know(numbers, "/sample_stats/"));
        CRD_TRY(crd_components_know(numbers, "/posterior/"));
        CRD_TRY(crd_components_know(numbers, "/diagnostics/"));
    }
cleanup:
    crd_free(type);
    return status;
}
