/* A posterior in HDF5: graph, parameters under bayesian-torch's names, prior, conversion,
 * preprocessing, classes; of other families ensemble_file.c has the weights. One visitor says where
 * each tensor lies, for writing and for reading.
 * Layout: data/FORMATS.md. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/names.h"
#include "io/ensemble_file.h"
#include "io/history.h"
#include "io/laplace_part.h"
#include "io/posterior_file.h"
#include "io/sample_stats.h"

#define OUTPUTS "/outputs"
enum { LEAF_SIZE = 64, MODULE_SIZE = 512 };

/* One dataset of a posterior's numbers. */
typedef struct tensor_place {
    char group[CRD_H5_PATH_SIZE], path[CRD_H5_PATH_SIZE];
    int64_t param;
    const crd_shape *shape;
    crd_number_kind kind;
} tensor_place;

typedef crd_status tensor_visit(const tensor_place *place, void *payload);

static crd_status place_tensor(tensor_place *place, const crd_posterior *posterior, int64_t index,
                               crd_number_kind kind)
{
    crd_status status = CRD_OK;
    const char *root = kind == CRD_NUMBER_PRIOR_MU ? "/prior" : "/parameters";
    const char *prefix = kind == CRD_NUMBER_PRIOR_MU ? "prior_" : "";
    char module[MODULE_SIZE], leaf[LEAF_SIZE], name[LEAF_SIZE + 8];
    CRD_TRY(crd_posterior_param_name(module, sizeof module, leaf, sizeof leaf, posterior, index,
                                     kind == CRD_NUMBER_RHO ? 'r' : 'm'));
    snprintf(name, sizeof name, "%s%s", prefix, leaf);
    if (module[0] == '\0')
        snprintf(place->group, sizeof place->group, "%s", root);
    else
        CRD_TRY(crd_h5_join(place->group, root, module));
    CRD_TRY(crd_h5_join(place->path, place->group, name));
    place->param = index;
    place->shape = &posterior->network->params.entries[index].shape;
    place->kind = kind;
cleanup:
    return status;
}

/* Visits every dataset of numbers that the file of this posterior has: the one place that says
 * where what lies, for writing and reading. */
static crd_status visit_tensors(const crd_posterior *posterior, bool has_prior, tensor_visit *visit,
                                void *payload)
{
    crd_status status = CRD_OK;
    tensor_place place;
    for (int64_t p = 0; p < posterior->network->params.n_params; p++)
        for (int kind = CRD_NUMBER_MU; kind <= CRD_NUMBER_PRIOR_MU; kind++) {
            if ((kind != CRD_NUMBER_MU && !posterior->bayesian[p]) ||
                (kind == CRD_NUMBER_PRIOR_MU && !has_prior))
                continue;
            CRD_TRY(place_tensor(&place, posterior, p, (crd_number_kind)kind));
            CRD_TRY(visit(&place, payload));
        }
cleanup:
    return status;
}

static crd_status count_bytes(const tensor_place *place, void *payload)
{
    *(int64_t *)payload += crd_shape_count(place->shape) * (int64_t)sizeof(float);
    return CRD_OK;
}

static crd_status create_tensor(const tensor_place *place, void *payload)
{
    crd_status status = CRD_OK;
    crd_h5 *h5 = payload;
    int there;
    CRD_TRY(crd_h5_exists(&there, h5, place->group));
    if (!there)
        CRD_TRY(crd_h5_group_create(h5, place->group));
    CRD_TRY(crd_h5_dataset_create(h5, place->path, CRD_H5_FLOAT32, place->shape));
cleanup:
    return status;
}

typedef struct writing {
    crd_h5 *h5;
    const crd_posterior *posterior;
} writing;

