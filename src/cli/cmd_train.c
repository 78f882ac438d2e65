/* `credence train`: crd_train_files with the options of the command line. What it prints is in
 * train_report.c. */
#include "cli/command.h"
#include "cli/record.h"
#include "cli/signals.h"
#include "cli/train_options.h"
#include "report/progress.h"
#include "report/train_report.h"

/** What is printed. Rank 0 only. */
typedef struct printing {
    const crd_cli *cli;
    const crd_train_files_options *options;
    crd_progress progress;
    int has_started;
} printing;

static crd_status start(const crd_training_info *info, void *payload)
{
    const printing *p = payload;
    return crd_train_check_batches(&p->options->train, info->n_images, p->cli->options,
                                   info->posterior->network);
}

static void announce(const crd_training_info *info, void *payload)
{
    printing *p = payload;
    crd_train_print_start(info, p->options);
    p->progress = crd_progress_start("steps", !crd_opt_flag(p->cli->options, CRD_OPT_QUIET));
}

static void show_epoch(const crd_epoch *epoch, void *payload)
{
    const printing *p = payload;
    crd_train_print_epoch(epoch, p->options->train.n_epochs,
                          crd_opt_flag(p->cli->options, CRD_OPT_JSON));
}

static void show_progress(int64_t step, int64_t n_steps, void *payload)
{
    printing *p = payload;
    if (!p->has_started)
        p->progress.first = step - 1;
    p->has_started = 1;
    crd_progress_update(&p->progress, step, n_steps);
}

static void end_progress(void *payload)
{
    crd_progress_end(&((printing *)payload)->progress);
}

static crd_status print_end(const crd_train_state *state, const crd_train_report *report,
                            const char *best, void *payload)
{
    const printing *p = payload;
    return crd_train_print_end(p->options->output, best, state, report,
                               crd_opt_flag(p->cli->options, CRD_OPT_JSON));
}

crd_status crd_cmd_train(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    crd_cli_record record;
    crd_train_files_options options;
    printing p = {.cli = cli, .options = &options};
    const crd_train_files_hooks hooks = {.start = start,
                                         .ready = announce,
                                         .epoch = show_epoch,
                                         .end = print_end,
                                         .progress = show_progress,
                                         .pause = end_progress,
                                         .payload = &p};
    CRD_TRY(crd_train_options_make(&options, cli->options, crd_cli_record_make(&record, cli)));
    crd_signals_heed();
    status = crd_train_files(cli->comm, &options, &hooks);
cleanup:
    return status;
}
