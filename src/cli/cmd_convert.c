/* `credence convert`: crd_convert_files with the options of the command line; report/conversion.c
 * says what is in the posterior that it made. */
#include "cli/command.h"
#include "cli/convert_options.h"
#include "cli/record.h"
#include "credence/log.h"
#include "report/inspection.h"

static void warn_of_discarded(const crd_posterior *posterior)
{
    if (posterior->conversion.initial == CRD_INITIAL_DISCARDED)
        crd_log(CRD_LOG_WARN,
                "--no-moped: the weights of all Bayesian layers in --weights are not "
                "used; this is an untrained network until `credence train` has "
                "trained it. Without --no-moped the posterior lies about the weights");
}

crd_status crd_cmd_convert(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    crd_posterior *posterior = NULL;
    crd_cli_record record;
    crd_convert_files_options options;
    const crd_options *given = cli->options;
    CRD_TRY(crd_convert_options_make(&options, given, crd_cli_record_make(&record, cli)));
    CRD_TRY(crd_convert_files(&posterior, &options, crd_convert_options_check_imported, &given));
    warn_of_discarded(posterior);
    CRD_TRY(crd_conversion_print(posterior, options.output, crd_opt_flag(given, CRD_OPT_JSON)));
cleanup:
    crd_posterior_destroy(posterior);
    return status;
}
