/* The weights of an ensemble in HDF5: a dataset a parameter, with the components as its first axis,
 * so that a component is one piece of each; and where the components come from. What is fixed in
 * one component and Bayesian in another has rho -inf there, that is sigma 0. Layout:
 * data/FORMATS.md. */
#include "io/ensemble_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bayes/param_place.h"

static const char group[] = "/weights", components[] = "/components", files[] = "/components/file",
                  digests[] = "/components/digest";

/* A dataset: mu, rho or the fixed values of a parameter, of all components. */
typedef struct stack {
    char group[CRD_H5_PATH_SIZE], path[CRD_H5_PATH_SIZE];
    int64_t param;
    int is_rho;
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

/* `prefix`: "mu_" and "rho_" of what is Bayesian anywhere, "" of what is fixed. */
static crd_status place_stack(stack *out, const crd_posterior *posterior, int64_t param,
                              const char *prefix)
{
    crd_status status = CRD_OK;
    crd_param_place place;
    const crd_shape *shape = &posterior->network->params.entries[param].shape;
    CRD_TRY(crd_param_place_of(&place, posterior->network, param, prefix));
    snprintf(out->group, sizeof out->group, "%s", group);
    if (place.module[0] != '\0')
        CRD_TRY(crd_h5_join(out->group, group, place.module));
    CRD_TRY(crd_h5_join(out->path, out->group, place.leaf));
    CRD_REQUIRE(shape->n_dims < CRD_MAX_DIMS, CRD_ERR_INTERNAL, "%s: too many axes", out->path);
    out->param = param;
    out->is_rho = *prefix == 'r';
    out->shape.n_dims = shape->n_dims + 1;
    out->shape.dims[0] = posterior->n_components;
    memcpy(out->shape.dims + 1, shape->dims, (size_t)shape->n_dims * sizeof *shape->dims);
cleanup:
    return status;
}

typedef crd_status stack_visit(const stack *s, void *payload);

/* Visits every dataset of numbers: the one place that says where what lies. */
static crd_status visit_stacks(const crd_posterior *posterior, stack_visit *visit, void *payload)
{
    crd_status status = CRD_OK;
    stack s;
    for (int64_t p = 0; p < posterior->network->params.n_params; p++) {
        int has_law = is_ever_bayesian(posterior, p);
        CRD_TRY(place_stack(&s, posterior, p, has_law ? "mu_" : ""));
        CRD_TRY(visit(&s, payload));
        if (!has_law)
            continue;
        CRD_TRY(place_stack(&s, posterior, p, "rho_"));
        CRD_TRY(visit(&s, payload));
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

static crd_status write_origins(crd_h5 *h5, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    const char **texts = NULL;
    int64_t n = posterior->n_components;
    CRD_ALLOC(&texts, n, "origins of components");
    CRD_TRY(crd_h5_group_create(h5, components));
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
    float *mu, *rho; /* [n_floats] */
} writing;

static crd_status write_row(const stack *s, void *payload)
{
    const writing *w = payload;
    const crd_param *param = &w->posterior->network->params.entries[s->param];
    float *row = (s->is_rho ? w->rho : w->mu) + param->offset;
    int64_t start[CRD_MAX_DIMS] = {w->component}, count[CRD_MAX_DIMS] = {1};
    for (int i = 1; i < s->shape.n_dims; i++)
        count[i] = s->shape.dims[i];
    for (int64_t i = 0; s->is_rho && i < param->count; i++)
        if (!is_bayesian(w->posterior, w->component, s->param))
            row[i] = -INFINITY;
    return crd_h5_write(w->h5, s->path, CRD_H5_FLOAT32, row, start, count);
}

crd_status crd_ensemble_write(crd_h5 *h5, const crd_posterior *posterior,
                              const crd_numbers_source *source)
{
    crd_status status = CRD_OK;
    writing w = {.h5 = h5, .posterior = posterior};
    int is_random = crd_family_is_random(posterior->family);
    CRD_ALLOC(&w.mu, posterior->network->params.n_floats, "numbers of a component");
    if (is_random)
        CRD_ALLOC(&w.rho, posterior->network->params.n_floats, "numbers of a component");
    for (; w.component < posterior->n_components; w.component++) {
        CRD_TRY(source->read(&w.mu, is_random ? &w.rho : NULL, w.component, 1, source->payload));
        CRD_TRY(visit_stacks(posterior, write_row, &w));
    }
cleanup:
    crd_free(w.rho);
    crd_free(w.mu);
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
    for (int64_t c = 0; c < posterior->n_components; c++) {
        CRD_TRY(crd_alloc_string(&posterior->origins[c].file, names[c]));
        CRD_TRY(crd_alloc_string(&posterior->origins[c].digest, sums[c]));
    }
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
    int64_t n = 0, n_names = 0, n_sums = 0;
    CRD_TRY(crd_h5_attr_get_text(&family_name, h5, group, "family"));
    const crd_family *family = crd_family_find(family_name);
    CRD_REQUIRE(family != NULL && crd_family_is_ensemble(family), CRD_ERR_INPUT,
                "%s: %s: family '%s' is not known to this Credence", name, group, family_name);
    CRD_TRY(crd_h5_attr_get(&n, h5, group, "n_components", CRD_H5_INT64, 1));
    CRD_TRY(read_texts(&names, &n_names, h5, files));
    CRD_TRY(read_texts(&sums, &n_sums, h5, digests));
    CRD_REQUIRE(n >= 1 && n == n_names && n == n_sums, CRD_ERR_INPUT,
                "%s: %s: n_components is %" PRId64 ", but %s names %" PRId64 " and %s %" PRId64,
                name, group, n, files, n_names, digests, n_sums);
    CRD_REQUIRE(!crd_family_is_random(family) || n <= CRD_MAX_COMPONENTS, CRD_ERR_INPUT,
                "%s: %s: %" PRId64 " components of a mixture; at most %d are allowed", name, group,
                n, CRD_MAX_COMPONENTS);
    crd_network *given = network;
    network = NULL;
    CRD_TRY(crd_posterior_create_bare(out, given, family, n));
    CRD_TRY(read_origins(*out, names, sums));
cleanup:
    crd_network_destroy(network);
    crd_h5_strings_free(names, n_names);
    crd_h5_strings_free(sums, n_sums);
    crd_free(family_name);
    return status;
}

/* A parameter has a law if the file holds a rho for it: in all components, until it is found fixed
 * in one. */
static crd_status find_bayesian(crd_posterior *posterior, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    const crd_params *params = &posterior->network->params;
    stack s;
    for (int64_t p = 0; p < params->n_params; p++) {
        int there;
        if (!crd_network_param_may_be_random(posterior->network, p) ||
            !crd_family_is_random(posterior->family))
            continue;
        CRD_TRY(place_stack(&s, posterior, p, "mu_"));
        CRD_TRY(crd_h5_exists(&there, h5, s.path));
        for (int64_t c = 0; c < posterior->n_components; c++)
            posterior->bayesian[c * params->n_params + p] = (uint8_t)there;
    }
cleanup:
    return status;
}

static crd_status add_stack(const stack *s, void *payload)
{
    return crd_components_add(payload, s->path, &s->shape, 1, s->param,
                              s->is_rho ? CRD_NUMBER_RHO : CRD_NUMBER_MU);
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
    CRD_TRY(crd_components_know(numbers, files));
    CRD_TRY(crd_components_know(numbers, digests));
cleanup:
    crd_free(type);
    return status;
}
