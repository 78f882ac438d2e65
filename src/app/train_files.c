/* A training from files to files: opens posterior, data and checkpoint on rank 0, and hands them to
 * crd_train as hooks. Validation is in train_validate.c. */
#include "credence/train_files.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/output_claim.h"
#include "app/run_key.h"
#include "app/settings.h"
#include "app/train_data.h"
#include "base/alloc.h"
#include "bayes/collection.h"
#include "credence/log.h"
#include "credence/refresh.h"

/** A run. What is not marked lives on rank 0 only and stays empty elsewhere. */
typedef struct run {
    const crd_train_files_options *given; /* all ranks */
    const crd_train_files_hooks *hooks;   /* all ranks */
    crd_train_options options;            /* all ranks */
    crd_comm *comm;                       /* all ranks */
    crd_training_info info;
    crd_posterior *original; /* as read: the teacher's weights */
    /** Rank 0: of the checkpoint, if any; else the posterior shared by rank 0. */
    crd_posterior *resumed;
    crd_train_state state;    /* all ranks */
    crd_posterior *collected; /* what the networks that were collected became */
    crd_train_data data;
    crd_validation validation; /* all ranks */
    crd_output_lock *lock;
    char *checkpoint_path, *best_path;
    char key[CRD_RUN_KEY_SIZE], digest[CRD_FILE_DIGEST_SIZE];
    crd_settings settings;
    crd_provenance_store *store;
    crd_provenance provenance;
    int64_t kept_step; /* of the newest checkpoint; -1: there is none */
    int has_best;      /* best_path is there, and of this run */
} run;

/** What all ranks must know before they can work together. */
typedef struct shared_facts {
    int64_t n_images, n_validation;
} shared_facts;

void crd_train_files_options_init(crd_train_files_options *out)
{
    *out = (crd_train_files_options){
        .validate_draws = 4, .loss = "cross-entropy", .n_checkpoints = 2, .temperature = 1};
    crd_train_options_init(&out->train);
}

static void make_room(const run *r)
{
    if (r->hooks->pause != NULL)
        r->hooks->pause(r->hooks->payload);
}

/* Hooks of the engine. */

static crd_status load(float *images, int64_t *labels, float *values, int64_t epoch, int64_t first,
                       int64_t n, void *payload)
{
    run *r = payload;
    return crd_train_data_load(&r->data, images, labels, values, epoch, first, n);
}

static void keep_checkpoint(const crd_train_state *state, void *payload)
{
    run *r = payload;
    if (crd_checkpoint_write(r->checkpoint_path, state, r->key, &r->provenance) == CRD_OK) {
        r->kept_step = state->step;
        if (r->given->n_checkpoints == 1 && crd_checkpoint_remove_old(r->checkpoint_path) != CRD_OK)
            crd_log(CRD_LOG_WARN, "%s", crd_status_message());
        return;
    }
    make_room(r);
    if (r->kept_step < 0)
        crd_log(CRD_LOG_WARN, "no checkpoint: %s", crd_status_message());
    else
        crd_log(CRD_LOG_WARN, "no new checkpoint: %s; the one of step %lld is intact",
                crd_status_message(), (long long)r->kept_step);
}

static void keep_best(const crd_train_state *state, void *payload)
{
    run *r = payload;
    r->has_best = crd_posterior_write_trained(r->best_path, state->posterior, state,
                                              &r->provenance) == CRD_OK;
    if (r->has_best)
        return;
    make_room(r);
    crd_log(CRD_LOG_WARN, "the best posterior is not kept: %s", crd_status_message());
}

static void show_epoch(const crd_train_state *state, void *payload)
{
    run *r = payload;
    make_room(r);
    if (r->hooks->epoch != NULL)
        r->hooks->epoch(&state->history[state->epoch - 1], r->hooks->payload);
}

static void show_progress(int64_t step, int64_t n_steps, double data_term, void *payload)
{
    run *r = payload;
    (void)data_term;
    if (r->hooks->progress != NULL)
        r->hooks->progress(step, n_steps, r->hooks->payload);
}