static crd_status write_tensor(const tensor_place *place, void *payload)
{
    const writing *w = payload;
    const crd_posterior *posterior = w->posterior;
    const float *const blocks[] = {[CRD_NUMBER_MU] = posterior->mu,
                                   [CRD_NUMBER_RHO] = posterior->rho,
                                   [CRD_NUMBER_PRIOR_MU] = posterior->prior_mu};
    return crd_h5_write(
        w->h5, place->path, CRD_H5_FLOAT32,
        blocks[place->kind] + posterior->network->params.entries[place->param].offset, NULL, NULL);
}

/* The numbers of crd_conversion in the file: one table for writing and reading. */
#define N_DOUBLES 8
typedef struct double_place {
    const char *group, *key;
    double *value;
} double_place;

static void place_doubles(double_place out[N_DOUBLES], crd_conversion *conversion)
{
    out[0] = (double_place){"/prior", "prior_mu", &conversion->prior_mu};
    out[1] = (double_place){"/prior", "prior_sigma", &conversion->prior_sigma};
    out[2] = (double_place){"/prior", "prior_pi", &conversion->prior_pi};
    out[3] = (double_place){"/prior", "prior_sigma2", &conversion->prior_sigma2};
    out[4] = (double_place){"/conversion", "posterior_mu_init", &conversion->posterior_mu_init};
    out[5] = (double_place){"/conversion", "posterior_rho_init", &conversion->posterior_rho_init};
    out[6] = (double_place){"/conversion", "moped_delta", &conversion->moped_delta};
    out[7] = (double_place){"/conversion", "sigma_min", &conversion->sigma_min};
}

static crd_status write_conversion(crd_h5 *h5, const crd_conversion *given)
{
    crd_status status = CRD_OK;
    crd_conversion conversion = *given;
    int64_t moped_enable = given->moped_enable, moped_prior = given->moped_prior;
    double_place doubles[N_DOUBLES];
    place_doubles(doubles, &conversion);
    CRD_TRY(crd_h5_group_create(h5, "/prior"));
    CRD_TRY(crd_h5_group_create(h5, "/conversion"));
    CRD_TRY(crd_h5_attr_put_text(h5, "/prior", "prior_kind",
                                 crd_prior_kind_names()[given->prior_kind]));
    CRD_TRY(crd_h5_attr_put_text(h5, "/prior", "prior_scale",
                                 crd_prior_scale_names()[given->prior_scale]));
    CRD_TRY(crd_h5_attr_put_text(h5, "/conversion", "type", conversion.type));
    CRD_TRY(crd_h5_attr_put_text(h5, "/conversion", "initial_values",
                                 crd_initial_kind_names()[given->initial]));
    for (int i = 0; i < N_DOUBLES; i++)
        CRD_TRY(crd_h5_attr_put(h5, doubles[i].group, doubles[i].key, CRD_H5_FLOAT64,
                                doubles[i].value, 1));
    CRD_TRY(crd_h5_attr_put(h5, "/conversion", "moped_enable", CRD_H5_INT64, &moped_enable, 1));
    CRD_TRY(crd_h5_attr_put(h5, "/conversion", "moped_prior", CRD_H5_INT64, &moped_prior, 1));
    CRD_TRY(crd_h5_attr_put(h5, "/conversion", "seed", CRD_H5_UINT64, &conversion.seed, 1));
cleanup:
    return status;
}

static crd_status write_preprocessing(crd_h5 *h5, const crd_preprocessing *transform)
{
    crd_status status = CRD_OK;
    const char *group = "/preprocessing";
    CRD_TRY(crd_h5_group_create(h5, group));
    CRD_TRY(crd_h5_attr_put(h5, group, "channels", CRD_H5_INT64, &transform->channels, 1));
    CRD_TRY(crd_h5_attr_put(h5, group, "resize", CRD_H5_INT64, &transform->resize, 1));
    CRD_TRY(crd_h5_attr_put(h5, group, "crop", CRD_H5_INT64, &transform->crop, 1));
    if (crd_preprocessing_width(transform) != transform->crop)
        CRD_TRY(crd_h5_attr_put(h5, group, "crop_width", CRD_H5_INT64, &transform->crop_width, 1));
    CRD_TRY(crd_h5_attr_put_text(h5, group, "interpolation",
                                 crd_interpolation_names()[transform->interpolation]));
    CRD_TRY(
        crd_h5_attr_put(h5, group, "mean", CRD_H5_FLOAT32, transform->mean, transform->channels));
    CRD_TRY(crd_h5_attr_put(h5, group, "sd", CRD_H5_FLOAT32, transform->sd, transform->channels));
cleanup:
    return status;
}

