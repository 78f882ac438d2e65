/* `credence ensemble`: crd_ensemble_files with the options of the command line; prints what came of
 * it. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/record.h"
#include "credence/ensemble_files.h"

static crd_status say(const crd_posterior *posterior, const char *path, int as_json)
{
    long long n = (long long)posterior->n_components;
    const char *family = crd_family_name(posterior->family);
    if (as_json)
        return crd_json_print(json_pack("{s:o, s:s, s:I, s:s}", "output", crd_json_text(path),
                                        "family", family, "n_components", (json_int_t)n, "arch",
                                        posterior->network->arch));
    crd_print_clean(path);
    printf(": %s, %lld components: %s, %s\n", family, n, crd_family_title(posterior->family),
           posterior->network->arch);
    return CRD_OK;
}

crd_status crd_cmd_ensemble(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_options *given = cli->options;
    crd_posterior *posterior = NULL;
    crd_cli_record record;
    const crd_ensemble_files_options options = {.posteriors = given->arguments,
                                                .n_posteriors = given->n_arguments,
                                                .output = crd_opt_text(given, CRD_OPT_OUTPUT),
                                                .record = *crd_cli_record_make(&record, cli)};
    CRD_TRY(crd_ensemble_files(&posterior, &options));
    CRD_TRY(say(posterior, options.output, crd_opt_flag(given, CRD_OPT_JSON)));
cleanup:
    crd_posterior_destroy(posterior);
    return status;
}
