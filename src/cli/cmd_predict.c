/* `credence predict`: crd_predict_files with the options of the command line. What it prints is in
 * report/prediction_report.c. */
#include "base/clock.h"
#include "cli/command.h"
#include "cli/predict_options.h"
#include "cli/record.h"
#include "cli/signals.h"
#include "report/prediction_report.h"
#include "report/progress.h"

/** What is printed. Rank 0 only. */
typedef struct printing {
    const crd_cli *cli;
    const crd_predict_files_options *options;
    const crd_prediction_info *info;
    double start_s;
    crd_prediction_report report;
    crd_progress progress;
} printing;

/** Options that mean something to classes only. */
static crd_status check_outputs(const printing *p)
{
    static const crd_option_id of_classes[] = {CRD_OPT_TOPK, CRD_OPT_CONFIDENCE, CRD_OPT_NONE};
    const char *name = crd_opt_first_given(p->cli->options, of_classes);
    if (name == NULL || p->info->posterior->outputs == CRD_OUTPUT_LOGITS)
        return CRD_OK;
    return CRD_FAIL(CRD_ERR_USAGE,
                    "--%s: %s was trained for regression: its outputs are no classes", name,
                    p->options->posterior);
}

static crd_status start(const crd_prediction_info *info, void *payload)
{
    crd_status status = CRD_OK;
    printing *p = payload;
    const crd_options *given = p->cli->options;
    const crd_predict_options *options = &p->options->predict;
    p->info = info;
    CRD_TRY(check_outputs(p));
    const crd_prediction_view view = {.image_names = info->image_names,
                                      .n_images = info->n_images,
                                      .reduction = info->reduction,
                                      .n_draws = info->end_draw - info->first_draw,
                                      .output_names = (const char *const *)info->posterior->classes,
                                      .posterior = p->options->posterior,
                                      .estimator = options->sampler.mean ? "mean" : info->estimator,
                                      .precision = crd_opt_text(given, CRD_OPT_PRECISION),
                                      .list_classes = crd_opt_given(given, CRD_OPT_TOPK),
                                      .confidence = options->confidence,
                                      .show_half_widths = crd_opt_given(given, CRD_OPT_CONFIDENCE),
                                      .is_adaptive = options->until_mcse > 0,
                                      .least_draws = info->end_draw,
                                      .n_ranks = crd_comm_size(p->cli->comm),
                                      .seed = options->sampler.seed};
    CRD_TRY(crd_prediction_report_begin(&p->report, &view, crd_opt_flag(given, CRD_OPT_JSON),
                                        crd_opt_flag(given, CRD_OPT_ALL_IMAGES)));
    p->progress = crd_progress_start("units", !crd_opt_flag(given, CRD_OPT_QUIET));
cleanup:
    return status;
}

static crd_status print_rows(const crd_summary *rows, int64_t first_image,
                             const crd_prediction_info *info, void *payload)
{
    printing *p = payload;
    (void)info;
    crd_prediction_report_rows(&p->report, rows, first_image, crd_clock_now_s() - p->start_s);
    return CRD_OK;
}

static void print_draws(const float *outputs, int64_t first_draw, int64_t n_draws,
                        int64_t first_image, int64_t n_images, void *payload)
{
    printing *p = payload;
    for (int64_t row = 0; row < n_draws * n_images; row++)
        crd_draw_print(&p->report.view, first_image + row % n_images, first_draw + row / n_images,
                       outputs + row * p->info->reduction->n_outputs, p->report.drawn);
}

static void show_progress(int64_t n_done, int64_t n_units, void *payload)
{
    printing *p = payload;
    p->progress.first = p->info->n_units_before;
    crd_progress_update(&p->progress, n_done < n_units ? n_done : n_units, n_units);
}

static void end_progress(void *payload)
{
    crd_progress_end(&((printing *)payload)->progress);
}

static crd_status print_end(const crd_predict_report *cost, void *payload)
{
    printing *p = payload;
    return crd_prediction_report_end(&p->report, cost, crd_clock_now_s() - p->start_s,
                                     p->options->predict.sampler.antithetic);
}

crd_status crd_cmd_predict(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_options *given = cli->options;
    crd_cli_record record;
    crd_predict_files_options options;
    printing p = {.cli = cli, .options = &options, .start_s = crd_clock_now_s()};
    const crd_predict_files_hooks hooks = {
        .start = start,
        .rows = print_rows,
        .draws = crd_opt_flag(given, CRD_OPT_SHOW_DRAWS) ? print_draws : NULL,
        .end = print_end,
        .progress = show_progress,
        .pause = end_progress,
        .payload = &p};
    /* It reads the environment, which may differ. */
    CRD_TRY(crd_comm_agree(
        cli->comm, crd_predict_options_make(&options, given, crd_cli_record_make(&record, cli))));
    if (options.output != NULL)
        crd_signals_heed();
    status = crd_predict_files(NULL, cli->comm, &options, &hooks);
cleanup:
    crd_prediction_report_clear(&p.report);
    return status;
}
