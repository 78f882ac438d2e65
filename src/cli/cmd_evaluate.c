/* `credence evaluate`: crd_evaluate_files with the options of the command line; evaluation.c prints
 * the figures. */
#include "cli/command.h"
#include "cli/predict_options.h"
#include "cli/record.h"
#include "credence/log.h"
#include "report/evaluation.h"
#include "report/progress.h"

/** What shows the progress. */
typedef struct showing {
    const crd_cli *cli;
    crd_progress progress;
} showing;

static void begin(bool is_unknown, void *payload)
{
    showing *s = payload;
    const crd_options *given = s->cli->options;
    if (is_unknown)
        crd_log(CRD_LOG_INFO, "%s is done; now --ood %s", given->arguments[1],
                crd_opt_text(given, CRD_OPT_OOD));
    s->progress =
        crd_progress_start(is_unknown ? "units of the --ood images" : "units of the images",
                           !crd_opt_flag(given, CRD_OPT_QUIET));
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

crd_status crd_cmd_evaluate(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_options *given = cli->options;
    crd_evaluate_files_options options;
    crd_evaluation evaluation;
    crd_cli_record record;
    showing s = {.cli = cli};
    const crd_evaluate_files_hooks hooks = {
        .begin = begin, .end = end, .progress = show_progress, .payload = &s};
    crd_evaluate_files_options_init(&options);
    options.posterior = given->arguments[0];
    options.data = given->arguments + 1;
    options.n_data = given->n_arguments - 1;
    options.unknown = crd_opt_text(given, CRD_OPT_OOD);
    options.reference = crd_opt_text(given, CRD_OPT_REFERENCE);
    options.output = crd_opt_text(given, CRD_OPT_OUTPUT);
    options.record = *crd_cli_record_make(&record, cli);
    CRD_REQUIRE(options.output == NULL || options.reference != NULL, CRD_ERR_USAGE,
                "-o: scores of images are written of a comparison: it needs --reference");
    crd_predict_options_take(&options.predict, given);
    options.predict.sampler.mean = crd_opt_flag(given, CRD_OPT_DETERMINISTIC);
    CRD_TRY(crd_evaluate_files(&evaluation, cli->comm, &options, &hooks));
    if (crd_comm_rank(cli->comm) == 0)
        status = crd_evaluation_print(&evaluation, &options, crd_comm_size(cli->comm),
                                      crd_opt_flag(given, CRD_OPT_JSON));
    status = crd_comm_agree(cli->comm, status);
cleanup:
    return status;
}