static crd_status validate(double validation[CRD_N_VALIDATIONS], const crd_train_state *state,
                           void *payload)
{
    run *r = payload;
    return crd_validation_run(validation, &r->validation, r->comm, state->posterior);
}

/* The start. */

static int is_distilling(const run *r)
{
    return strcmp(r->given->loss, "mse-distill") == 0;
}

/** What the outputs will be; distilling leaves them what they are. */
static crd_output_kind outputs_after(const run *r)
{
    return is_distilling(r) ? r->original->outputs : crd_loss_outputs(r->options.loss);
}

/** Nothing that the run writes may be what it reads, or another run's. */
static crd_status claim_outputs(run *r)
{
    crd_status status = CRD_OK;
    const crd_train_files_options *given = r->given;
    const crd_output_inputs inputs = {given->posterior, given->data, given->n_data,
                                      given->validate};
    CRD_TRY(crd_output_claim(&r->lock, given->output, &inputs));
    CRD_TRY(crd_output_check(r->checkpoint_path, &inputs));
    CRD_TRY(crd_output_check(r->best_path, &inputs));
    CRD_TRY(crd_file_check_place(given->output));
cleanup:
    return status;
}

/** NEW.h5.ckpt and NEW.best.h5 for NEW.h5. */
static crd_status make_paths(run *r)
{
    crd_status status = CRD_OK;
    const char *output = r->given->output;
    size_t length = strlen(output), stem = length, size = length + 16;
    if (length > 3 && strcmp(output + length - 3, ".h5") == 0)
        stem -= 3;
    CRD_ALLOC(&r->checkpoint_path, size, "path");
    CRD_ALLOC(&r->best_path, size, "path");
    snprintf(r->checkpoint_path, size, "%s.ckpt", output);
    snprintf(r->best_path, size, "%.*s.best.h5", (int)stem, output);
    CRD_TRY(claim_outputs(r));
cleanup:
    return status;
}

static void add_milestones(crd_settings *settings, const crd_schedule *schedule)
{
    char text[CRD_SETTING_SIZE] = "";
    size_t used = 0;
    for (int i = 0; i < schedule->n_milestones && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%lld", i > 0 ? "," : "",
                                 (long long)schedule->milestones[i]);
    crd_settings_add(settings, "milestones", "%s", text);
}

