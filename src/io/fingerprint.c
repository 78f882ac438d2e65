/* Compares two run keys, line by line and in any order, and names the first difference with both
 * values. */
#include "io/fingerprint.h"

#include <string.h>

/* KEY=VALUE within a text; a line without "=" is a key with an empty value. */
typedef struct line {
    const char *key, *value;
    int key_length, value_length;
} line;

/* The line at `text`; false at the end. */
static int line_at(line *out, const char *text)
{
    size_t length = strcspn(text, "\n"), key = strcspn(text, "=\n"), value = key + 1;
    if (value > length)
        value = length;
    *out = (line){text, text + value, (int)key, (int)(length - value)};
    return *text != '\0';
}

/* Where the next line begins. */
static const char *line_end(const line *current)
{
    const char *end = current->value + current->value_length;
    return *end == '\n' ? end + 1 : end;
}

static int line_find(line *out, const char *text, const line *wanted)
{
    for (; line_at(out, text); text = line_end(out))
        if (out->key_length == wanted->key_length &&
            memcmp(out->key, wanted->key, (size_t)wanted->key_length) == 0)
            return 1;
    return 0;
}

crd_status crd_fingerprint_check(const char *path, const char *stored, const char *run,
                                 const char *holder, const char *other)
{
    line a, b;
    for (const char *text = run; line_at(&b, text); text = line_end(&b)) {
        if (!line_find(&a, stored, &b))
            return CRD_FAIL(CRD_ERR_RESUME, "%s: %.*s: %s has none, %s %.*s", path, b.key_length,
                            b.key, holder, other, b.value_length, b.value);
        if (a.value_length != b.value_length ||
            memcmp(a.value, b.value, (size_t)a.value_length) != 0)
            return CRD_FAIL(CRD_ERR_RESUME, "%s: %.*s: %s has %.*s, %s %.*s", path, a.key_length,
                            a.key, holder, a.value_length, a.value, other, b.value_length, b.value);
    }
    for (const char *text = stored; line_at(&a, text); text = line_end(&a))
        if (!line_find(&b, run, &a))
            return CRD_FAIL(CRD_ERR_RESUME, "%s: %.*s: %s has %.*s, %s none", path, a.key_length,
                            a.key, holder, a.value_length, a.value, other);
    return CRD_OK;
}
