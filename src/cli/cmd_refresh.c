/* `credence refresh`: crd_refresh_files with the options of the command line, and a line about what
 * it wrote. */
#include <stdio.h>

#include "app/train_batches.h"
#include "cli/command.h"
#include "cli/record.h"
#include "credence/refresh_files.h"
#include "report/output.h"

static crd_status print_end(const crd_cli *cli, const crd_refresh_info *info)
{
    const char *path = crd_opt_text(cli->options, CRD_OPT_OUTPUT);
    if (crd_opt_flag(cli->options, CRD_OPT_JSON))
        return crd_json_print(json_pack("{s:o, s:I, s:I, s:I}", "output", crd_json_text(path),
                                        "n_images", (json_int_t)info->n_images, "n_components",
                                        (json_int_t)info->n_components, "n_statistics",
                                        (json_int_t)info->n_statistics));
    crd_print_clean(path);
    printf(": %lld statistics of %lld network%s from %lld image%s\n", (long long)info->n_statistics,
           (long long)info->n_components, info->n_components == 1 ? "" : "s",
           (long long)info->n_images, info->n_images == 1 ? "" : "s");
    return CRD_OK;
}

crd_status crd_cmd_refresh(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_options *given = cli->options;
    crd_cli_record record;
    crd_refresh_info info;
    const crd_refresh_files_options options = {
        .posterior = given->arguments[0],
        .data = given->arguments + 1,
        .n_data = given->n_arguments - 1,
        .micro_batch = crd_opt_given(given, CRD_OPT_MICRO_BATCH)
                           ? crd_opt_int(given, CRD_OPT_MICRO_BATCH)
                           : CRD_TRAIN_MICRO_BATCH,
        .n_images = crd_opt_int(given, CRD_OPT_REFRESH_IMAGES),
        .n_draws = crd_opt_int(given, CRD_OPT_REFRESH_DRAWS),
        .seed = (uint64_t)crd_opt_int(given, CRD_OPT_SEED),
        .output = crd_opt_text(given, CRD_OPT_OUTPUT),
        .record = *crd_cli_record_make(&record, cli)};
    CRD_TRY(crd_refresh_files(&info, cli->comm, &options));
    if (crd_comm_rank(cli->comm) == 0)
        status = print_end(cli, &info);
cleanup:
    return status;
}
