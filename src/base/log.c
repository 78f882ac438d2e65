/* The log. A line is formatted here and handed to the sink that the program has set. Nothing is
 * printed and nothing is kept; without a sink the line is dropped. */
#include "credence/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static crd_log_sink *log_sink;
static void *log_payload;

void crd_log_set_sink(crd_log_sink *sink, void *payload)
{
    log_sink = sink;
    log_payload = payload;
}

void crd_log(crd_log_level level, const char *format, ...)
{
    if (log_sink == NULL)
        return;
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    log_sink(level, line, log_payload);
}
