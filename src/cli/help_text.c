/* Makes one line of text of an option's row: "with --optimizer sgd: momentum (default: 0)".
 * Nothing is said twice in the table: what an option needs comes from its column `needs`. */
#include "cli/help_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void append(char out[CRD_TEXT_SIZE], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(char out[CRD_TEXT_SIZE], const char *format, ...)
{
    size_t used = strlen(out);
    va_list args;
    va_start(args, format);
    vsnprintf(out + used, CRD_TEXT_SIZE - used, format, args);
    va_end(args);
}

void crd_help_text(char out[CRD_TEXT_SIZE], const crd_option *option)
{
    out[0] = '\0';
    for (int i = 0; i < CRD_OPTION_MAX_NEEDS && option->needs[i].option != CRD_OPT_NONE; i++) {
        char need[128];
        crd_option_need_text(need, sizeof need, &option->needs[i]);
        append(out, "%s%s", i == 0 ? "with " : " and ", need);
    }
    append(out, "%s%s", out[0] != '\0' ? ": " : "", option->help);
    const char *usual = option->default_text != NULL ? option->default_text : option->default_note;
    const char *before = " (";
    for (const char *const *choice = option->choices != NULL ? option->choices() : NULL;
         choice != NULL && *choice != NULL; choice++, before = ", ")
        append(out, "%s%s", before, *choice);
    if (usual != NULL)
        append(out, "%sdefault: %s", option->choices != NULL ? "; " : before, usual);
    if (usual != NULL || option->choices != NULL)
        append(out, ")");
}
