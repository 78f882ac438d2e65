/* credence export: a posterior as a state dict of bayesian-torch, in a container that torch or
 * numpy loads. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/output.h"
#include "credence/files.h"
#include "credence/posterior.h"
#include "credence/weights.h"
#include "io/atomic.h"

/** Writes all, or leaves nothing. */
static crd_status write_file(const char *path, const crd_posterior *posterior,
                             crd_state_format format)
{
    crd_atomic_file file;
    crd_status status = crd_atomic_begin(&file, path);
    if (status != CRD_OK)
        return status;
    CRD_TRY(crd_state_dict_export(file.fd, posterior, format, path));
    CRD_TRY(crd_atomic_sync(&file));
    return crd_atomic_publish(&file);
cleanup:
    crd_atomic_abandon(&file);
    return status;
}

crd_status crd_cmd_export(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    crd_posterior *posterior = NULL;
    const char *path = crd_opt_text(cli->options, CRD_OPT_OUTPUT);
    crd_state_format format = (crd_state_format)crd_opt_choice(cli->options, CRD_OPT_TO);
    CRD_TRY(crd_posterior_read(&posterior, cli->options->arguments[0]));
    CRD_TRY(crd_posterior_check_normal(posterior, cli->options->arguments[0], "export"));
    CRD_TRY(write_file(path, posterior, format));
    if (crd_opt_flag(cli->options, CRD_OPT_JSON))
        CRD_TRY(crd_json_print(json_pack("{s:o, s:s, s:s}", "file", crd_json_text(path), "format",
                                         crd_state_format_names()[format], "arch",
                                         posterior->network->arch)));
    else {
        crd_print_clean(path);
        printf(": %s as a state dict of bayesian-torch, %s\n", posterior->network->arch,
               crd_state_format_names()[format]);
    }
cleanup:
    crd_posterior_destroy(posterior);
    return status;
}