/* Only of regression: files without it hold logits. */
static crd_status write_outputs(crd_h5 *h5, crd_output_kind kind)
{
    crd_status status = CRD_OK;
    if (kind == CRD_OUTPUT_LOGITS)
        return CRD_OK;
    CRD_TRY(crd_h5_group_create(h5, OUTPUTS));
    CRD_TRY(crd_h5_attr_put_text(h5, OUTPUTS, "kind", crd_output_kind_names()[kind]));
cleanup:
    return status;
}

crd_status crd_posterior_part_measure(int64_t *bytes, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    *bytes = 0;
    CRD_TRY(crd_posterior_check(posterior));
    CRD_TRY(crd_preprocessing_check(&posterior->preprocessing));
    if (crd_family_is_normal(posterior->family))
        CRD_TRY(visit_tensors(posterior, posterior->prior_mu != NULL, count_bytes, bytes));
    else
        CRD_TRY(crd_ensemble_measure(bytes, posterior));
cleanup:
    return status;
}

static crd_status create_normal(crd_h5 *h5, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_h5_group_create(h5, "/parameters"));
    CRD_TRY(write_conversion(h5, &posterior->conversion));
    CRD_TRY(visit_tensors(posterior, posterior->prior_mu != NULL, create_tensor, h5));
cleanup:
    return status;
}

crd_status crd_posterior_part_create(crd_h5 *h5, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    char *graph = NULL;
    CRD_TRY(crd_network_to_json(&graph, posterior->network));
    CRD_TRY(crd_h5_strings_write(h5, "/graph", (const char *const[]){graph}, 0));
    CRD_TRY(crd_family_is_normal(posterior->family) ? create_normal(h5, posterior)
                                                    : crd_ensemble_create(h5, posterior));
    CRD_TRY(write_preprocessing(h5, &posterior->preprocessing));
    CRD_TRY(write_outputs(h5, posterior->outputs));
    CRD_TRY(crd_laplace_part_write(h5, &posterior->laplace));
    if (posterior->classes != NULL)
        CRD_TRY(crd_h5_strings_write(h5, "/classes", (const char *const *)posterior->classes,
                                     posterior->n_classes));
cleanup:
    crd_network_text_free(graph);
    return status;
}

static crd_status write_numbers(crd_h5 *h5, const crd_posterior *posterior,
                                const crd_numbers_source *source)
{
    writing w = {h5, posterior};
    return crd_family_is_normal(posterior->family)
               ? visit_tensors(posterior, posterior->prior_mu != NULL, write_tensor, &w)
               : crd_ensemble_write(h5, posterior, source);
}

crd_status crd_posterior_part_write(crd_h5 *h5, const crd_posterior *posterior)
{
    const crd_numbers_source own = crd_posterior_source(posterior);
    return write_numbers(h5, posterior, &own);
}

/* What a posterior's file holds. */
typedef struct contents {
    const crd_posterior *posterior;
    crd_numbers_source source; /* of the numbers, but of a normal one */
    const crd_epoch *epochs;   /* [n_epochs] */
    int64_t n_epochs;
    const crd_chain_report *chains; /* NULL: none */
} contents;

