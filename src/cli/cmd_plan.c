/* `credence plan`: crd_plan_files with the options of the command line, and a line for sbatch;
 * report/plan_report.c prints the forecast. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/predict_options.h"
#include "report/plan_report.h"

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

/** An sbatch line for the job; what the user gave to plan continues to predict. */
static void make_sbatch(char *out, size_t size, const crd_options *given, const crd_plan_job *job)
{
    size_t used = (size_t)snprintf(
        out, size,
        "sbatch --ntasks=%lld --mem-per-cpu=%lldM --time=%lld:%02lld:00 jobs/predict.sbatch",
        (long long)job->n_ranks, (long long)job->mib_per_rank, (long long)(job->minutes / 60),
        (long long)(job->minutes % 60));
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

static crd_status show(const crd_plan *plan, const crd_options *given)
{
    const crd_option_value *list = &given->values[CRD_OPT_RANKS];
    int64_t ranks[CRD_OPTION_MAX_NUMBERS];
    char sbatch[4096];
    for (int i = 0; i < list->n_numbers; i++)
        ranks[i] = (int64_t)list->numbers[i];
    const crd_plan_job job =
        crd_plan_job_for(plan, crd_plan_good_ranks(plan, ranks, list->n_numbers));
    make_sbatch(sbatch, sizeof sbatch, given, &job);
    if (crd_opt_flag(given, CRD_OPT_JSON))
        return crd_plan_print_json(plan, ranks, list->n_numbers, sbatch);
    crd_plan_print(plan, ranks, list->n_numbers);
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
