/* `credence sample`: crd_sample_files with the options of the command line. What it prints is in
 * sample_report.c. */
#include "cli/command.h"
#include "cli/record.h"
#include "cli/sample_options.h"
#include "cli/signals.h"
#include "report/progress.h"
#include "report/sample_report.h"

/** What is printed. Rank 0 only. */
typedef struct printing {
    const crd_cli *cli;
    const crd_sample_files_options *options;
    crd_progress progress;
    int has_started;
} printing;

static void announce(const crd_sampling_info *info, void *payload)
{
    printing *p = payload;
    crd_sample_print_start(info, p->options);
    p->progress = crd_progress_start("steps", !crd_opt_flag(p->cli->options, CRD_OPT_QUIET));
}

static void show_progress(int64_t step, int64_t n_steps, void *payload)
{
    printing *p = payload;
    if (!p->has_started)
        p->progress.first = step;
    p->has_started = 1;
    crd_progress_update(&p->progress, step, n_steps);
}

static void end_progress(void *payload)
{
    crd_progress_end(&((printing *)payload)->progress);
}

static crd_status print_end(const crd_posterior *chains, const crd_chain_report *report,
                            void *payload)
{
    const printing *p = payload;
    return crd_sample_print_end(p->options, chains, report,
                                crd_opt_flag(p->cli->options, CRD_OPT_JSON));
}

crd_status crd_cmd_sample(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    crd_cli_record record;
    crd_sample_files_options options;
    printing p = {.cli = cli, .options = &options};
    const crd_sample_files_hooks hooks = {.ready = announce,
                                          .progress = show_progress,
                                          .end = print_end,
                                          .pause = end_progress,
                                          .payload = &p};
    CRD_TRY(crd_sample_options_make(&options, cli->options, crd_cli_record_make(&record, cli)));
    crd_signals_heed();
    status = crd_sample_files(cli->comm, &options, &hooks);
cleanup:
    return status;
}