static crd_status write_file(const char *path, const contents *given,
                             const crd_provenance *provenance)
{
    crd_status status = CRD_OK;
    const crd_posterior *posterior = given->posterior;
    crd_writer writer = {.h5 = NULL};
    int64_t bytes;
    CRD_TRY(crd_posterior_part_measure(&bytes, posterior));
    bytes += crd_history_bytes(given->n_epochs) + crd_chain_report_bytes(given->chains);
    int64_t version = crd_family_is_normal(posterior->family) ? 1 : 2;
    CRD_TRY(
        crd_writer_begin_version(&writer, path, CRD_FILE_POSTERIOR, version, bytes, provenance));
    CRD_TRY(crd_posterior_part_create(writer.h5, posterior));
    CRD_TRY(crd_history_create(&writer, given->epochs, given->n_epochs, false));
    CRD_TRY(crd_sample_stats_create(&writer, given->chains));
    CRD_TRY(crd_writer_end_metadata(&writer));
    CRD_TRY(write_numbers(writer.h5, posterior, &given->source));
    CRD_TRY(crd_history_write(&writer, given->epochs, given->n_epochs, false));
    CRD_TRY(crd_sample_stats_write(&writer, given->chains));
    CRD_TRY(crd_writer_publish(&writer));
cleanup:
    crd_writer_abandon(&writer);
    return status;
}

crd_status crd_posterior_write(const char *path, const crd_posterior *posterior,
                               const crd_provenance *provenance)
{
    const contents c = {.posterior = posterior, .source = crd_posterior_source(posterior)};
    return write_file(path, &c, provenance);
}

crd_status crd_ensemble_write_file(const char *path, const crd_posterior *ensemble,
                                   const crd_numbers_source *source,
                                   const crd_provenance *provenance)
{
    const contents c = {.posterior = ensemble, .source = *source};
    return write_file(path, &c, provenance);
}

crd_status crd_posterior_write_chains(const char *path, const crd_posterior *posterior,
                                      const crd_numbers_source *source,
                                      const crd_chain_report *report,
                                      const crd_provenance *provenance)
{
    const contents c = {.posterior = posterior, .source = *source, .chains = report};
    return write_file(path, &c, provenance);
}

crd_status crd_posterior_write_trained(const char *path, const crd_posterior *posterior,
                                       const crd_train_state *state,
                                       const crd_provenance *provenance)
{
    const contents c = {.posterior = posterior,
                        .source = crd_posterior_source(posterior),
                        .epochs = state->history,
                        .n_epochs = state->epoch};
    return write_file(path, &c, provenance);
}

/* *out = place of the text attribute among names. */
static crd_status read_choice(int *out, crd_h5 *h5, const char *group, const char *key,
                              const char *const *names)
{
    crd_status status = CRD_OK;
    char *found = NULL, place[CRD_H5_PATH_SIZE];
    CRD_TRY(crd_h5_attr_get_text(&found, h5, group, key));
    snprintf(place, sizeof place, "%s: %s: %s", crd_h5_name(h5), group, key);
    CRD_TRY(crd_names_require(out, names, found, place, CRD_ERR_INPUT));
cleanup:
    crd_free(found);
    return status;
}

