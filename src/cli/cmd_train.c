/* `credence train`: opens posterior, data and checkpoint on rank 0, and hands them to crd_train as
 * hooks. What it prints is in train_report.c, validation in train_validate.c. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/output_check.h"
#include "cli/provenance.h"
#include "cli/signals.h"
#include "cli/train_data.h"
#include "cli/train_options.h"
#include "cli/train_report.h"
#include "cli/train_validate.h"
#include "credence/log.h"
#include "credence/watchdog.h"

/** A run. What is not marked lives on rank 0 only and stays empty elsewhere. */
typedef struct training {
    const crd_cli *cli;      /* all ranks */
    crd_posterior *original; /* as read: the teacher's weights */
    crd_posterior
        *resumed; /* rank 0: of the checkpoint, if any; else the posterior shared by rank 0 */
    crd_train_state state; /* all ranks */
    crd_train_data data;
    crd_validation validation; /* all ranks */
    char *checkpoint_path, *best_path;
    char fingerprint[CRD_RUN_KEY_SIZE];
    crd_provenance_store store;
    crd_provenance provenance;
    int64_t kept_step; /* of the newest checkpoint; -1: there is none */
    crd_progress progress;
    int has_started;
    int has_best; /* best_path is there, and of this run */
} training;

/** What all ranks must know before they can work together. */
typedef struct shared_facts {
    int64_t n_images, n_validation;
} shared_facts;

static const crd_option_value *value_of(const training *t, crd_option_id id)
{
    return &t->cli->options->values[id];
}

/* Hooks of the engine. */

static crd_status load(float *images, int64_t *labels, float *values, int64_t epoch, int64_t first,
                       int64_t n, void *payload)
{
    training *t = payload;
    return crd_train_data_load(&t->data, images, labels, values, epoch, first, n);
}

static void keep_checkpoint(const crd_train_state *state, void *payload)
{
    training *t = payload;
    if (crd_checkpoint_write(t->checkpoint_path, state, t->fingerprint, &t->provenance) == CRD_OK) {
        t->kept_step = state->step;
        if (value_of(t, CRD_OPT_CHECKPOINTS)->integer == 1 &&
            crd_checkpoint_remove_old(t->checkpoint_path) != CRD_OK)
            crd_log(CRD_LOG_WARN, "%s", crd_status_message());
        return;
    }
    crd_progress_end(&t->progress);
    if (t->kept_step < 0)
        crd_log(CRD_LOG_WARN, "no checkpoint: %s", crd_status_message());
    else
        crd_log(CRD_LOG_WARN, "no new checkpoint: %s; the one of step %lld is intact",
                crd_status_message(), (long long)t->kept_step);
}

static void keep_best(const crd_train_state *state, void *payload)
{
    training *t = payload;
    t->has_best = crd_posterior_write_trained(t->best_path, state, &t->provenance) == CRD_OK;
    if (t->has_best)
        return;
    crd_progress_end(&t->progress);
    crd_log(CRD_LOG_WARN, "the best posterior is not kept: %s", crd_status_message());
}

static void show_epoch(const crd_train_state *state, void *payload)
{
    training *t = payload;
    crd_progress_end(&t->progress);
    crd_train_print_epoch(&state->history[state->epoch - 1], value_of(t, CRD_OPT_EPOCHS)->integer,
                          value_of(t, CRD_OPT_JSON)->integer != 0);
}

static void show_progress(int64_t step, int64_t n_steps, double data_term, void *payload)
{
    training *t = payload;
    (void)data_term;
    if (!t->has_started)
        t->progress.first = step - 1;
    t->has_started = 1;
    crd_progress_update(&t->progress, step, n_steps);
}

static crd_status validate(double validation[CRD_N_VALIDATIONS], const crd_train_state *state,
                           void *payload)
{
    training *t = payload;
    return crd_validation_run(validation, &t->validation, t->cli->comm, state->posterior);
}

/* The start. */

static int is_distilling(const training *t)
{
    return strcmp(value_of(t, CRD_OPT_LOSS)->text, "mse-distill") == 0;
}

/** What the outputs will be; distilling leaves them what they are. */
static crd_output_kind outputs_after(const training *t)
{
    const char *loss = value_of(t, CRD_OPT_LOSS)->text;
    return is_distilling(t)                    ? t->original->outputs
           : strcmp(loss, "mse") == 0          ? CRD_OUTPUT_MEANS
           : strcmp(loss, "gaussian-nll") == 0 ? CRD_OUTPUT_NORMALS
                                               : CRD_OUTPUT_LOGITS;
}

