/* What is said on stderr while a command runs: the library's log, and one line of progress. */
#include "report/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "credence/log.h"

static void log_to_stderr(crd_log_level level, const char *line, void *payload)
{
    const crd_log_level *least = payload;
    if (level >= *least)
        fprintf(stderr, "credence: %s%s\n", level == CRD_LOG_WARN ? "warning: " : "", line);
}

void crd_output_set_log(int quiet)
{
    static crd_log_level informative = CRD_LOG_INFO, terse = CRD_LOG_WARN;
    crd_log_set_sink(log_to_stderr, quiet ? &terse : &informative);
}

crd_progress crd_progress_start(const char *what, int is_shown)
{
    const char *terminal = getenv("TERM");
    crd_progress progress = {.what = what, .is_shown = is_shown};
    progress.is_terminal = isatty(STDERR_FILENO) && getenv("NO_COLOR") == NULL &&
                           terminal != NULL && strcmp(terminal, "dumb") != 0;
    progress.start_s = progress.last_s = crd_clock_now_s();
    return progress;
}

void crd_progress_update(crd_progress *progress, int64_t done, int64_t total)
{
    double now = crd_clock_now_s();
    double interval_s = progress->is_terminal ? 0.2 : 10;
    if (!progress->is_shown || now - progress->last_s < interval_s)
        return;
    progress->last_s = now;
    double elapsed = now - progress->start_s;
    int64_t own = done - progress->first;
    double left = own > 0 ? elapsed * (double)(total - done) / (double)own : 0;
    fprintf(stderr, "%s%lld of %lld %s, %.0f s, about %.0f s left%s",
            progress->is_terminal ? "\r\x1b[K" : "credence: ", (long long)done, (long long)total,
            progress->what, elapsed, left, progress->is_terminal ? "" : "\n");
    progress->has_line = progress->is_terminal;
}

void crd_progress_end(crd_progress *progress)
{
    if (progress->has_line)
        fputs("\r\x1b[K", stderr);
    progress->has_line = 0;
}