static crd_status read_conversion(crd_conversion *conversion, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    char *type = NULL;
    int64_t moped_enable, moped_prior;
    int kind, scale, initial, has_initial;
    double_place doubles[N_DOUBLES];
    place_doubles(doubles, conversion);
    for (int i = 0; i < N_DOUBLES; i++)
        CRD_TRY(crd_h5_attr_get(doubles[i].value, h5, doubles[i].group, doubles[i].key,
                                CRD_H5_FLOAT64, 1));
    CRD_TRY(read_choice(&kind, h5, "/prior", "prior_kind", crd_prior_kind_names()));
    CRD_TRY(read_choice(&scale, h5, "/prior", "prior_scale", crd_prior_scale_names()));
    CRD_TRY(crd_h5_attr_get(&moped_enable, h5, "/conversion", "moped_enable", CRD_H5_INT64, 1));
    CRD_TRY(crd_h5_attr_get(&moped_prior, h5, "/conversion", "moped_prior", CRD_H5_INT64, 1));
    CRD_TRY(crd_h5_attr_get(&conversion->seed, h5, "/conversion", "seed", CRD_H5_UINT64, 1));
    CRD_TRY(crd_h5_attr_get_text(&type, h5, "/conversion", "type"));
    CRD_REQUIRE(strlen(type) < sizeof conversion->type, CRD_ERR_INPUT,
                "%s: /conversion: type '%s' is longer than any estimator's name", crd_h5_name(h5),
                type);
    memcpy(conversion->type, type, strlen(type) + 1);
    conversion->prior_kind = (crd_prior_kind)kind;
    conversion->prior_scale = (crd_prior_scale)scale;
    conversion->moped_enable = moped_enable != 0;
    conversion->moped_prior = moped_prior != 0;
    CRD_TRY(crd_h5_attr_exists(&has_initial, h5, "/conversion", "initial_values"));
    initial = moped_enable != 0 ? CRD_INITIAL_MOPED : CRD_INITIAL_RANDOM; /* of older files */
    if (has_initial)
        CRD_TRY(
            read_choice(&initial, h5, "/conversion", "initial_values", crd_initial_kind_names()));
    conversion->initial = (crd_initial_kind)initial;
cleanup:
    crd_free(type);
    return status;
}

static crd_status read_preprocessing(crd_preprocessing *transform, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    const char *group = "/preprocessing";
    int interpolation, is_wide;
    CRD_TRY(crd_h5_attr_get(&transform->channels, h5, group, "channels", CRD_H5_INT64, 1));
    CRD_REQUIRE(transform->channels >= 1 && transform->channels <= CRD_MAX_CHANNELS, CRD_ERR_INPUT,
                "%s: %s: channels is %lld; it must be 1 to %d", crd_h5_name(h5), group,
                (long long)transform->channels, CRD_MAX_CHANNELS);
    CRD_TRY(crd_h5_attr_get(&transform->resize, h5, group, "resize", CRD_H5_INT64, 1));
    CRD_TRY(crd_h5_attr_get(&transform->crop, h5, group, "crop", CRD_H5_INT64, 1));
    CRD_TRY(crd_h5_attr_exists(&is_wide, h5, group, "crop_width"));
    if (is_wide)
        CRD_TRY(crd_h5_attr_get(&transform->crop_width, h5, group, "crop_width", CRD_H5_INT64, 1));
    CRD_TRY(
        crd_h5_attr_get(transform->mean, h5, group, "mean", CRD_H5_FLOAT32, transform->channels));
    CRD_TRY(crd_h5_attr_get(transform->sd, h5, group, "sd", CRD_H5_FLOAT32, transform->channels));
    CRD_TRY(read_choice(&interpolation, h5, group, "interpolation", crd_interpolation_names()));
    transform->interpolation = (crd_interpolation)interpolation;
cleanup:
    return status;
}

static crd_status read_outputs(crd_posterior *posterior, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    int there, kind = CRD_OUTPUT_LOGITS;
    CRD_TRY(crd_h5_exists(&there, h5, OUTPUTS));
    if (there)
        CRD_TRY(read_choice(&kind, h5, OUTPUTS, "kind", crd_output_kind_names()));
    CRD_REQUIRE(kind != CRD_OUTPUT_NORMALS || posterior->n_classes % 2 == 0, CRD_ERR_INPUT,
                "%s: " OUTPUTS ": kind is normals, but the network has %lld outputs, which is odd",
                crd_h5_name(h5), (long long)posterior->n_classes);
    posterior->outputs = (crd_output_kind)kind;
cleanup:
    return status;
}