/** For a caller who has no settings of its own. */
static void write_settings(run *r)
{
    const crd_train_files_options *given = r->given;
    const crd_train_options *o = &r->options;
    const crd_optimizer_options *opt = &o->optimizer;
    const crd_schedule *sched = &o->schedule;
    const crd_augmentation *a = &given->augmentation;
    const char *estimator = o->gradient.estimator;
    crd_settings *s = &r->settings;
    crd_settings_add(s, "estimator", "%s", estimator != NULL ? estimator : "default");
    crd_settings_add(s, "loss", "%s", given->loss);
    crd_settings_add(s, "calibration", "%s %.17g %.17g %.17g", o->calibration, o->calibration_beta,
                     o->uncertainty_threshold, o->error_threshold);
    crd_settings_add(s, "kl", "%s", o->kl == CRD_KL_SUM ? "sum" : "mean");
    crd_settings_add(s, "kl-weight", "%.17g", o->kl_weight);
    crd_settings_add(s, "kl-anneal", "%lld", (long long)o->kl_anneal_epochs);
    crd_settings_add(s, "epochs", "%lld", (long long)o->n_epochs);
    crd_settings_add(s, "batch-size", "%lld", (long long)o->batch_size);
    crd_settings_add(s, "micro-batch", "%lld", (long long)o->gradient.micro_batch);
    crd_settings_add(s, "draws", "%lld", (long long)o->n_draws);
    crd_settings_add(s, "deterministic", "%d", (int)o->gradient.mean);
    crd_settings_add(s, "optimizer", "%s %.17g %.17g %.17g %.17g %d %.17g %.17g %.17g", opt->name,
                     opt->lr, opt->weight_decay, opt->momentum, opt->dampening, (int)opt->nesterov,
                     opt->beta1, opt->beta2, opt->eps);
    crd_settings_add(s, "ivon", "%.17g %.17g %.17g %d %d", opt->ess, opt->hess_init,
                     opt->clip_radius, (int)opt->debias, (int)opt->rescale_lr);
    crd_settings_add(s, "temperature", "%.17g", given->temperature);
    crd_settings_add(s, "scheduler", "%s %.17g %lld %.17g", sched->name, sched->gamma,
                     (long long)sched->step_size, sched->lr_min);
    if (strcmp(sched->name, "multistep") == 0)
        add_milestones(s, sched);
    crd_settings_add(s, "t-max", "%lld", (long long)sched->t_max);
    crd_settings_add(s, "warmup", "%lld", (long long)sched->warmup);
    crd_settings_add(s, "clip-norm", "%.17g", o->clip_norm);
    crd_settings_add(s, "keep-gradients", "%d", (int)o->keep_gradients);
    crd_settings_add(s, "cycle", "%lld", (long long)sched->cycle);
    crd_settings_add(s, "collect", "%d %lld %lld %lld %lld %lld", (int)o->collect.kind,
                     (long long)o->collect.start, (long long)o->collect.every,
                     (long long)o->collect.steps, (long long)o->collect.phase,
                     (long long)o->collect.rank);
    crd_settings_add(s, "local-steps", "%lld", (long long)o->local_steps);
    crd_settings_add(s, "batch-norm", "%s", o->gradient.batch_norm_train ? "train" : "eval");
    crd_settings_add(s, "augment", "%d %lld %d", (int)a->flip, (long long)a->padded_crop,
                     (int)a->random_resized_crop);
    crd_settings_add(s, "validate", "%.17g %lld %lld", given->validate_share,
                     (long long)o->validate_every, (long long)given->validate_draws);
    crd_settings_add(s, "seed", "%llu", (unsigned long long)o->gradient.seed);
}

/** The key of the run. The number of epochs, which may grow, is no part of it, but what follows
 * from it is; with local steps the ranks are too. */
static crd_status make_key(run *r, const crd_record *record, const crd_run_inputs *inputs)
{
    crd_status status = CRD_OK;
    uint64_t pixels;
    crd_dataset *validation = r->validation.dataset;
    CRD_TRY(crd_run_key_make(r->key, record, inputs));
    crd_run_key_remove(r->key, "epochs");
    if (strcmp(r->options.schedule.name, "cosine") == 0) {
        crd_run_key_remove(r->key, "t-max");
        crd_run_key_add(r->key, "--t-max=%" PRId64, r->options.schedule.t_max);
    }
    if (validation != NULL) {
        CRD_TRY(crd_dataset_image_digest(&pixels, validation));
        crd_run_key_add(r->key, "validation=%016" PRIx64, crd_dataset_digest(validation));
        crd_run_key_add(r->key, "validation_pixels=%016" PRIx64, pixels);
    }
    if (r->options.local_steps > 1)
        crd_run_key_add(r->key, "ranks=%d", crd_comm_size(r->comm));
cleanup:
    return status;
}

static crd_status describe(run *r)
{
    crd_status status = CRD_OK;
    const crd_train_files_options *given = r->given;
    crd_run_inputs inputs = {given->posterior, r->digest, given->data, given->n_data,
                             r->data.dataset};
    write_settings(r);
    crd_record record = crd_settings_record(&r->settings, &given->record);
    CRD_TRY(crd_file_digest(r->digest, given->posterior));
    CRD_TRY(make_key(r, &record, &inputs));
    CRD_TRY(
        crd_provenance_make(&r->provenance, &r->store, &record, r->options.gradient.seed, &inputs));
cleanup:
    return status;
}

