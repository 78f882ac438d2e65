/* `credence export`: crd_export_files, and a line about what it wrote. */
#include <stdio.h>

#include "cli/command.h"
#include "credence/export_files.h"
#include "report/output.h"

crd_status crd_cmd_export(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_options *given = cli->options;
    crd_posterior *posterior = NULL;
    const char *path = crd_opt_text(given, CRD_OPT_OUTPUT);
    const char *format = crd_state_format_names()[crd_opt_choice(given, CRD_OPT_TO)];
    CRD_TRY(crd_export_files(&posterior, path, given->arguments[0],
                             (crd_state_format)crd_opt_choice(given, CRD_OPT_TO)));
    if (crd_opt_flag(given, CRD_OPT_JSON)) {
        CRD_TRY(crd_json_print(json_pack("{s:o, s:s, s:s}", "file", crd_json_text(path), "format",
                                         format, "arch", posterior->network->arch)));
    } else {
        crd_print_clean(path);
        printf(": %s as a state dict of bayesian-torch, %s\n", posterior->network->arch, format);
    }
cleanup:
    crd_posterior_destroy(posterior);
    return status;
}
