#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/output_check.h"
#include "cli/provenance.h"
#include "cli/signals.h"
#include "cli/train_options.h"
#include "cli/train_report.h"
#include "cli/train_validate.h"
#include "credence/log.h"
#include "credence/watch.h"

/** A run. What is not marked lives on rank 0 only and stays empty elsewhere. */
typedef struct training {
    const crd_cli *cli;      /* all ranks */
    crd_posterior *original; /* as read: the teacher's weights */
    crd_posterior
        *resumed; /* rank 0: of the checkpoint, if any; else the posterior shared by rank 0 */
    crd_train_state state; /* all ranks */
    crd_dataset *data;
    int64_t *labels;
    int64_t n_values; /* of a target; 0: the loss takes none from the data */
    const crd_preprocessing *preprocessing;
    crd_augmentation augmentation;
    int is_augmented;
    crd_validation validation; /* all ranks */
    char *checkpoint_path, *best_path;
    char fingerprint[CRD_RUN_KEY_SIZE];
    crd_provenance_store store;
    crd_provenance provenance;
    int64_t kept_step; /* of the newest checkpoint; -1: there is none */
    crd_progress progress;
    int has_started;
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
    uint64_t seed = (uint64_t)value_of(t, CRD_OPT_SEED)->integer;
    int64_t n_images = crd_dataset_n_images(t->data);
    int64_t floats = t->preprocessing->channels * t->preprocessing->crop * t->preprocessing->crop;
    for (int64_t i = 0; i < n; i++) {
        int64_t image = crd_dataset_shuffled(first + i, n_images, seed, epoch);
        crd_status status =
            crd_dataset_load(images + i * floats, t->data, image, t->preprocessing,
                             t->is_augmented ? &t->augmentation : NULL, seed, epoch);
        if (status != CRD_OK)
            return status;
        labels[i] = t->labels[image];
        if (t->n_values > 0)
            memcpy(values + i * t->n_values, crd_dataset_target(t->data, image),
                   (size_t)t->n_values * sizeof *values);
    }
    return CRD_OK;
}

