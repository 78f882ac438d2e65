/* Chains from files to a file: opens posterior, data and checkpoint on rank 0, and hands them to
 * crd_sample as hooks; the draws go to a file of their own until all are there. */
#include "credence/sample_files.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/output_claim.h"
#include "app/run_key.h"
#include "app/sample_output.h"
#include "app/settings.h"
#include "app/train_data.h"
#include "base/alloc.h"
#include "credence/log.h"
#include "credence/train.h"
#include "io/atomic.h"
#include "io/chains_file.h"
#include "io/prediction_checkpoint.h"

enum { BATCH = 128 }; /* of gradients of batches */

/** A run. What is not marked lives on rank 0 only and stays empty elsewhere. */
typedef struct run {
    const crd_sample_files_options *given; /* all ranks */
    const crd_sample_files_hooks *hooks;   /* all ranks */
    crd_sample_options options;            /* all ranks */
    crd_comm *comm;                        /* all ranks */
    crd_posterior *posterior;              /* all ranks: rank 0's is read, others' are shared */
    crd_posterior *start_posterior;
    float *start_values;    /* all ranks */
    crd_sample_start start; /* all ranks */
    crd_sample_state state; /* all ranks */
    crd_train_files_options data_options;
    crd_train_data data;
    crd_output_lock *lock;
    char *checkpoint_path, *draws_path;
    crd_draws_file *draws;
    char key[CRD_RUN_KEY_SIZE], digest[CRD_FILE_DIGEST_SIZE], start_digest[CRD_FILE_DIGEST_SIZE];
    crd_settings settings;
    crd_provenance_store *store;
    crd_provenance provenance;
    int64_t n_kept; /* gradients of the newest checkpoint; -1: there is none */
    int has_failed; /* to write the newest */
} run;

/** What all ranks must know before they can work together. */
typedef struct shared_facts {
    int64_t n_images, n_blocks;
    double likelihood_scale;
} shared_facts;

crd_status crd_sample_files_options_init(crd_sample_files_options *out, const char *sampler)
{
    *out = (crd_sample_files_options){.loss = "cross-entropy", .noise_sd = 1};
    out->sample = (crd_sample_options){
        .n_chains = 4, .batch_size = -1, .micro_batch = 32, .checkpoint_s = 600};
    return crd_chain_defaults(&out->sample.chain, sampler);
}

static void make_room(const run *r)
{
    if (r->hooks->pause != NULL)
        r->hooks->pause(r->hooks->payload);
}

/* Hooks of the engine. */

static crd_status load(float *images, int64_t *labels, float *values, int64_t first, int64_t n,
                       void *payload)
{
    run *r = payload;
    return crd_train_data_load(&r->data, images, labels, values, 0, first, n);
}

static crd_status take_draw(int64_t chain, int64_t draw, const float *weights, void *payload)
{
    run *r = payload;
    return crd_draws_write(r->draws, draw * r->state.n_chains + chain, weights, r->state.n);
}

/** The draws first: what a checkpoint calls done must be there. */
static void keep_checkpoint(const crd_sample_state *state, void *payload)
{
    run *r = payload;
    crd_status status = crd_draws_sync(r->draws);
    if (status == CRD_OK)
        status = crd_chains_write(r->checkpoint_path, state, r->key, &r->provenance);
    r->has_failed = status != CRD_OK;
    if (status == CRD_OK) {
        r->n_kept = state->n_gradients;
        crd_atomic_unguard(r->draws_path);
        return;
    }
    make_room(r);
    crd_log(CRD_LOG_WARN, "no checkpoint: %s", crd_status_message());
}

static void show_progress(int64_t step, int64_t n_steps, void *payload)
{
    run *r = payload;
    if (r->hooks->progress != NULL)
        r->hooks->progress(step, n_steps, r->hooks->payload);
}

/* The start. */

/** Nothing that the run writes may be what it reads, or another run's. */
static crd_status make_paths(run *r)
{
    crd_status status = CRD_OK;
    const crd_sample_files_options *given = r->given;
    const crd_output_inputs inputs = {given->posterior, given->data, given->n_data, given->start};
    size_t size = strlen(given->output) + 16;
    CRD_ALLOC(&r->checkpoint_path, size, "path");
    CRD_ALLOC(&r->draws_path, size, "path");
    snprintf(r->checkpoint_path, size, "%s.ckpt", given->output);
    snprintf(r->draws_path, size, "%s.ckpt.draws", given->output);
    CRD_TRY(crd_output_claim(&r->lock, given->output, &inputs));
    CRD_TRY(crd_output_check(r->checkpoint_path, &inputs));
    CRD_TRY(crd_output_check(r->draws_path, &inputs));
    CRD_TRY(crd_file_check_place(given->output));
cleanup:
    return status;
}

