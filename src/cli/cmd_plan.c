/* `credence plan`: crd_plan_files with the options of the command line; prints the forecast, and a
 * line for sbatch. */
#include <stdio.h>
#include <string.h>

#include "base/integers.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/predict_options.h"
#include "credence/plan_files.h"

/* Of a job's time limit: jobs/predict.sbatch is told to stop 5 to 6 minutes before the end. */
enum { SPARE_MINUTES = 10 };

/** Appends a word to a command line: what a shell might take for more than a word gets quotes. */
static size_t append_word(char *out, size_t used, size_t size, const char *word)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:,+=@-";
    const char *quote = word[strspn(word, plain)] == '\0' ? "" : "'";
    used += (size_t)snprintf(out + used, size - used, " %s", quote);
    for (const char *c = word; *c != '\0' && used < size; c++)
        used += (size_t)snprintf(out + used, size - used, *c == '\'' ? "'\\''" : "%c", *c);
    if (used < size)
        used += (size_t)snprintf(out + used, size - used, "%s", quote);
    return used < size ? used : size;
}

/** An sbatch line with half as much time again and a quarter more memory; what the user gave to
 * plan continues to predict. */
static void make_sbatch(char *out, size_t size, const crd_options *given, const crd_plan *plan,
                        int64_t n_ranks)
{
    int64_t minutes = (int64_t)(1.5 * crd_plan_seconds(plan, n_ranks) / 60) + SPARE_MINUTES;
    const crd_plan_facts *f = crd_plan_view(plan);
    double sharing = (double)crd_smaller(n_ranks, f->model.node_ranks);
    double bytes = 1.25 * ((double)f->bytes_per_rank + (double)f->weights_bytes / sharing);
    size_t used = (size_t)snprintf(
        out, size,
        "sbatch --ntasks=%lld --mem-per-cpu=%lldM --time=%lld:%02lld:00 jobs/predict.sbatch",
        (long long)n_ranks, (long long)(bytes / (1 << 20)) + 1, (long long)(minutes / 60),
        (long long)(minutes % 60));
    for (int i = 0; i < given->n_arguments && used < size; i++)
        used = append_word(out, used, size, given->arguments[i]);
    for (int id = 0; id < CRD_N_OPTIONS && used < size; id++) {
        const crd_option *option = &crd_option_table()[id];
        const crd_option_value *value = &given->values[id];
        if (value->given && option->plan == CRD_PLAN_PASSES)
            used += (size_t)snprintf(out + used, size - used, " --%s%s%s", option->name,
                                     option->placeholder != NULL ? " " : "",
                                     option->placeholder != NULL ? value->text : "");
    }
    if (used < size)
        snprintf(out + used, size - used, " -o prediction.h5");
}

static void print_head(const crd_plan_facts *f)
{
    const crd_cost_model *m = &f->model;
    printf("calibrated on %lld of %lld images in %.1f s: a unit (%lld images, %lld draws) "
           "takes %.4g s, "
           "an image %.2g s, the start %.2g s\n",
           (long long)m->n_sample, (long long)m->n_images, f->seconds, (long long)m->batch,
           (long long)m->rule.block, m->unit_s, m->image_s, m->start_s);
    printf("draws of an image: %.0f on average, %lld to %lld; %.0f %% of the images need the "
           "most\n",
           f->mean_draws, (long long)m->stops[0], (long long)m->stops[m->n_sample - 1],
           100 * f->share_of_most);
    printf("%.0f units; %.0f MB a rank, and %.0f MB of weights a node\n", crd_cost_model_units(m),
           1e-6 * (double)f->bytes_per_rank, 1e-6 * (double)f->weights_bytes);
    if (f->n_held < f->n_components)
        printf("weights are streamed: a node holds %lld of %lld components; reading all takes %.3g "
               "s, once for a window of images, beside their computation\n",
               (long long)f->n_held, (long long)f->n_components, m->weights_s);
    puts("  ranks     seconds  efficiency");
}

static crd_status print_json(const crd_plan_facts *f, json_t *rows, const char *sbatch)
{
    const crd_cost_model *m = &f->model;
    return crd_json_print(json_pack(
        "{s:f, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:f, s:o, s:o}",
        "calibration_seconds", f->seconds, "n_sample", (json_int_t)m->n_sample, "calibration_units",
        (json_int_t)f->n_sample_units, "unit_seconds", m->unit_s, "image_seconds", m->image_s,
        "start_seconds", m->start_s, "n_units", crd_cost_model_units(m), "mean_draws",
        f->mean_draws, "n_images", (json_int_t)m->n_images, "bytes_per_rank",
        (json_int_t)f->bytes_per_rank, "weights_bytes", (json_int_t)f->weights_bytes,
        "n_components", (json_int_t)f->n_components, "n_held", (json_int_t)f->n_held,
        "weights_seconds", m->weights_s, "ranks", rows, "sbatch", crd_json_text(sbatch)));
}

static crd_status show(const crd_plan *plan, const crd_options *given)
{
    const crd_option_value *list = &given->values[CRD_OPT_RANKS];
    int64_t ranks[CRD_OPTION_MAX_NUMBERS];
    char sbatch[4096];
    json_t *rows = crd_opt_flag(given, CRD_OPT_JSON) ? json_array() : NULL;
    for (int i = 0; i < list->n_numbers; i++)
        ranks[i] = (int64_t)list->numbers[i];
    make_sbatch(sbatch, sizeof sbatch, given, plan,
                crd_plan_good_ranks(plan, ranks, list->n_numbers));
    if (rows == NULL)
        print_head(crd_plan_view(plan));
    for (int i = 0; i < list->n_numbers; i++) {
        double s = crd_plan_seconds(plan, ranks[i]), e = crd_plan_efficiency(plan, ranks[i]);
        if (rows != NULL)
            json_array_append_new(rows, json_pack("{s:I, s:f, s:f}", "ranks", (json_int_t)ranks[i],
                                                  "seconds", s, "efficiency", e));
        else
            printf("  %5lld  %10.1f  %8.0f %%\n", (long long)ranks[i], s, 100 * e);
    }
    if (rows != NULL)
        return print_json(crd_plan_view(plan), rows, sbatch);
    puts(sbatch);
    return CRD_OK;
}

crd_status crd_cmd_plan(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_options *given = cli->options;
    crd_plan *plan = NULL;
    crd_plan_files_options options;
    CRD_TRY(crd_predict_options_check(given));
    crd_plan_files_options_init(&options);
    options.posterior = given->arguments[0];
    options.inputs = given->arguments + 1;
    options.n_inputs = given->n_arguments - 1;
    options.skip_bad = crd_opt_flag(given, CRD_OPT_SKIP_BAD);
    crd_predict_options_take(&options.predict, given);
    options.predict.sampler.antithetic = crd_opt_flag(given, CRD_OPT_ANTITHETIC);
    options.predict.n_top = crd_opt_int(given, CRD_OPT_TOPK);
    if (crd_opt_given(given, CRD_OPT_UNTIL_MCSE))
        options.predict.until_mcse = crd_opt_number(given, CRD_OPT_UNTIL_MCSE);
    options.predict.min_draws = crd_opt_int(given, CRD_OPT_MIN_DRAWS);
    CRD_TRY(crd_plan_files(&plan, cli->comm, &options));
    CRD_TRY(crd_comm_agree(cli->comm, plan != NULL ? show(plan, given) : CRD_OK));
cleanup:
    crd_plan_destroy(plan);
    return status;
}
