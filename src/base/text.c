/* Numbers from text, read whole or not at all; the edit distance by which a near miss is
 * suggested; and the folders that paths share. */
#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

crd_status crd_text_to_int64(int64_t *out, const char *text, int64_t min, int64_t max,
                             const char *key)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || text[0] == ' ' || errno != 0 || value < min || value > max)
        return CRD_FAIL(CRD_ERR_USAGE, "%s: '%s' is not a whole number from %lld to %lld", key,
                        text, (long long)min, (long long)max);
    *out = value;
    return CRD_OK;
}

crd_status crd_text_to_double(double *out, const char *text, double min, double max,
                              const char *key)
{
    char *end = NULL;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || text[0] == ' ' || !isfinite(value) || value < min ||
        value > max)
        return CRD_FAIL(CRD_ERR_USAGE, "%s: '%s' is not a number from %g to %g", key, text, min,
                        max);
    *out = value;
    return CRD_OK;
}

size_t crd_text_distance(const char *a, const char *b)
{
    enum { MAX_LENGTH = 63 };
    size_t row[MAX_LENGTH + 1];
    size_t n_a = strnlen(a, MAX_LENGTH), n_b = strnlen(b, MAX_LENGTH);
    for (size_t j = 0; j <= n_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[n_b];
}

size_t crd_text_common_folder(const char *const *paths, int64_t n)
{
    const char *slash = strrchr(paths[0], '/');
    size_t length = slash != NULL ? (size_t)(slash - paths[0]) + 1 : 0;
    for (int64_t i = 1; i < n; i++) {
        size_t same = 0;
        while (same < length && paths[i][same] == paths[0][same])
            same++;
        while (same > 0 && paths[0][same - 1] != '/')
            same--;
        length = same;
    }
    return length;
}