/** The state to begin with: the checkpoint's, or a new one. */
static crd_status make_state(run *r)
{
    crd_status status = CRD_OK;
    const crd_train_options *options = &r->options;
    const char *path = r->checkpoint_path;
    if (r->given->resume)
        CRD_TRY(crd_checkpoint_read(&r->resumed, &r->state, path, r->key));
    else if (access(path, F_OK) == 0)
        crd_log(CRD_LOG_WARN,
                "%s of an earlier run will be replaced; --resume would continue from it", path);
    if (r->resumed == NULL) {
        CRD_TRY(crd_train_state_init(&r->state, r->original,
                                     crd_optimizer_n_states(&options->optimizer),
                                     options->n_epochs));
        if (options->keep_gradients)
            CRD_TRY(crd_train_state_keep_gradients(&r->state));
        return options->collect.kind == CRD_COLLECT_NOTHING
                   ? CRD_OK
                   : crd_train_state_collect(&r->state, &options->collect);
    }
    int64_t epoch = r->state.epoch + (r->state.batch > 0);
    CRD_REQUIRE(epoch <= options->n_epochs, CRD_ERR_RESUME,
                "%s: --epochs: the checkpoint is in epoch %lld, this run has %lld", path,
                (long long)epoch, (long long)options->n_epochs);
    r->kept_step = r->state.step;
    r->has_best = access(r->best_path, F_OK) == 0;
    crd_log(CRD_LOG_INFO, "%s: continuing after step %lld", path, (long long)r->state.step);
    status = crd_train_state_reserve(&r->state, options->n_epochs);
cleanup:
    return status;
}

/** What follows from the number of images. */
static void set_images(run *r, int64_t n_images)
{
    crd_train_options *o = &r->options;
    o->n_images = n_images;
    if (o->kl_weight < 0)
        o->kl_weight = o->kl == CRD_KL_SUM ? r->given->temperature / (double)n_images
                                           : 1 / (double)o->batch_size;
    if (o->optimizer.ess == 0)
        o->optimizer.ess = (double)n_images / r->given->temperature;
}

/** Rank 0's half of the start: all files are opened here, so that what is wrong with them is found
 * before any work is done. */
static crd_status open_files(run *r, shared_facts *facts)
{
    crd_status status = CRD_OK;
    const crd_train_files_options *given = r->given;
    CRD_TRY(make_paths(r));
    CRD_TRY(crd_posterior_read(&r->original, given->posterior));
    CRD_TRY(crd_posterior_check_normal(r->original, given->posterior, "train"));
    CRD_TRY(crd_train_data_open(&r->data, &r->validation, given, &r->original->preprocessing));
    facts->n_images = r->data.images.n_images;
    facts->n_validation = r->validation.images.n_images;
    set_images(r, facts->n_images);
    CRD_TRY(crd_optimizer_check(&r->options.optimizer));
    CRD_TRY(crd_schedule_check(&r->options.schedule));
    CRD_TRY(
        crd_collect_check(&r->options.collect, r->options.n_epochs,
                          (facts->n_images + r->options.batch_size - 1) / r->options.batch_size));
    r->info = (crd_training_info){.posterior = r->original,
                                  .n_images = facts->n_images,
                                  .n_validation = facts->n_validation,
                                  .checkpoint = r->checkpoint_path};
    if (r->hooks->start != NULL)
        CRD_TRY(r->hooks->start(&r->info, r->hooks->payload));
    r->original->outputs = outputs_after(r);
    r->original->laplace = (crd_laplace){0}; /* no more once it is trained */
    CRD_TRY(crd_train_data_match(&r->data, &r->validation, given->loss, r->original));
    CRD_TRY(describe(r));
    CRD_TRY(make_state(r));
    CRD_TRY(crd_checkpoint_measure(&r->info.checkpoint_bytes, &r->state));
    if (r->hooks->ready != NULL)
        r->hooks->ready(&r->info, r->hooks->payload);
cleanup:
    return status;
}

/** In pairs, whose noise is opposite: four such draws are nearer to many than eight others. An
 * odd number makes no pairs. */
