/* The options of `train` as the library takes them, and what the table of options cannot say of
 * their values. */
#include "cli/train_options.h"

#include <stdio.h>
#include <string.h>

#include "app/train_batches.h"
#include "bayes/gradient.h"

static crd_status make_optimizer(crd_optimizer_options *out, const crd_option_value *values)
{
    crd_status status = crd_optimizer_defaults(out, values[CRD_OPT_OPTIMIZER].text);
    if (status != CRD_OK)
        return status;
    const struct {
        crd_option_id option;
        double *value;
    } numbers[] = {{CRD_OPT_LR, &out->lr},
                   {CRD_OPT_WEIGHT_DECAY, &out->weight_decay},
                   {CRD_OPT_BETA1, &out->beta1},
                   {CRD_OPT_BETA2, &out->beta2},
                   {CRD_OPT_ESS, &out->ess},
                   {CRD_OPT_HESS_INIT, &out->hess_init},
                   {CRD_OPT_CLIP_RADIUS, &out->clip_radius}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (values[numbers[i].option].given)
            *numbers[i].value = values[numbers[i].option].number;
    out->momentum = values[CRD_OPT_MOMENTUM].number;
    out->nesterov = values[CRD_OPT_NESTEROV].integer != 0;
    out->debias &= values[CRD_OPT_NO_DEBIAS].integer == 0;
    out->rescale_lr &= values[CRD_OPT_NO_RESCALE_LR].integer == 0;
    crd_optimizer_options known = *out;
    if (known.ess == 0)
        known.ess = 1; /* the number of images, which is not known yet */
    return crd_optimizer_check(&known);
}

/** Epochs of a cycle, where they are not given: what is collected decides. */
static int64_t cycle_of(const crd_option_value *values)
{
    return values[CRD_OPT_CYCLE].given            ? values[CRD_OPT_CYCLE].integer
           : values[CRD_OPT_SNAPSHOT_EVERY].given ? values[CRD_OPT_SNAPSHOT_EVERY].integer
                                                  : values[CRD_OPT_COLLECT_EVERY].integer;
}

static crd_status make_schedule(crd_schedule *out, const crd_option_value *values)
{
    int makes_snapshots = values[CRD_OPT_SNAPSHOT_EVERY].given && !values[CRD_OPT_SCHEDULER].given;
    const char *name = makes_snapshots ? "cosine-restarts" : values[CRD_OPT_SCHEDULER].text;
    int64_t warmup = values[CRD_OPT_WARMUP].integer;
    int64_t rest = values[CRD_OPT_EPOCHS].integer - warmup;
    *out = (crd_schedule){.gamma = strcmp(name, "exponential") == 0 ? 0.9 : 0.1,
                          .step_size = values[CRD_OPT_STEP_SIZE].integer,
                          .n_milestones = values[CRD_OPT_MILESTONES].n_numbers,
                          .t_max = rest > 0 ? rest : 1,
                          .cycle = cycle_of(values),
                          .lr_min = values[CRD_OPT_LR_MIN].number,
                          .warmup = warmup};
    snprintf(out->name, sizeof out->name, "%s", name);
    for (int i = 0; i < out->n_milestones; i++)
        out->milestones[i] = (int64_t)values[CRD_OPT_MILESTONES].numbers[i];
    if (values[CRD_OPT_GAMMA].given)
        out->gamma = values[CRD_OPT_GAMMA].number;
    if (values[CRD_OPT_T_MAX].given)
        out->t_max = values[CRD_OPT_T_MAX].integer;
    return crd_schedule_check(out);
}

/** Which networks are collected: snapshots count their cycles after the warm-up. */
static crd_status make_collection(crd_train_options *out, const crd_option_value *values)
{
    crd_collect_options *c = &out->collect;
    int64_t cycle = values[CRD_OPT_SNAPSHOT_EVERY].integer;
    int is_triangular = strcmp(out->schedule.name, "triangular") == 0;
    if (values[CRD_OPT_COLLECT].given) {
        c->kind = CRD_COLLECT_SWAG;
        c->start = values[CRD_OPT_COLLECT_START].integer;
        c->steps = values[CRD_OPT_COLLECT_STEPS].integer;
        c->every = c->steps > 0 ? 0 : values[CRD_OPT_COLLECT_EVERY].integer;
        c->rank = values[CRD_OPT_RANK].integer;
        if (c->rank == 1)
            return CRD_FAIL(CRD_ERR_USAGE,
                            "--rank: 1 deviation has no variance; it must be 0 or 2 to %d",
                            CRD_MAX_RANK);
    } else if (values[CRD_OPT_SNAPSHOT_EVERY].given) {
        c->kind = CRD_COLLECT_MEMBERS;
        c->start = out->schedule.warmup;
        c->every = cycle;
        c->phase = is_triangular ? cycle / 2 : 0;
        if (is_triangular && cycle % 2 != 0)
            return CRD_FAIL(CRD_ERR_USAGE,
                            "--snapshot-every: %lld; a triangular cycle has its network in the "
                            "middle, and needs an even number of epochs",
                            (long long)cycle);
    }
    return CRD_OK;
}

/** Their thresholds depend on the data: there is no default that would mean something. */
static crd_status make_calibration(crd_train_options *out, const crd_option_value *values)
{
    const char *name = values[CRD_OPT_CALIBRATION].text;
    if (name == NULL)
        return CRD_OK;
    if (strcmp(name, "avuc") != 0 && !values[CRD_OPT_ERROR_THRESHOLD].given)
        return CRD_FAIL(CRD_ERR_USAGE, "--calibration %s needs --error-threshold", name);
    snprintf(out->calibration, sizeof out->calibration, "%s", name);
    out->calibration_beta = values[CRD_OPT_CALIBRATION_BETA].number;
    out->uncertainty_threshold = values[CRD_OPT_UNCERTAINTY_THRESHOLD].number;
    out->error_threshold = values[CRD_OPT_ERROR_THRESHOLD].number;
    return crd_calibration_loss_check(name, out->loss);
}

/** Not by ranks: batch norm sees a micro-batch, so its size is part of the result. */
static int64_t micro_batch(const crd_option_value *values)
{
    int64_t batch = values[CRD_OPT_BATCH_SIZE].integer;
    int64_t most = values[CRD_OPT_MICRO_BATCH].given ? values[CRD_OPT_MICRO_BATCH].integer
                                                     : CRD_TRAIN_MICRO_BATCH;
    return batch < most ? batch : most;
}

/** A need of one or the other, which the table of options cannot say. */
static crd_status check_validation(const crd_options *options)
{
    static const crd_option_id of_validation[] = {CRD_OPT_VALIDATE_EVERY, CRD_OPT_VALIDATE_DRAWS,
                                                  CRD_OPT_NONE};
    const char *name = crd_opt_first_given(options, of_validation);
    if (name == NULL || crd_opt_given(options, CRD_OPT_VALIDATE) ||
        crd_opt_given(options, CRD_OPT_VALIDATE_SHARE))
        return CRD_OK;
    return CRD_FAIL(CRD_ERR_USAGE, "--%s has a meaning only with --validate or --validate-share",
                    name);
}

/** Without checkpoints nothing can stop a run but its end. */
static crd_status check_checkpoints(const crd_options *options)
{
    static const crd_option_id of_checkpoints[] = {CRD_OPT_CHECKPOINT_INTERVAL, CRD_OPT_MAX_TIME,
                                                   CRD_OPT_RESUME, CRD_OPT_NONE};
    const char *name = crd_opt_first_given(options, of_checkpoints);
    if (name == NULL || crd_opt_int(options, CRD_OPT_CHECKPOINTS) > 0)
        return CRD_OK;
    return CRD_FAIL(CRD_ERR_USAGE, "--%s has no meaning with --checkpoints 0", name);
}

static void take_augmentation(crd_augmentation *out, const crd_option_value *augment)
{
    for (int64_t i = 0; i < augment->n_texts; i++) {
        if (strcmp(augment->texts[i], "flip") == 0)
            out->flip = 1;
        else if (strcmp(augment->texts[i], "crop4") == 0)
            out->padded_crop = 4;
        else
            out->random_resized_crop = 1;
    }
}

/** How steps are made of images. */
static void take_steps(crd_train_options *out, const crd_options *options)
{
    out->gradient.estimator = crd_opt_text(options, CRD_OPT_ESTIMATOR);
    out->gradient.seed = (uint64_t)crd_opt_int(options, CRD_OPT_SEED);
    out->gradient.micro_batch = micro_batch(options->values);
    out->gradient.batch_norm_train =
        strcmp(crd_opt_text(options, CRD_OPT_BATCH_NORM), "train") == 0;
    out->gradient.mean = crd_opt_flag(options, CRD_OPT_TRAIN_DETERMINISTIC);
    out->batch_size = crd_opt_int(options, CRD_OPT_BATCH_SIZE);
    out->n_draws = crd_opt_int(options, CRD_OPT_TRAIN_DRAWS);
    out->n_epochs = crd_opt_int(options, CRD_OPT_EPOCHS);
    out->kl = strcmp(crd_opt_text(options, CRD_OPT_KL), "sum") == 0 ? CRD_KL_SUM : CRD_KL_MEAN;
    if (crd_opt_given(options, CRD_OPT_KL_WEIGHT))
        out->kl_weight = crd_opt_number(options, CRD_OPT_KL_WEIGHT);
    out->kl_anneal_epochs = crd_opt_int(options, CRD_OPT_KL_ANNEAL);
    out->clip_norm = crd_opt_number(options, CRD_OPT_CLIP_NORM);
    out->keep_gradients = crd_opt_flag(options, CRD_OPT_KEEP_GRADIENTS);
    out->local_steps = crd_opt_int(options, CRD_OPT_LOCAL_STEPS);
    out->validate_every = crd_opt_int(options, CRD_OPT_VALIDATE_EVERY);
    out->checkpoint_s = crd_opt_number(options, CRD_OPT_CHECKPOINT_INTERVAL);
    out->max_time_s = crd_opt_number(options, CRD_OPT_MAX_TIME);
}

static void take_files(crd_train_files_options *out, const crd_options *options)
{
    out->posterior = options->arguments[0];
    out->data = options->arguments + 1;
    out->n_data = options->n_arguments - 1;
    take_augmentation(&out->augmentation, &options->values[CRD_OPT_AUGMENT]);
    out->validate = crd_opt_text(options, CRD_OPT_VALIDATE);
    if (crd_opt_given(options, CRD_OPT_VALIDATE_SHARE))
        out->validate_share = crd_opt_number(options, CRD_OPT_VALIDATE_SHARE);
    out->validate_draws = crd_opt_int(options, CRD_OPT_VALIDATE_DRAWS);
    out->temperature = crd_opt_number(options, CRD_OPT_TEMPERATURE);
    out->loss = crd_opt_text(options, CRD_OPT_LOSS);
    out->output = crd_opt_text(options, CRD_OPT_OUTPUT);
    out->n_checkpoints = crd_opt_int(options, CRD_OPT_CHECKPOINTS);
    out->resume = crd_opt_flag(options, CRD_OPT_RESUME);
}

crd_status crd_train_options_make(crd_train_files_options *out, const crd_options *options,
                                  const crd_record *record)
{
    crd_status status = CRD_OK;
    crd_train_options *train = &out->train;
    CRD_TRY(check_validation(options));
    CRD_TRY(check_checkpoints(options));
    crd_train_files_options_init(out);
    take_files(out, options);
    take_steps(train, options);
    out->record = *record;
    CRD_TRY(crd_loss_find(&train->loss, out->loss));
    CRD_TRY(make_calibration(train, options->values));
    CRD_REQUIRE(!train->keep_gradients || (train->kl_weight == 0 && train->local_steps == 1),
                CRD_ERR_USAGE, "--keep-gradients needs --kl-weight 0, and no --local-steps");
    CRD_TRY(make_optimizer(&train->optimizer, options->values));
    CRD_TRY(make_schedule(&train->schedule, options->values));
    CRD_TRY(make_collection(train, options->values));
cleanup:
    return status;
}

crd_status crd_train_check_batches(const crd_train_options *made, int64_t n_images,
                                   const crd_options *options, const crd_network *network)
{
    int64_t n = n_images, batch = made->batch_size, micro = made->gradient.micro_batch;
    char better[48] = "another --batch-size or --micro-batch";
    if (!made->gradient.batch_norm_train ||
        crd_gradient_check_images(network, crd_train_fewest_images(n, batch, micro)) == CRD_OK)
        return CRD_OK;
    int64_t other = crd_train_better_batch_size(n, batch);
    if (other > 0 && !options->values[CRD_OPT_MICRO_BATCH].given)
        snprintf(better, sizeof better, "--batch-size %lld", (long long)other);
    return CRD_FAIL(CRD_ERR_USAGE,
                    "of %lld images in batches of %lld and micro-batches of %lld one comes alone, "
                    "but %s; take %s, or --batch-norm eval",
                    (long long)n, (long long)batch, (long long)micro, crd_status_message(), better);
}
