/* Chains from files to a file: opens posterior, data and checkpoint on rank 0, and hands them to
 * crd_sample as hooks; the draws go to a file of their own until all are there. */
#include "credence/sample_files.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/output_claim.h"
#include "app/run_key.h"
#include "app/sample_inputs.h"
#include "app/sample_output.h"
#include "app/settings.h"
#include "base/alloc.h"
#include "credence/log.h"
#include "io/atomic.h"
#include "io/chains_file.h"
#include "io/prediction_checkpoint.h"

/** A run. What is not marked lives on rank 0 only and stays empty elsewhere. */
typedef struct run {
    const crd_sample_files_options *given; /* all ranks */
    const crd_sample_files_hooks *hooks;   /* all ranks */
    crd_comm *comm;                        /* all ranks */
    crd_sample_inputs in;                  /* all ranks */
    crd_sample_state state;                /* all ranks */
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
    return crd_sample_inputs_load(&r->in, images, labels, values, first, n);
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
    const crd_sample_options *o = &r->in.options;
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
                             r->in.data.dataset};
    write_settings(r);
    crd_record record = crd_settings_record(&r->settings, &given->record);
    CRD_TRY(crd_file_digest(r->digest, given->posterior));
    CRD_TRY(crd_run_key_make(r->key, &record, &inputs));
    if (given->start != NULL) {
        CRD_TRY(crd_file_digest(r->start_digest, given->start));
        crd_run_key_add(r->key, "start=%s", r->start_digest);
    }
    CRD_TRY(
        crd_provenance_make(&r->provenance, &r->store, &record, r->in.options.chain.seed, &inputs));
cleanup:
    return status;
}

/** The state to begin with: the checkpoint's, or a new one; and the file of the draws. */
static crd_status make_state(run *r)
{
    crd_status status = CRD_OK;
    const char *path = r->checkpoint_path;
    int found = 0;
    status = crd_sample_state_init(&r->state, r->in.posterior, &r->in.options);
    if (status == CRD_ERR_INPUT)
        status = crd_status_set(status, "%s: %s", r->given->posterior, crd_status_message());
    CRD_TRY(status);
    const crd_chain_options *o = &r->in.options.chain;
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
            path, (long long)r->n_kept, (long long)crd_sample_n_complete(&r->state, &r->in.options),
            (long long)r->state.n_draws);
cleanup:
    return status;
}

/** Rank 0's half of the start: all files are opened here, so that what is wrong with them is found
 * before any work is done. */
static crd_status open_files(run *r)
{
    crd_status status = CRD_OK;
    CRD_TRY(make_paths(r));
    CRD_TRY(crd_sample_inputs_open(&r->in, r->given));
    CRD_TRY(describe(r));
    CRD_TRY(make_state(r));
    const crd_sampling_info info = {.posterior = r->in.posterior,
                                    .n_images = r->in.options.n_images,
                                    .n_weights = r->state.n,
                                    .n_steps = crd_chain_n_steps(&r->in.options.chain),
                                    .checkpoint = r->checkpoint_path,
                                    .draws_bytes = r->state.n_chains * r->state.n_draws *
                                                   r->state.n * (int64_t)sizeof(float)};
    if (r->hooks->ready != NULL)
        r->hooks->ready(&info, r->hooks->payload);
cleanup:
    return status;
}

/* The end. */

/** Writes the chains, or says what is left of a run that did not get there. */
static crd_status conclude(run *r, crd_status status)
{
    make_room(r);
    if (status == CRD_OK) {
        const crd_sample_output output = {.posterior = r->in.posterior,
                                          .start = &r->in.start,
                                          .state = &r->state,
                                          .draws = r->draws,
                                          .provenance = &r->provenance,
                                          .seed = r->in.options.chain.seed,
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
    crd_sample_inputs_close(&r->in);
    crd_provenance_store_destroy(r->store);
    crd_free(r->checkpoint_path);
    crd_free(r->draws_path);
    crd_output_lock_release(r->lock);
    crd_free(r);
}

/** With memory for *r on all ranks. */
static crd_status run_files(run *r)
{
    crd_status status = CRD_OK;
    int is_first = crd_comm_rank(r->comm) == 0;
    const crd_sample_files_options *given = r->given;
    CRD_REQUIRE(given->posterior != NULL && given->n_data > 0 && given->output != NULL,
                CRD_ERR_USAGE, "a posterior, data and an output are needed");
    CRD_TRY(crd_sample_inputs_begin(&r->in, given));
    CRD_TRY(crd_comm_agree(r->comm, is_first ? open_files(r) : CRD_OK));
    CRD_TRY(crd_sample_inputs_share(&r->in, r->comm, given));
    const crd_sample_hooks hooks = {.load = load,
                                    .draw = take_draw,
                                    .checkpoint = keep_checkpoint,
                                    .progress = show_progress,
                                    .payload = r};
    status = crd_sample(r->comm, &r->state, r->in.posterior, &r->in.start, &r->in.options, &hooks);
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
    r->comm = comm;
    r->n_kept = -1;
    status = run_files(r);
    make_room(r);
    release(r, status == CRD_OK && crd_comm_rank(comm) == 0);
    return status;
}