static crd_status read_graph(crd_network **out, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    char **graph = NULL;
    int64_t n = 0;
    CRD_TRY(crd_reader_check(h5, "/graph"));
    CRD_TRY(crd_h5_strings_read(&graph, &n, h5, "/graph"));
    CRD_REQUIRE(n == 1, CRD_ERR_INPUT, "%s: /graph: is not one text", crd_h5_name(h5));
    status = crd_network_from_json(out, graph[0]);
    if (status != CRD_OK) /* what it holds is the file's fault, too little memory is not */
        CRD_TRY(CRD_FAIL(status == CRD_ERR_INTERNAL ? status : CRD_ERR_INPUT, "%s: /graph: %s",
                         crd_h5_name(h5), crd_status_message()));
cleanup:
    crd_h5_strings_free(graph, n);
    return status;
}

static crd_status read_classes(crd_posterior *posterior, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    char **classes = NULL;
    int64_t n = 0;
    int there;
    CRD_TRY(crd_h5_exists(&there, h5, "/classes"));
    if (!there)
        return CRD_OK;
    CRD_TRY(crd_reader_check(h5, "/classes"));
    CRD_TRY(crd_h5_strings_read(&classes, &n, h5, "/classes"));
    CRD_REQUIRE(n == posterior->n_classes, CRD_ERR_INPUT,
                "%s: /classes: %lld names, but the network has %lld outputs", crd_h5_name(h5),
                (long long)n, (long long)posterior->n_classes);
    posterior->classes = classes;
    classes = NULL;
cleanup:
    crd_h5_strings_free(classes, n);
    return status;
}

/* A weight has a posterior if the file holds one for it. */
static crd_status find_bayesian(crd_posterior *posterior, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    const crd_network *network = posterior->network;
    tensor_place place;
    for (int64_t p = 0; p < network->params.n_params; p++) {
        int there;
        if (!crd_network_param_may_be_random(network, p))
            continue;
        posterior->bayesian[p] = 1;
        CRD_TRY(place_tensor(&place, posterior, p, CRD_NUMBER_MU));
        CRD_TRY(crd_h5_exists(&there, h5, place.path));
        posterior->bayesian[p] = (uint8_t)there;
    }
cleanup:
    return status;
}

static crd_status count_dataset(const char *path, void *payload)
{
    (void)path;
    ++*(int64_t *)payload;
    return CRD_OK;
}

static crd_status add_tensor(const tensor_place *place, void *payload)
{
    return crd_components_add(payload, place->path, place->shape, 0, place->param, place->kind);
}

static crd_status place_tensors(crd_posterior *posterior, bool *has_prior, crd_h5 *h5,
                                crd_components *numbers)
{
    crd_status status = CRD_OK;
    int64_t n_priors = 0;
    CRD_TRY(find_bayesian(posterior, h5));
    CRD_TRY(crd_h5_visit_datasets(h5, "/prior", count_dataset, &n_priors));
    *has_prior = n_priors > 0;
    CRD_TRY(visit_tensors(posterior, *has_prior, add_tensor, numbers));
    CRD_TRY(crd_components_know(numbers, "/history/"));
cleanup:
    return status;
}

struct crd_posterior_file {
    crd_h5 *h5; /* owned if it was opened by path */
    bool owns_h5, has_prior;
    char digest[CRD_FILE_DIGEST_SIZE];
    crd_posterior *posterior; /* bare */
    crd_components *numbers;
};

static crd_status check_names(const crd_posterior_file *file, crd_file_kind kind)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_components_know(file->numbers, "/graph"));
    CRD_TRY(crd_components_know(file->numbers, "/classes"));
    if (kind == CRD_FILE_CHECKPOINT) {
        CRD_TRY(crd_components_know(file->numbers, "/optimizer/"));
        CRD_TRY(crd_components_know(file->numbers, "/collection/"));
        CRD_TRY(crd_components_know(file->numbers, "/progress/"));
    }
    CRD_TRY(crd_components_check_names(file->numbers));
cleanup:
    return status;
}

