/* Batch norm's statistics from images: of every component of a posterior, at its means, or of
 * networks drawn from it, which become an ensemble. Opens files on rank 0, brings the posterior to
 * all nodes, and has the engine (engine/refresh.c) do the rest. */
#include "credence/refresh_files.h"

#include <stdio.h>
#include <string.h>

#include "app/image_set.h"
#include "app/output_claim.h"
#include "app/provenance.h"
#include "app/train_batches.h"
#include "base/alloc.h"
#include "base/integers.h"
#include "bayes/gradient.h"
#include "credence/predict.h"
#include "credence/refresh.h"
#include "credence/rng.h"

enum {
    BATCH = 256,      /* images that travel together, in whole micro-batches */
    N_SUMS = 1 << 24, /* statistics that a rank sums up in a pass over the images: 128 MiB */
};

typedef struct run {
    const crd_refresh_files_options *given;
    crd_comm *comm;
    /* Rank 0. */
    crd_output_lock *lock;
    crd_posterior_file *file;
    crd_dataset *dataset;
    crd_image_set images;
    crd_train_state history; /* of the posterior's training; only that */
    float *rows;             /* [n_components][n_statistics] */
    crd_posterior *drawn;    /* bare */
    /* All ranks. */
    crd_refresh_info info;
    crd_shared_model *shared; /* unfolded; means, or all that draws need */
    const crd_model *model;
    int64_t first;    /* network of the pass */
    float *pass_rows; /* of its networks */
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
    crd_model_draw(values, r->model, r->given->seed, r->first + i);
}

/* Draws of what is one network, or of dropout, would be no networks of their own. */
static crd_status check_draws(const run *r, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    const crd_network *network = posterior->network;
    int64_t n_flags = posterior->n_components * network->params.n_params;
    CRD_REQUIRE(r->given->n_draws >= 0, CRD_ERR_USAGE, "draws: %lld is not a positive number",
                (long long)r->given->n_draws);
    if (r->given->n_draws == 0)
        return CRD_OK;
    CRD_REQUIRE(!crd_network_is_stochastic(network), CRD_ERR_INPUT,
                "%s: has dropout in prediction: its draws are no networks that could be kept",
                r->given->posterior);
    CRD_REQUIRE(memchr(posterior->bayesian, 1, (size_t)n_flags) != NULL, CRD_ERR_USAGE,
                "--draws: %s has deterministic networks, of which none is drawn; without it their "
                "statistics are recomputed",
                r->given->posterior);
cleanup:
    return status;
}

static crd_status open_images(run *r, const crd_posterior *posterior)
{
    crd_status status = CRD_OK;
    const crd_refresh_files_options *given = r->given;
    CRD_TRY(crd_dataset_open(&r->dataset, given->data, given->n_data));
    crd_dataset_log_fit(r->dataset, &posterior->preprocessing);
    CRD_TRY(crd_image_set_init(&r->images, r->dataset, &posterior->preprocessing));
    int64_t all = r->images.n_images, n = given->n_images == 0 ? all : given->n_images;
    CRD_REQUIRE(n >= 1 && n <= all, CRD_ERR_USAGE, "--images: %lld, but the data has %lld image%s",
                (long long)n, (long long)all, all == 1 ? "" : "s");
    CRD_TRY(crd_gradient_check_images(posterior->network,
                                      crd_train_fewest_images(n, n, given->micro_batch)));
    r->info.n_images = n;
cleanup:
    return status;
}

/* Rank 0's half of the start. */
static crd_status open_files(run *r)
{
    crd_status status = CRD_OK;
    const crd_refresh_files_options *given = r->given;
    CRD_REQUIRE(given->micro_batch >= 1, CRD_ERR_USAGE,
                "micro-batch: %lld is not a positive number", (long long)given->micro_batch);
    CRD_TRY(
        crd_output_claim(&r->lock, given->output,
                         &(crd_output_inputs){given->posterior, given->data, given->n_data, NULL}));
    CRD_TRY(crd_file_check_place(given->output));
    CRD_TRY(crd_posterior_open(&r->file, given->posterior));
    const crd_posterior *posterior = crd_posterior_file_view(r->file);
    const crd_network *network = posterior->network;
    CRD_REQUIRE(crd_network_has_statistics(network), CRD_ERR_INPUT,
                "%s: %s has no batch norm, whose statistics could be recomputed", given->posterior,
                network->arch);
    CRD_TRY(check_draws(r, posterior));
    CRD_TRY(open_images(r, posterior));
    if (given->n_draws == 0) {
        CRD_TRY(crd_posterior_file_load(r->file));
        CRD_TRY(
            crd_posterior_read_history(&r->history.history, &r->history.epoch, given->posterior));
    }
    r->info.n_components = given->n_draws > 0 ? given->n_draws : posterior->n_components;
    r->info.n_statistics = crd_statistics_count(network);
    CRD_ALLOC(&r->rows, r->info.n_components * r->info.n_statistics, "statistics");
cleanup:
    return status;
}

/* The posterior on all ranks, and room. Collective. */
static crd_status share(run *r, int64_t n_most)
{
    crd_status status = CRD_OK;
    crd_numbers_source source = {0};
    const crd_posterior *posterior = NULL;
    if (r->file != NULL) {
        posterior = crd_posterior_file_view(r->file);
        source = r->given->n_draws == 0 ? crd_posterior_source(posterior)
                                        : crd_posterior_file_source(r->file);
    }
    const crd_shared_model_options options = {.source = &source,
                                              .mean = r->given->n_draws == 0,
                                              .unfolded = true,
                                              .node_bytes = INT64_MAX,
                                              .draw_block = 1};
    CRD_TRY(crd_shared_model_open(&r->shared, r->comm, posterior, &options));
    r->model = crd_shared_model_view(r->shared);
    status = crd_alloc_zeroed((void **)&r->pass_rows, n_most * r->info.n_statistics,
                              sizeof *r->pass_rows, "statistics");
    CRD_TRY(crd_comm_agree(r->comm, status));
cleanup:
    return status;
}