/** NEW.h5.ckpt and NEW.best.h5 for NEW.h5. */
static crd_status make_paths(training *t)
{
    crd_status status = CRD_OK;
    const char *output = value_of(t, CRD_OPT_OUTPUT)->text;
    size_t length = strlen(output), stem = length, size = length + 16;
    if (length > 3 && strcmp(output + length - 3, ".h5") == 0)
        stem -= 3;
    CRD_ALLOC(&t->checkpoint_path, size, "path");
    CRD_ALLOC(&t->best_path, size, "path");
    snprintf(t->checkpoint_path, size, "%s.ckpt", output);
    snprintf(t->best_path, size, "%.*s.best.h5", (int)stem, output);
    CRD_TRY(crd_output_check(t->cli->options, t->checkpoint_path));
    CRD_TRY(crd_output_check(t->cli->options, t->best_path));
    CRD_TRY(crd_file_check_place(output));
cleanup:
    return status;
}

/** The state to begin with: the checkpoint's, or a new one. */
static crd_status make_state(training *t, const crd_train_options *options)
{
    if (value_of(t, CRD_OPT_RESUME)->integer) {
        crd_status status =
            crd_checkpoint_read(&t->resumed, &t->state, t->checkpoint_path, t->fingerprint);
        if (status != CRD_OK)
            return status;
    } else if (access(t->checkpoint_path, F_OK) == 0) {
        crd_log(CRD_LOG_WARN,
                "%s of an earlier run will be replaced; --resume would continue from it",
                t->checkpoint_path);
    }
    if (t->resumed == NULL) {
        crd_status status = crd_train_state_init(
            &t->state, t->original, crd_optimizer_n_states(&options->optimizer), options->n_epochs);
        return status == CRD_OK && options->keep_gradients
                   ? crd_train_state_keep_gradients(&t->state)
                   : status;
    }
    if (t->state.epoch + (t->state.batch > 0) > options->n_epochs)
        return CRD_FAIL(CRD_ERR_RESUME,
                        "%s: --epochs: the checkpoint is in epoch %lld, this run has %lld",
                        t->checkpoint_path, (long long)t->state.epoch + (t->state.batch > 0),
                        (long long)options->n_epochs);
    t->kept_step = t->state.step;
    t->has_best = access(t->best_path, F_OK) == 0;
    crd_log(CRD_LOG_INFO, "%s: going on after step %lld", t->checkpoint_path,
            (long long)t->state.step);
    return crd_train_state_reserve(&t->state, options->n_epochs);
}

/** What the run is going to do, and what disk space it takes, before the first step. */
static crd_status announce(const training *t, const crd_train_options *options,
                           const shared_facts *facts)
{
    crd_status status = CRD_OK;
    int64_t kept = value_of(t, CRD_OPT_CHECKPOINTS)->integer, bytes;
    char n_images[32], n_validation[32];
    crd_log(CRD_LOG_INFO, "%s image%s, %lld epoch%s of %lld step%s",
            crd_grouped(n_images, facts->n_images), facts->n_images == 1 ? "" : "s",
            (long long)options->n_epochs, options->n_epochs == 1 ? "" : "s",
            (long long)((facts->n_images + options->batch_size - 1) / options->batch_size),
            facts->n_images <= options->batch_size ? "" : "s");
    if (facts->n_validation > 0)
        crd_log(
            CRD_LOG_INFO,
            "validation every %lld epoch%s: %s image%s, each with %lld draws (--validate-every, "
            "--validate-draws)",
            (long long)options->validate_every, options->validate_every == 1 ? "" : "s",
            crd_grouped(n_validation, facts->n_validation), facts->n_validation == 1 ? "" : "s",
            (long long)(options->gradient.mean ? 1 : value_of(t, CRD_OPT_VALIDATE_DRAWS)->integer));
    CRD_TRY(crd_checkpoint_measure(&bytes, &t->state));
    if (kept == 0)
        crd_log(CRD_LOG_INFO, "no checkpoints: this run cannot be resumed");
    else
        crd_log(CRD_LOG_INFO, "%s%s: %.1f MB%s (--checkpoints)", t->checkpoint_path,
                kept == 2 ? " and .prev" : "", 1e-6 * (double)bytes, kept == 2 ? " each" : "");
cleanup:
    return status;
}

/** Rank 0's half of the start: all files are opened here, so that what is wrong with them is found
 * before any work is done. */
static crd_status open_files(training *t, shared_facts *facts)
{
    crd_status status = CRD_OK;
    const crd_options *given = t->cli->options;
    const char *path = given->arguments[0];
    crd_train_options options;
    CRD_TRY(make_paths(t));
    CRD_TRY(crd_posterior_read(&t->original, path));
    CRD_TRY(crd_train_data_open(&t->data, &t->validation, given, &t->original->preprocessing));
    facts->n_images = t->data.images.n_images;
    facts->n_validation = t->validation.images.n_images;
    CRD_TRY(crd_train_options_make(&options, given, facts->n_images));
    CRD_TRY(crd_train_check_batches(&options, given, t->original->network));
    t->original->outputs = outputs_after(t);
    CRD_TRY(crd_train_data_match(&t->data, &t->validation, given, t->original));
    CRD_TRY(crd_train_fingerprint(t->fingerprint, t->cli, &options, t->data.dataset,
                                  t->validation.dataset));
    CRD_TRY(crd_provenance_make(&t->provenance, &t->store, t->cli, path, t->data.dataset));
    CRD_TRY(make_state(t, &options));
    CRD_TRY(announce(t, &options, facts));
cleanup:
    return status;
}

