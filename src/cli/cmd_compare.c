/* `credence compare`: crd_compare_files with the options of the command line; report/comparison.c
 * prints the figures. */
#include "cli/command.h"
#include "cli/predict_options.h"
#include "report/comparison.h"
#include "report/progress.h"

/** What shows the progress. */
typedef struct showing {
    const crd_cli *cli;
    crd_progress progress;
} showing;

static void begin(int i, void *payload)
{
    showing *s = payload;
    s->progress = crd_progress_start(i == 0 ? "units of A" : "units of B",
                                     !crd_opt_flag(s->cli->options, CRD_OPT_QUIET));
}

static void end(void *payload)
{
    crd_progress_end(&((showing *)payload)->progress);
}

static void show_progress(int64_t n_done, int64_t n_units, void *payload)
{
    showing *s = payload;
    crd_progress_update(&s->progress, n_done < n_units ? n_done : n_units, n_units);
}

crd_status crd_cmd_compare(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_options *given = cli->options;
    crd_compare_files_options options;
    crd_comparison comparison;
    showing s = {.cli = cli};
    const crd_compare_files_hooks hooks = {
        .begin = begin, .end = end, .progress = show_progress, .payload = &s};
    crd_compare_files_options_init(&options);
    options.posteriors[0] = given->arguments[0];
    options.posteriors[1] = given->arguments[1];
    options.data = given->arguments + 2;
    options.n_data = given->n_arguments - 2;
    options.confidence = crd_opt_number(given, CRD_OPT_CONFIDENCE);
    crd_predict_options_take(&options.predict, given);
    options.predict.sampler.mean = crd_opt_flag(given, CRD_OPT_DETERMINISTIC);
    CRD_TRY(crd_compare_files(&comparison, cli->comm, &options, &hooks));
    if (crd_comm_rank(cli->comm) == 0)
        status = crd_comparison_print(&comparison, &options, crd_comm_size(cli->comm),
                                      crd_opt_flag(given, CRD_OPT_JSON));
    status = crd_comm_agree(cli->comm, status);
cleanup:
    return status;
}
