/* A posterior in HDF5: parameters under bayesian-torch's names, and what posterior_meta.c says of
 * them; of other families ensemble_file.c has the weights. One visitor says where each tensor lies,
 * for writing and for reading.
 * Layout: data/FORMATS.md. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "io/ensemble_file.h"
#include "io/history.h"
#include "io/posterior_file.h"
#include "io/posterior_meta.h"
#include "io/sample_stats.h"

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
    CRD_TRY(crd_posterior_conversion_write(h5, &posterior->conversion));
    CRD_TRY(visit_tensors(posterior, posterior->prior_mu != NULL, create_tensor, h5));
cleanup:
    return status;
}

crd_status crd_posterior_part_create(crd_h5 *h5, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_posterior_graph_write(h5, posterior->network));
    CRD_TRY(crd_family_is_normal(posterior->family) ? create_normal(h5, posterior)
                                                    : crd_ensemble_create(h5, posterior));
    CRD_TRY(crd_posterior_meta_write(h5, posterior));
cleanup:
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
    CRD_TRY(crd_posterior_graph_read(&network, h5));
    if (is_other) {
        CRD_TRY(crd_ensemble_open(&file->posterior, network, h5, file->numbers));
    } else {
        CRD_TRY(crd_posterior_create_bare(&file->posterior, network, crd_family_find("normal"), 1));
        CRD_TRY(crd_posterior_conversion_read(&file->posterior->conversion, h5));
    }
    CRD_TRY(crd_posterior_meta_read(file->posterior, h5));
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

static crd_status finish_file_numbers(bool *done, void *payload)
{
    const crd_posterior_file *file = payload;
    return crd_components_finish(done, file->numbers);
}

crd_numbers_source crd_posterior_file_source(crd_posterior_file *file)
{
    return (crd_numbers_source){read_file_numbers, compare_file_numbers, finish_file_numbers, file};
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
