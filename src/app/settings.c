/* Options of a run as text: programs that parse no command line have a run key and provenance
 * too. */
#include "app/settings.h"

#include <stdarg.h>
#include <stdio.h>

void crd_settings_add(crd_settings *settings, const char *name, const char *format, ...)
{
    if (settings->n == CRD_SETTINGS_MAX)
        return;
    char *text = settings->texts[settings->n];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof settings->texts[0], format, args);
    va_end(args);
    settings->list[settings->n++] = (crd_setting){name, text, text};
}

crd_record crd_settings_record(const crd_settings *settings, const crd_record *given)
{
    crd_record record = *given;
    if (record.n_settings == 0) {
        record.settings = settings->list;
        record.n_settings = settings->n;
    }
    return record;
}
