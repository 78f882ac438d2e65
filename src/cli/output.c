/* How the program speaks: the log and the progress on stderr, JSON on stdout, columns by the width
 * of UTF-8 text. What comes from files is printed without control characters. */
#include "cli/output.h"

#include <math.h>
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

static int is_control(char c)
{
    return (unsigned char)c < ' ' || c == 127;
}

void crd_print_clean(const char *text)
{
    for (; *text != '\0'; text++)
        putchar(is_control(*text) ? '?' : *text);
}

int crd_text_width(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80; /* not a continuation byte */
    return width;
}

void crd_print_padded(const char *text, int width)
{
    crd_print_clean(text);
    for (int i = crd_text_width(text); i < width; i++)
        putchar(' ');
}

const char *crd_grouped(char out[32], int64_t number)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%lld", (long long)number), k = 0;
    for (int i = 0; i < n; i++) {
        out[k++] = digits[i];
        if (digits[i] != '-' && i + 1 < n && (n - i - 1) % 3 == 0)
            out[k++] = ',';
    }
    out[k] = '\0';
    return out;
}

double crd_printed_nats(double nats, int64_t n_classes)
{
    double most = log((double)n_classes);
    return nats > most ? most : nats > 0 || isnan(nats) ? nats : 0; /* "-0.000" means nothing */
}

void crd_remark_few(int64_t n, const char *what)
{
    /* The relative standard error of a standard deviation, of normal numbers. */
    if (n >= 2 && n < 10)
        crd_log(CRD_LOG_INFO, "± comes from %lld %s only: it is itself uncertain by about %.0f %%",
                (long long)n, what, 100 / sqrt(2 * (double)(n - 1)));
}

json_t *crd_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *crd_json_text(const char *text)
{
    json_t *value = json_string(text);
    if (value != NULL)
        return value;
    char ascii[1024];
    snprintf(ascii, sizeof ascii, "%s", text);
    for (char *c = ascii; *c != '\0'; c++)
        if ((unsigned char)*c > 126)
            *c = '?';
    return json_string(ascii);
}

static crd_status print_json(json_t *object, size_t layout)
{
    if (object == NULL)
        return CRD_FAIL(CRD_ERR_INTERNAL, "JSON output: out of memory");
    /* Nine digits give every float32 back. */
    json_dumpf(object, stdout, layout | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(object);
    return CRD_OK;
}

crd_status crd_json_print(json_t *object)
{
    return print_json(object, JSON_INDENT(1));
}

crd_status crd_json_print_line(json_t *object)
{
    crd_status status = print_json(object, JSON_COMPACT);
    fflush(stdout); /* whoever follows the run wants it now */
    return status;
}
