#include "cli/train_options.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/** Options that mean something only with certain values of another one. */
static const struct {
    crd_option_id option, needed;
    const char *values[3];
} needs[] = {
    {CRD_OPT_MOMENTUM, CRD_OPT_OPTIMIZER, {"sgd"}},
    {CRD_OPT_NESTEROV, CRD_OPT_OPTIMIZER, {"sgd"}},
    {CRD_OPT_GAMMA, CRD_OPT_SCHEDULER, {"exponential", "step", "multistep"}},
    {CRD_OPT_STEP_SIZE, CRD_OPT_SCHEDULER, {"step"}},
    {CRD_OPT_MILESTONES, CRD_OPT_SCHEDULER, {"multistep"}},
    {CRD_OPT_T_MAX, CRD_OPT_SCHEDULER, {"cosine"}},
};

static crd_status check_needs(const crd_option_value *values)
{
    const crd_option *table = crd_option_table();
    static const crd_option_id of_validation[] = {CRD_OPT_VALIDATE_EVERY, CRD_OPT_VALIDATE_DRAWS};
    static const crd_option_id of_draws[] = {CRD_OPT_TRAIN_DRAWS, CRD_OPT_TYPE, CRD_OPT_KL,
                                             CRD_OPT_KL_WEIGHT, CRD_OPT_KL_ANNEAL};
    if (!values[CRD_OPT_OUTPUT].given)
        return CRD_FAIL(CRD_ERR_USAGE, "train needs -o FILE");
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        int fits = !values[needs[i].option].given;
        for (int k = 0; k < 3 && needs[i].values[k] != NULL; k++)
            fits |= strcmp(values[needs[i].needed].text, needs[i].values[k]) == 0;
        if (!fits)
            return CRD_FAIL(CRD_ERR_USAGE, "--%s has no meaning with --%s %s",
                            table[needs[i].option].name, table[needs[i].needed].name,
                            values[needs[i].needed].text);
    }
    for (size_t i = 0; i < sizeof of_validation / sizeof *of_validation; i++)
        if (values[of_validation[i]].given && !values[CRD_OPT_VALIDATE].given)
            return CRD_FAIL(CRD_ERR_USAGE, "--%s has a meaning only with --validate",
                            table[of_validation[i]].name);
    for (size_t i = 0; i < sizeof of_draws / sizeof *of_draws; i++)
        if (values[of_draws[i]].given && values[CRD_OPT_TRAIN_MEAN].integer)
            return CRD_FAIL(CRD_ERR_USAGE, "--mean makes no draws: --%s has no meaning",
                            table[of_draws[i]].name);
    return CRD_OK;
}

static crd_status make_optimizer(crd_optimizer_options *out, const crd_option_value *values)
{
    crd_status status = crd_optimizer_defaults(out, values[CRD_OPT_OPTIMIZER].text);
    if (status != CRD_OK)
        return status;
    out->lr = values[CRD_OPT_LR].number;
    out->momentum = values[CRD_OPT_MOMENTUM].number;
    out->nesterov = values[CRD_OPT_NESTEROV].integer != 0;
    if (values[CRD_OPT_WEIGHT_DECAY].given)
        out->weight_decay = values[CRD_OPT_WEIGHT_DECAY].number;
    return crd_optimizer_check(out);
}

static crd_status make_schedule(crd_schedule *out, const crd_option_value *values)
{
    const char *name = values[CRD_OPT_SCHEDULER].text;
    int64_t warmup = values[CRD_OPT_WARMUP].integer;
    int64_t rest = values[CRD_OPT_EPOCHS].integer - warmup;
    *out = (crd_schedule){.gamma = strcmp(name, "exponential") == 0 ? 0.9 : 0.1,
                          .step_size = values[CRD_OPT_STEP_SIZE].integer,
                          .n_milestones = values[CRD_OPT_MILESTONES].n_numbers,
                          .t_max = rest > 0 ? rest : 1,
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

/** Not by ranks: batch norm sees a micro-batch, so its size is part of the result. */
static int64_t micro_batch(const crd_option_value *values)
{
    int64_t batch = values[CRD_OPT_BATCH_SIZE].integer;
    int64_t most = values[CRD_OPT_MICRO_BATCH].given ? values[CRD_OPT_MICRO_BATCH].integer : 32;
    return batch < most ? batch : most;
}

crd_status crd_train_options_make(crd_train_options *out, const crd_options *options,
                                  int64_t n_images)
{
    crd_status status = CRD_OK;
    const crd_option_value *values = options->values;
    int is_sum = strcmp(values[CRD_OPT_KL].text, "sum") == 0;
    CRD_TRY(check_needs(values));
    *out = (crd_train_options){
        .gradient = {.seed = (uint64_t)values[CRD_OPT_SEED].integer,
                     .micro_batch = micro_batch(values),
                     .batch_norm_train = strcmp(values[CRD_OPT_BATCH_NORM].text, "train") == 0,
                     .mean = values[CRD_OPT_TRAIN_MEAN].integer != 0},
        .n_images = n_images,
        .batch_size = values[CRD_OPT_BATCH_SIZE].integer,
        .n_draws = values[CRD_OPT_TRAIN_DRAWS].integer,
        .n_epochs = values[CRD_OPT_EPOCHS].integer,
        .kl = is_sum ? CRD_KL_SUM : CRD_KL_MEAN,
        .kl_weight = 1 / (double)(is_sum ? n_images : values[CRD_OPT_BATCH_SIZE].integer),
        .kl_anneal_epochs = values[CRD_OPT_KL_ANNEAL].integer,
        .clip_norm = values[CRD_OPT_CLIP_NORM].number,
        .local_steps = values[CRD_OPT_LOCAL_STEPS].integer,
        .validate_every =
            values[CRD_OPT_VALIDATE].given ? values[CRD_OPT_VALIDATE_EVERY].integer : 0,
        .checkpoint_s = values[CRD_OPT_CHECKPOINT_INTERVAL].number,
        .max_time_s = values[CRD_OPT_MAX_TIME].number};
    if (values[CRD_OPT_KL_WEIGHT].given)
        out->kl_weight = values[CRD_OPT_KL_WEIGHT].number;
    CRD_TRY(crd_loss_find(&out->loss, values[CRD_OPT_LOSS].text));
    CRD_TRY(make_optimizer(&out->optimizer, values));
    CRD_TRY(make_schedule(&out->schedule, values));
cleanup:
    return status;
}

int crd_train_augmentation(crd_augmentation *out, const crd_options *options)
{
    const crd_option_value *augment = &options->values[CRD_OPT_AUGMENT];
    *out = (crd_augmentation){0};
    for (int64_t i = 0; i < augment->n_texts; i++) {
        if (strcmp(augment->texts[i], "flip") == 0)
            out->flip = 1;
        else if (strcmp(augment->texts[i], "crop4") == 0)
            out->padded_crop = 4;
        else
            out->random_resized_crop = 1;
    }
    return augment->n_texts > 0;
}

crd_status crd_train_fingerprint(char out[CRD_RUN_KEY_SIZE], const crd_cli *cli,
                                 const crd_dataset *data, const crd_dataset *validation)
{
    crd_status status = crd_run_key_make(out, cli, data);
    if (status == CRD_OK && validation != NULL)
        crd_run_key_add(out, "validation=%016" PRIx64, crd_dataset_digest(validation));
    if (status == CRD_OK && cli->options->values[CRD_OPT_LOCAL_STEPS].integer > 1)
        crd_run_key_add(out, "ranks=%d", crd_comm_size(cli->comm));
    return status;
}