/* The tensor that images become is the one that the network takes. */
static crd_status check_input(const crd_posterior *posterior)
{
    const crd_preprocessing *p = &posterior->preprocessing;
    const crd_shape *input = crd_network_input_shape(posterior->network);
    const crd_shape made = crd_shape_make(3, p->channels, p->crop, crd_preprocessing_width(p));
    char wanted[CRD_SHAPE_TEXT_SIZE], given[CRD_SHAPE_TEXT_SIZE];
    return crd_shape_equal(input, &made)
               ? CRD_OK
               : CRD_FAIL(CRD_ERR_INPUT,
                          "preprocessing: channels and crop make images of shape %s, but the "
                          "network takes %s",
                          crd_shape_text(given, &made), crd_shape_text(wanted, input));
}

/* All but the numbers. */
static crd_status open_part(crd_posterior_file *file, crd_file_kind kind)
{
    crd_status status = CRD_OK;
    crd_network *network = NULL;
    crd_h5 *h5 = file->h5;
    int is_other;
    CRD_TRY(crd_components_create(&file->numbers, h5));
    CRD_TRY(crd_ensemble_is_there(&is_other, h5));
    CRD_TRY(read_graph(&network, h5));
    if (is_other) {
        CRD_TRY(crd_ensemble_open(&file->posterior, network, h5, file->numbers));
    } else {
        CRD_TRY(crd_posterior_create_bare(&file->posterior, network, crd_family_find("normal"), 1));
        CRD_TRY(read_conversion(&file->posterior->conversion, h5));
    }
    CRD_TRY(read_preprocessing(&file->posterior->preprocessing, h5));
    CRD_TRY(read_outputs(file->posterior, h5));
    CRD_TRY(crd_laplace_part_read(&file->posterior->laplace, h5));
    CRD_TRY(read_classes(file->posterior, h5));
    if (!is_other)
        CRD_TRY(place_tensors(file->posterior, &file->has_prior, h5, file->numbers));
    CRD_TRY(check_names(file, kind));
    if (crd_posterior_check(file->posterior) != CRD_OK ||
        crd_preprocessing_check(&file->posterior->preprocessing) != CRD_OK ||
        check_input(file->posterior) != CRD_OK)
        CRD_TRY(CRD_FAIL(CRD_ERR_INPUT, "%s: %s", crd_h5_name(h5), crd_status_message()));
cleanup:
    return status;
}

static crd_status read_file_numbers(const crd_component_numbers *to, int64_t first, int64_t n,
                                    void *payload)
{
    const crd_posterior_file *file = payload;
    return crd_components_read(to, first, n, file->numbers, file->posterior);
}

static crd_status compare_file_numbers(uint8_t *differs, void *payload)
{
    const crd_posterior_file *file = payload;
    return crd_components_compare(differs, file->numbers, file->posterior);
}

crd_numbers_source crd_posterior_file_source(crd_posterior_file *file)
{
    return (crd_numbers_source){read_file_numbers, compare_file_numbers, file};
}

const crd_posterior *crd_posterior_file_view(const crd_posterior_file *file)
{
    return file->posterior;
}

const char *crd_posterior_file_digest(const crd_posterior_file *file)
{
    return file->digest;
}

void crd_posterior_file_close(crd_posterior_file *file)
{
    if (file == NULL)
        return;
    crd_components_destroy(file->numbers);
    crd_posterior_destroy(file->posterior);
    if (file->owns_h5)
        crd_h5_discard(file->h5);
    crd_free(file);
}

