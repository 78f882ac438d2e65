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
#include "io/known_datasets.h"

static const char group[] = "/weights", components[] = "/components", files[] = "/components/file",
                  digests[] = "/components/digest", chain[] = "/components/chain",
                  draw[] = "/components/draw";

/* A dataset: mu (or mean, or what is fixed), rho, variance or deviations of a parameter, of all
 * components. */
typedef struct stack {
    char group[CRD_H5_PATH_SIZE], path[CRD_H5_PATH_SIZE];
    int64_t param;
    int is_rho;
    float *block;     /* of the posterior: [n_components][n_rows][n_floats] */
    int64_t n_rows;   /* of a component: 1, or its deviations */
    int has_row_axis; /* deviations: the second axis */
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
typedef struct number_kind {
    const char *prefix; /* before the leaf's name */
    float *block;
    int is_rho, has_row_axis;
} number_kind;

enum { MAX_KINDS = 3 };

static int list_kinds(number_kind out[MAX_KINDS], const crd_posterior *posterior)
{
    int n = 0;
    if (crd_family_has_deviations(posterior->family)) {
        out[n++] = (number_kind){"mean_", posterior->mu, 0, 0};
        out[n++] = (number_kind){"variance_", posterior->variance, 0, 0};
        if (posterior->rank > 0)
            out[n++] = (number_kind){"deviations_", posterior->deviations, 0, 1};
    } else {
        out[n++] = (number_kind){"mu_", posterior->mu, 0, 0};
        out[n++] = (number_kind){"rho_", posterior->rho, 1, 0};
    }
    return n;
}

static crd_status place_stack(stack *out, const crd_posterior *posterior, int64_t param,
                              const number_kind *kind, const char *prefix)
{
    crd_status status = CRD_OK;
    crd_param_place place;
    const crd_shape *shape = &posterior->network->params.entries[param].shape;
    CRD_TRY(crd_param_place_of(&place, posterior->network, param, prefix));
    snprintf(out->group, sizeof out->group, "%s", group);
    if (place.module[0] != '\0')
        CRD_TRY(crd_h5_join(out->group, group, place.module));
    CRD_TRY(crd_h5_join(out->path, out->group, place.leaf));
    int n_axes = 1 + kind->has_row_axis; /* in front */
    CRD_REQUIRE(shape->n_dims + n_axes <= CRD_MAX_DIMS, CRD_ERR_INTERNAL, "%s: too many axes",
                out->path);
    out->param = param;
    out->is_rho = kind->is_rho;
    out->block = kind->block;
    out->has_row_axis = kind->has_row_axis;
    out->n_rows = kind->has_row_axis ? posterior->rank : 1;
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
    number_kind kinds[MAX_KINDS];
    int n_kinds = list_kinds(kinds, posterior);
    for (int64_t p = 0; p < posterior->network->params.n_params; p++) {
        int has_law = is_ever_bayesian(posterior, p);
        for (int k = 0; k < (has_law ? n_kinds : 1); k++) {
            CRD_TRY(place_stack(&s, posterior, p, &kinds[k], has_law ? kinds[k].prefix : ""));
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
    CRD_TRY(crd_h5_dataset_create(h5, s->path, CRD_H5_FLOAT32, &s->shape));
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

/* A walk over the datasets, one component after the other. */
typedef struct walk {
    crd_h5 *h5;
    crd_posterior *posterior;
    float *fixed; /* rho of a component that has none: -inf */
    crd_known_datasets known;
} walk;

/* Row r of the stack: of component r / n_rows. */
static float *row_of(const walk *w, const stack *s, int64_t r)
{
    const crd_params *params = &w->posterior->network->params;
    return s->block + r * params->n_floats + params->entries[s->param].offset;
}

static void place_row(int64_t start[CRD_MAX_DIMS], int64_t count[CRD_MAX_DIMS], const stack *s,
                      int64_t r)
{
    memset(start, 0, CRD_MAX_DIMS * sizeof *start);
    memcpy(count, s->shape.dims, (size_t)s->shape.n_dims * sizeof *count);
    start[0] = r / s->n_rows;
    count[0] = 1;
    if (s->has_row_axis) {
        start[1] = r % s->n_rows;
        count[1] = 1;
    }
}

static crd_status write_stack(const stack *s, void *payload)
{
    crd_status status = CRD_OK;
    const walk *w = payload;
    int64_t start[CRD_MAX_DIMS], count[CRD_MAX_DIMS];
    for (int64_t r = 0; r < w->posterior->n_components * s->n_rows; r++) {
        const float *row = row_of(w, s, r);
        if (s->is_rho && !is_bayesian(w->posterior, r, s->param))
            row = w->fixed;
        place_row(start, count, s, r);
        CRD_TRY(crd_h5_write(w->h5, s->path, CRD_H5_FLOAT32, row, start, count));
    }
cleanup:
    return status;
}

static int64_t largest_param(const crd_params *params)
{
    int64_t most = 0;
    for (int64_t p = 0; p < params->n_params; p++)
        most = params->entries[p].count > most ? params->entries[p].count : most;
    return most;
}

crd_status crd_ensemble_write(crd_h5 *h5, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    walk w = {.h5 = h5, .posterior = (crd_posterior *)posterior};
    int64_t n = largest_param(&posterior->network->params);
    CRD_ALLOC(&w.fixed, n, "rho");
    for (int64_t i = 0; i < n; i++)
        w.fixed[i] = -INFINITY;
    CRD_TRY(visit_stacks(posterior, write_stack, &w));
cleanup:
    crd_free(w.fixed);
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
    CRD_TRY(crd_reader_expect(h5, draw, CRD_H5_INT64, &shape));
    CRD_ALLOC(&found, 2 * n, "numbers of draws");
    CRD_ALLOC(&right, 2 * n, "numbers of draws");
    CRD_TRY(crd_h5_read(found, h5, chain, CRD_H5_INT64, NULL, NULL));
    CRD_TRY(crd_h5_read(found + n, h5, draw, CRD_H5_INT64, NULL, NULL));
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
    number_kind kind = {"deviations_", NULL, 0, 1};
    stack s;
    crd_h5_type type;
    crd_shape shape = {0};
    int there = 0;
    CRD_TRY(crd_h5_attr_get(&rank, h5, group, "rank", CRD_H5_INT64, 1));
    while (first < n_params && !posterior->bayesian[first])
        first++;
    if (first < n_params) {
        CRD_TRY(place_stack(&s, posterior, first, &kind, kind.prefix));
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
    CRD_TRY(crd_posterior_create_ensemble(out, given, family, n));
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

/* A parameter has a law if the file holds a mu for it: in all components, until they are read. Of
 * SWAG everything trained has. */
static crd_status find_bayesian(crd_posterior *posterior, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    const crd_params *params = &posterior->network->params;
    number_kind kinds[MAX_KINDS];
    stack s;
    list_kinds(kinds, posterior);
    if (crd_family_has_deviations(posterior->family)) {
        crd_posterior_set_trained(posterior);
        CRD_TRY(read_rank(posterior, h5));
        return CRD_OK;
    }
    for (int64_t p = 0; p < params->n_params; p++) {
        int there;
        if (!crd_network_param_may_be_random(posterior->network, p) || posterior->rho == NULL)
            continue;
        CRD_TRY(place_stack(&s, posterior, p, &kinds[0], kinds[0].prefix));
        CRD_TRY(crd_h5_exists(&there, h5, s.path));
        for (int64_t c = 0; c < posterior->n_components; c++)
            posterior->bayesian[c * params->n_params + p] = (uint8_t)there;
    }
cleanup:
    return status;
}

/* rho -inf throughout: the parameter is fixed in this component. */
static void find_fixed(crd_posterior *posterior, int64_t component, int64_t param, float *rho)
{
    int64_t n = posterior->network->params.entries[param].count, n_fixed = 0;
    for (int64_t i = 0; i < n; i++)
        n_fixed += isinf(rho[i]) && rho[i] < 0;
    if (n_fixed < n)
        return;
    posterior->bayesian[component * posterior->network->params.n_params + param] = 0;
    memset(rho, 0, (size_t)n * sizeof *rho);
}

static crd_status read_stack(const stack *s, void *payload)
{
    crd_status status = CRD_OK;
    walk *w = payload;
    int64_t start[CRD_MAX_DIMS], count[CRD_MAX_DIMS];
    CRD_TRY(crd_reader_expect(w->h5, s->path, CRD_H5_FLOAT32, &s->shape));
    for (int64_t r = 0; r < w->posterior->n_components * s->n_rows; r++) {
        place_row(start, count, s, r);
        CRD_TRY(crd_h5_read(row_of(w, s, r), w->h5, s->path, CRD_H5_FLOAT32, start, count));
        if (s->is_rho)
            find_fixed(w->posterior, r, s->param, row_of(w, s, r));
    }
    CRD_TRY(crd_known_datasets_add(&w->known, s->path));
cleanup:
    return status;
}

crd_status crd_ensemble_read(crd_posterior **out, crd_network *network, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    char *type = NULL;
    walk w = {.h5 = h5};
    CRD_TRY(make_posterior(out, network, h5));
    w.posterior = *out;
    crd_conversion *conversion = &(*out)->conversion;
    CRD_TRY(crd_h5_attr_get_text(&type, h5, group, "estimator"));
    CRD_REQUIRE(strlen(type) < sizeof conversion->type, CRD_ERR_INPUT,
                "%s: %s: estimator '%s' is longer than any estimator's name", crd_h5_name(h5),
                group, type);
    memcpy(conversion->type, type, strlen(type) + 1);
    CRD_TRY(find_bayesian(*out, h5));
    CRD_TRY(visit_stacks(*out, read_stack, &w));
    CRD_TRY(crd_known_datasets_add(&w.known, "/graph"));
    CRD_TRY(crd_known_datasets_add(&w.known, "/classes"));
    CRD_TRY(crd_known_datasets_add(&w.known, "/history/"));
    if (crd_family_is_ensemble((*out)->family)) {
        CRD_TRY(crd_known_datasets_add(&w.known, files));
        CRD_TRY(crd_known_datasets_add(&w.known, digests));
    }
    if ((*out)->n_chains > 0) {
        CRD_TRY(crd_known_datasets_add(&w.known, chain));
        CRD_TRY(crd_known_datasets_add(&w.known, draw));
        CRD_TRY(crd_known_datasets_add(&w.known, "/sample_stats/"));
        CRD_TRY(crd_known_datasets_add(&w.known, "/posterior/"));
        CRD_TRY(crd_known_datasets_add(&w.known, "/diagnostics/"));
    }
    CRD_TRY(crd_known_datasets_check(&w.known, h5, "/"));
cleanup:
    crd_known_datasets_clear(&w.known);
    crd_free(type);
    return status;
}
