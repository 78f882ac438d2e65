/* `credence sample`: crd_sample_files with the options of the command line, and a line for each
 * chain about what it did. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/record.h"
#include "cli/sample_options.h"
#include "cli/signals.h"
#include "credence/log.h"
#include "credence/watchdog.h"

/** What is printed. Rank 0 only. */
typedef struct printing {
    const crd_cli *cli;
    const crd_sample_files_options *options;
    crd_progress progress;
    int has_started;
} printing;

/** What the run is going to do, and what disk space it takes, before the first step. */
static void announce(const crd_sampling_info *info, void *payload)
{
    printing *p = payload;
    const crd_sample_options *o = &p->options->sample;
    char n_images[32], n_weights[32], n_steps[32];
    crd_log(CRD_LOG_INFO, "%s images, %s weights; %lld chain%s of %s steps, %lld draw%s each",
            crd_grouped(n_images, info->n_images), crd_grouped(n_weights, info->n_weights),
            (long long)o->n_chains, o->n_chains == 1 ? "" : "s",
            crd_grouped(n_steps, info->n_steps), (long long)o->chain.n_draws,
            o->chain.n_draws == 1 ? "" : "s");
    crd_log(CRD_LOG_INFO, "%s.draws: %.1f MB", info->checkpoint, 1e-6 * (double)info->draws_bytes);
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

/** Of one chain: last step size, mean acceptance, steps undone, first and last log posterior. */
static json_t *chain_facts(const double *figures, int64_t n_draws)
{
    const double *last = figures + (n_draws - 1) * CRD_DRAW_FIGURES;
    double acceptance = 0, diverging = 0;
    for (int64_t d = 0; d < n_draws; d++) {
        acceptance += figures[d * CRD_DRAW_FIGURES + CRD_DRAW_ACCEPTANCE] / (double)n_draws;
        diverging += figures[d * CRD_DRAW_FIGURES + CRD_DRAW_DIVERGING];
    }
    return json_pack("{s:o, s:o, s:I, s:o, s:o}", "step_size",
                     crd_json_real(last[CRD_DRAW_STEP_SIZE]), "acceptance_rate",
                     crd_json_real(acceptance), "diverging", (json_int_t)diverging, "first_lp",
                     crd_json_real(figures[CRD_DRAW_LP]), "last_lp",
                     crd_json_real(last[CRD_DRAW_LP]));
}

static double real_of(const json_t *facts, const char *key)
{
    return json_number_value(json_object_get(facts, key));
}

static crd_status print_end(const crd_posterior *chains, const double *figures, void *payload)
{
    const printing *p = payload;
    int64_t n_draws = chains->n_components / chains->n_chains;
    json_t *list = json_array();
    for (int64_t c = 0; c < chains->n_chains; c++)
        json_array_append_new(list, chain_facts(figures + c * n_draws * CRD_DRAW_FIGURES, n_draws));
    if (crd_opt_flag(p->cli->options, CRD_OPT_JSON))
        return crd_json_print(json_pack(
            "{s:o, s:s, s:s, s:I, s:I, s:o}", "output", crd_json_text(p->options->output),
            "sampler", p->options->sample.chain.name, "arch", chains->network->arch, "n_chains",
            (json_int_t)chains->n_chains, "n_draws", (json_int_t)n_draws, "chains", list));
    crd_print_clean(p->options->output);
    printf(": %s, %lld draws of each of %lld chains by %s\n", chains->network->arch,
           (long long)n_draws, (long long)chains->n_chains, p->options->sample.chain.name);
    for (size_t c = 0; c < json_array_size(list); c++) {
        const json_t *f = json_array_get(list, c);
        printf("  chain %-3zu  step size %.3g, accepted %.1f %%, %.0f steps undone; log posterior "
               "%.6g to %.6g\n",
               c, real_of(f, "step_size"), 100 * real_of(f, "acceptance_rate"),
               real_of(f, "diverging"), real_of(f, "first_lp"), real_of(f, "last_lp"));
    }
    json_decref(list);
    return CRD_OK;
}

crd_status crd_cmd_sample(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    crd_cli_record record;
    crd_sample_files_options options;
    crd_watchdog *watchdog = NULL;
    printing p = {.cli = cli, .options = &options};
    const crd_sample_files_hooks hooks = {.ready = announce,
                                          .progress = show_progress,
                                          .end = print_end,
                                          .pause = end_progress,
                                          .payload = &p};
    CRD_TRY(crd_sample_options_make(&options, cli->options, crd_cli_record_make(&record, cli)));
    crd_signals_heed();
    CRD_TRY(crd_watchdog_start(
        &watchdog, cli->comm, crd_opt_number(cli->options, CRD_OPT_HANG_TIMEOUT), crd_report_hang));
    status = crd_sample_files(cli->comm, &options, &hooks);
cleanup:
    crd_watchdog_stop(watchdog);
    return status;
}
