/* What lies in a file of any kind: a line, or an object, for each attribute and each dataset. */
#include "report/contents.h"

#include <inttypes.h>
#include <stdio.h>

#include "report/output.h"

crd_contents crd_contents_begin(json_t *root, const char *key, json_t *list, const char *title)
{
    if (root != NULL) {
        json_object_set_new(root, key, list);
        return (crd_contents){.into = list};
    }
    json_decref(list);
    puts(title);
    return (crd_contents){0};
}

void crd_contents_add_attribute(const char *name, const char *value, void *payload)
{
    const crd_contents *c = payload;
    if (c->into != NULL) {
        json_object_set_new(c->into, name, crd_json_text(value));
        return;
    }
    printf("  ");
    crd_print_padded(name, 28);
    printf("  ");
    crd_print_clean(value);
    putchar('\n');
}

static json_t *dataset_to_json(const char *path, const char *type, const crd_shape *shape,
                               uint64_t digest, int matches)
{
    char hex[17];
    snprintf(hex, sizeof hex, "%016" PRIx64, digest);
    json_t *dims = json_array();
    for (int d = 0; d < shape->n_dims; d++)
        json_array_append_new(dims, json_integer(shape->dims[d]));
    return json_pack("{s:o, s:s, s:o, s:s, s:b}", "path", crd_json_text(path), "type", type,
                     "shape", dims, "digest", hex, "matches", matches);
}

void crd_contents_add_dataset(const char *path, const char *type, const crd_shape *shape,
                              uint64_t digest, int matches, void *payload)
{
    crd_contents *c = payload;
    char text[CRD_SHAPE_TEXT_SIZE];
    c->n_damaged += !matches;
    if (c->into != NULL)
        json_array_append_new(c->into, dataset_to_json(path, type, shape, digest, matches));
    else
        printf("  %016" PRIx64 "  %-8s %-22s %s%s\n", digest, type, crd_shape_text(text, shape),
               path, matches ? "" : "  DAMAGED");
}
