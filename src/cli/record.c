/* What the library writes down of a command line: every option after defaults, and exactly those
 * that change the result, as the table of options says. */
#include "cli/record.h"

#include <inttypes.h>
#include <stdio.h>

/** Value of an option such that equal values are equal texts (1e-3 is 0.001), and others are
 * not. */
static const char *exact_text(char *buffer, size_t size, const crd_options *options,
                              crd_option_id id)
{
    const crd_option_value *value = &options->values[id];
    const char *text = crd_option_text(buffer, size, options, id);
    size_t used = 0;
    if (text == NULL)
        return "default";
    switch (crd_option_table()[id].type) {
    case CRD_OPTION_INT64:
        snprintf(buffer, size, "%" PRId64, value->integer);
        return buffer;
    case CRD_OPTION_DOUBLE:
        snprintf(buffer, size, "%.17g", value->number);
        return buffer;
    case CRD_OPTION_INT64S:
    case CRD_OPTION_DOUBLES:
        for (int64_t i = 0; i < value->n_numbers && used < size; i++)
            used += (size_t)snprintf(buffer + used, size - used, "%s%.17g", i > 0 ? "," : "",
                                     value->numbers[i]);
        return buffer;
    default:
        return text;
    }
}

const crd_record *crd_cli_record_make(crd_cli_record *out, const crd_cli *cli)
{
    int n = 0;
    for (int i = 0; i < CRD_N_OPTIONS; i++) {
        const crd_option *option = &crd_option_table()[i];
        crd_option_id id = (crd_option_id)i;
        if (!(option->commands & crd_command_bit(cli->command)) || id == CRD_OPT_HELP)
            continue;
        out->settings[n++] = (crd_setting){
            .name = option->name,
            .text = crd_option_text(out->texts[i], sizeof out->texts[i], cli->options, id),
            .exact = option->effect == CRD_EFFECT_RESULT
                         ? exact_text(out->exact[i], sizeof out->exact[i], cli->options, id)
                         : NULL};
    }
    out->record =
        (crd_record){.command = cli->command_line, .settings = out->settings, .n_settings = n};
    return &out->record;
}
