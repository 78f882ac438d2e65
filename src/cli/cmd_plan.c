/* `credence plan`: crd_plan_files with the options of the command line, and a line for sbatch;
 * report/plan_report.c prints the forecast. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/plan_line.h"
#include "cli/predict_options.h"
#include "report/plan_report.h"

static crd_status show(const crd_plan *plan, const crd_options *given)
{
    const crd_option_value *list = &given->values[CRD_OPT_RANKS];
    int64_t ranks[CRD_OPTION_MAX_NUMBERS];
    double efficiencies[CRD_OPTION_MAX_NUMBERS];
    char sbatch[CRD_PLAN_LINE_SIZE];
    for (int i = 0; i < list->n_numbers; i++) {
        ranks[i] = (int64_t)list->numbers[i];
        efficiencies[i] = crd_plan_efficiency(plan, ranks[i]);
    }
    const crd_plan_job job =
        crd_plan_job_for(plan, crd_cost_model_good_ranks(ranks, efficiencies, list->n_numbers));
    crd_plan_line(sbatch, given, CRD_COMMAND_PREDICT, &job, "prediction.h5");
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
