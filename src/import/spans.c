/* A table of places in a file. Nothing says whether bytes are damaged: these containers have no
 * checksums. */
#include "import/spans.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"

typedef struct span {
    char key[CRD_SPAN_KEY_SIZE];
    int64_t offset, n_bytes;
} span;

typedef struct spans {
    crd_storages storages;
    int fd;
    const char *path;
    span *spans;
    int64_t n_spans;
    int64_t at; /* of the open one */
} spans;

static crd_status find_span(int64_t *member, int64_t *n_bytes, crd_storages *storages,
                            const char *key)
{
    const spans *s = (const spans *)storages;
    for (int64_t i = 0; i < s->n_spans; i++)
        if (strcmp(s->spans[i].key, key) == 0) {
            *member = i;
            *n_bytes = s->spans[i].n_bytes;
            return CRD_OK;
        }
    return CRD_FAIL(CRD_ERR_INPUT, "storage %s is missing", key);
}

static crd_status begin_span(crd_storages *storages, int64_t member)
{
    spans *s = (spans *)storages;
    s->at = s->spans[member].offset;
    return CRD_OK;
}

static crd_status read_span(void *out, crd_storages *storages, int64_t n)
{
    spans *s = (spans *)storages;
    crd_status status = crd_file_read(out, s->fd, n, s->at, s->path);
    s->at += n;
    return status;
}

static crd_status end_span(crd_storages *storages)
{
    (void)storages;
    return CRD_OK;
}

static void close_spans(crd_storages *storages)
{
    crd_free(((spans *)storages)->spans);
}

static const crd_storages_kind spans_kind = {"storage ", 6,        find_span,  begin_span,
                                             read_span,  end_span, close_spans};

void crd_storages_close(crd_storages *storages)
{
    if (storages == NULL)
        return;
    storages->kind->close(storages);
    crd_free(storages);
}

crd_status crd_spans_create(crd_storages **out, int fd, const char *path, int64_t n_spans)
{
    crd_status status;
    spans *s = NULL;
    *out = NULL;
    CRD_ALLOC(&s, 1, "table of storages");
    s->storages.kind = &spans_kind;
    s->fd = fd;
    s->path = path;
    CRD_ALLOC(&s->spans, n_spans, "table of storages");
    *out = &s->storages;
    return CRD_OK;
cleanup:
    crd_free(s);
    return status;
}

void crd_spans_add(crd_storages *storages, const char *key, int64_t offset, int64_t n_bytes)
{
    spans *s = (spans *)storages;
    span *added = &s->spans[s->n_spans++];
    snprintf(added->key, sizeof added->key, "%s", key == NULL ? "" : key);
    added->offset = offset;
    added->n_bytes = n_bytes;
}
