/* `credence merge`: crd_merge_files, and a line about what it wrote. */
#include <stdio.h>

#include "cli/command.h"
#include "credence/merge_files.h"
#include "report/output.h"

crd_status crd_cmd_merge(const crd_cli *cli)
{
    const crd_options *given = cli->options;
    int n = given->n_arguments;
    const char *path = crd_opt_text(given, CRD_OPT_OUTPUT);
    crd_merge_report merged;
    crd_status status = crd_merge_files(&merged, path, given->arguments, n, cli->command_line);
    if (status != CRD_OK)
        return status;
    if (crd_opt_flag(given, CRD_OPT_JSON))
        return crd_json_print(json_pack("{s:o, s:i, s:I, s:I}", "output", crd_json_text(path),
                                        "n_parts", n, "n_draws", (json_int_t)merged.n_draws,
                                        "n_images", (json_int_t)merged.n_images));
    printf("%s: %lld draws of %lld images, from %d part%s\n", path, (long long)merged.n_draws,
           (long long)merged.n_images, n, n == 1 ? "" : "s");
    return CRD_OK;
}