/** For a caller who has no settings of its own. */
static void write_settings(run *r)
{
    const crd_sample_options *o = &r->options;
    const crd_chain_options *c = &o->chain;
    crd_settings *s = &r->settings;
    crd_settings_add(s, "sampler", "%s", c->name);
    crd_settings_add(s, "chains", "%lld", (long long)o->n_chains);
    crd_settings_add(s, "draws", "%lld", (long long)c->n_draws);
    crd_settings_add(s, "burn-in", "%lld", (long long)c->burn_in);
    crd_settings_add(s, "thin", "%lld", (long long)c->thin);
    crd_settings_add(s, "step-size", "%.17g", c->step_size);
    crd_settings_add(s, "temperature", "%.17g", c->temperature);
    crd_settings_add(s, "momentum", "%.17g", c->momentum);
    crd_settings_add(s, "preconditioner", "%d %.17g %.17g", (int)c->is_preconditioned, c->rms_decay,
                     c->rms_eps);
    crd_settings_add(s, "cycle", "%lld %lld %.17g", (long long)c->cycle_length,
                     (long long)c->draws_per_cycle, c->exploration);
    crd_settings_add(s, "leapfrog-steps", "%lld", (long long)c->leapfrog_steps);
    crd_settings_add(s, "target-accept", "%.17g", c->target_accept);
    crd_settings_add(s, "energy-variance", "%.17g", c->energy_variance);
    crd_settings_add(s, "decoherence", "%.17g", c->decoherence);
    crd_settings_add(s, "loss", "%s %.17g", r->given->loss, r->given->noise_sd);
    crd_settings_add(s, "batch-size", "%lld", (long long)o->batch_size);
    crd_settings_add(s, "micro-batch", "%lld", (long long)o->micro_batch);
    crd_settings_add(s, "seed", "%llu", (unsigned long long)c->seed);
}

static crd_status describe(run *r)
{
    crd_status status = CRD_OK;
    const crd_sample_files_options *given = r->given;
    crd_run_inputs inputs = {given->posterior, r->digest, given->data, given->n_data,
                             r->data.dataset};
    write_settings(r);
    crd_record record = crd_settings_record(&r->settings, &given->record);
    CRD_TRY(crd_file_digest(r->digest, given->posterior));
    CRD_TRY(crd_run_key_make(r->key, &record, &inputs));
    if (given->start != NULL) {
        CRD_TRY(crd_file_digest(r->start_digest, given->start));
        crd_run_key_add(r->key, "start=%s", r->start_digest);
    }
    CRD_TRY(
        crd_provenance_make(&r->provenance, &r->store, &record, r->options.chain.seed, &inputs));
cleanup:
    return status;
}

/** The posterior, and where the chains begin. */
static crd_status read_posteriors(run *r)
{
    crd_status status = CRD_OK;
    const crd_sample_files_options *given = r->given;
    CRD_TRY(crd_posterior_read(&r->posterior, given->posterior));
    CRD_TRY(crd_posterior_check_normal(r->posterior, given->posterior, "sample"));
    CRD_REQUIRE(!crd_network_is_stochastic(r->posterior->network), CRD_ERR_INPUT,
                "%s: has dropout in prediction, which has no density to sample from",
                given->posterior);
    if (given->start == NULL)
        return CRD_OK;
    CRD_TRY(crd_posterior_read(&r->start_posterior, given->start));
    const crd_component_source a = {r->posterior, given->posterior, ""},
                               b = {r->start_posterior, given->start, ""};
    CRD_TRY(crd_posterior_check_network(&a, &b));
cleanup:
    return status;
}

