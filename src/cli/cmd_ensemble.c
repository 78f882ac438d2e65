/* `credence ensemble`: crd_ensemble_files, and a line about what it wrote. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/record.h"
#include "credence/ensemble_files.h"
#include "report/output.h"

crd_status crd_cmd_ensemble(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_options *given = cli->options;
    const char *path = crd_opt_text(given, CRD_OPT_OUTPUT);
    crd_posterior *ensemble = NULL;
    crd_cli_record record;
    CRD_TRY(crd_ensemble_files(&ensemble, path, given->arguments, given->n_arguments,
                               crd_opt_flag(given, CRD_OPT_DETERMINISTIC),
                               crd_cli_record_make(&record, cli)));
    if (crd_opt_flag(given, CRD_OPT_JSON)) {
        CRD_TRY(crd_json_print(json_pack("{s:o, s:s, s:I, s:s}", "output", crd_json_text(path),
                                         "family", crd_family_name(ensemble->family),
                                         "n_components", (json_int_t)ensemble->n_components, "arch",
                                         ensemble->network->arch)));
    } else {
        crd_print_clean(path);
        printf(": %s, %s of %lld %s\n", ensemble->network->arch, crd_family_name(ensemble->family),
               (long long)ensemble->n_components, crd_family_title(ensemble->family));
    }
cleanup:
    crd_posterior_destroy(ensemble);
    return status;
}
