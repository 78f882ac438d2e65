/* `credence preprocess`: crd_preprocess_files with the options of the command line. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/record.h"
#include "credence/preprocess_files.h"
#include "report/output.h"

crd_status crd_cmd_preprocess(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_options *given = cli->options;
    const char *output = crd_opt_text(given, CRD_OPT_OUTPUT);
    crd_cli_record record;
    crd_preprocess_report report;
    const crd_preprocess_files_options options = {.posterior = given->arguments[0],
                                                  .inputs = given->arguments + 1,
                                                  .n_inputs = given->n_arguments - 1,
                                                  .skip_bad = crd_opt_flag(given, CRD_OPT_SKIP_BAD),
                                                  .output = output,
                                                  .record = *crd_cli_record_make(&record, cli)};
    CRD_TRY(crd_preprocess_files(&report, &options));
    long long n = report.n_images, channels = report.preprocessing.channels,
              height = report.preprocessing.crop,
              width = crd_preprocessing_width(&report.preprocessing);
    if (crd_opt_flag(given, CRD_OPT_JSON)) {
        CRD_TRY(crd_json_print(json_pack(
            "{s:o, s:I, s:I, s:I, s:I, s:I}", "tensors", crd_json_text(output), "n_images",
            (json_int_t)n, "n_skipped", (json_int_t)report.n_skipped, "channels",
            (json_int_t)channels, "height", (json_int_t)height, "width", (json_int_t)width)));
    } else {
        crd_print_clean(output);
        printf(": %lld image%s, %lld x %lld x %lld\n", n, n == 1 ? "" : "s", channels, height,
               width);
    }
cleanup:
    return status;
}
