/* Batch norm's statistics of every component of a posterior, at its means, from images: opens files
 * on rank 0, brings the means to all nodes, and has the engine (engine/refresh.c) do the rest. A
 * drawn network's own statistics are not made here. */
#include "credence/refresh_files.h"

#include <string.h>

#include "app/image_set.h"
#include "app/output_claim.h"
#include "app/provenance.h"
#include "app/train_batches.h"
#include "base/alloc.h"
#include "bayes/gradient.h"
#include "credence/refresh.h"
#include "credence/rng.h"

enum { BATCH = 256 }; /* images that travel together, in whole micro-batches */

typedef struct run {
    const crd_refresh_files_options *given;
    crd_comm *comm;
    /* Rank 0. */
    crd_output_lock *lock;
    crd_posterior *posterior;
    crd_dataset *dataset;
    crd_image_set images;
    crd_train_state history; /* of the posterior's training; only that */
    /* All ranks. */
    crd_refresh_info info;
    crd_network *network;
    crd_shared *means; /* [n_components][n_floats] */
    float *rows;
} run;

static crd_status load(float *images, int64_t *labels, float *values, int64_t epoch, int64_t first,
                       int64_t n, void *payload)
{
    run *r = payload;
    (void)values;
    for (int64_t i = 0; i < n; i++) {
        int64_t place = crd_shuffled(first + i, r->images.n_images, r->given->seed, epoch);
        crd_status status = crd_image_set_load(images + i * r->images.floats, &r->images, place,
                                               NULL, r->given->seed, epoch);
        if (status != CRD_OK)
            return status;
        labels[i] = -1;
    }
    return CRD_OK;
}

static void fill_network(float *values, int64_t i, void *payload)
{
    const run *r = payload;
    int64_t n_floats = r->network->params.n_floats;
    const float *means = crd_shared_data(r->means);
    memcpy(values, means + i * n_floats, (size_t)n_floats * sizeof *values);
}

/* Rank 0's half of the start. */
static crd_status open_files(run *r, char **json)
{
    crd_status status = CRD_OK;
    const crd_refresh_files_options *given = r->given;
    CRD_REQUIRE(given->micro_batch >= 1, CRD_ERR_USAGE,
                "micro-batch: %lld is not a positive number", (long long)given->micro_batch);
    CRD_TRY(
        crd_output_claim(&r->lock, given->output,
                         &(crd_output_inputs){given->posterior, given->data, given->n_data, NULL}));
    CRD_TRY(crd_file_check_place(given->output));
    CRD_TRY(crd_posterior_read(&r->posterior, given->posterior));
    const crd_network *network = r->posterior->network;
    CRD_REQUIRE(crd_network_has_statistics(network), CRD_ERR_INPUT,
                "%s: %s has no batch norm, whose statistics could be recomputed", given->posterior,
                network->arch);
    CRD_TRY(crd_dataset_open(&r->dataset, given->data, given->n_data));
    crd_dataset_log_fit(r->dataset, &r->posterior->preprocessing);
    CRD_TRY(crd_image_set_init(&r->images, r->dataset, &r->posterior->preprocessing));
    int64_t n = r->images.n_images;
    CRD_TRY(crd_gradient_check_images(network, crd_train_fewest_images(n, n, given->micro_batch)));
    CRD_TRY(crd_posterior_read_history(&r->history.history, &r->history.epoch, given->posterior));
    r->info = (crd_refresh_info){r->images.n_images, r->posterior->n_components,
                                 crd_statistics_count(network)};
    CRD_TRY(crd_network_to_json(json, network));
cleanup:
    return status;
}

/* Graph and means on all ranks. Collective. */
static crd_status share(run *r, const char *json)
{
    crd_status status = CRD_OK;
    char *text = NULL;
    int is_first = crd_comm_rank(r->comm) == 0;
    int64_t n_bytes = is_first ? (int64_t)strlen(json) + 1 : 0;
    crd_comm_broadcast(r->comm, &r->info, sizeof r->info);
    crd_comm_broadcast(r->comm, &n_bytes, sizeof n_bytes);
    CRD_TRY(crd_comm_agree(r->comm, crd_alloc_zeroed((void **)&text, n_bytes, 1, "graph")));
    if (is_first)
        memcpy(text, json, (size_t)n_bytes);
    crd_comm_broadcast(r->comm, text, n_bytes);
    status = crd_network_from_json(&r->network, text);
    if (status == CRD_OK)
        status = crd_alloc_zeroed((void **)&r->rows, r->info.n_components * r->info.n_statistics,
                                  sizeof *r->rows, "statistics");
    CRD_TRY(crd_comm_agree(r->comm, status));
    n_bytes = r->info.n_components * r->network->params.n_floats * (int64_t)sizeof(float);
    CRD_TRY(crd_shared_create(&r->means, r->comm, n_bytes));
    if (is_first)
        memcpy(crd_shared_data(r->means), r->posterior->mu, (size_t)n_bytes);
    crd_shared_broadcast(r->means, n_bytes);
cleanup:
    crd_free(text);
    return status;
}

/* Rank 0's half of the end. */
static crd_status conclude(run *r)
{
    crd_status status = CRD_OK;
    const crd_refresh_files_options *given = r->given;
    char digest[CRD_FILE_DIGEST_SIZE];
    crd_provenance_store *store = NULL;
    crd_provenance provenance;
    crd_run_inputs inputs = {given->posterior, digest, given->data, given->n_data, r->dataset};
    for (int64_t c = 0; c < r->info.n_components; c++)
        crd_statistics_put(r->posterior->mu + c * r->network->params.n_floats, r->network,
                           r->rows + c * r->info.n_statistics);
    CRD_TRY(crd_file_digest(digest, given->posterior));
    CRD_TRY(crd_provenance_make(&provenance, &store, &given->record, given->seed, &inputs));
    CRD_TRY(crd_posterior_write_trained(given->output, r->posterior, &r->history, &provenance));
cleanup:
    crd_provenance_store_destroy(store);
    return status;
}

static crd_status run_files(run *r)
{
    crd_status status = CRD_OK;
    char *json = NULL;
    int is_first = crd_comm_rank(r->comm) == 0;
    int64_t micro = r->given->micro_batch;
    const crd_train_hooks hooks = {.load = load, .payload = r};
    CRD_TRY(crd_comm_agree(r->comm, is_first ? open_files(r, &json) : CRD_OK));
    CRD_TRY(share(r, json));
    const crd_refresh_networks networks = {r->info.n_components, fill_network, r};
    const crd_refresh_options options = {.n_images = r->info.n_images,
                                         .batch_size = (BATCH + micro - 1) / micro * micro,
                                         .micro_batch = micro,
                                         .seed = r->given->seed};
    CRD_TRY(crd_refresh_statistics(r->rows, r->comm, r->network, &networks, &options, &hooks));
    CRD_TRY(crd_comm_agree(r->comm, is_first ? conclude(r) : CRD_OK));
cleanup:
    crd_network_text_free(json);
    return status;
}

crd_status crd_refresh_files(crd_refresh_info *out, crd_comm *comm,
                             const crd_refresh_files_options *options)
{
    run r = {.given = options, .comm = comm};
    crd_status status = run_files(&r);
    *out = r.info;
    crd_shared_destroy(r.means);
    crd_free(r.rows);
    crd_network_destroy(r.network);
    crd_history_free(r.history.history);
    crd_image_set_clear(&r.images);
    crd_dataset_close(r.dataset);
    crd_posterior_destroy(r.posterior);
    crd_output_lock_release(r.lock);
    return status;
}