static crd_predict_options validation_options(const run *r, int64_t n_images)
{
    const crd_gradient_options *gradient = &r->options.gradient;
    int64_t n_draws = gradient->mean ? 1 : r->given->validate_draws;
    crd_predict_options options;
    crd_predict_options_init(&options);
    options.sampler.estimator = gradient->estimator;
    options.sampler.mean = gradient->mean;
    options.sampler.antithetic = n_draws % 2 == 0;
    options.sampler.seed = ~gradient->seed; /* other draws than training's */
    options.sampler.batch = 32;
    options.n_draws = n_draws;
    options.min_draws = 0;
    options.confidence = 0;
    options.n_top = 1;
    options.checkpoint_s = 0;
    options.n_images = n_images;
    return options;
}

/* The end. */

/** A network that all ranks have. */
typedef struct held_network {
    float *values;
    int64_t n_floats;
} held_network;

static void fill_network(float *values, int64_t i, void *payload)
{
    const held_network *network = payload;
    (void)i;
    memcpy(values, network->values, (size_t)network->n_floats * sizeof *values);
}

/** Batch norm's statistics of the mean network, which none of the averaged ones had: from the
 * training images, once more in an order and augmentation of their own. Collective. */
static crd_status refresh_mean(run *r, const crd_train_hooks *hooks)
{
    crd_status status = CRD_OK;
    const crd_network *network = r->state.posterior->network;
    const crd_train_options *o = &r->options;
    held_network mean = {NULL, network->params.n_floats};
    const crd_refresh_networks networks = {1, fill_network, &mean};
    const crd_refresh_options options = {.n_images = o->n_images,
                                         .epoch = o->n_epochs,
                                         .batch_size = o->batch_size,
                                         .micro_batch = o->gradient.micro_batch,
                                         .seed = o->gradient.seed};
    float *row = NULL;
    CRD_ALLOC(&mean.values, mean.n_floats, "a network");
    CRD_ALLOC(&row, crd_statistics_count(network), "statistics");
cleanup:
    status = crd_comm_agree(r->comm, status);
    if (status == CRD_OK) {
        if (crd_comm_rank(r->comm) == 0)
            memcpy(mean.values, r->collected->mu, (size_t)mean.n_floats * sizeof *mean.values);
        crd_comm_broadcast(r->comm, mean.values, mean.n_floats * (int64_t)sizeof *mean.values);
        status = crd_refresh_statistics(row, r->comm, network, &networks, &options, hooks);
    }
    if (status == CRD_OK && r->collected != NULL)
        crd_statistics_put(r->collected->mu, network, row);
    crd_free(row);
    crd_free(mean.values);
    return status;
}

/** Makes a posterior of what was collected. Collective. */
static crd_status finish_collection(run *r, const crd_train_hooks *hooks)
{
    crd_status status = CRD_OK;
    if (crd_comm_rank(r->comm) == 0)
        status = crd_collection_make_posterior(&r->collected, r->state.collection,
                                               r->state.posterior, r->given->posterior, r->digest);
    CRD_TRY(crd_comm_agree(r->comm, status));
    if (r->options.collect.kind == CRD_COLLECT_SWAG && r->options.gradient.batch_norm_train &&
        crd_network_has_statistics(r->state.posterior->network))
        CRD_TRY(refresh_mean(r, hooks));
cleanup:
    return status;
}

/** Writes the posterior, or says what is left of a run that did not get there. */
static crd_status conclude(run *r, crd_status status, const crd_train_report *report)
{
    const char *output = r->given->output;
    make_room(r);
    if (status == CRD_OK)
        status = crd_posterior_write_trained(
            output, r->collected != NULL ? r->collected : r->state.posterior, &r->state,
            &r->provenance);
    if (status == CRD_OK)
        return r->hooks->end == NULL
                   ? CRD_OK
                   : r->hooks->end(&r->state, report, r->has_best ? r->best_path : NULL,
                                   r->hooks->payload);
    if (status == CRD_STOPPED && r->kept_step != r->state.step)
        return CRD_FAIL(CRD_ERR_IO,
                        "%s: cannot be written, and the run was stopped after step %lld",
                        r->checkpoint_path, (long long)r->state.step);
    if (status == CRD_STOPPED)
        return status;
    if (r->kept_step < 0)
        return crd_status_set(status, "%s; there is no checkpoint", crd_status_message());
    return crd_status_set(status, "%s; %s holds step %lld", crd_status_message(),
                          r->checkpoint_path, (long long)r->kept_step);
}