/* A drawn network with its statistics, as a component of the ensemble. */
static crd_status read_drawn(const crd_component_numbers *to, int64_t first, int64_t n,
                             void *payload)
{
    crd_status status = CRD_OK;
    const run *r = payload;
    for (int64_t c = first; c < first + n; c++) {
        float *values = to[c - first].mu;
        crd_model_draw(values, r->model, r->given->seed, c);
        crd_statistics_put(values, r->model->network, r->rows + c * r->info.n_statistics);
        CRD_TRY(crd_posterior_check_numbers(r->drawn, c, &to[c - first]));
    }
cleanup:
    return status;
}

static crd_status write_drawn(run *r, const crd_provenance *provenance)
{
    crd_status status = CRD_OK;
    crd_posterior *drawn;
    char *name = NULL;
    const crd_numbers_source source = {.read = read_drawn, .payload = r};
    CRD_TRY(crd_posterior_create_like(&r->drawn, crd_posterior_file_view(r->file),
                                      crd_family_find("members"), r->info.n_components));
    drawn = r->drawn;
    size_t size = strlen(r->given->posterior) + 32;
    CRD_ALLOC(&name, size, "origins of components");
    for (int64_t c = 0; c < drawn->n_components; c++) {
        snprintf(name, size, "%s, draw %lld", r->given->posterior, (long long)c);
        CRD_TRY(crd_alloc_string(&drawn->origins[c].file, name));
        CRD_TRY(crd_alloc_string(&drawn->origins[c].digest, crd_posterior_file_digest(r->file)));
    }
    CRD_TRY(crd_ensemble_write_file(r->given->output, drawn, &source, provenance));
cleanup:
    crd_free(name);
    return status;
}

static crd_status write_same(run *r, const crd_provenance *provenance)
{
    const crd_posterior *posterior = crd_posterior_file_view(r->file);
    for (int64_t c = 0; c < r->info.n_components; c++)
        crd_statistics_put(posterior->mu + c * posterior->network->params.n_floats,
                           posterior->network, r->rows + c * r->info.n_statistics);
    return crd_posterior_write_trained(r->given->output, posterior, &r->history, provenance);
}

/* Rank 0's half of the end. */
static crd_status conclude(run *r)
{
    crd_status status = CRD_OK;
    const crd_refresh_files_options *given = r->given;
    crd_provenance_store *store = NULL;
    crd_provenance provenance;
    crd_run_inputs inputs = {given->posterior, crd_posterior_file_digest(r->file), given->data,
                             given->n_data, r->dataset};
    CRD_TRY(crd_provenance_make(&provenance, &store, &given->record, given->seed, &inputs));
    CRD_TRY(given->n_draws > 0 ? write_drawn(r, &provenance) : write_same(r, &provenance));
cleanup:
    crd_provenance_store_destroy(store);
    return status;
}

/* Networks [r->first, + n) see all images once. Collective. */
static crd_status run_pass(run *r, int64_t n)
{
    crd_status status = CRD_OK;
    int64_t micro = r->given->micro_batch, n_statistics = r->info.n_statistics;
    const crd_train_hooks hooks = {.load = load, .payload = r};
    const crd_refresh_networks networks = {n, fill_network, r};
    const crd_refresh_options options = {.n_images = r->info.n_images,
                                         .batch_size = (BATCH + micro - 1) / micro * micro,
                                         .micro_batch = micro,
                                         .seed = r->given->seed};
    CRD_TRY(crd_refresh_statistics(r->pass_rows, r->comm, r->model->network, &networks, &options,
                                   &hooks));
    if (r->rows != NULL)
        memcpy(r->rows + r->first * n_statistics, r->pass_rows,
               (size_t)(n * n_statistics) * sizeof *r->rows);
cleanup:
    return status;
}

static crd_status run_files(run *r)
{
    crd_status status = CRD_OK;
    int is_first = crd_comm_rank(r->comm) == 0;
    CRD_TRY(crd_comm_agree(r->comm, is_first ? open_files(r) : CRD_OK));
    crd_comm_broadcast(r->comm, &r->info, sizeof r->info);
    int64_t n = r->info.n_components;
    int64_t n_most = crd_smaller(n, crd_larger(1, N_SUMS / r->info.n_statistics));
    CRD_TRY(share(r, n_most));
    for (; r->first < n; r->first += n_most)
        CRD_TRY(run_pass(r, crd_smaller(n_most, n - r->first)));
    CRD_TRY(crd_comm_agree(r->comm, is_first ? conclude(r) : CRD_OK));
cleanup:
    return status;
}

crd_status crd_refresh_files(crd_refresh_info *out, crd_comm *comm,
                             const crd_refresh_files_options *options)
{
    run r = {.given = options, .comm = comm};
    crd_status status = run_files(&r);
    *out = r.info;
    crd_shared_model_destroy(r.shared);
    crd_free(r.pass_rows);
    crd_free(r.rows);
    crd_history_free(r.history.history);
    crd_image_set_clear(&r.images);
    crd_dataset_close(r.dataset);
    crd_posterior_destroy(r.drawn);
    crd_posterior_file_close(r.file);
    crd_output_lock_release(r.lock);
    return status;
}