/** In pairs, whose noise is opposite: four such draws are nearer to many than eight others. An
 * odd number makes no pairs. */
static crd_predict_options validation_options(const training *t, const char *estimator,
                                              int64_t n_images)
{
    int is_mean = value_of(t, CRD_OPT_TRAIN_DETERMINISTIC)->integer != 0;
    int64_t n_draws = is_mean ? 1 : value_of(t, CRD_OPT_VALIDATE_DRAWS)->integer;
    /* Another key than training's: the draws must be new ones. */
    return (crd_predict_options){.sampler = {.estimator = estimator,
                                             .mean = is_mean,
                                             .antithetic = n_draws % 2 == 0,
                                             .seed = ~(uint64_t)value_of(t, CRD_OPT_SEED)->integer,
                                             .batch = 32,
                                             .draw_block = 8},
                                 .n_draws = n_draws,
                                 .n_top = 1,
                                 .n_images = n_images};
}

/* The end. */

/** Writes the posterior, or says what is left of a run that did not get there. */
static crd_status conclude(training *t, crd_status status, const crd_train_report *report)
{
    const char *output = value_of(t, CRD_OPT_OUTPUT)->text;
    crd_progress_end(&t->progress);
    if (status == CRD_OK)
        status = crd_posterior_write_trained(output, &t->state, &t->provenance);
    if (status == CRD_OK)
        return crd_train_print_end(output, t->has_best ? t->best_path : NULL, &t->state, report,
                                   value_of(t, CRD_OPT_JSON)->integer != 0);
    if (status == CRD_STOPPED && t->kept_step != t->state.step)
        return CRD_FAIL(CRD_ERR_IO,
                        "%s: cannot be written, and the run was stopped after step %lld",
                        t->checkpoint_path, (long long)t->state.step);
    if (status == CRD_STOPPED)
        return status;
    if (t->kept_step < 0)
        return crd_status_set(status, "%s; there is no checkpoint", crd_status_message());
    return crd_status_set(status, "%s; %s holds step %lld", crd_status_message(),
                          t->checkpoint_path, (long long)t->kept_step);
}

static void release(training *t)
{
    crd_train_state_clear(&t->state);
    crd_posterior_destroy(t->resumed);
    crd_posterior_destroy(t->original);
    crd_validation_clear(&t->validation); /* first: what is held out belongs to the data */
    crd_train_data_close(&t->data);
    crd_free(t->checkpoint_path);
    crd_free(t->best_path);
}

crd_status crd_cmd_train(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    int is_first = crd_comm_rank(cli->comm) == 0;
    training t = {.cli = cli, .kept_step = -1};
    shared_facts facts = {0};
    crd_shared_model *teacher = NULL;
    crd_watchdog *watchdog = NULL;
    crd_train_options options;
    crd_train_report report;
    CRD_TRY(crd_train_options_make(&options, cli->options, 1));
    crd_signals_heed();
    CRD_TRY(crd_watchdog_start(&watchdog, cli->comm,
                               cli->options->values[CRD_OPT_HANG_TIMEOUT].number, crd_report_hang));
    CRD_TRY(crd_comm_agree(cli->comm, is_first ? open_files(&t, &facts) : CRD_OK));
    crd_comm_broadcast(cli->comm, &facts, sizeof facts);
    CRD_TRY(crd_train_options_make(&options, cli->options, facts.n_images));
    if (strcmp(cli->options->values[CRD_OPT_LOSS].text, "mse-distill") == 0) {
        CRD_TRY(crd_shared_model_create(&teacher, cli->comm, t.original, NULL, 1));
        options.teacher = crd_shared_model_view(teacher);
    }
    CRD_TRY(crd_train_state_share(&t.state, &t.resumed, cli->comm));
    const char *type = cli->options->values[CRD_OPT_ESTIMATOR].text;
    options.gradient.estimator = type != NULL ? type : t.state.posterior->conversion.type;
    t.validation.options = validation_options(&t, options.gradient.estimator, facts.n_validation);

    crd_train_hooks hooks = {.load = load,
                             .checkpoint = t.cli->options->values[CRD_OPT_CHECKPOINTS].integer > 0
                                               ? keep_checkpoint
                                               : NULL,
                             .epoch = show_epoch,
                             .validate = validate,
                             .best = keep_best,
                             .progress = show_progress,
                             .payload = &t};
    t.progress = crd_progress_start("steps", !cli->options->values[CRD_OPT_QUIET].integer);
    status = crd_train(&report, cli->comm, &t.state, &options, &hooks);
    CRD_TRY(crd_comm_agree(cli->comm, is_first ? conclude(&t, status, &report) : status));
cleanup:
    crd_progress_end(&t.progress);
    crd_shared_model_destroy(teacher);
    crd_watchdog_stop(watchdog);
    release(&t);
    return status;
}
