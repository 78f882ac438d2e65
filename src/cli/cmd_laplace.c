/* `credence laplace`: crd_laplace_files with the options of the command line, and what came of
 * it. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/record.h"
#include "credence/laplace_files.h"
#include "report/laplace_report.h"
#include "report/output.h"
#include "report/progress.h"

static void show_progress(int64_t n_done, int64_t n_images, void *payload)
{
    crd_progress_update(payload, n_done, n_images);
}

static crd_status print(const crd_posterior *posterior, const char *path, bool is_json)
{
    if (is_json) {
        json_t *root = crd_laplace_to_json(&posterior->laplace);
        if (root != NULL)
            json_object_set_new(root, "output", crd_json_text(path));
        return crd_json_print(root);
    }
    crd_print_clean(path);
    printf(": %s, ", posterior->network->arch);
    crd_laplace_print(&posterior->laplace);
    return CRD_OK;
}

crd_status crd_cmd_laplace(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_options *given = cli->options;
    crd_posterior *posterior = NULL;
    crd_cli_record record;
    crd_laplace_files_options options;
    crd_laplace_files_options_init(&options);
    options.posterior = given->arguments[0];
    options.data = given->arguments + 1;
    options.n_data = given->n_arguments - 1;
    options.output = crd_opt_text(given, CRD_OPT_OUTPUT);
    options.hessian = (crd_hessian)crd_opt_choice(given, CRD_OPT_HESSIAN);
    if (crd_opt_given(given, CRD_OPT_PRIOR_PRECISION))
        options.prior_precision = crd_opt_number(given, CRD_OPT_PRIOR_PRECISION);
    options.record = *crd_cli_record_make(&record, cli);
    crd_progress progress = crd_progress_start("images", !crd_opt_flag(given, CRD_OPT_QUIET));
    const crd_laplace_files_hooks hooks = {.progress = show_progress, .payload = &progress};
    status = crd_laplace_files(&posterior, cli->comm, &options, &hooks);
    if (crd_comm_rank(cli->comm) == 0)
        crd_progress_end(&progress);
    CRD_TRY(status);
    if (crd_comm_rank(cli->comm) == 0)
        status = print(posterior, options.output, crd_opt_flag(given, CRD_OPT_JSON));
    status = crd_comm_agree(cli->comm, status);
cleanup:
    crd_posterior_destroy(posterior);
    return status;
}