/** The state to begin with: the checkpoint's, or a new one; and the file of the draws. */
static crd_status make_state(run *r)
{
    crd_status status = CRD_OK;
    const char *path = r->checkpoint_path;
    int found = 0;
    status = crd_sample_state_init(&r->state, r->posterior, &r->options);
    if (status == CRD_ERR_INPUT)
        status = crd_status_set(status, "%s: %s", r->given->posterior, crd_status_message());
    CRD_TRY(status);
    const crd_chain_options *o = &r->options.chain;
    int64_t n_records = r->state.n_chains * r->state.n_draws;
    if (r->given->resume)
        CRD_TRY(crd_chains_read(&found, &r->state, path, r->key,
                                crd_chain_n_steps(o) * crd_chain_n_gradients(o) + 1));
    else if (access(path, F_OK) == 0)
        crd_log(CRD_LOG_WARN,
                "%s of an earlier run will be replaced; --resume would continue from it", path);
    if (!found)
        crd_atomic_guard(r->draws_path); /* nobody asks for them before there is a checkpoint */
    CRD_TRY(crd_draws_open(&r->draws, r->draws_path, n_records, r->state.n, r->key, !found));
    if (!found)
        return CRD_OK;
    r->n_kept = r->state.n_gradients;
    crd_log(CRD_LOG_INFO, "%s: continuing after %lld gradients, %lld of %lld draws of each chain",
            path, (long long)r->n_kept, (long long)crd_sample_n_complete(&r->state, &r->options),
            (long long)r->state.n_draws);
cleanup:
    return status;
}

/** Rank 0's half of the start: all files are opened here, so that what is wrong with them is found
 * before any work is done. */
static crd_status open_files(run *r, shared_facts *facts)
{
    crd_status status = CRD_OK;
    const crd_sample_files_options *given = r->given;
    crd_validation none = {0};
    int64_t n_values = 0;
    CRD_TRY(make_paths(r));
    CRD_TRY(read_posteriors(r));
    crd_train_files_options_init(&r->data_options);
    r->data_options.data = given->data;
    r->data_options.n_data = given->n_data;
    r->data_options.train.gradient.seed = r->options.chain.seed;
    CRD_TRY(crd_train_data_open(&r->data, &none, &r->data_options, &r->posterior->preprocessing));
    r->posterior->outputs = crd_loss_outputs(r->options.loss);
    CRD_TRY(crd_train_data_match(&r->data, &none, given->loss, r->posterior));
    if (crd_loss_target(r->options.loss) == CRD_TARGET_VALUES)
        CRD_TRY(crd_loss_n_values(&n_values, r->options.loss, r->posterior->n_classes));
    facts->n_images = r->options.n_images = r->data.images.n_images;
    facts->likelihood_scale = crd_sample_scale(r->options.loss, n_values, given->noise_sd);
    facts->n_blocks = r->start_posterior != NULL ? r->start_posterior->n_components : 1;
    CRD_TRY(describe(r));
    CRD_TRY(make_state(r));
    const crd_sampling_info info = {.posterior = r->posterior,
                                    .n_images = facts->n_images,
                                    .n_weights = r->state.n,
                                    .n_steps = crd_chain_n_steps(&r->options.chain),
                                    .checkpoint = r->checkpoint_path,
                                    .draws_bytes = r->state.n_chains * r->state.n_draws *
                                                   r->state.n * (int64_t)sizeof(float)};
    if (r->hooks->ready != NULL)
        r->hooks->ready(&info, r->hooks->payload);
cleanup:
    return status;
}

/** The posterior and where the chains begin, on all ranks. */
static crd_status share(run *r, int64_t n_blocks)
{
    crd_status status = CRD_OK;
    crd_train_state carrier = {0}; /* of the posterior */
    crd_posterior *shared = NULL;
    int is_first = crd_comm_rank(r->comm) == 0;
    CRD_TRY(crd_comm_agree(r->comm,
                           is_first ? crd_train_state_init(&carrier, r->posterior, 0, 1) : CRD_OK));
    status = crd_train_state_share(&carrier, &shared, r->comm);
    if (!is_first)
        r->posterior = shared;
    CRD_TRY(status);
    int64_t n = n_blocks * r->posterior->network->params.n_floats;
    CRD_TRY(crd_comm_agree(r->comm, crd_alloc_zeroed((void **)&r->start_values, n,
                                                     sizeof *r->start_values, "starts of chains")));
    if (is_first)
        memcpy(r->start_values,
               r->start_posterior != NULL ? r->start_posterior->mu : r->posterior->mu,
               (size_t)n * sizeof *r->start_values);
    crd_comm_broadcast(r->comm, r->start_values, n * (int64_t)sizeof *r->start_values);
    r->start = (crd_sample_start){r->start_values, n_blocks, r->given->start == NULL};
cleanup:
    crd_train_state_clear(&carrier);
    return status;
}

/* The end. */

