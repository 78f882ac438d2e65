/* How results are written on stdout: columns by the width of UTF-8 text, and JSON. What comes from
 * files is printed without control characters. */
#include "report/output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "credence/log.h"
#include "stats/group_error.h"

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
    if (n >= 2 && n < 10)
        crd_log(CRD_LOG_INFO, "± comes from %lld %s only: it is itself uncertain by about %.0f %%",
                (long long)n, what, 100 * crd_error_of_sd(n));
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