crd_status crd_posterior_open(crd_posterior_file **out, const char *path)
{
    crd_status status = CRD_OK;
    crd_posterior_file *file = NULL;
    crd_file_kind kind;
    *out = NULL;
    CRD_ALLOC(&file, 1, "posterior file");
    file->owns_h5 = true;
    CRD_TRY(crd_reader_open_digest(&file->h5, &kind, file->digest, path));
    CRD_REQUIRE(kind == CRD_FILE_POSTERIOR || kind == CRD_FILE_CHECKPOINT, CRD_ERR_INPUT,
                "%s: is a %s, not a posterior", path, crd_kind_name(kind));
    CRD_TRY(open_part(file, kind));
    *out = file;
    file = NULL;
cleanup:
    crd_posterior_file_close(file);
    return status;
}

/* All components at once, so that a dataset's checksum is looked at before its values. */
static crd_status read_components(crd_posterior *posterior, crd_posterior_file *file)
{
    crd_status status = CRD_OK;
    int64_t n = posterior->n_components, n_floats = posterior->network->params.n_floats;
    crd_component_numbers *to = NULL;
    float *second = posterior->variance != NULL ? posterior->variance : posterior->rho;
    CRD_ALLOC(&to, n, "components");
    for (int64_t c = 0; c < n; c++) {
        to[c].mu = posterior->mu + c * n_floats;
        if (second != NULL)
            to[c].rho = second + c * n_floats;
        if (posterior->deviations != NULL)
            to[c].deviations = posterior->deviations + c * posterior->rank * n_floats;
    }
    CRD_TRY(crd_components_read(to, 0, n, file->numbers, posterior));
cleanup:
    crd_free(to);
    return status;
}

crd_status crd_posterior_file_load(crd_posterior_file *file)
{
    crd_status status = CRD_OK;
    crd_posterior *posterior = file->posterior;
    CRD_TRY(crd_posterior_allocate(posterior));
    CRD_TRY(read_components(posterior, file));
    if (file->has_prior) {
        CRD_ALLOC(&posterior->prior_mu, posterior->network->params.n_floats, "prior means");
        CRD_TRY(crd_components_read_prior(posterior->prior_mu, file->numbers, posterior));
        if (crd_posterior_check(posterior) != CRD_OK)
            CRD_TRY(CRD_FAIL(CRD_ERR_INPUT, "%s: %s", crd_h5_name(file->h5), crd_status_message()));
    }
cleanup:
    return status;
}

/* The numbers too, into a posterior of its own. */
static crd_status read_all(crd_posterior **out, crd_posterior_file *file)
{
    crd_status status = crd_posterior_file_load(file);
    if (status != CRD_OK)
        return status;
    *out = file->posterior;
    file->posterior = NULL;
    return CRD_OK;
}

crd_status crd_posterior_part_read(crd_posterior **out, crd_h5 *h5, crd_file_kind kind)
{
    crd_posterior_file file = {.h5 = h5};
    crd_status status = open_part(&file, kind);
    *out = NULL;
    if (status == CRD_OK)
        status = read_all(out, &file);
    crd_components_destroy(file.numbers);
    crd_posterior_destroy(file.posterior);
    return status;
}

crd_status crd_posterior_read(crd_posterior **out, const char *path)
{
    crd_posterior_file *file = NULL;
    crd_status status = crd_posterior_open(&file, path);
    *out = NULL;
    if (status == CRD_OK)
        status = read_all(out, file);
    crd_posterior_file_close(file);
    return status;
}

crd_status crd_posterior_read_history(crd_epoch **out, int64_t *n, const char *path)
{
    crd_status status = CRD_OK;
    crd_h5 *h5 = NULL;
    crd_file_kind kind;
    crd_epoch *epochs = NULL;
    *out = NULL;
    *n = 0;
    CRD_TRY(crd_reader_open(&h5, &kind, path));
    CRD_TRY(crd_history_count(n, h5));
    CRD_ALLOC(&epochs, *n, "history");
    CRD_TRY(crd_history_read(epochs, *n, h5));
    *out = epochs;
    epochs = NULL;
cleanup:
    crd_free(epochs);
    crd_h5_discard(h5);
    return status;
}

void crd_history_free(crd_epoch *epochs)
{
    crd_free(epochs);
}