/** Writes the chains, or says what is left of a run that did not get there. */
static crd_status conclude(run *r, crd_status status)
{
    make_room(r);
    if (status == CRD_OK) {
        const crd_sample_output output = {.posterior = r->posterior,
                                          .start = &r->start,
                                          .state = &r->state,
                                          .draws = r->draws,
                                          .provenance = &r->provenance,
                                          .seed = r->options.chain.seed,
                                          .hooks = r->hooks};
        return crd_sample_output_write(&output, r->given->output);
    }
    if (status == CRD_STOPPED && r->has_failed)
        return CRD_FAIL(CRD_ERR_IO, "%s: cannot be written, and the run was stopped",
                        r->checkpoint_path);
    if (status == CRD_STOPPED || r->n_kept < 0)
        return status;
    return crd_status_set(status, "%s; %s holds the state after %lld gradients",
                          crd_status_message(), r->checkpoint_path, (long long)r->n_kept);
}

static void release(run *r, int is_done)
{
    /* The checkpoint first, which is of no use without the draws. */
    if (is_done && crd_chains_forget(r->checkpoint_path) != CRD_OK)
        crd_log(CRD_LOG_WARN, "%s", crd_status_message());
    crd_draws_close(r->draws, is_done || r->n_kept < 0);
    if (r->draws_path != NULL)
        crd_atomic_unguard(r->draws_path);
    crd_sample_state_clear(&r->state);
    crd_train_data_close(&r->data);
    crd_free(r->start_values);
    crd_posterior_destroy(r->start_posterior);
    crd_posterior_destroy(r->posterior);
    crd_provenance_store_destroy(r->store);
    crd_free(r->checkpoint_path);
    crd_free(r->draws_path);
    crd_output_lock_release(r->lock);
    crd_free(r);
}

/** What is wrong with the options on all ranks alike. */
static crd_status check(run *r)
{
    crd_status status = CRD_OK;
    const crd_sample_files_options *given = r->given;
    CRD_REQUIRE(given->posterior != NULL && given->n_data > 0 && given->output != NULL,
                CRD_ERR_USAGE, "a posterior, data and an output are needed");
    CRD_TRY(crd_loss_find(&r->options.loss, given->loss));
    CRD_REQUIRE(strcmp(given->loss, "mse-distill") != 0, CRD_ERR_USAGE,
                "loss: mse-distill is not the likelihood of data");
    CRD_REQUIRE(given->noise_sd > 0, CRD_ERR_USAGE, "noise: %g is not a positive number",
                given->noise_sd);
    CRD_TRY(crd_chain_check(&r->options.chain));
    if (r->options.batch_size < 0)
        r->options.batch_size = crd_chain_needs_all(&r->options.chain) ? 0 : BATCH;
cleanup:
    return status;
}

/** With memory for *r on all ranks. */
static crd_status run_files(run *r)
{
    crd_status status = CRD_OK;
    int is_first = crd_comm_rank(r->comm) == 0;
    shared_facts facts = {0};
    CRD_TRY(check(r));
    CRD_TRY(crd_comm_agree(r->comm, is_first ? open_files(r, &facts) : CRD_OK));
    crd_comm_broadcast(r->comm, &facts, sizeof facts);
    r->options.n_images = facts.n_images;
    r->options.likelihood_scale = facts.likelihood_scale;
    CRD_TRY(share(r, facts.n_blocks));
    const crd_sample_hooks hooks = {.load = load,
                                    .draw = take_draw,
                                    .checkpoint = keep_checkpoint,
                                    .progress = show_progress,
                                    .payload = r};
    status = crd_sample(r->comm, &r->state, r->posterior, &r->start, &r->options, &hooks);
    CRD_TRY(crd_comm_agree(r->comm, is_first ? conclude(r, status) : status));
cleanup:
    return status;
}

crd_status crd_sample_files(crd_comm *comm, const crd_sample_files_options *options,
                            const crd_sample_files_hooks *hooks)
{
    const crd_sample_files_hooks none = {0};
    run *r = NULL;
    crd_status status =
        crd_comm_agree(comm, crd_alloc_zeroed((void **)&r, 1, sizeof *r, "a run of chains"));
    if (status != CRD_OK) {
        crd_free(r);
        return status;
    }
    r->given = options;
    r->hooks = hooks != NULL ? hooks : &none;
    r->options = options->sample;
    r->comm = comm;
    r->n_kept = -1;
    status = run_files(r);
    make_room(r);
    release(r, status == CRD_OK && crd_comm_rank(comm) == 0);
    return status;
}
