/* Class names from a file: a name on each line, or JSON as torchvision and Keras keep them. Names
 * make labels, so what is not surely a list of names is refused. */
#include "app/classes.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "io/utf8.h"

/* A million names of 64 characters. */
#define MAX_BYTES ((int64_t)64 << 20)
#define FORMS "a name on each line in UTF-8, a JSON list of names, or a JSON class index"

typedef struct name_list {
    char **names; /* [capacity]; NULL: a name that is not there yet */
    int64_t n, capacity;
    const char *path;
} name_list;

static void clear_names(name_list *list)
{
    for (int64_t i = 0; i < list->capacity; i++)
        crd_free(list->names[i]);
    crd_free(list->names);
}

static crd_status set_name(name_list *list, int64_t at, const char *name)
{
    crd_status status = CRD_OK;
    if (at >= list->capacity) {
        int64_t capacity = 2 * at + 16;
        CRD_TRY(crd_alloc_grow((void **)&list->names, list->capacity, capacity, sizeof *list->names,
                               "class names"));
        list->capacity = capacity;
    }
    CRD_REQUIRE(*name != '\0', CRD_ERR_INPUT, "%s: the name of class %lld is empty", list->path,
                (long long)at);
    CRD_REQUIRE(list->names[at] == NULL, CRD_ERR_INPUT, "%s: class %lld has two names", list->path,
                (long long)at);
    CRD_TRY(crd_alloc_string(&list->names[at], name));
    list->n++;
cleanup:
    return status;
}

static char *strip(char *line)
{
    while (isspace((unsigned char)*line))
        line++;
    size_t length = strlen(line);
    while (length > 0 && isspace((unsigned char)line[length - 1]))
        line[--length] = '\0';
    return line;
}

static crd_status take_lines(name_list *list, char *text)
{
    crd_status status = CRD_OK;
    int64_t n_empty = 0;
    for (char *line = text, *next; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        const char *name = strip(line);
        if (*name == '\0') {
            n_empty++;
            continue;
        }
        CRD_REQUIRE(n_empty == 0, CRD_ERR_INPUT, "%s: line %lld is empty", list->path,
                    (long long)list->n + 1);
        CRD_TRY(set_name(list, list->n, name));
    }
cleanup:
    return status;
}

/* A name, or Keras' ["n01440764", "tench"], which becomes "n01440764, tench". */
static crd_status take_name(name_list *list, int64_t at, const json_t *value)
{
    crd_status status = CRD_OK;
    char *joined = NULL;
    const char *first = json_string_value(json_array_get(value, 0));
    const char *second = json_string_value(json_array_get(value, 1));
    if (json_is_string(value))
        return set_name(list, at, json_string_value(value));
    CRD_REQUIRE(json_array_size(value) == 2 && first != NULL && second != NULL, CRD_ERR_INPUT,
                "%s: class %lld: is neither a name nor [\"KEY\", \"NAME\"]", list->path,
                (long long)at);
    size_t size = strlen(first) + strlen(second) + sizeof ", ";
    CRD_ALLOC(&joined, size, "class name");
    snprintf(joined, size, "%s, %s", first, second);
    CRD_TRY(set_name(list, at, joined));
cleanup:
    crd_free(joined);
    return status;
}

/* {"0": name, ...}, or torchvision's class_to_idx, {name: 0, ...}. */
static crd_status take_index(name_list *list, json_t *root)
{
    crd_status status = CRD_OK;
    int64_t most = (int64_t)json_object_size(root) - 1, at;
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        if (json_is_integer(value)) {
            at = json_integer_value(value);
            CRD_REQUIRE(at >= 0 && at <= most, CRD_ERR_INPUT,
                        "%s: '%s': %lld is not from 0 to %lld, the classes of this index",
                        list->path, key, (long long)at, (long long)most);
            CRD_TRY(set_name(list, at, key));
        } else {
            CRD_REQUIRE(crd_text_to_int64(&at, key, 0, most, "class") == CRD_OK, CRD_ERR_INPUT,
                        "%s: '%s' is not a class number from 0 to %lld", list->path, key,
                        (long long)most);
            CRD_TRY(take_name(list, at, value));
        }
    }
cleanup:
    return status;
}

static crd_status take_json(name_list *list, const char *text)
{
    crd_status status = CRD_OK;
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    CRD_REQUIRE(root != NULL, CRD_ERR_INPUT, "%s: line %d: is no JSON: %s; allowed is " FORMS,
                list->path, error.line, error.text);
    for (size_t i = 0; i < json_array_size(root); i++)
        CRD_TRY(take_name(list, (int64_t)i, json_array_get(root, i)));
    if (json_is_object(root))
        CRD_TRY(take_index(list, root));
cleanup:
    json_decref(root);
    return status;
}

/* Is it text in UTF-8 at all, with line ends that make lines? */
static crd_status check_text(const char *text, int64_t n_bytes, const char *path)
{
    crd_status status = CRD_OK;
    char *copy = NULL;
    CRD_REQUIRE(strncmp(text, "\xff\xfe", 2) != 0 && strncmp(text, "\xfe\xff", 2) != 0,
                CRD_ERR_INPUT, "%s: is UTF-16 text; allowed is " FORMS, path);
    CRD_REQUIRE((int64_t)strlen(text) == n_bytes, CRD_ERR_INPUT,
                "%s: byte %lld is zero: this is no text in UTF-8; allowed is " FORMS, path,
                (long long)strlen(text));
    for (const char *c = strchr(text, '\r'); c != NULL; c = strchr(c + 1, '\r'))
        CRD_REQUIRE(c[1] == '\n', CRD_ERR_INPUT,
                    "%s: byte %lld ends a line as old Macs did; a line ends with \\n or \\r\\n",
                    path, (long long)(c - text));
    CRD_TRY(crd_utf8_copy(&copy, text));
    for (int64_t i = 0; i < n_bytes; i++)
        CRD_REQUIRE(copy[i] == text[i], CRD_ERR_INPUT,
                    "%s: byte %lld is no UTF-8; allowed is " FORMS, path, (long long)i);
cleanup:
    crd_free(copy);
    return status;
}

/* Clear the list in any case. */
static crd_status read_names(name_list *list, const char *path)
{
    crd_status status = CRD_OK;
    char *bytes = NULL;
    int64_t n_bytes;
    *list = (name_list){.path = path};
    CRD_TRY(crd_file_load(&bytes, &n_bytes, path, MAX_BYTES));
    CRD_TRY(check_text(bytes, n_bytes, path));
    char *text = bytes + (strncmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0); /* byte order mark */
    const char *first = text + strspn(text, " \t\r\n");
    CRD_TRY(*first == '[' || *first == '{' ? take_json(list, first) : take_lines(list, text));
    CRD_REQUIRE(list->n > 0, CRD_ERR_INPUT, "%s: no class names", path);
cleanup:
    crd_free(bytes);
    return status;
}

crd_status crd_classes_count(int64_t *n, const char *path)
{
    name_list list;
    crd_status status = read_names(&list, path);
    *n = list.n;
    clear_names(&list);
    return status;
}

crd_status crd_classes_read(crd_posterior *posterior, const char *path)
{
    crd_status status = CRD_OK;
    name_list list;
    CRD_TRY(read_names(&list, path));
    CRD_REQUIRE(list.n == posterior->n_classes, CRD_ERR_INPUT,
                "%s: %lld class names, but the network has %lld classes", path, (long long)list.n,
                (long long)posterior->n_classes);
    posterior->classes = list.names;
    list = (name_list){0};
cleanup:
    clear_names(&list);
    return status;
}