static void release(run *r)
{
    crd_train_state_clear(&r->state);
    crd_posterior_destroy(r->collected);
    crd_posterior_destroy(r->resumed);
    crd_posterior_destroy(r->original);
    crd_validation_clear(&r->validation); /* first: what is held out belongs to the data */
    crd_train_data_close(&r->data);
    crd_provenance_store_destroy(r->store);
    crd_output_lock_release(r->lock);
    crd_free(r->checkpoint_path);
    crd_free(r->best_path);
    crd_free(r);
}

/** What is wrong with the options on all ranks alike. */
static crd_status check(run *r)
{
    crd_status status = CRD_OK;
    const crd_train_files_options *given = r->given;
    CRD_REQUIRE(given->posterior != NULL && given->n_data > 0 && given->output != NULL,
                CRD_ERR_USAGE, "a posterior, data and an output are needed");
    CRD_TRY(crd_loss_find(&r->options.loss, given->loss));
    if (given->validate == NULL && given->validate_share <= 0)
        r->options.validate_every = 0;
cleanup:
    return status;
}

/** With memory for *r on all ranks. */
static crd_status run_files(run *r)
{
    crd_status status = CRD_OK;
    int is_first = crd_comm_rank(r->comm) == 0;
    shared_facts facts = {0};
    crd_shared_model *teacher = NULL;
    crd_train_report report;
    CRD_TRY(check(r));
    CRD_TRY(crd_comm_agree(r->comm, is_first ? open_files(r, &facts) : CRD_OK));
    crd_comm_broadcast(r->comm, &facts, sizeof facts);
    set_images(r, facts.n_images);
    if (is_distilling(r)) {
        CRD_TRY(crd_shared_model_create(&teacher, r->comm, r->original, NULL, 1));
        r->options.teacher = crd_shared_model_view(teacher);
    }
    CRD_TRY(crd_train_state_share(&r->state, &r->resumed, r->comm));
    if (r->options.gradient.estimator == NULL)
        r->options.gradient.estimator = r->state.posterior->conversion.type;
    r->validation.options = validation_options(r, facts.n_validation);
    const crd_train_hooks hooks = {.load = load,
                                   .checkpoint =
                                       r->given->n_checkpoints > 0 ? keep_checkpoint : NULL,
                                   .epoch = show_epoch,
                                   .validate = validate,
                                   .best = keep_best,
                                   .progress = show_progress,
                                   .payload = r};
    status = crd_train(&report, r->comm, &r->state, &r->options, &hooks);
    if (status == CRD_OK && r->options.collect.kind != CRD_COLLECT_NOTHING)
        status = finish_collection(r, &hooks);
    CRD_TRY(crd_comm_agree(r->comm, is_first ? conclude(r, status, &report) : status));
cleanup:
    crd_shared_model_destroy(teacher);
    return status;
}

crd_status crd_train_files(crd_comm *comm, const crd_train_files_options *options,
                           const crd_train_files_hooks *hooks)
{
    const crd_train_files_hooks none = {0};
    run *r = NULL;
    crd_status status =
        crd_comm_agree(comm, crd_alloc_zeroed((void **)&r, 1, sizeof *r, "a training"));
    if (status != CRD_OK) {
        crd_free(r);
        return status;
    }
    r->given = options;
    r->hooks = hooks != NULL ? hooks : &none;
    r->options = options->train;
    r->comm = comm;
    r->kept_step = -1;
    status = run_files(r);
    make_room(r);
    release(r);
    return status;
}
