/* `credence plan-sample`: crd_sample_plan_files with the options of the command line, and a line
 * for sbatch; report/sample_plan_report.c prints the forecast. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/plan_line.h"
#include "cli/record.h"
#include "cli/sample_options.h"
#include "report/sample_plan_report.h"

static crd_status show(const crd_sample_plan *plan, const crd_options *given)
{
    const crd_option_value *list = &given->values[CRD_OPT_RANKS];
    int64_t ranks[CRD_OPTION_MAX_NUMBERS];
    double efficiencies[CRD_OPTION_MAX_NUMBERS];
    char sbatch[CRD_PLAN_LINE_SIZE];
    for (int i = 0; i < list->n_numbers; i++) {
        ranks[i] = (int64_t)list->numbers[i];
        efficiencies[i] = crd_sample_plan_efficiency(plan, ranks[i]);
    }
    const crd_plan_job job = crd_sample_plan_job_for(
        plan, crd_cost_model_good_ranks(ranks, efficiencies, list->n_numbers));
    crd_plan_line(sbatch, given, CRD_COMMAND_SAMPLE, &job, "chains.h5");
    if (crd_opt_flag(given, CRD_OPT_JSON))
        return crd_sample_plan_print_json(plan, ranks, list->n_numbers, sbatch);
    crd_sample_plan_print(plan, ranks, list->n_numbers);
    puts(sbatch);
    return CRD_OK;
}

crd_status crd_cmd_plan_sample(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    crd_cli_record record;
    crd_sample_files_options options;
    crd_sample_plan plan;
    int is_first = crd_comm_rank(cli->comm) == 0;
    CRD_TRY(crd_sample_options_make(&options, cli->options, crd_cli_record_make(&record, cli)));
    CRD_TRY(crd_sample_plan_files(&plan, cli->comm, &options));
    CRD_TRY(crd_comm_agree(cli->comm, is_first ? show(&plan, cli->options) : CRD_OK));
cleanup:
    return status;
}