static void keep_checkpoint(const crd_train_state *state, void *payload)
{
    training *t = payload;
    if (crd_checkpoint_write(t->checkpoint_path, state, t->fingerprint, &t->provenance) == CRD_OK) {
        t->kept_step = state->step;
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
    if (crd_posterior_write(t->best_path, state->posterior, &t->provenance) == CRD_OK)
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

/** Classes without names get those of the sub-folders that they were learned from: what is evaluated later
 * must lie in folders of the same names. Only if every class has its folder. */
static crd_status name_classes(crd_posterior *p, const crd_dataset *data, const int64_t *labels)
{
    crd_status status = CRD_OK;
    int64_t n, n_named = 0;
    const char *const *folders = crd_dataset_class_names(data, &n);
    if (p->classes != NULL || folders == NULL || n != p->n_classes)
        return CRD_OK;
    CRD_ALLOC(&p->classes, n, "class names");
    for (int64_t i = 0; i < crd_dataset_n_images(data); i++) {
        char **name = &p->classes[labels[i]];
        n_named += *name == NULL;
        if (*name == NULL)
            CRD_TRY(crd_alloc_string(name, folders[crd_dataset_label(data, i)]));
    }
    if (n_named == n)
        return CRD_OK;
    for (int64_t k = 0; k < n; k++) /* folders "1" and "01" are one class */
        crd_free(p->classes[k]);
    crd_free(p->classes);
    p->classes = NULL;
cleanup:
    return status;
}

/** Labels of the images, -1 where there are none: without any the deterministic network can still be the teacher. */
static crd_status match_labels(training *t)
{
    crd_status status = CRD_OK;
    crd_posterior *p = t->original;
    const char *const *classes = (const char *const *)p->classes;
    int64_t n = crd_dataset_n_images(t->data);
    CRD_ALLOC(&t->labels, n, "labels");
    for (int64_t i = 0; i < n; i++)
        t->labels[i] = -1;
    if (p->outputs != CRD_OUTPUT_LOGITS)
        return CRD_OK;
    if (!is_distilling(t))
        CRD_TRY(crd_dataset_match(t->labels, t->data, classes, p->n_classes));
    else if (crd_dataset_match(t->labels, t->data, classes, p->n_classes) != CRD_OK)
        crd_log(CRD_LOG_WARN, "no accuracy is given: %s", crd_status_message());
    if (!is_distilling(t))
        CRD_TRY(name_classes(p, t->data, t->labels));
cleanup:
    return status;
}

/** The targets of the images, if the loss takes any. */
static crd_status match_targets(training *t, const crd_loss *loss)
{
    crd_status status = CRD_OK;
    if (is_distilling(t) || crd_loss_target(loss) != CRD_TARGET_VALUES)
        return CRD_OK;
    CRD_TRY(crd_loss_n_values(&t->n_values, loss, t->original->n_classes));
    CRD_TRY(crd_dataset_check_targets(t->data, t->n_values));
cleanup:
    return status;
}

static crd_status open_validation(training *t)
{
    crd_status status = CRD_OK;
    const crd_posterior *p = t->original;
    crd_validation *v = &t->validation;
    const char *specification = value_of(t, CRD_OPT_VALIDATE)->text;
    if (specification == NULL)
        return CRD_OK;
    CRD_TRY(crd_images_open(&v->images, &specification, 1, 0));
    crd_images_prepare(&v->images, &p->preprocessing);
    if (p->outputs != CRD_OUTPUT_LOGITS)
        return crd_dataset_check_targets(v->images.dataset,
                                         p->n_classes / (p->outputs == CRD_OUTPUT_NORMALS ? 2 : 1));
    CRD_ALLOC(&v->labels, v->images.n_images, "labels");
    CRD_TRY(crd_dataset_match(v->labels, v->images.dataset, (const char *const *)p->classes,
                              p->n_classes));
cleanup:
    return status;
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
        crd_log(CRD_LOG_WARN, "%s of an earlier run will be replaced; --resume would go on from it",
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
    crd_log(CRD_LOG_INFO, "%s: going on after step %lld", t->checkpoint_path,
            (long long)t->state.step);
    return crd_train_state_reserve(&t->state, options->n_epochs);
}

/** Rank 0's half of the start: all files are opened here, so that what is wrong with them is found
 * before any work is done. */
static crd_status open_files(training *t, shared_facts *facts)
{
    crd_status status = CRD_OK;
    const crd_options *given = t->cli->options;
    const char *path = given->arguments[0];
    crd_train_options options;
    t->is_augmented = crd_train_augmentation(&t->augmentation, given);
    CRD_TRY(make_paths(t));
    CRD_TRY(crd_dataset_open(&t->data, given->arguments + 1, given->n_arguments - 1));
    CRD_TRY(crd_posterior_read(&t->original, path));
    t->preprocessing = &t->original->preprocessing;
    facts->n_images = crd_dataset_n_images(t->data);
    if (!t->augmentation.random_resized_crop) /* which takes parts of any size */
        crd_dataset_log_fit(t->data, t->preprocessing);
    CRD_TRY(crd_train_options_make(&options, given, facts->n_images));
    CRD_TRY(crd_train_check_batches(&options, given, t->original->network));
    t->original->outputs = outputs_after(t);
    CRD_TRY(match_labels(t));
    CRD_TRY(match_targets(t, options.loss));
    CRD_TRY(open_validation(t));
    facts->n_validation = t->validation.images.n_images;
    CRD_TRY(crd_train_fingerprint(t->fingerprint, t->cli, &options, t->data,
                                  t->validation.images.dataset));
    CRD_TRY(crd_provenance_make(&t->provenance, &t->store, t->cli, path, t->data));
    CRD_TRY(make_state(t, &options));
cleanup:
    return status;
}

static crd_predict_options validation_options(const training *t, const char *estimator,
                                              int64_t n_images)
{
    int is_mean = value_of(t, CRD_OPT_TRAIN_MEAN)->integer != 0;
    /* Another key than training's: the draws must be new ones. */
    return (crd_predict_options){.sampler = {.estimator = estimator,
                                             .mean = is_mean,
                                             .seed = ~(uint64_t)value_of(t, CRD_OPT_SEED)->integer,
                                             .batch = 32,
                                             .draw_block = 8},
                                 .n_draws =
                                     is_mean ? 1 : value_of(t, CRD_OPT_VALIDATE_DRAWS)->integer,
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
        status = crd_posterior_write(output, t->state.posterior, &t->provenance);
    if (status == CRD_OK)
        return crd_train_print_end(output, &t->state, report,
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
    crd_dataset_close(t->data);
    crd_images_close(&t->validation.images);
    crd_free(t->validation.labels);
    crd_free(t->labels);
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
    crd_watch *watch = NULL;
    crd_train_options options;
    crd_train_report report;
    CRD_TRY(crd_train_options_make(&options, cli->options, 1));
    crd_signals_heed();
    CRD_TRY(crd_watch_start(&watch, cli->comm, cli->options->values[CRD_OPT_HANG_TIMEOUT].number,
                            crd_report_hang));
    CRD_TRY(crd_comm_agree(cli->comm, is_first ? open_files(&t, &facts) : CRD_OK));
    crd_comm_broadcast(cli->comm, &facts, sizeof facts);
    CRD_TRY(crd_train_options_make(&options, cli->options, facts.n_images));
    if (strcmp(cli->options->values[CRD_OPT_LOSS].text, "mse-distill") == 0) {
        CRD_TRY(crd_shared_model_create(&teacher, cli->comm, t.original, NULL));
        options.teacher = crd_shared_model_view(teacher);
    }
    CRD_TRY(crd_train_state_share(&t.state, &t.resumed, cli->comm));
    const char *type = cli->options->values[CRD_OPT_TYPE].text;
    options.gradient.estimator = type != NULL ? type : t.state.posterior->conversion.type;
    t.validation.options = validation_options(&t, options.gradient.estimator, facts.n_validation);

    crd_train_hooks hooks = {.load = load,
                             .checkpoint = keep_checkpoint,
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
    crd_watch_stop(watch);
    release(&t);
    return status;
}
